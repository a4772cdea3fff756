/*
 * PostgreSQL: sessions. Connecting, waiting for answers within a deadline, and what errors mean.
 *
 * libpq is used without blocking, so that no thread waits longer than its deadline whatever the server or the network
 * does. (One exception: resolving a host name, inside PQconnectStart. Only start and the prober connect.)
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "db/postgresql_impl.h"

static int poll_link(PGconn *link, short events, int64_t deadline_us)
{
	struct pollfd fd = { .fd = PQsocket(link), .events = events };
	int64_t left_us;
	int n;

	do {
		left_us = deadline_us - clock_monotonic_us();
		if (left_us <= 0)
			return ERR_TIMEOUT;
		n = poll(&fd, 1, (int)((left_us + 999) / 1000));
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 || fd.fd < 0 ? ERR_UNAVAILABLE : fd.revents;
}

static int flush(PGconn *link, int64_t deadline_us)
{
	int pending, r;

	while ((pending = PQflush(link)) > 0) {
		r = poll_link(link, POLLIN | POLLOUT, deadline_us);
		if (r < 0)
			return r;
		/* The server may be waiting for us to read before it reads on. */
		if ((r & POLLIN) && !PQconsumeInput(link))
			return ERR_UNAVAILABLE;
	}
	return pending < 0 ? ERR_UNAVAILABLE : 0;
}

static int next_result(PGconn *link, int64_t deadline_us, PGresult **ret_result)
{
	int r;

	while (PQisBusy(link)) {
		r = poll_link(link, POLLIN, deadline_us);
		if (r < 0)
			return r;
		if (!PQconsumeInput(link))
			break; /* PQgetResult has what came before the end, the server's last words perhaps */
	}
	*ret_result = PQgetResult(link);
	return 0;
}

static bool is_failure(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY;
}

/* Keeps the first failure, else the last result. */
static void keep(PGresult **kept, PGresult *result)
{
	if (*kept && is_failure(*kept)) {
		PQclear(result);
		return;
	}
	PQclear(*kept);
	*kept = result;
}

int pg_await(PGconn *link, int send_succeeded, int64_t deadline_us, PGresult **ret_result)
{
	PGresult *kept = NULL, *result = NULL;
	int r = send_succeeded ? flush(link, deadline_us) : ERR_UNAVAILABLE;

	while (r == 0) {
		r = next_result(link, deadline_us, &result);
		if (r < 0 || !result)
			break;
		keep(&kept, result);
		if (PQstatus(link) == CONNECTION_BAD)
			break;
	}
	if (r == 0 && !kept)
		r = ERR_UNAVAILABLE;
	if (r < 0)
		PQclear(kept);
	else
		*ret_result = kept;
	return r;
}

/* libpq's text in one line. */
static int fail_to_connect(struct error *err, PGconn *link, int code)
{
	char text[200];

	snprintf(text, sizeof(text), "%s", code == ERR_TIMEOUT ? "no answer in time" : PQerrorMessage(link));
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	return error_set(err, ERR_UNAVAILABLE, "%s", text);
}

static void ignore_notice(void *arg, const char *message)
{
}

static PGconn *start_connecting(struct db *db)
{
	char user_timeout_ms[24];
	const char *const names[] = {
		/* The URL may say otherwise up to dbname, not after it. */
		"fallback_application_name",
		"connect_timeout",
		"keepalives_idle",
		"keepalives_interval",
		"keepalives_count",
		"tcp_user_timeout",
		"dbname",
		"client_encoding",
		NULL,
	};
	const char *const values[] = { "egoejo", "10", "10", "3", "3", user_timeout_ms, db->url, "UTF8", NULL };

	snprintf(user_timeout_ms, sizeof(user_timeout_ms), "%lld", (long long)(db->config.statement_limit_us / US_PER_MS));
	return PQconnectStartParams(names, values, 1);
}

static int finish_connecting(PGconn *link, int64_t deadline_us)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	int r;

	while (status != PGRES_POLLING_OK) {
		r = poll_link(link, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us);
		if (r < 0)
			return r;
		status = PQconnectPoll(link);
		if (status == PGRES_POLLING_FAILED)
			return ERR_UNAVAILABLE;
	}
	return 0;
}

/*
 * Reads are read-only transactions, so that nothing is changed outside of db_write, as on SQLite. The server gives up
 * after three quarters of our limit, so that its answer is here in time: then the session stays good, whereas a server
 * that says nothing until our limit is taken for dead.
 */
