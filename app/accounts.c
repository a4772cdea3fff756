/*
 * egoejo createsuperuser and egoejo changepassword. What they ask for comes from a terminal or from a pipe (app/ask.h); the
 * rules are those of the API, and so are the sentences that tell of a broken one.
 */
#include <stdio.h>
#include <sysexits.h>

#include "api/text_form.h"
#include "app/ask.h"
#include "app/command.h"
#include "domain/account_write.h"

/* The database of the settings, with its tables, and a connection to it. */
struct opened {
	struct db *db;
	struct db_conn *conn;
};

static int open_database(struct opened *o, struct error *err)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state state = SCHEMA_EMPTY;
	struct settings *settings = NULL;
	int r = command_load_settings(&settings, err);

	if (r >= 0)
		r = command_open_database(settings, false, &o->db, err);
	settings_destroy(settings);
	if (r >= 0)
		r = command_inspect_schema(o->db, &state, &differences, err);
	if (r >= 0 && state != SCHEMA_CURRENT && state != SCHEMA_KNOWN)
		r = error_set(err, ERR_SCHEMA, "%s: %s", db_shown_url(o->db),
		              state == SCHEMA_EMPTY ? "no tables yet: run egoejo migrate" : "its tables differ: run egoejo check");
	return r >= 0 ? db_connect(o->db, &o->conn, err) : r;
}

static void close_database(struct opened *o)
{
	db_disconnect(o->conn);
	db_close(o->db);
}

/* What a domain call returned, in words. */
static int tell(struct opened *o, int code, const char *what, struct error *err)
{
	const char *detail = db_error(o->conn);

	return error_set(err, code, "%s: %s%s%s", what, error_name(code), *detail ? ": " : "", detail);
}

/* Without white space around, which the API takes away before it looks at a password (accounts.md 3.1). */
static int ask_trimmed(const char *prompt, bool secret, struct buf *line, struct str *ret_text, struct error *err)
{
	int r = ask_line(prompt, secret, line, err);

	*ret_text = str_trim_unicode(buf_view(line));
	if (!ret_text->s)
		*ret_text = (struct str)STR("");
	return r;
}

static int judge_password(struct str password, struct error *err)
{
	const char *sentences[PASSWORD_RULES] = { "", "", "" };
	int n = password_faults(password, sentences);

	if (n < 0)
		return error_set(err, n, "out of memory");
	if (str_find(password, '\0') >= 0)
		return error_set(err, ERR_INVALID, "the password is refused: it holds a NUL");
	return n ? error_set(err, ERR_INVALID, "the password is refused: %s %s %s", sentences[0], sentences[1], sentences[2]) : 0;
}

/* The new password, judged; on a terminal typed twice. *line holds it. */
static int ask_password(struct buf *line, struct str *ret_password, struct error *err)
{
	CLEANUP(ask_forget) struct buf again_line = BUF_EMPTY;
	struct str again;
	int r = ask_trimmed("Password: ", /* secret: */ true, line, ret_password, err);

	if (r < 0)
		return r;
	if (!ask_has_terminal())
		return judge_password(*ret_password, err);
	r = ask_trimmed("Password (again): ", /* secret: */ true, &again_line, &again, err);
	if (r < 0)
		return r;
	return str_equal(*ret_password, again) ? judge_password(*ret_password, err)
	                                       : error_set(err, ERR_INVALID, "the two passwords differ");
}

/* ---- createsuperuser ---- */

static int judge_username(struct opened *o, struct str username, struct error *err)
{
	const char *sentence = NULL;
	int r;

	if (!str_valid_utf8(username) || str_count_chars(username) > ACCOUNT_NAME_CHARS)
		return error_set(err, ERR_INVALID, "the username is refused: more than %d characters, or no valid UTF-8",
		                 ACCOUNT_NAME_CHARS);
	r = account_name_fault(o->conn, username, &sentence);
	if (r < 0)
		return tell(o, r, "the username", err);
	return sentence ? error_set(err, ERR_INVALID, "the username is refused: %s", sentence) : 0;
}

static int judge_email(struct str email, struct error *err)
{
	if (!email.len)
		return 0;
	if (!str_valid_utf8(email) || str_count_chars(email) > ACCOUNT_EMAIL_CHARS || !is_email(email))
		return error_set(err, ERR_INVALID, "the e-mail address is refused: it has not the form of one");
	return 0;
}

/* The text of an option, or of a question when there is somebody to ask. */
static int choose(const char *given, const char *prompt, struct buf *line, struct str *ret_text, struct error *err)
{
	*ret_text = str_of(given ? given : "");
	if (given || !ask_has_terminal())
		return 0;
	return ask_trimmed(prompt, /* secret: */ false, line, ret_text, err);
}

static int create(struct opened *o, const struct arguments *arguments, struct buf *text, struct error *err)
{
	CLEANUP(buf_finish) struct buf name_line = BUF_EMPTY;
	CLEANUP(buf_finish) struct buf email_line = BUF_EMPTY;
	CLEANUP(ask_forget) struct buf password_line = BUF_EMPTY;
	struct new_account account = { .first_name = STR(""), .last_name = STR(""), .is_staff = true, .is_superuser = true };
	int r = choose(arguments->username, "Username: ", &name_line, &account.username, err);

	if (r == 0)
		r = judge_username(o, account.username, err);
	if (r == 0)
		r = choose(arguments->email, "E-mail address (may be empty): ", &email_line, &account.email, err);
	if (r == 0)
		r = judge_email(account.email, err);
	if (r == 0)
		r = ask_password(&password_line, &account.password, err);
	if (r < 0)
		return r;
	r = account_create(o->conn, &account);
	if (r < 0)
		return tell(o, r, r == ERR_CONFLICT ? "the username has been taken meanwhile" : "the account", err);
	buf_addf(text, "superuser %.*s created\n", STR_ARG(account.username));
	return 0;
}

/* ---- changepassword ---- */

static int change(struct opened *o, const struct arguments *arguments, struct buf *text, struct error *err)
{
	CLEANUP(ask_forget) struct buf line = BUF_EMPTY;
	struct str username = str_of(arguments->username), password;
	int r = str_valid_utf8(username) ? account_name_is_taken(o->conn, username) : 0;

	if (r < 0)
		return tell(o, r, "the account", err);
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "no account has the username %s", arguments->username);
	r = ask_password(&line, &password, err);
	if (r < 0)
		return r;
	r = account_set_password(o->conn, username, password);
	if (r < 0)
		return tell(o, r, "the password", err);
	buf_addf(text, "password of %s changed\n", arguments->username);
	return 0;
}

/* ---- both ---- */

static int run(const struct arguments *arguments,
               int (*act)(struct opened *, const struct arguments *, struct buf *text, struct error *err))
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct opened opened = { .db = NULL };
	struct error err = { 0 };
	int r = open_database(&opened, &err);

	if (r >= 0)
		r = act(&opened, arguments, &text, &err);
	close_database(&opened);
	return r < 0 ? command_fail(&err) : command_print(&text);
}

int command_createsuperuser(const struct arguments *arguments)
{
	if (arguments->username || ask_has_terminal())
		return run(arguments, create);
	fputs("egoejo: --username is needed when there is no terminal to ask\n", stderr);
	return EX_USAGE;
}

int command_changepassword(const struct arguments *arguments)
{
	return run(arguments, change);
}
