/*
 * PostgreSQL: the slots of threads, and the prober that looks after their sessions.
 *
 * Whoever finds his session lost marks slot and database as away, and from then on nobody tries: the prober alone
 * connects. It asks the server, over a session of its own, which backends of ours still live; each slot whose backend does
 * not (a restart, a pg_terminate_backend, a crash of a neighbour) gets a new session before its owner notices.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/postgresql_impl.h"

struct db *pg_db_create(void)
{
	struct pg_db *db = mem_alloc(sizeof(*db));

	return db ? &db->base : NULL;
}

void pg_db_destroy(struct db *base)
{
	struct pg_db *db = (struct pg_db *)base;

	PQfinish(db->prober);
	free(db);
}

/* libpq ends the password at the first '@': the rest of it would be part of the host, and of error texts. */
static bool has_stray_at(const char *url)
{
	const char *authority = strstr(url, "//") + 2;
	size_t n = strcspn(authority, "/?#"), ats = 0;

	for (size_t i = 0; i < n; i++)
		ats += authority[i] == '@';
	return ats > 1;
}

int pg_db_open(struct db *base, struct error *err)
{
	struct pg_db *db = (struct pg_db *)base;
	PQconninfoOption *options;
	int backend;

	if (has_stray_at(base->url))
		return error_set(err, ERR_CONFIG, "%s: an @ in user or password is written %%40", base->shown_url);
	/* libpq's text would quote the part that it cannot parse: the password perhaps. */
	options = PQconninfoParse(base->url, NULL);
	if (!options)
		return error_set(err, ERR_CONFIG, "%s: this is no PostgreSQL URL", base->shown_url);
	PQconninfoFree(options);
	return pg_session_open(base, clock_monotonic_us() + base->config.connect_limit_us, &db->prober, &backend, err);
}

int pg_db_connect(struct db *db, struct db_conn **ret_conn, struct error *err)
{
	struct pg_conn *c = mem_alloc(sizeof(*c));
	int r = ERR_UNAVAILABLE;

	if (!c)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	c->base.db = db;
	if (db_available(db))
		r = pg_session_open(db, clock_monotonic_us() + db->config.connect_limit_us, &c->link, &c->backend, err);
	/* One that cannot be had now is the prober's to make; that the database is away is his to find out, too. */
	atomic_store(&c->broken, r < 0);
	*ret_conn = &c->base;
	return 0;
}

void pg_db_disconnect(struct db_conn *conn)
{
	struct pg_conn *c = pg_of(conn);

	PQfinish(c->link);
	PQfinish(c->fresh);
	buf_finish(&c->text);
	free(c);
}

static void adopt(struct pg_conn *c)
{
	struct db *db = c->base.db;
	PGconn *fresh;

	pthread_mutex_lock(&db->lock);
	fresh = TAKE(c->fresh);
	atomic_store(&c->has_fresh, false);
	pthread_mutex_unlock(&db->lock);
	conn_forget_prepared(&c->base);
	PQfinish(c->link);
	c->link = fresh;
	c->n_named = 0;
	atomic_store(&c->broken, false);
}

int pg_db_ready(struct db_conn *conn)
{
	struct pg_conn *c = pg_of(conn);

	if (atomic_load_explicit(&c->has_fresh, memory_order_relaxed))
		adopt(c);
	if (c->stale)
		conn_forget_prepared(conn);
	c->stale = false;
	if (!c->link)
		return conn_fail(conn, ERR_UNAVAILABLE, "the connection is lost");
	return 0;
}

/* Backends that live, as "{1,2,3}" asks and ",1,3," answers. */
static void list_backends(struct db *db, struct buf *ids)
{
	buf_add_char(ids, '{');
	pthread_mutex_lock(&db->lock);
	for (struct db_conn *conn = db->connections; conn; conn = conn->next)
		buf_addf(ids, "%s%d", conn == db->connections ? "" : ",", pg_of(conn)->backend);
	pthread_mutex_unlock(&db->lock);
	buf_add_char(ids, '}');
}

