#include "domain/account.h"

#include "domain/password.h"

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

static void add_implied_roles(struct account *a)
{
	a->is_editor = a->is_editor || account_is_admin(a);
	a->is_contributor = a->is_contributor || a->is_editor;
}

int account_find(struct db_conn *db, struct arena *arena, int64_t id, struct str founders, struct account *ret_account)
{
	static const struct db_statement by_id = { "SELECT $cols FROM auth_user u WHERE u.id = $1", &account_row };
	struct account found;
	int r;

	memset(&found, 0, sizeof(found));
	r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(id), DB_TEXT(founders)), arena, &found);
	if (r < 0)
		return r;
	add_implied_roles(&found);
	*ret_account = found;
	return 0;
}

/* ---- name and password ---- */

struct credentials {
	int64_t id;
	struct str hash;
};

static const struct db_column credentials_columns[] = {
	DB_COLUMN(struct credentials, id, INT, "id"),
	DB_COLUMN(struct credentials, hash, TEXT, "password"),
};
static const struct db_row credentials_row = DB_ROW(struct credentials, credentials_columns);

struct upgrade {
	const struct credentials *old;
	char hash[PASSWORD_HASH_SIZE];
};

/* Only while the hash is the one that matched: whoever changed the password meanwhile has the last word. */
static int write_upgrade(struct db_conn *db, void *arg)
{
	static const struct db_statement update = { "UPDATE auth_user SET password = $1 WHERE id = $2 AND password = $3" };
	const struct upgrade *u = arg;

	return db_execute(db, &update, DB_PARAMS(DB_TEXT(str_of(u->hash)), DB_INT(u->old->id), DB_TEXT(u->old->hash)), NULL);
}

static void upgrade_hash(struct db_conn *db, const struct credentials *old, struct str password)
{
	struct upgrade u = { .old = old };

	if (password_is_outdated(old->hash) && password_hash(password, u.hash) == 0)
		(void)!db_write(db, write_upgrade, &u);
}

int account_authenticate(struct db_conn *db, struct arena *arena, struct str username, struct str password, struct str founders,
                         struct account *ret_account)
{
	static const struct db_statement by_name = { "SELECT $cols FROM auth_user WHERE username = $1", &credentials_row };
	struct credentials found;
	struct account account;
	int r = str_find(username, '\0') >= 0 ? ERR_NOT_FOUND : db_select_one(db, &by_name, DB_PARAMS(DB_TEXT(username)), arena, &found);

	if (r == ERR_NOT_FOUND) {
		password_spend(password);
		return ERR_FORBIDDEN;
	}
	if (r < 0)
		return r;
	r = password_verify(password, found.hash);
	if (r <= 0)
		return r < 0 ? r : ERR_FORBIDDEN;
	r = account_find(db, arena, found.id, founders, &account);
	if (r == ERR_NOT_FOUND || (r == 0 && !account.is_active))
		return ERR_FORBIDDEN;
	if (r < 0)
		return r;
	upgrade_hash(db, &found, password);
	*ret_account = account;
	return 0;
}
