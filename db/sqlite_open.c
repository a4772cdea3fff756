/*
 * SQLite: opening the file, for writing or, when file or folder cannot be written, in the way of reading that works.
 *
 * A file with a rollback journal can be read with locks alone. A file in WAL mode needs shared memory beside it; where
 * that cannot be made there are two more ways (enum file_access). A WAL that was left behind is never ignored: it
 * holds committed rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_impl.h"

#define URL_PREFIX "sqlite:///"

/* How often SQLite asks whether a statement has to stop, in its virtual machine's steps. */
#define STEPS_BETWEEN_LOOKS 1000

static void configure_library(void)
{
	/* Its counters of memory take a lock at each allocation. Refused (harmlessly) if something used SQLite before. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

struct db *sqlite_db_create(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sqlite_db *db;

	pthread_once(&once, configure_library);
	db = mem_alloc(sizeof(*db));
	return db ? &db->base : NULL;
}

void sqlite_db_destroy(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;

	writer_destroy(db->writer);
	sqlite_disconnect(db->prober);
	free(db->path);
	free(db);
}

static bool past_deadline(const struct db_conn *conn)
{
	return clock_monotonic_us() >= conn->deadline_us;
}

static int on_progress(void *conn)
{
	return past_deadline(conn);
}

static int on_busy(void *conn, int tries)
{
	struct timespec pause = { 0, (tries < 5 ? 1 : 5) * 1000000L };

	if (past_deadline(conn))
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

static bool wal_is_empty(const struct sqlite_db *db)
{
	char *name = sqlite3_mprintf("%s-wal", db->path);
	struct stat st;
	bool empty = name && (stat(name, &st) < 0 || st.st_size == 0);

	sqlite3_free(name);
	return empty;
}

/* "file:" URI of the path: what has a meaning in a URI is escaped. */
static char *make_uri(const char *path, const char *options)
{
	CLEANUP(buf_finish) struct buf uri = BUF_EMPTY;

	buf_add_text(&uri, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			buf_addf(&uri, "%%%02X", (unsigned char)*path);
		else
			buf_add_char(&uri, *path);
	}
	buf_add_text(&uri, options);
	return buf_detach(&uri, NULL);
}

static int open_handle(struct sqlite_db *db, bool for_writing, sqlite3 **ret_handle)
{
	CLEANUP(cleanup_free) char *uri = NULL;
	int access = atomic_load(&db->access);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

	if (access == FILE_WRITE)
		flags |= SQLITE_OPEN_READWRITE | (for_writing && db->base.config.create ? SQLITE_OPEN_CREATE : 0);
	else
		flags |= SQLITE_OPEN_READONLY;
	if (access < FILE_IMMUTABLE)
		return sqlite3_open_v2(db->path, ret_handle, flags, NULL);
	uri = make_uri(db->path, access == FILE_IMMUTABLE ? "?immutable=1" : "");
	if (!uri)
		return SQLITE_NOMEM;
	return sqlite3_open_v2(uri, ret_handle, flags | SQLITE_OPEN_URI, access == FILE_PRIVATE ? "unix-none" : NULL);
}

static const char *setup_text(const struct sqlite_db *db, bool for_writing)
{
	if (for_writing)
		return "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;";
	/* Exclusive locking, with a VFS that has no locks, keeps the index of the WAL in memory instead of a shared file. */
	if (atomic_load(&db->access) == FILE_PRIVATE)
		return "PRAGMA locking_mode=EXCLUSIVE; PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;";
	return "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-1024;";
}

static int set_up(struct sqlite_conn *conn, bool for_writing)
{
	sqlite3_progress_handler(conn->handle, STEPS_BETWEEN_LOOKS, on_progress, conn);
	sqlite3_busy_handler(conn->handle, on_busy, conn);
	sqlite3_db_config(conn->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	conn_arm_deadline(&conn->base, conn->base.db->config.connect_limit_us);
	return sqlite_run(&conn->base, setup_text(sqlite_db_of(&conn->base), for_writing));
}

static int open_and_set_up(struct sqlite_conn *conn, bool for_writing)
{
	struct sqlite_db *db = sqlite_db_of(&conn->base);
	int rc;

	conn->generation = atomic_load(&db->generation);
	rc = open_handle(db, for_writing, &conn->handle);
	return rc == SQLITE_OK ? set_up(conn, for_writing) : sqlite_fail(&conn->base, rc);
}

/* At opening a lock that is not released in time is another program's: the database cannot be had now. */
static int locked_is_away(int r)
{
	return r == ERR_TIMEOUT ? ERR_UNAVAILABLE : r;
}

int sqlite_connect(struct sqlite_db *db, bool for_writing, struct db_conn **ret_conn, struct error *err)
{
	struct sqlite_conn *conn = mem_alloc(sizeof(*conn));
	int r;

	if (!conn)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	conn->base.db = &db->base;
	r = open_and_set_up(conn, for_writing);
	if (r < 0) {
		r = locked_is_away(r);
		error_set(err, r, "%s: %s", db->path, conn->base.error);
		sqlite_disconnect(&conn->base);
		return r;
	}
	*ret_conn = &conn->base;
	return 0;
}

void sqlite_db_disconnect(struct db_conn *conn)
{
	sqlite3_close(sqlite_handle(conn));
	free(conn);
}

void sqlite_disconnect(struct db_conn *conn)
{
	if (!conn)
		return;
	conn_forget_prepared(conn);
	buf_finish(&conn->rows);
	sqlite_db_disconnect(conn);
}

int sqlite_db_connect(struct db *db, struct db_conn **ret_conn, struct error *err)
{
	return sqlite_connect((struct sqlite_db *)db, false, ret_conn, err);
}

int sqlite_db_ready(struct db_conn *base)
{
	struct sqlite_conn *conn = (struct sqlite_conn *)base;
	int r;

	if (conn->handle && conn->generation == atomic_load_explicit(&sqlite_db_of(base)->generation, memory_order_acquire))
		return 0;
	conn_forget_prepared(base);
	sqlite3_close(conn->handle);
	conn->handle = NULL;
	r = open_and_set_up(conn, false);
	if (r < 0) {
		sqlite3_close(conn->handle);
		conn->handle = NULL;
	}
	return r;
}

static int set_path(struct sqlite_db *db, struct error *err)
{
	const char *rest = db->base.url + strlen(URL_PREFIX);
	struct arena arena;
	struct str path;

	if (!str_starts(str_of(db->base.url), URL_PREFIX) || !*rest || *rest == '?' || str_equal(str_of(rest), (struct str)STR(":memory:")))
		return error_set(err, ERR_CONFIG, "%s: write sqlite:///relative/path or sqlite:////absolute/path", db->base.shown_url);
	arena_init(&arena, 65536);
	path = str_percent_decode(&arena, (struct str){ rest, strcspn(rest, "?") }, false);
	db->path = path.s ? mem_strndup(path.s, path.len) : NULL;
	arena_finish(&arena);
	return db->path ? 0 : error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
}

static bool can_write(const char *path)
{
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int check_missing(struct sqlite_db *db, const char *folder, struct error *err)
{
	struct stat st;

	if (!db->base.config.create)
		return error_set(err, ERR_IO, "%s: there is no such file", db->path);
	if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_IO, "%s: there is no folder %s", db->path, folder);
	if (!can_write(folder))
		return error_set(err, ERR_IO, "%s: the folder %s cannot be written", db->path, folder);
	return 0;
}

/* Looks at the file before SQLite does, for better words than "unable to open database file". */
static int check_file(struct sqlite_db *db, bool *ret_writable, struct error *err)
{
	CLEANUP(cleanup_free) char *folder = folder_of(db->path);
	struct stat st;

	if (!folder)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	*ret_writable = true;
	if (stat(db->path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? check_missing(db, folder, err) : error_set(err, ERR_IO, "%s: %m", db->path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_IO, "%s is a folder, not a file", db->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_IO, "%s is not a regular file", db->path);
	if (faccessat(AT_FDCWD, db->path, R_OK, AT_EACCESS) < 0)
		return error_set(err, ERR_IO, "%s: %m", db->path);
	*ret_writable = can_write(db->path) && can_write(folder);
	return 0;
}

static int check_readable(struct db_conn *conn, int64_t limit_us)
{
	conn_arm_deadline(conn, limit_us);
	return sqlite_run(conn, "SELECT count(*) FROM sqlite_master");
}

static int64_t stamp_of(const struct sqlite_db *db)
{
	struct stat st;

	if (stat(db->path, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec + st.st_size * 31 + (int64_t)st.st_ino * 7 + !wal_is_empty(db);
}

static bool fits(const struct sqlite_db *db, int access)
{
	if (access == FILE_READ)
		return true;
	return (access == FILE_IMMUTABLE) == wal_is_empty(db);
}

/* The first way of reading that works; leaves its connection as the prober. */
static int open_for_reading(struct sqlite_db *db, struct error *err)
{
	int r = ERR_IO;

	for (int access = FILE_READ; access <= FILE_PRIVATE; access++) {
		if (!fits(db, access))
			continue;
		sqlite_disconnect(TAKE(db->prober));
		atomic_store(&db->access, access);
		db->stamp = stamp_of(db);
		r = sqlite_connect(db, false, &db->prober, err);
		if (r == 0)
			r = check_readable(db->prober, db->base.config.connect_limit_us);
		if (r == 0 || r == ERR_CORRUPT || r == ERR_NOMEM)
			break;
	}
	if (r < 0 && db->prober)
		error_set(err, r, "%s cannot be written, nor read: %s", db->path, db->prober->error);
	return r == ERR_READ_ONLY ? ERR_IO : r;
}

static int ask_for_wal(struct db_conn *conn)
{
	conn_arm_deadline(conn, conn->db->config.connect_limit_us);
	return sqlite_run(conn, "PRAGMA journal_mode=WAL");
}

/*
 * Turning WAL on needs the file for a moment alone, and SQLite does not always ask the busy handler then. Where shared
 * memory is impossible the mode silently stays what it is, which works too.
 */
static int enable_wal(struct db_conn *conn)
{
	int64_t deadline_us = clock_monotonic_us() + conn->db->config.connect_limit_us;
	const struct timespec pause = { 0, 5000000 };
	int r;

	while ((r = ask_for_wal(conn)) == ERR_TIMEOUT && clock_monotonic_us() < deadline_us)
		nanosleep(&pause, NULL);
	return r;
}

static int open_for_writing(struct sqlite_db *db, struct error *err)
{
	struct db_conn *conn;
	int r = sqlite_connect(db, true, &conn, err);

	if (r < 0)
		return r;
	r = check_readable(conn, db->base.config.connect_limit_us);
	if (r == 0)
		r = enable_wal(conn);
	if (r < 0) {
		r = error_set(err, locked_is_away(r), "%s: %s", db->path, conn->error);
		sqlite_disconnect(conn);
		return r;
	}
	r = writer_create(conn, &db->writer);
	if (r < 0)
		return error_set(err, r, "the writer's thread: %s", error_name(r));
	return sqlite_connect(db, false, &db->prober, err);
}

int sqlite_db_open(struct db *base, struct error *err)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	bool writable;
	int r = set_path(db, err);

	if (r == 0)
		r = check_file(db, &writable, err);
	if (r < 0)
		return r;
	atomic_store(&base->read_only, !writable);
	return writable ? open_for_writing(db, err) : open_for_reading(db, err);
}

/* An immutable file did change: open it anew, all connections follow at their next use. */
static int follow_change(struct sqlite_db *db)
{
	int r;

	if (atomic_load(&db->access) == FILE_WRITE || stamp_of(db) == db->stamp)
		return 0;
	r = open_for_reading(db, NULL);
	atomic_fetch_add_explicit(&db->generation, 1, memory_order_release);
	return r;
}

void sqlite_db_probe(struct db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	int r = follow_change(db);

	if (r == 0)
		r = db->prober ? check_readable(db->prober, base->config.statement_limit_us) : ERR_IO;
	db_set_available(base, r == 0 || r == ERR_TIMEOUT || r == ERR_NOMEM);
}
