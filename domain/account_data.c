#include "domain/account_data.h"

#include "base/clock.h"

static const struct db_column view_columns[] = {
	DB_COLUMN(struct account_view, id, INT, "u.id"),
	DB_COLUMN(struct account_view, username, TEXT, "u.username"),
	DB_COLUMN(struct account_view, email, TEXT, "u.email"),
	DB_COLUMN(struct account_view, first_name, TEXT, "u.first_name"),
	DB_COLUMN(struct account_view, last_name, TEXT, "u.last_name"),
	DB_COLUMN(struct account_view, is_staff, BOOL, "u.is_staff"),
	DB_COLUMN(struct account_view, is_superuser, BOOL, "u.is_superuser"),
	DB_COLUMN(struct account_view, profile_id, INT, "p.id"),
	DB_COLUMN(struct account_view, display_name, TEXT, "p.display_name"),
	DB_COLUMN(struct account_view, bio, TEXT, "p.bio"),
	DB_COLUMN(struct account_view, avatar, TEXT, "p.avatar"),
};
static const struct db_row view_row = DB_ROW(struct account_view, view_columns);

int account_view_find(struct db_conn *db, struct arena *arena, int64_t id, struct account_view *ret_view)
{
	static const struct db_statement by_id = {
		"SELECT $cols FROM auth_user u LEFT JOIN core_profile p ON p.user_id = u.id WHERE u.id = $1", &view_row
	};

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_view);
}

static const struct db_column export_columns[] = {
	DB_COLUMN(struct account_export, id, INT, "id"),
	DB_COLUMN(struct account_export, username, TEXT, "username"),
	DB_COLUMN(struct account_export, email, TEXT, "email"),
	DB_COLUMN(struct account_export, date_joined, TIME, "date_joined"),
	DB_COLUMN(struct account_export, last_login, TIME, "last_login"),
};
static const struct db_row export_row = DB_ROW(struct account_export, export_columns);

static const struct db_column intent_columns[] = {
	DB_COLUMN(struct account_intent, id, INT, "i.id"),
	DB_COLUMN(struct account_intent, name, TEXT, "i.nom"),
	DB_COLUMN(struct account_intent, email, TEXT, "i.email"),
	DB_COLUMN(struct account_intent, message, TEXT, "i.message"),
	DB_COLUMN(struct account_intent, created_at, TIME, "i.created_at"),
};
static const struct db_row intent_row = DB_ROW(struct account_intent, intent_columns);

int account_export_read(struct db_conn *db, struct arena *arena, int64_t id, struct account_export *ret_export)
{
	static const struct db_statement by_id = { "SELECT $cols FROM auth_user WHERE id = $1", &export_row };
	static const struct db_statement own_intents = { "SELECT $cols FROM core_intent i JOIN auth_user u ON " ACCOUNT_INTENT_IS_OWN
		                                         " WHERE u.id = $1 "
		                                         "ORDER BY i.created_at DESC, i.id DESC",
		                                         &intent_row };
	struct account_export found;
	int r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, &found);

	if (r == 0)
		r = db_select(db, &own_intents, DB_PARAMS(DB_INT(id)), arena, &found.intents);
	if (r < 0)
		return r;
	found.export_date = clock_now();
	*ret_export = found;
	return 0;
}
