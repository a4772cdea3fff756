/*
 * A token is made before its transaction and written in it: making it needs no database, and a closure may run twice.
 */
#include "domain/session.h"

#include "base/clock.h"
#include "domain/account.h"
#include "domain/token.h"

#define MINUTE_S INT64_C(60)
#define DAY_S    INT64_C(86400)

#define MAX_JTI_BYTES 255 /* of the column */

/* A pair that is made but not yet given. */
struct pair {
	int64_t user_id;
	struct instant now;
	struct token access, refresh;
};

static int make_pair(const struct settings *s, struct arena *arena, int64_t user_id, struct pair *ret_pair)
{
	struct pair pair = { .user_id = user_id, .now = clock_now() };
	struct str key = str_of(s->secret_key);
	int r = token_issue(key, TOKEN_ACCESS, user_id, pair.now, s->access_token_minutes * MINUTE_S, arena, &pair.access);

	if (r == 0)
		r = token_issue(key, TOKEN_REFRESH, user_id, pair.now, s->refresh_token_days * DAY_S, arena, &pair.refresh);
	if (r == 0)
		*ret_pair = pair;
	return r;
}

static void give(const struct pair *pair, struct session *ret_session)
{
	*ret_session = (struct session){ .access = pair->access.text, .refresh = pair->refresh.text };
}

static int add_outstanding(struct db_conn *db, const struct token *token, int64_t user_id, struct instant now)
{
	static const struct db_statement insert = {
		"INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at) VALUES ($1, $2, $3, $4, $5) "
		"ON CONFLICT (jti) DO NOTHING"
	};

	return db_execute(db, &insert,
	                  DB_PARAMS(DB_INT(user_id), DB_TEXT(token->jti), DB_TEXT(token->text), DB_TIME(now), DB_TIME(token->expires_at)),
	                  NULL);
}

/* ---- opening ---- */

static int write_pair(struct db_conn *db, void *arg)
{
	const struct pair *pair = arg;

	return add_outstanding(db, &pair->refresh, pair->user_id, pair->now);
}

static int write_login(struct db_conn *db, void *arg)
{
	static const struct db_statement update = { "UPDATE auth_user SET last_login = $2 WHERE id = $1" };
	const struct pair *pair = arg;
	int r = write_pair(db, arg);

	return r < 0 ? r : db_execute(db, &update, DB_PARAMS(DB_INT(pair->user_id), DB_TIME(pair->now)), NULL);
}

int session_open(struct db_conn *db, const struct settings *settings, struct arena *arena, struct str username, struct str password,
                 struct session *ret_session)
{
	struct account account;
	struct pair pair;
	int r = account_authenticate(db, arena, username, password, str_of(settings->founder_group_name), &account);

	if (r == 0)
		r = make_pair(settings, arena, account.id, &pair);
	if (r < 0)
		return r;
	if (db_write(db, write_login, &pair) < 0) /* the time of the login is not worth refusing it */
		r = db_write(db, write_pair, &pair);
	if (r == 0)
		give(&pair, ret_session);
	return r;
}

/* ---- renewing ---- */

struct renewal {
	const struct token *used;
	const struct pair *pair;
	bool granted;
};

/* Whether this call is the one that uses the token up. */
static int use_up(struct db_conn *db, const struct token *token, struct instant now, bool *ret_first)
{
	static const struct db_statement insert = {
		"INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) "
		"SELECT id, $2 FROM token_blacklist_outstandingtoken WHERE jti = $1 ON CONFLICT (token_id) DO NOTHING"
	};
	int64_t changed = 0;
	int r = add_outstanding(db, token, token->user_id, now);

	if (r == 0)
		r = db_execute(db, &insert, DB_PARAMS(DB_TEXT(token->jti), DB_TIME(now)), &changed);
	*ret_first = changed == 1;
	return r;
}

/* An account that is away or inactive gets nothing: what it says is whether to go on. */
static int read_activity(struct db_conn *db, int64_t user_id, bool *ret_exists, bool *ret_active)
{
	int64_t active = 0;
	int r = db_select_int(db, "SELECT CASE WHEN is_active THEN 1 ELSE 0 END FROM auth_user WHERE id = $1", DB_PARAMS(DB_INT(user_id)),
	                      &active);

	*ret_exists = r == 0;
	*ret_active = active == 1;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int write_renewal(struct db_conn *db, void *arg)
{
	struct renewal *renewal = arg;
	const struct pair *pair = renewal->pair;
	bool exists, active, first = false;
	int r = read_activity(db, pair->user_id, &exists, &active);

	renewal->granted = false;
	if (r == 0 && exists)
		r = use_up(db, renewal->used, pair->now, &first);
	if (r < 0 || !first || !active)
		return r;
	renewal->granted = true;
	return add_outstanding(db, &pair->refresh, pair->user_id, pair->now);
}

static bool is_usable(const struct token *token)
{
	return token->has_user && token->user_id != NULL_INT && token->jti.len <= MAX_JTI_BYTES;
}

int session_renew(struct db_conn *db, const struct settings *settings, struct arena *arena, struct str refresh, struct session *ret_session)
{
	struct renewal renewal = { 0 };
	struct token used;
	struct pair pair;
	int r = token_verify(str_of(settings->secret_key), refresh, TOKEN_REFRESH, clock_now(), arena, &used);

	if (r == ERR_INVALID || (r == 0 && !is_usable(&used)))
		return ERR_FORBIDDEN;
	if (r == 0)
		r = make_pair(settings, arena, used.user_id, &pair);
	if (r < 0)
		return r;
	renewal = (struct renewal){ .used = &used, .pair = &pair };
	r = db_write(db, write_renewal, &renewal);
	if (r < 0)
		return r;
	if (!renewal.granted)
		return ERR_FORBIDDEN;
	give(&pair, ret_session);
	return 0;
}

int session_revoke_all(struct db_conn *db, int64_t user_id)
{
	static const struct db_statement insert = {
		"INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at) "
		"SELECT id, $2 FROM token_blacklist_outstandingtoken WHERE user_id = $1 ON CONFLICT (token_id) DO NOTHING"
	};

	return db_execute(db, &insert, DB_PARAMS(DB_INT(user_id), DB_TIME(clock_now())), NULL);
}

/* ---- purge ---- */

struct purge {
	struct instant before;
	int64_t limit, deleted;
};

static int purge_tokens(struct db_conn *db, void *arg)
{
#define ENDED "(SELECT id FROM token_blacklist_outstandingtoken WHERE expires_at < $1 ORDER BY id LIMIT $2)"
	static const struct db_statement delete_uses = { "DELETE FROM token_blacklist_blacklistedtoken WHERE token_id IN " ENDED };
	static const struct db_statement delete_tokens = { "DELETE FROM token_blacklist_outstandingtoken WHERE id IN " ENDED };
	struct purge *p = arg;
	int r = db_execute(db, &delete_uses, DB_PARAMS(DB_TIME(p->before), DB_INT(p->limit)), NULL);

	return r < 0 ? r : db_execute(db, &delete_tokens, DB_PARAMS(DB_TIME(p->before), DB_INT(p->limit)), &p->deleted);
#undef ENDED
}

int session_purge(struct db_conn *db, struct instant before, int64_t limit)
{
	struct purge p = { before, limit, 0 };
	int r = db_write(db, purge_tokens, &p);

	return r < 0 ? r : (int)p.deleted;
}
