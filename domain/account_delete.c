/*
 * One transaction. Deleting follows the rules of the schema (db/cascade.h), so a table that is added later is taken along;
 * what protects the account, rows that refer to it and must stay, is known before anything is deleted.
 */
#include "domain/account_delete.h"

#include <stdio.h>

#include "base/random.h"
#include "db/cascade.h"
#include "domain/account_data.h"
#include "domain/audit.h"
#include "domain/password.h"
#include "domain/session.h"
#include "domain/stale.h"

#define SUFFIX_LETTERS 8

struct deletion {
	int64_t id;
	struct arena *arena;
	char name[64], other_name[80]; /* of one who stays without a name; the other when somebody has taken the first */
	char email[64];
	char hash[PASSWORD_HASH_SIZE];
	struct str avatar;
};

struct avatar {
	struct str path;
};
static const struct db_column avatar_columns[] = { DB_COLUMN(struct avatar, path, TEXT, "p.avatar") };
static const struct db_row avatar_row = DB_ROW(struct avatar, avatar_columns);

/* Also says whether there is such an account. */
static int read_avatar(struct db_conn *db, struct deletion *d)
{
	static const struct db_statement by_id = {
		"SELECT $cols FROM auth_user u LEFT JOIN core_profile p ON p.user_id = u.id WHERE u.id = $1", &avatar_row
	};
	struct avatar avatar;
	int r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(d->id)), d->arena, &avatar);

	if (r == 0)
		d->avatar = avatar.path;
	return r;
}

/* Its kind and its time stay, for statistics. */
static int anonymise_intents(struct db_conn *db, const struct deletion *d)
{
	static const struct db_statement update = {
		"UPDATE core_intent SET nom = 'Utilisateur supprimé', message = 'Données supprimées à la demande de l''utilisateur.', "
		"email = $2, ip = NULL, user_agent = NULL, document_url = NULL "
		"WHERE id IN (SELECT i.id FROM core_intent i JOIN auth_user u ON " ACCOUNT_INTENT_IS_OWN " WHERE u.id = $1)"
	};

	return db_execute(db, &update, DB_PARAMS(DB_INT(d->id), DB_TEXT(str_of(d->email))), NULL);
}

static int anonymise_user(struct db_conn *db, const struct deletion *d)
{
	static const struct db_statement update = {
		"UPDATE auth_user SET username = CASE WHEN EXISTS (SELECT 1 FROM auth_user o WHERE o.username = $2) "
		"THEN $3 ELSE $2 END, password = $4, email = '', first_name = '', last_name = '', is_active = FALSE, is_staff = FALSE, "
		"is_superuser = FALSE WHERE id = $1"
	};

	return db_execute(db, &update,
	                  DB_PARAMS(DB_INT(d->id), DB_TEXT(str_of(d->name)), DB_TEXT(str_of(d->other_name)), DB_TEXT(str_of(d->hash))),
	                  NULL);
}

/* The account stays, with nobody behind it. */
static int make_dead(struct db_conn *db, const struct deletion *d)
{
	static const struct db_statement rest[] = {
		{ "UPDATE core_profile SET display_name = '', bio = '', avatar = NULL WHERE user_id = $1" },
		{ "DELETE FROM auth_user_groups WHERE user_id = $1" },
		{ "DELETE FROM auth_user_user_permissions WHERE user_id = $1" },
	};
	int r = anonymise_user(db, d);

	for (size_t i = 0; i < N_ELEMENTS(rest) && r == 0; i++)
		r = db_execute(db, &rest[i], DB_PARAMS(DB_INT(d->id)), NULL);
	return r;
}

static int write_deletion(struct db_conn *db, void *arg)
{
	struct deletion *d = arg;
	int r = read_avatar(db, d);

	if (r == 0)
		r = anonymise_intents(db, d);
	if (r == 0)
		r = session_revoke_all(db, d->id);
	if (r == 0)
		r = cascade_delete(db, "auth_user", d->id);
	if (r == ERR_CONFLICT) /* contracts, shares, transactions that a contract holds: they stay */
		r = make_dead(db, d);
	if (r == 0)
		r = audit_write(db, NULL_INT, "account_delete", "user", d->id, (struct json_text){ { NULL, 0 } });
	return r;
}

static int prepare(struct deletion *d)
{
	char suffix[SUFFIX_LETTERS + 1];
	int r = random_letters(suffix, SUFFIX_LETTERS);

	snprintf(d->name, sizeof(d->name), "deleted_%lld", (long long)d->id);
	snprintf(d->email, sizeof(d->email), "%.40s@deleted.local", d->name);
	if (r == 0)
		snprintf(d->other_name, sizeof(d->other_name), "%.40s_%s", d->name, suffix);
	return r == 0 ? password_unusable(d->hash) : r;
}

int account_delete(struct db_conn *db, struct cache *cache, struct redis_budget *budget, struct arena *arena, int64_t id,
                   struct str *ret_avatar)
{
	struct deletion d = { .id = id, .arena = arena };
	int r = prepare(&d);

	if (r == 0)
		r = db_write(db, write_deletion, &d);
	if (r < 0)
		return r;
	stale_after(cache, budget, CHANGE_CONTENT, NULL_INT); /* its likes are gone, and its name from what it wrote */
	*ret_avatar = d.avatar;
	return 0;
}
