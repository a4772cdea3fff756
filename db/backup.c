#include "db/backup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/sqlite_impl.h"

#define STEP_PAGES 1024 /* 4 MiB, as pages are by default */

const char *db_file(const struct db *db)
{
	return db_engine(db) == DB_SQLITE ? ((const struct sqlite_db *)db)->path : NULL;
}

static int fail(struct error *err, sqlite3 *handle, int rc, const char *what)
{
	int code = rc == SQLITE_NOMEM                            ? ERR_NOMEM
	           : rc == SQLITE_FULL                           ? ERR_FULL
	           : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_CORRUPT
	                                                         : ERR_IO;

	return error_set(err, code, "%s: %s", what, rc == SQLITE_OK ? "not what it should be" : sqlite3_errmsg(handle));
}

/* The source is read in one transaction, so that what is written meanwhile is not seen and the copy never begins anew. */
static int copy_pages(struct db_conn *conn, sqlite3 *copy, const struct db_backup *b, struct error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(copy, "main", sqlite_handle(conn), "main");
	int rc = SQLITE_OK;

	if (!backup)
		return fail(err, copy, sqlite3_errcode(copy), b->path);
	while (rc == SQLITE_OK) {
		rc = sqlite3_backup_step(backup, STEP_PAGES);
		if (rc == SQLITE_OK && b->progress)
			b->progress(b->arg, sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup),
			            sqlite3_backup_pagecount(backup));
	}
	sqlite3_backup_finish(backup);
	return rc == SQLITE_DONE ? 0 : fail(err, copy, rc, b->path);
}

static int expect_ok(void *arg, int n, char **values, char **names)
{
	bool *ok = arg;

	*ok = n == 1 && values[0] && strcmp(values[0], "ok") == 0;
	return 0;
}

/* One file without a journal beside it, and readable to the last page. */
static int finish_copy(sqlite3 *copy, const struct db_backup *b, struct error *err)
{
	bool ok = false;
	int rc = sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_exec(copy, "PRAGMA quick_check(1)", expect_ok, &ok, NULL);
	if (rc != SQLITE_OK)
		return fail(err, copy, rc, b->path);
	return ok ? 0 : error_set(err, ERR_CORRUPT, "%s: the copy is damaged, and so is the database", b->path);
}

static int write_copy(struct db_conn *conn, const struct db_backup *b, struct error *err)
{
	sqlite3 *copy = NULL;
	int rc = sqlite3_open_v2(b->path, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	int r = rc == SQLITE_OK ? copy_pages(conn, copy, b, err) : fail(err, copy, rc, b->path);

	if (r == 0)
		r = finish_copy(copy, b, err);
	rc = sqlite3_close(copy);
	return r == 0 && rc != SQLITE_OK ? fail(err, copy, rc, b->path) : r;
}

static int sync_file(const char *path, struct error *err)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? error_set(err, ERR_IO, "%s: %m", path) : 0;
}

static int source_failed(struct db_conn *conn, int code, struct error *err)
{
	return error_set(err, code, "%s: %s", db_shown_url(conn->db), *conn->error ? conn->error : error_name(code));
}

int db_backup(struct db_conn *conn, const struct db_backup *b, struct error *err)
{
	int r;

	if (db_engine(conn->db) != DB_SQLITE)
		return error_set(err, ERR_INVALID, "%s is PostgreSQL: make its copy with pg_dump", db_shown_url(conn->db));
	conn_arm_deadline(conn, conn->db->config.connect_limit_us);
	r = sqlite_run(conn, "BEGIN");
	if (r == 0)
		r = sqlite_run(conn, "SELECT count(*) FROM sqlite_master");
	if (r < 0)
		return source_failed(conn, r, err);
	r = write_copy(conn, b, err);
	sqlite_run(conn, "COMMIT");
	return r == 0 ? sync_file(b->path, err) : r;
}