#define LOOK                                                                                                                   \
	"SELECT pg_is_in_recovery(), pg_postmaster_start_time()::text, ',' || coalesce(string_agg(pid::text, ','), '') || ','" \
	" FROM pg_stat_activity WHERE pid = ANY($1::int[])"

static int look(struct pg_db *db, int64_t deadline_us, PGresult **ret_result)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;
	const char *value;
	int r;

	list_backends(&db->base, &ids);
	if (ids.failed)
		return ERR_NOMEM;
	value = ids.data;
	r = pg_await(db->prober, PQsendQueryParams(db->prober, LOOK, 1, NULL, &value, NULL, NULL, 0), deadline_us, ret_result);
	if (r == 0 && PQresultStatus(*ret_result) != PGRES_TUPLES_OK) {
		PQclear(*ret_result);
		r = ERR_UNAVAILABLE;
	}
	return r;
}

/* Over the session there is, else (lost since the last time) over a new one. */
static int look_or_reconnect(struct pg_db *db, int64_t deadline_us, PGresult **ret_result)
{
	int backend, r = ERR_UNAVAILABLE;

	if (db->prober)
		r = look(db, deadline_us, ret_result);
	if (r != ERR_UNAVAILABLE)
		return r;
	PQfinish(TAKE(db->prober));
	r = pg_session_open(&db->base, deadline_us, &db->prober, &backend, NULL);
	return r < 0 ? r : look(db, deadline_us, ret_result);
}

static bool lives(const char *list, int backend)
{
	char id[16];

	snprintf(id, sizeof(id), ",%d,", backend);
	return strstr(list, id);
}

static bool needs_session(struct pg_conn *c, const char *list)
{
	return (atomic_load(&c->broken) && !c->fresh) || !lives(list, c->backend);
}

static size_t count_needed(struct db *db, const char *list)
{
	size_t n = 0;

	pthread_mutex_lock(&db->lock);
	for (struct db_conn *conn = db->connections; conn; conn = conn->next)
		n += needs_session(pg_of(conn), list);
	pthread_mutex_unlock(&db->lock);
	return n;
}

/* Gives the session to the first slot that needs one; false when none does. */
static bool hand_over(struct db *db, const char *list, PGconn *link, int backend)
{
	struct db_conn *conn;

	pthread_mutex_lock(&db->lock);
	for (conn = db->connections; conn; conn = conn->next)
		if (needs_session(pg_of(conn), list))
			break;
	if (conn) {
		PQfinish(pg_of(conn)->fresh);
		pg_of(conn)->fresh = link;
		pg_of(conn)->backend = backend;
		atomic_store(&pg_of(conn)->has_fresh, true);
	}
	pthread_mutex_unlock(&db->lock);
	return conn;
}

/* New backends are added to the list, so that their slots count as mended. */
static void mend_slots(struct db *db, const char *living, int64_t deadline_us)
{
	CLEANUP(buf_finish) struct buf list = BUF_EMPTY;
	PGconn *link;
	int backend;

	buf_add_text(&list, living);
	for (size_t n = count_needed(db, living); n && !list.failed; n--) {
		if (pg_session_open(db, deadline_us, &link, &backend, NULL) < 0)
			return;
		buf_addf(&list, "%d,", backend);
		if (!hand_over(db, list.data, link, backend)) {
			PQfinish(link);
			return;
		}
	}
}

void pg_db_probe(struct db *base)
{
	struct pg_db *db = (struct pg_db *)base;
	int64_t deadline_us = clock_monotonic_us() + PG_PROBE_LIMIT_US;
	PGresult *result;
	bool same_life;
	int r = look_or_reconnect(db, deadline_us, &result);

	if (r < 0) {
		PQfinish(TAKE(db->prober));
		db_set_available(base, false);
		return;
	}
	atomic_store(&base->read_only, *PQgetvalue(result, 0, 0) == 't');
	same_life = !*db->postmaster_start || strcmp(db->postmaster_start, PQgetvalue(result, 0, 1)) == 0;
	snprintf(db->postmaster_start, sizeof(db->postmaster_start), "%s", PQgetvalue(result, 0, 1));
	mend_slots(base, same_life ? PQgetvalue(result, 0, 2) : ",", deadline_us);
	PQclear(result);
	db_set_available(base, true);
}
