/*
 * The front of the database: opening by URL, the life of connections, availability.
 *
 * Statements and rows are in query.c, prepared statements in prepared.c; what differs between the engines is behind
 * struct db_driver.
 */
#include "db/db.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/driver_impl.h"

#define DEFAULT_STATEMENT_LIMIT_US (2 * US_PER_S)
#define DEFAULT_CONNECT_LIMIT_US   (10 * US_PER_S)

static const struct db_driver *driver_of_url(const char *url)
{
	struct str s = str_of(url);

	if (str_starts(s, "sqlite://"))
		return &sqlite_driver;
	if (str_starts(s, "postgres://") || str_starts(s, "postgresql://"))
		return &postgresql_driver;
	return NULL;
}

/* The URL without user, password and what follows a '?', which may hold a password too. */
static char *make_shown_url(const char *url)
{
	const char *rest = strstr(url, "//") + 2;
	size_t authority = strcspn(rest, "/?#");
	size_t scheme = (size_t)(rest - url);
	const char *host = rest;
	char *shown;

	for (size_t i = 0; i < authority; i++)
		if (rest[i] == '@')
			host = rest + i + 1;
	shown = mem_strdup(url);
	if (shown) {
		memmove(shown + scheme, host, strlen(host) + 1);
		shown[scheme + strcspn(shown + scheme, "?#")] = '\0';
	}
	return shown;
}

static void make_metrics(struct db *db)
{
	static const struct {
		int code;
		const char *kind;
	} kinds[] = {
		{ ERR_NOMEM, "memory" },
		{ ERR_INVALID, "invalid" },
		{ ERR_CONFLICT, "conflict" },
		{ ERR_UNAVAILABLE, "unavailable" },
		{ ERR_TIMEOUT, "timeout" },
		{ ERR_READ_ONLY, "read_only" },
		{ ERR_FULL, "full" },
		{ ERR_LIMIT, "limit" },
		{ ERR_IO, "io" },
		{ ERR_CORRUPT, "corrupt" },
		{ ERR_SCHEMA, "schema" },
		{ ERR_INTERNAL, "internal" },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
		db->errors[-kinds[i].code] = metric_seriesf(METRIC_DB_ERRORS, "kind=\"%s\"", kinds[i].kind);
	db->up = metric_series(METRIC_DB_UP, "");
	db->commits = metric_series(METRIC_DB_COMMITS, "");
	db->writes = metric_series(METRIC_DB_WRITES, "");
}

static struct db *create(const struct db_driver *driver, const struct db_config *config)
{
	struct db *db = driver->create();

	if (!db)
		return NULL;
	db->driver = driver;
	pthread_mutex_init(&db->lock, NULL);
	db->config = *config;
	db->url = mem_strdup(config->url);
	db->shown_url = make_shown_url(config->url);
	if (!db->url || !db->shown_url) {
		db_close(db);
		return NULL;
	}
	db->config.url = db->url;
	if (db->config.statement_limit_us <= 0)
		db->config.statement_limit_us = DEFAULT_STATEMENT_LIMIT_US;
	if (db->config.connect_limit_us <= 0)
		db->config.connect_limit_us = DEFAULT_CONNECT_LIMIT_US;
	make_metrics(db);
	return db;
}

int db_open(const struct db_config *config, struct db **ret_db, struct error *err)
{
	const struct db_driver *driver = config->url ? driver_of_url(config->url) : NULL;
	struct db *db;
	int r;

	if (!driver)
		return error_set(err, ERR_CONFIG, "the database URL begins with none of sqlite://, postgres://, postgresql://");
	db = create(driver, config);
	if (!db)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	r = driver->open(db, err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	db_set_available(db, true);
	*ret_db = db;
	return 0;
}

void db_close(struct db *db)
{
	char *url, *shown_url;

	if (!db)
		return;
	url = db->url;
	shown_url = db->shown_url;
	pthread_mutex_destroy(&db->lock);
	db->driver->destroy(db);
	free(url);
	free(shown_url);
}

enum db_engine db_engine(const struct db *db)
{
	return db->driver->engine;
}

bool db_read_only(const struct db *db)
{
	return atomic_load_explicit(&db->read_only, memory_order_relaxed);
}

const char *db_shown_url(const struct db *db)
{
	return db->shown_url;
}

bool db_available(const struct db *db)
{
	return atomic_load_explicit(&db->available, memory_order_relaxed);
}

void db_watch(struct db *db, void (*fn)(void *arg, bool available), void *arg)
{
	db->watch = fn;
	db->watch_arg = arg;
}

void db_count_commit(struct db *db, size_t n_writes)
{
	metric_add(db->commits, 1);
	metric_add(db->writes, (int64_t)n_writes);
}

void db_set_available(struct db *db, bool available)
{
	metric_set(db->up, available);
	if (atomic_exchange(&db->available, available) != available && db->watch)
		db->watch(db->watch_arg, available);
}

void db_probe(void *arg)
{
	struct db *db = arg;

	db->driver->probe(db);
}

int db_connect(struct db *db, struct db_conn **ret_conn, struct error *err)
{
	struct db_conn *conn;
	int r = db->driver->connect(db, &conn, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&db->lock);
	conn->next = db->connections;
	db->connections = conn;
	pthread_mutex_unlock(&db->lock);
	*ret_conn = conn;
	return 0;
}

static void unlink_connection(struct db_conn *conn)
{
	struct db_conn **link;

	pthread_mutex_lock(&conn->db->lock);
	for (link = &conn->db->connections; *link; link = &(*link)->next) {
		if (*link == conn) {
			*link = conn->next;
			break;
		}
	}
	pthread_mutex_unlock(&conn->db->lock);
}

void db_disconnect(struct db_conn *conn)
{
	if (!conn)
		return;
	unlink_connection(conn);
	conn_forget_prepared(conn);
	buf_finish(&conn->rows);
	conn->db->driver->disconnect(conn);
}

struct db *db_of(struct db_conn *conn)
{
	return conn->db;
}
