/* What operators and probes ask: resilience.md 2.6 and 2.9, http.md 2, design.md 9.10. */
#include "api/handlers_impl.h"
#include "api/media_type_impl.h"
#include "api/reply.h"
#include "api/site.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "domain/live.h"
#include "domain/tasks_state.h"

static const struct field usage_shape_list[] = {
	SHAPE("available", BOOL),
	SHAPE("backend", TEXT),
	SHAPE("error", TEXT, .flags = FIELD_NULLABLE),
	SHAPE("state", TEXT),
	SHAPE("since", TIME, .flags = FIELD_NULLABLE),
	SHAPE("fallback", TEXT, .flags = FIELD_NULLABLE),
	SHAPE("canary_ms", INT, .flags = FIELD_NULLABLE | FIELD_OPTIONAL),
};
static const struct fields usage_shape = SHAPES(usage_shape_list);

static const struct field queue_shape_list[] = {
	SHAPE("frames", INT),
	SHAPE("bytes", INT),
	SHAPE("frames_max", INT, .meaning = "De la connexion qui en a le plus."),
	SHAPE("bytes_max", INT),
};
static const struct fields queue_shape = SHAPES(queue_shape_list);

static const struct field dropped_shape_list[] = { SHAPE("typing", INT), SHAPE("superseded", INT), SHAPE("slow_consumer", INT) };
static const struct fields dropped_shape = SHAPES(dropped_shape_list);

static const struct field realtime_shape_list[] = {
	SHAPE("connections", INT),
	SHAPE("groups", INT),
	SHAPE("queue", OBJECT, .of = &queue_shape),
	SHAPE("sent", INT),
	SHAPE("dropped", OBJECT, .of = &dropped_shape),
	SHAPE("bus", TEXT, .meaning = "Entre les processus : « off », « live » ou « degraded »."),
};
static const struct fields realtime_shape = SHAPES(realtime_shape_list);

static const struct field beat_shape_list[] = {
	SHAPE("status", TEXT, .meaning = "« ok », « late » (une échéance est passée depuis dix minutes sans rien), « never »."),
	SHAPE("last_due_at", TIME, .flags = FIELD_NULLABLE),
	SHAPE("compost", TEXT, .meaning = "Le contrôle quotidien : « ok », « error » (aucun compost terminé depuis 8 jours), « off »."),
};
static const struct fields beat_shape = SHAPES(beat_shape_list);

static const struct field tasks_shape_list[] = {
	SHAPE("workers", INT, .flags = FIELD_NULLABLE, .meaning = "Ceux qui ont répondu ; null sans Redis, ou tant qu'il ne répond pas."),
	SHAPE("local_workers", INT),
	SHAPE("beat", OBJECT, .of = &beat_shape),
};
static const struct fields tasks_shape = SHAPES(tasks_shape_list);

static const struct field health_shape_list[] = {
	SHAPE("status", TEXT),
	SHAPE("database", TEXT),
	SHAPE("error", TEXT, .flags = FIELD_OPTIONAL),
	SHAPE("service", TEXT),
	SHAPE("redis", MAP, .each = EACH(OBJECT, .of = &usage_shape)),
	SHAPE("degraded", BOOL),
	SHAPE("realtime", OBJECT, .of = &realtime_shape, .flags = FIELD_OPTIONAL),
	SHAPE("tasks", OBJECT, .of = &tasks_shape, .flags = FIELD_OPTIONAL),
};
const struct fields health_shape = SHAPES(health_shape_list);

static void add_usage(struct buf *b, const struct redis *redis, enum redis_usage usage)
{
	struct redis_usage_status s;

	redis_usage_status(redis, usage, &s);
	buf_addf(b, "\"%s\":{\"available\":%s,\"backend\":\"%s\",\"error\":", redis_usage_name(usage), s.available ? "true" : "false",
	         s.backend);
	json_add_text(b, s.available ? NULL : s.error);
	buf_addf(b, ",\"state\":\"%s\",\"since\":", s.state);
	json_add_time(b, s.since);
	buf_add_text(b, ",\"fallback\":");
	json_add_text(b, s.fallback);
	if (usage == REDIS_CHANNELS) {
		buf_add_text(b, ",\"canary_ms\":");
		json_add_int(b, s.canary_us < 0 ? NULL_INT : s.canary_us / US_PER_MS);
	}
	buf_add_char(b, '}');
}

static bool is_degraded(const struct redis *redis)
{
	struct redis_usage_status s;

	for (int u = 0; u < REDIS_USAGES; u++) {
		redis_usage_status(redis, (enum redis_usage)u, &s);
		if (!s.available)
			return true;
	}
	return false;
}

