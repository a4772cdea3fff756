/* egoejo migrate and egoejo demo: what changes a database from the command line. */
#include <stdio.h>

#include "app/command.h"
#include "base/clock.h"
#include "domain/demo.h"

/* A database, open and with its tables made; what that changed is told on standard output. */
static int open_migrated(struct db **ret_db, struct buf *text, struct buf *differences, struct error *err)
{
	static const char *const told[] = {
		[SCHEMA_EMPTY] = "tables created",
		[SCHEMA_KNOWN] = "tables of this program added",
		[SCHEMA_CURRENT] = "nothing to do",
	};
	enum schema_state before = SCHEMA_CURRENT;
	struct settings *settings = NULL;
	int r;

	r = command_load_settings(&settings, err);
	if (r >= 0)
		r = command_open_database(settings, true, ret_db, err);
	settings_destroy(settings);
	if (r >= 0)
		r = command_migrate_schema(*ret_db, &before, differences, err);
	if (r >= 0)
		buf_addf(text, "%s: %s\n", db_shown_url(*ret_db), told[before]);
	return r;
}

static int migrate(struct db **db, struct buf *text)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	struct error err = { 0 };
	int r;

	r = open_migrated(db, text, &differences, &err);
	if (r >= 0)
		return EXIT_SUCCESS;
	command_fail(&err);
	if (r == ERR_SCHEMA && !differences.failed && differences.data)
		fputs(differences.data, stderr);
	return command_exit_status(r);
}

int command_migrate(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct db *db = NULL;
	int status;

	status = migrate(&db, &text);
	db_close(db);
	return status == EXIT_SUCCESS ? command_print(&text) : status;
}

static int fill(struct db *db, struct buf *text)
{
	struct demo_counts counts = { 0 };
	struct db_conn *conn = NULL;
	struct error err = { 0 };
	int r;

	r = db_connect(db, &conn, &err);
	if (r >= 0)
		r = demo_fill(conn, clock_now(), &counts, &err);
	db_disconnect(conn);
	if (r < 0)
		return command_fail(&err);
	buf_addf(text, "%d projects, %d contents, %d communities, %d cagnottes, %d help requests added\n", counts.projects, counts.contents,
	         counts.communities, counts.cagnottes, counts.help_requests);
	return EXIT_SUCCESS;
}

int command_demo(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct db *db = NULL;
	int status;

	status = migrate(&db, &text);
	if (status == EXIT_SUCCESS)
		status = fill(db, &text);
	db_close(db);
	return status == EXIT_SUCCESS ? command_print(&text) : status;
}
