/*
 * egoejo check: looks at all that serving needs and says what it finds, a line each; changes nothing. Redis that is away
 * would not keep the server from serving, but it is not what the settings say, so it counts as wrong here.
 */
#include <stdio.h>

#include "app/command.h"
#include "domain/mail.h"

static void say(struct buf *text, const char *what, bool good, const char *found)
{
	buf_addf(text, "%-14s %-5s %s\n", what, good ? "ok" : "WRONG", found);
}

static bool check_settings(const struct settings *settings, struct buf *text, struct error *err)
{
	bool good = settings_check_serving(settings, err) >= 0;
	struct mail_warnings mail;

	say(text, "settings", good, good ? "complete" : err->text);
	for (size_t i = 0; i < settings->warnings.n; i++)
		buf_addf(text, "%-14s %-5s %.*s\n", "", "note", STR_ARG(settings->warnings.items[i]));
	mail_check_settings(settings, &mail);
	for (size_t i = 0; i < mail.n; i++)
		buf_addf(text, "%-14s %-5s %s\n", "", "note", mail.text[i]);
	return good;
}

static const char *schema_found(enum schema_state state, bool migrates)
{
	switch (state) {
	case SCHEMA_EMPTY:
		return migrates ? "no tables yet: made at the next start" : "no tables: run egoejo migrate";
	case SCHEMA_KNOWN:
		return migrates ? "tables of this program lack: added at the next start"
		                : "tables of this program lack: run egoejo migrate";
	case SCHEMA_CURRENT:
		return "current";
	default:
		return "differs from that of this program:";
	}
}

static bool check_schema(struct db *db, const struct settings *settings, struct buf *text)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	bool migrates = settings->migrate_on_start && !db_read_only(db);
	enum schema_state state = SCHEMA_FOREIGN;
	struct error err = { 0 };
	bool good;

	if (command_inspect_schema(db, &state, &differences, &err) < 0) {
		say(text, "schema", false, err.text);
		return false;
	}
	good = state == SCHEMA_CURRENT || (state == SCHEMA_EMPTY && migrates) || (state == SCHEMA_KNOWN && (migrates || db_read_only(db)));
	say(text, "schema", good, schema_found(state, migrates));
	buf_add_str(text, buf_view(&differences));
	return good;
}

static bool check_database(const struct settings *settings, struct buf *text)
{
	struct db *db = NULL;
	struct error err = { 0 };
	int r = command_open_database(settings, false, &db, &err);
	bool good;

	if (r == ERR_NOT_FOUND && settings->migrate_on_start) {
		say(text, "database", true, "no file yet: made at the next start");
		return true;
	}
	say(text, "database", r >= 0, r < 0 ? err.text : db_shown_url(db));
	if (r < 0)
		return false;
	if (db_read_only(db))
		buf_addf(text, "%-14s %-5s %s\n", "", "note", "it cannot be written: served read-only");
	good = check_schema(db, settings, text);
	db_close(db);
	return good;
}

static bool check_usage(const struct redis *redis, enum redis_usage usage, struct buf *text)
{
	struct redis_usage_status status;
	char what[24], found[300];

	redis_usage_status(redis, usage, &status);
	snprintf(what, sizeof(what), "redis %s", redis_usage_name(usage));
	if (!status.configured)
		snprintf(found, sizeof(found), "not configured: %s", status.backend);
	else
		snprintf(found, sizeof(found), "%s", status.available ? status.backend : status.error_text);
	say(text, what, status.available, found);
	return status.available;
}

/* The core's first round of probing is the check; it is done when redis_start returns. */
static int check_redis(const struct settings *settings, struct buf *text, struct error *err)
{
	struct redis *redis = NULL;
	char warning[200] = "";
	int r, wrong = 0;

	r = command_create_redis(settings, &redis, warning, err);
	if (r >= 0)
		r = redis_start(redis, err);
	if (r < 0)
		say(text, "redis", false, err->text);
	for (int usage = 0; usage < REDIS_USAGES && r >= 0; usage++)
		wrong += !check_usage(redis, (enum redis_usage)usage, text);
	redis_destroy(redis);
	if (*warning)
		buf_addf(text, "%-14s %-5s %s\n", "", "note", warning);
	return r < 0 ? r : wrong;
}

static int check_all(const struct settings *settings, struct buf *text)
{
	struct error err = { 0 };
	bool configured = check_settings(settings, text, &err);
	bool database = check_database(settings, text);
	int redis = check_redis(settings, text, &err);

	if (!configured || redis == ERR_CONFIG)
		return command_exit_status(ERR_CONFIG);
	return database && redis == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_check(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct settings *settings = NULL;
	struct error err = { 0 };
	int status, printed;

	if (command_load_settings(&settings, &err) < 0)
		return command_fail(&err);
	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* the report says it all */
	status = check_all(settings, &text);
	settings_destroy(settings);
	printed = command_print(&text);
	return printed ? printed : status;
}
