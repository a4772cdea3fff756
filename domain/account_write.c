#include "domain/account_write.h"

#include <utf8proc.h>

#include "base/clock.h"
#include "domain/saka.h"
#include "domain/session.h"

/* ---- usernames ---- */

/* What Python's \w takes, and four signs more. Marks that combine with a letter are not among it. */
static bool is_name_char(utf8proc_int32_t c)
{
	if (c < 0x80)
		return str_is_alpha((char)c) || str_is_digit((char)c) || (c && strchr("_@.+-", c));
	switch (utf8proc_category(c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return true;
	default:
		return false;
	}
}

bool account_name_is_formed(struct str s)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n;

	for (size_t i = 0; i < s.len; i += (size_t)n) {
		n = utf8proc_iterate((const utf8proc_uint8_t *)s.s + i, (utf8proc_ssize_t)(s.len - i), &c);
		if (n <= 0 || !is_name_char(c))
			return false;
	}
	return s.len > 0;
}

int account_name_is_taken(struct db_conn *db, struct str username)
{
	int64_t one;
	int r = db_select_int(db, "SELECT 1 FROM auth_user WHERE username = $1", DB_PARAMS(DB_TEXT(username)), &one);

	if (r == 0)
		return 1;
	return r == ERR_NOT_FOUND ? 0 : r;
}

int account_name_fault(struct db_conn *db, struct str username, const char **ret_sentence)
{
	int taken;

	*ret_sentence = NULL;
	if (!account_name_is_formed(username)) {
		*ret_sentence = ACCOUNT_NAME_FORM;
		return 0; /* and so nobody has it */
	}
	taken = account_name_is_taken(db, username);
	if (taken == 1)
		*ret_sentence = ACCOUNT_NAME_TAKEN;
	return taken < 0 ? taken : 0;
}

/* ---- making one ---- */

struct creation {
	struct new_account *account;
	char hash[PASSWORD_HASH_SIZE];
};

static int insert_user(struct db_conn *db, const struct creation *c, struct instant now, int64_t *ret_id)
{
	static const char insert[] = "INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, is_staff, "
	                             "is_active, date_joined, first_name) VALUES ($1, NULL, $2, $3, $4, $5, $6, TRUE, $7, $8) "
	                             "ON CONFLICT (username) DO NOTHING RETURNING id";
	const struct new_account *a = c->account;
	int r = db_select_int(db, insert,
	                      DB_PARAMS(DB_TEXT(str_of(c->hash)), DB_BOOL(a->is_superuser), DB_TEXT(a->username), DB_TEXT(a->last_name),
	                                DB_TEXT(a->email), DB_BOOL(a->is_staff), DB_TIME(now), DB_TEXT(a->first_name)),
	                      ret_id);

	return r == ERR_NOT_FOUND ? ERR_CONFLICT : r;
}

static int insert_profile(struct db_conn *db, int64_t user_id, struct instant now)
{
	static const struct db_statement insert = {
		"INSERT INTO core_profile (display_name, bio, avatar, created_at, updated_at, user_id) VALUES ('', '', NULL, $2, $2, $1)"
	};

	return db_execute(db, &insert, DB_PARAMS(DB_INT(user_id), DB_TIME(now)), NULL);
}

static int write_account(struct db_conn *db, void *arg)
{
	struct creation *c = arg;
	struct instant now = clock_now();
	struct saka_wallet wallet;
	int64_t id;
	int r = insert_user(db, c, now, &id);

	if (r == 0)
		r = insert_profile(db, id, now);
	if (r == 0)
		r = saka_wallet_ensure(db, id, &wallet);
	if (r == 0)
		c->account->id = id;
	return r;
}

int account_create(struct db_conn *db, struct new_account *account)
{
	struct creation c = { .account = account };
	int r = password_hash(account->password, c.hash);

	return r < 0 ? r : db_write(db, write_account, &c);
}

/* ---- passwords ---- */

struct change {
	struct str username;
	char hash[PASSWORD_HASH_SIZE];
};

static int write_password(struct db_conn *db, void *arg)
{
	static const char update[] = "UPDATE auth_user SET password = $2 WHERE username = $1 RETURNING id";
	const struct change *c = arg;
	int64_t id;
	int r = db_select_int(db, update, DB_PARAMS(DB_TEXT(c->username), DB_TEXT(str_of(c->hash))), &id);

	return r < 0 ? r : session_revoke_all(db, id);
}

int account_set_password(struct db_conn *db, struct str username, struct str password)
{
	struct change c = { .username = username };
	int r = password_hash(password, c.hash);

	return r < 0 ? r : db_write(db, write_password, &c);
}
