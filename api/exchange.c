/*
 * One request on an http thread. What is called here by libmicrohttpd runs on its thread; a request is answered in the second
 * call of the handler, because an answer queued in the first makes 0.9.75 close the connection (which is what refusals
 * want, and get).
 *
 *   exchange_on_target     the request line is there: an exchange is taken, the target copied before it is taken apart
 *   exchange_handle, 1st   the head is there: guard, limits
 *   exchange_handle, more  the body, piece by piece; then once more without data: dispatch, and the answer, or the executor
 *   exchange_on_completed  the answer is out, or the connection is gone: accounts, and the exchange goes back
 */
#include <stdlib.h>
#include <string.h>

#include "api/dispatch.h"
#include "api/recv.h"
#include "api/reply.h"
#include "api/announce.h"
#include "api/transport_impl.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_DISCARDED_BYTES (16 * 1024 * 1024)  /* of a chunked body beyond its limit, before the connection is cut */
#define ARENA_LIMIT_BYTES   (256 * 1024 * 1024) /* of one request; a safety net */

static int64_t seconds(int64_t s)
{
	return s * US_PER_S;
}

static const char *make_id(struct http_thread *t, char ret_id[17])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t x = t->id_seed + ++t->id_count * UINT64_C(0x9e3779b97f4a7c15); /* splitmix64: never twice the same in a thread */

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	for (int i = 15; i >= 0; i--, x >>= 4)
		ret_id[i] = digits[x & 15];
	ret_id[16] = '\0';
	return ret_id;
}

static struct exchange *exchange_take(struct http_thread *t)
{
	struct exchange *ex = t->free;

	if (ex) {
		t->free = ex->next_free;
		t->n_free--;
		return ex;
	}
	ex = mem_alloc(sizeof(*ex));
	if (ex)
		arena_init(&ex->request.arena, ARENA_LIMIT_BYTES);
	return ex;
}

