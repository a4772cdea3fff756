#include "domain/backer.h"

struct title {
	struct str text;
};

static int read_title(struct db_conn *db, struct arena *arena, int64_t project_id, struct str *ret_title)
{
	static const struct db_column columns[] = { DB_COLUMN(struct title, text, TEXT, "titre") };
	static const struct db_row row = DB_ROW(struct title, columns);
	static const struct db_statement find = { "SELECT $cols FROM core_projet WHERE id = $1", &row };
	struct title title;
	int r = db_select_one(db, &find, DB_PARAMS(DB_INT(project_id)), arena, &title);

	if (r == 0)
		*ret_title = title.text;
	return r;
}

/* A row for each contract; those of one person stand together. */
static int read_contracts(struct db_conn *db, struct arena *arena, int64_t project_id, struct db_rows *ret_rows)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct backer, user_id, INT, "u.id"),
		DB_COLUMN(struct backer, username, TEXT, "u.username"),
		DB_COLUMN(struct backer, email, TEXT, "u.email"),
		DB_COLUMN(struct backer, amount, DECIMAL, "e.amount"),
	};
	static const struct db_row row = DB_ROW(struct backer, columns);
	static const struct db_statement read = {
		"SELECT $cols FROM (SELECT id, user_id, amount FROM finance_escrowcontract WHERE project_id = $1 AND status = 'RELEASED' "
		"ORDER BY id LIMIT $2) e JOIN auth_user u ON u.id = e.user_id ORDER BY u.id, e.id",
		&row
	};

	return db_select(db, &read, DB_PARAMS(DB_INT(project_id), DB_INT(BACKERS_CONTRACTS_MAX)), arena, ret_rows);
}

/* The rows of one person become one, in place. */
static void add_up(struct db_rows *rows)
{
	struct backer *list = rows->items;
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (n && list[n - 1].user_id == list[i].user_id)
			list[n - 1].amount.cents += list[i].amount.cents;
		else
			list[n++] = list[i];
	}
	rows->n = n;
}

int backers_read(struct db_conn *db, struct arena *arena, int64_t project_id, struct backers *ret)
{
	struct backers found = { .list = { NULL, 0 } };
	int r = read_title(db, arena, project_id, &found.title);

	if (r == 0)
		r = db_select_int(db, "SELECT COUNT(*) FROM finance_escrowcontract WHERE project_id = $1 AND status = 'RELEASED'",
		                  DB_PARAMS(DB_INT(project_id)), &found.all);
	if (r == 0)
		r = read_contracts(db, arena, project_id, &found.list);
	if (r < 0)
		return r;
	found.contracts = (int64_t)found.list.n;
	add_up(&found.list);
	*ret = found;
	return 0;
}
