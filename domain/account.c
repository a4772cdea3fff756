#include "domain/account.h"

#define IN_GROUP(name) \
	"EXISTS (SELECT 1 FROM auth_user_groups m JOIN auth_group g ON g.id = m.group_id WHERE m.user_id = u.id AND g.name = " name ")"

static const struct db_column account_columns[] = {
	DB_COLUMN(struct account, id, INT, "u.id"),
	DB_COLUMN(struct account, username, TEXT, "u.username"),
	DB_COLUMN(struct account, email, TEXT, "u.email"),
	DB_COLUMN(struct account, first_name, TEXT, "u.first_name"),
	DB_COLUMN(struct account, last_name, TEXT, "u.last_name"),
	DB_COLUMN(struct account, is_active, BOOL, "u.is_active"),
	DB_COLUMN(struct account, is_staff, BOOL, "u.is_staff"),
	DB_COLUMN(struct account, is_superuser, BOOL, "u.is_superuser"),
	DB_COLUMN(struct account, is_founder, BOOL, IN_GROUP("$2")),
	DB_COLUMN(struct account, is_editor, BOOL, IN_GROUP("'Content_Editors'")),
	DB_COLUMN(struct account, is_contributor, BOOL, IN_GROUP("'Content_Contributors'")),
};
static const struct db_row account_row = DB_ROW(struct account, account_columns);

int account_find(struct db_conn *db, struct arena *arena, int64_t id, struct str founders, struct account *ret_account)
{
	static const struct db_statement by_id = { "SELECT $cols FROM auth_user u WHERE u.id = $1", &account_row };
	struct account found;
	int r;

	memset(&found, 0, sizeof(found));
	r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(id), DB_TEXT(founders)), arena, &found);
	if (r < 0)
		return r;
	found.is_editor = found.is_editor || account_is_admin(&found);
	found.is_contributor = found.is_contributor || found.is_editor;
	*ret_account = found;
	return 0;
}