/* Back to the free list, empty but for the first block of its arena. */
static void exchange_give(struct http_thread *t, struct exchange *ex)
{
	struct arena arena;

	reply_drop_file(&ex->request.reply);
	intake_finish(&ex->body);
	arena_reset(&ex->request.arena);
	if (t->n_free >= FREE_EXCHANGES) {
		arena_finish(&ex->request.arena);
		free(ex);
		return;
	}
	arena = ex->request.arena;
	memset(ex, 0, sizeof(*ex));
	ex->request.arena = arena;
	ex->next_free = t->free;
	t->free = ex;
	t->n_free++;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* MHD_OPTION_URI_LOG_CALLBACK: what it returns is the handler's context. */
void *exchange_on_target(void *arg, const char *uri, struct MHD_Connection *mhd)
{
	struct http_thread *t = arg;
	struct connection *c = connection_of(mhd);
	struct exchange *ex = exchange_take(t);
	struct request *req;

	if (!ex)
		return NULL;
	req = &ex->request;
	ex->thread = t;
	ex->connection = c;
	ex->mhd = mhd;
	ex->number = ++c->requests;
	req->transport = ex;
	req->worker = &t->worker;
	req->id = make_id(t, ex->id);
	req->peer = c->peer;
	req->started_us = clock_monotonic_us();
	ex->raw_target = arena_str(&req->arena, str_of(uri ? uri : ""));
	connection_move(c, PHASE_HEAD, req->started_us + HEAD_LIMIT_US); /* lost: the next move fails as well */
	return ex;
}

static int64_t answer_deadline(const struct exchange *ex)
{
	int64_t upload_us = ex->request.takes_upload ? seconds((int64_t)ex->body.len) / UPLOAD_RATE_BYTES : 0;

	return ex->request.started_us + seconds(ex->thread->server->settings->request_timeout_s) + upload_us;
}

/* The reply is set: queues it. False: the connection is to be closed. */
static bool answer(struct exchange *ex)
{
	struct server *s = ex->thread->server;
	struct request *req = &ex->request;

	if (req->body_too_large || atomic_load_explicit(&s->draining, memory_order_relaxed))
		req->reply.close = true;
	ex->queued_us = clock_monotonic_us();
	ex->stage = STAGE_QUEUED;
	if (!respond(ex, ex->queued_us))
		return false;
	return connection_move(ex->connection, PHASE_SENDING,
	                       ex->queued_us + seconds(s->settings->request_timeout_s + (int64_t)(ex->answer_bytes / MINIMUM_RATE_BYTES)));
}

/* On an executor thread; the connection is suspended, so the exchange is this thread's until it is resumed. */
static void run_slow(void *arg, struct worker *worker)
{
	struct exchange *ex = arg;

	ex->request.worker = worker;
	dispatch_slow(&ex->request);
	ex->request.worker = &ex->thread->worker;
	ex->stage = STAGE_RESUMED;
	MHD_resume_connection(ex->mhd);
}

static void drop_slow(void *arg)
{
	struct exchange *ex = arg;

	dispatch_busy(&ex->request);
	ex->stage = STAGE_RESUMED;
	MHD_resume_connection(ex->mhd);
}

/* What libmicrohttpd has just read from a socket of this thread. */
static void on_bytes(void *arg, int fd, const char *bytes, size_t n)
{
	struct http_thread *t = arg;
	struct server *s = t->server;

	if (fd < s->n_connections && s->connections[fd].thread == t)
		stream_feed(&s->connections[fd].stream, bytes, n);
}

void exchange_watch(struct http_thread *t)
{
	recv_watch(on_bytes, t);
}

/* What a handler reads, from Redis or PostgreSQL, is not looked at: those sockets are not in the table of connections. */
static enum dispatch_result dispatch_unwatched(struct exchange *ex)
{
	enum dispatch_result result;

	recv_watch(NULL, NULL);
	result = dispatch(&ex->request);
	exchange_watch(ex->thread);
	return result;
}

/* The whole request is there: the answer, now or from the executor. False: close. */
static bool serve(struct exchange *ex)
{
	enum dispatch_result result;
	struct lane *lane;

	if (!connection_move(ex->connection, PHASE_HANDLING, answer_deadline(ex)))
		return false;
	result = dispatch_unwatched(ex);
	if (result == DISPATCH_ANSWERED)
		return answer(ex);
	lane = &ex->thread->server->lanes[result == DISPATCH_PASSWORD ? LANE_PASSWORD : LANE_SLOW];
	ex->stage = STAGE_EXECUTOR;
	MHD_suspend_connection(ex->mhd); /* first: the executor may be done before executor_submit returns */
	if (!executor_submit(lane->executor, (struct executor_job){ run_slow, drop_slow, ex }))
		drop_slow(ex);
	return true;
}

static bool refuse(struct exchange *ex, struct head_verdict v)
{
	struct reply *reply = &ex->request.reply;

	dispatch_refused(&ex->request, v.status, v.detail);
	if (v.status == 426 && reply->n_headers < REPLY_MAX_HEADERS)
		reply->headers[reply->n_headers++] = (struct reply_header){ "Upgrade", "websocket" };
	reply->close = true;
	ex->connection->lingers = true;
	metric_add(metric_seriesf(METRIC_HTTP_REFUSED, "reason=\"%d\"", v.status), 1);
	return answer(ex);
}

/* The deadline of a body: a grace, then the minimum rate, and never beyond the request's own. */
static int64_t body_deadline(const struct exchange *ex)
{
	int64_t by_rate = ex->head_us + BODY_GRACE_US + seconds((int64_t)ex->body.len + ex->discarded) / MINIMUM_RATE_BYTES;
	int64_t by_request = answer_deadline(ex);

	return by_rate < by_request ? by_rate : by_request;
}

/* First call: the head is whole. */
static bool begin(struct exchange *ex, const char *method)
{
	struct head_verdict v;
	bool has_body;

	if (!ex->raw_target.s)
		return false;
	v = guard_check(ex, method);
	if (v.status)
		return refuse(ex, v);
	ex->stage = STAGE_BODY;
	has_body = ex->framing.codings || ex->framing.length > 0;
	if (!has_body)
		return true; /* the second call follows at once */
	ex->head_us = clock_monotonic_us();
	ex->body_limit = dispatch_body_limit(&ex->request);
	ex->body.expected = ex->framing.lengths ? (size_t)ex->framing.length : 0;
	if (ex->request.takes_upload)
		ex->body.media_root = ex->thread->server->settings->media_root;
	if (ex->framing.length > ex->body_limit) { /* known beforehand: no 100, nothing read, the gates still come first */
		ex->request.body_too_large = true;
		ex->connection->lingers = true;
		return serve(ex);
	}
	return connection_move(ex->connection, PHASE_BODY, body_deadline(ex));
}

/* Answers on the socket itself, because libmicrohttpd takes no answer while a body comes; then it closes. */
static bool cut_body(struct exchange *ex, int status, const char *detail)
{
	if (connection_move(ex->connection, PHASE_SENDING, clock_monotonic_us() + LINGER_LIMIT_US))
		respond_raw(ex->connection->fd, status, detail);
	ex->request.reply.status = status;
	ex->connection->lingers = true;
	return false;
}

#define UNAVAILABLE "Service momentanément indisponible."

/* A failure of ours to keep the body: the rest is read and dropped, and the answer comes when the gates have had their say. */
static void give_up_body(struct exchange *ex, int code, const struct error *err)
{
	ex->request.body_error = code;
	log_write(LOG_ERROR, "http", code == ERR_FULL ? "media.full" : "media.failed", LOG_FIELDS(LOG_STR("request_id", ex->request.id)),
	          "%s", err->code ? err->text : error_name(code));
}

/* A piece of the body. */
static bool take_body(struct exchange *ex, const char *data, size_t n)
{
	struct head_verdict v = guard_verdict(ex);
	struct request *req = &ex->request;
	struct error err = { 0 };
	int r = 0;

	if (v.status)
		return cut_body(ex, v.status, v.detail);
	if ((int64_t)(ex->body.len + n) > ex->body_limit)
		req->body_too_large = true;
	if (!req->body_too_large && !req->body_error)
		r = intake_add(&ex->body, &req->arena, data, n, &err);
	if (r == ERR_NOMEM)
		return cut_body(ex, 503, UNAVAILABLE);
	if (r < 0)
		give_up_body(ex, r, &err);
	if (req->body_too_large || req->body_error)
		ex->discarded += (int64_t)n;
	if (ex->discarded > MAX_DISCARDED_BYTES)
		return req->body_error ? cut_body(ex, 503, UNAVAILABLE) : cut_body(ex, 413, "Corps de requête trop volumineux.");
	return connection_move(ex->connection, PHASE_BODY, body_deadline(ex));
}

/* The body is whole, or there is none. */
static bool finish(struct exchange *ex)
{
	struct head_verdict v = guard_verdict(ex);
	struct error err = { 0 };
	int r = 0;

	if (v.status)
		return refuse(ex, v);
	if (!ex->request.body_too_large && !ex->request.body_error)
		r = intake_view(&ex->body, &ex->request.body, &err);
	if (r < 0)
		give_up_body(ex, r, &err);
	return serve(ex);
}

enum MHD_Result exchange_handle(void *arg, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                                const char *data, size_t *n, void **context)
{
	struct exchange *ex = *context;
	bool go_on = true;

	if (!ex)
		return MHD_NO;
	if (ex->stage == STAGE_HEAD) {
		go_on = begin(ex, method);
	} else if (*n) {
		if (ex->stage == STAGE_BODY)
			go_on = take_body(ex, data, *n);
		*n = 0;
	} else if (ex->stage == STAGE_BODY) {
		go_on = finish(ex);
	} else if (ex->stage == STAGE_RESUMED) {
		go_on = answer(ex);
	}
	return go_on ? MHD_YES : MHD_NO;
}

void exchange_on_completed(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode why)
{
	struct http_thread *t = arg;
	struct exchange *ex = *context;

	if (!ex)
		return;
	*context = NULL;
	account_request(ex);
	request_answered(&ex->request);
	connection_move(ex->connection, PHASE_IDLE, clock_monotonic_us() + seconds(t->server->settings->idle_timeout_s));
	exchange_give(t, ex);
}

void exchange_free_all(struct http_thread *t)
{
	while (t->free) {
		struct exchange *ex = t->free;

		t->free = ex->next_free;
		arena_finish(&ex->request.arena);
		free(ex);
	}
	t->n_free = 0;
}