static void add_realtime(struct buf *b, const struct live *live)
{
	struct live_state s;

	live->state(live->arg, &s);
	buf_addf(b, ",\"realtime\":{\"connections\":%lld,\"groups\":%lld", (long long)s.connections, (long long)s.groups);
	buf_addf(b, ",\"queue\":{\"frames\":%lld,\"bytes\":%lld,\"frames_max\":%lld,\"bytes_max\":%lld}", (long long)s.queue_frames,
	         (long long)s.queue_bytes, (long long)s.queue_frames_max, (long long)s.queue_bytes_max);
	buf_addf(b, ",\"sent\":%lld,\"dropped\":{\"typing\":%lld,\"superseded\":%lld,\"slow_consumer\":%lld},\"bus\":\"%s\"}",
	         (long long)s.sent, (long long)s.dropped_typing, (long long)s.dropped_superseded, (long long)s.dropped_slow_consumer,
	         s.bus);
}

static void add_tasks(struct buf *b, const struct tasks_watcher *tasks)
{
	struct tasks_state s;

	tasks->state(tasks->arg, &s);
	buf_add_text(b, ",\"tasks\":{\"workers\":");
	json_add_int(b, s.workers);
	buf_addf(b, ",\"local_workers\":%lld,\"beat\":{\"status\":\"%s\",\"last_due_at\":", (long long)s.local_workers, s.beat);
	json_add_time(b, s.beat_due);
	buf_addf(b, ",\"compost\":\"%s\"}}", s.compost);
}

static bool database_answers(struct request *req)
{
	return req->worker->db && db_ping(req->worker->db) == 0;
}

void health_show(struct request *req)
{
	const struct redis *redis = req->worker->context->redis;
	bool connected = database_answers(req), degraded = is_degraded(redis);
	const char *word = !connected ? "error" : degraded ? "degraded" : "ok";
	struct buf b = BUF_EMPTY;

	if (accepts_only_text(req->headers.accept)) {
		reply_text(req, connected ? 200 : 503, str_of(word), "text/plain; charset=utf-8");
		return;
	}
	buf_addf(&b, "{\"status\":\"%s\",\"database\":\"%s\",", word, connected ? "connected" : "disconnected");
	if (!connected)
		buf_add_text(&b, "\"error\":\"Base de données injoignable.\",");
	buf_add_text(&b, "\"service\":\"egoejo-backend\",\"redis\":{");
	for (int u = 0; u < REDIS_USAGES; u++) {
		if (u)
			buf_add_char(&b, ',');
		add_usage(&b, redis, (enum redis_usage)u);
	}
	buf_addf(&b, "},\"degraded\":%s", degraded ? "true" : "false");
	if (req->worker->context->live && req->worker->context->live->state)
		add_realtime(&b, req->worker->context->live);
	if (req->worker->context->tasks)
		add_tasks(&b, req->worker->context->tasks);
	buf_add_char(&b, '}');
	reply_json_take(req, connected ? 200 : 503, &b);
}

static void reply_probe(struct request *req, bool (*probe)(void *arg, struct buf *verbose))
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct query query;
	bool good, verbose;

	if (!query_or_reply(req, &query))
		return;
	verbose = query_get(&query, "verbose").s != NULL;
	good = probe(req->worker->context->probe_arg, verbose ? &b : NULL);
	buf_add_text(&b, good ? "ok\n" : "failed\n");
	reply_text(req, good ? 200 : 503, arena_str(&req->arena, buf_view(&b)), "text/plain; charset=utf-8");
}

void health_livez(struct request *req)
{
	reply_probe(req, req->worker->context->alive);
}

void health_readyz(struct request *req)
{
	reply_probe(req, req->worker->context->ready);
}

/* A loopback peer that forwards for nobody, or the token. */
static bool may_read_metrics(const struct request *req)
{
	const struct request_headers *h = &req->headers;
	struct str token = h->authorization;

	if (site_is_loopback(&req->peer) && !h->x_forwarded_for.s && !h->x_forwarded_proto.s && !h->forwarded.s)
		return true;
	if (!req->worker->context->settings->metrics_token || !str_starts(token, "Bearer "))
		return false;
	token.s += 7;
	token.len -= 7;
	return str_equal_secret(token, str_of(req->worker->context->settings->metrics_token));
}

void health_metrics(struct request *req)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct str body;

	if (!may_read_metrics(req)) {
		req->reply.allow = NULL;
		reply_detail(req, 404, "Introuvable.");
		return;
	}
	metrics_render(&b);
	body = b.failed ? (struct str){ NULL, 0 } : arena_str(&req->arena, buf_view(&b));
	if (!body.s)
		reply_error(req, ERR_NOMEM);
	else
		reply_text(req, 200, body, "text/plain; version=0.0.4; charset=utf-8");
}