static int set_up(struct db *db, PGconn *link, int64_t deadline_us, int *ret_backend)
{
	PGresult *result;
	char sql[400];
	int r;

	snprintf(sql, sizeof(sql),
	         "SET TimeZone='UTC'; SET DateStyle='ISO, MDY'; SET bytea_output='hex'; SET extra_float_digits=1; SET "
	         "statement_timeout=%lld;"
	         "SET default_transaction_read_only=on; SELECT pg_backend_pid(), pg_is_in_recovery()",
	         (long long)(db->config.statement_limit_us / US_PER_MS * 3 / 4 + 1));
	PQsetNoticeProcessor(link, ignore_notice, NULL);
	if (PQsetnonblocking(link, 1) != 0)
		return ERR_UNAVAILABLE;
	r = pg_await(link, PQsendQuery(link, sql), deadline_us, &result);
	if (r < 0)
		return r;
	if (PQresultStatus(result) == PGRES_TUPLES_OK) {
		*ret_backend = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
		atomic_store(&db->read_only, *PQgetvalue(result, 0, 1) == 't');
	} else {
		r = ERR_UNAVAILABLE;
	}
	PQclear(result);
	return r;
}

int pg_session_open(struct db *db, int64_t deadline_us, PGconn **ret_link, int *ret_backend, struct error *err)
{
	PGconn *link = start_connecting(db);
	int r;

	if (!link)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	r = PQstatus(link) == CONNECTION_BAD ? ERR_UNAVAILABLE : finish_connecting(link, deadline_us);
	if (r == 0)
		r = set_up(db, link, deadline_us, ret_backend);
	if (r < 0) {
		r = fail_to_connect(err, link, r);
		PQfinish(link);
		return r;
	}
	*ret_link = link;
	return 0;
}

/* By SQLSTATE; the first prefix that fits counts. */
static const struct {
	const char *prefix;
	int code;
} meanings[] = {
	{ "08", ERR_UNAVAILABLE }, { "57014", ERR_TIMEOUT },   { "57P", ERR_UNAVAILABLE },   { "55P03", ERR_TIMEOUT },
	{ "53100", ERR_FULL },     { "53200", ERR_NOMEM },     { "53300", ERR_UNAVAILABLE }, { "53", ERR_LIMIT },
	{ "54", ERR_LIMIT },       { "58", ERR_IO },           { "XX001", ERR_CORRUPT },     { "XX002", ERR_CORRUPT },
	{ "23", ERR_CONFLICT },    { "25006", ERR_READ_ONLY }, { "22", ERR_INVALID },        { "42P01", ERR_SCHEMA },
	{ "42703", ERR_SCHEMA },   { "3F000", ERR_SCHEMA },    { "40001", ERR_UNAVAILABLE }, { "40P01", ERR_UNAVAILABLE },
};

static int code_of(const char *state)
{
	for (size_t i = 0; i < N_ELEMENTS(meanings); i++)
		if (str_starts(str_of(state), meanings[i].prefix))
			return meanings[i].code;
	return ERR_INTERNAL;
}

/* The text of the server, but for data exceptions: that one quotes values. */
static int fail_with(struct pg_conn *c, int code, const char *state, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (code == ERR_INVALID || !message)
		message = error_name(code);
	return conn_fail(&c->base, code, "%s (SQLSTATE %s)", message, state);
}

int pg_check(struct pg_conn *c, const PGresult *result)
{
	const char *state;
	int r;

	if (!is_failure(result))
		return 0;
	state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (!state)
		state = "08006";
	/* "Cached plan must not change result type" after an ALTER TABLE; a pooler that dropped our statements. */
	c->stale |= strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0;
	c->must_repeat |= strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0;
	r = fail_with(c, code_of(state), state, result);
	if (PQstatus(c->link) == CONNECTION_BAD || str_starts(str_of(state), "08") || str_starts(str_of(state), "57P"))
		pg_break(c);
	return r;
}

void pg_break(struct pg_conn *c)
{
	PQfinish(TAKE(c->link));
	c->in_transaction = false;
	atomic_store(&c->broken, true);
	db_set_available(c->base.db, false);
}

int pg_command(struct pg_conn *c, const char *sql, int64_t limit_us, PGresult **ret_result)
{
	PGresult *result;
	int r;

	if (!c->link)
		return conn_fail(&c->base, ERR_UNAVAILABLE, "the connection is lost");
	conn_arm_deadline(&c->base, limit_us);
	r = pg_await(c->link, PQsendQuery(c->link, sql), c->base.deadline_us, &result);
	if (r < 0) {
		pg_break(c);
		return conn_fail(&c->base, r, r == ERR_TIMEOUT ? "no answer in time" : "the connection is lost");
	}
	r = pg_check(c, result);
	if (r == 0 && ret_result)
		*ret_result = result;
	else
		PQclear(result);
	return r;
}
