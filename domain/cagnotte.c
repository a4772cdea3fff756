#include "domain/cagnotte.h"

static const struct db_column cagnotte_columns[] = {
	DB_COLUMN(struct cagnotte, id, INT, "id"),
	DB_COLUMN(struct cagnotte, titre, TEXT, "titre"),
	DB_COLUMN(struct cagnotte, description, TEXT, "description"),
	DB_COLUMN(struct cagnotte, montant_cible, FLOAT, "montant_cible"),
	DB_COLUMN(struct cagnotte, montant_collecte, FLOAT, "montant_collecte"),
	DB_COLUMN(struct cagnotte, created_at, TIME, "created_at"),
	DB_COLUMN(struct cagnotte, projet_id, INT, "projet_id"),
};
static const struct db_row cagnotte_row = DB_ROW(struct cagnotte, cagnotte_columns);

int cagnotte_count(struct db_conn *db, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) FROM core_cagnotte", DB_NO_PARAMS, ret_count);
}

int cagnotte_list(struct db_conn *db, struct arena *arena, int64_t limit, int64_t offset, struct db_rows *ret_cagnottes)
{
	static const struct db_statement newest_first = {
		"SELECT $cols FROM core_cagnotte ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2", &cagnotte_row
	};

	return db_select(db, &newest_first, DB_PARAMS(DB_INT(limit), DB_INT(offset)), arena, ret_cagnottes);
}
