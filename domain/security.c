#include "domain/security.h"

#define COUNT(condition) "COALESCE(sum(CASE WHEN " condition " THEN 1 ELSE 0 END), 0)"

static const struct db_column count_columns[] = {
	DB_COLUMN(struct security_counts, weak_passwords, INT, COUNT("last_login IS NOT NULL AND substr(password, 1, 6) <> 'argon2'")),
	DB_COLUMN(struct security_counts, inactive_users, INT, COUNT("is_active AND last_login < $1")),
	DB_COLUMN(struct security_counts, admin_accounts, INT, COUNT("is_superuser")),
};
static const struct db_row count_row = DB_ROW(struct security_counts, count_columns);

int security_count(struct db_conn *db, struct arena *arena, struct instant unused_since, struct security_counts *ret_counts)
{
	static const struct db_statement count = { "SELECT $cols FROM auth_user", &count_row };

	return db_select_one(db, &count, DB_PARAMS(DB_TIME(unused_since)), arena, ret_counts);
}
