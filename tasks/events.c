/* Each event is an envelope as any message is; its body is one object, or a list for tasks. */
#include "tasks/events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/random.h"
#include "db/task_message.h"
#include "resilience/publisher.h"
#include "resilience/redis.h"
#include "tasks/result.h"

#define QUEUE_MESSAGES 10000
#define QUEUE_BYTES    (16 << 20)
#define BATCH_BYTES    (64 << 10)

struct events {
	struct publisher *publisher;
	const char *hostname;
	int db;
	atomic_bool enabled;
	_Atomic int64_t clock;
	pthread_mutex_t lock; /* of what follows */
	struct buf batch;     /* events of tasks, with commas between */
	size_t n;
};

struct events *events_create(struct redis *redis, const char *hostname, bool enabled)
{
	const struct publisher_config config = {
		.usage = REDIS_TASKS, .name = "events", .max_messages = QUEUE_MESSAGES, .max_bytes = QUEUE_BYTES
	};
	struct events *e = mem_alloc(sizeof(*e));

	if (!e)
		return NULL;
	e->hostname = hostname;
	e->db = redis_database(redis, REDIS_TASKS);
	atomic_init(&e->enabled, enabled);
	pthread_mutex_init(&e->lock, NULL);
	e->publisher = publisher_create(redis, &config);
	if (e->publisher)
		return e;
	pthread_mutex_destroy(&e->lock);
	free(e);
	return NULL;
}

void events_destroy(struct events *e)
{
	if (!e)
		return;
	events_flush(e);
	publisher_destroy(e->publisher);
	pthread_mutex_destroy(&e->lock);
	buf_finish(&e->batch);
	free(e);
}

bool events_enable(struct events *e, bool enabled)
{
	return atomic_exchange(&e->enabled, enabled);
}

int64_t events_tick(struct events *e)
{
	return atomic_fetch_add(&e->clock, 1) + 1;
}

void events_hear_clock(struct events *e, int64_t theirs)
{
	int64_t own = atomic_load(&e->clock);

	while (theirs >= 0 && theirs < INT64_MAX / 2 && !atomic_compare_exchange_weak(&e->clock, &own, (own > theirs ? own : theirs) + 1))
		;
}

int events_add_envelope(struct buf *b, struct str body, struct str headers, int delivery_mode, const char *exchange, struct str routing_key)
{
	char hex[UUID_HEX_SIZE], tag[UUID_TEXT_SIZE];
	int r = random_uuid_hex(hex);

	if (r < 0)
		return r;
	uuid_add_dashes(hex, tag);
	buf_add_text(b, "{\"body\": \"");
	base64_add(b, BASE64, body.s, body.len);
	buf_add_text(b, "\", \"content-encoding\": \"utf-8\", \"content-type\": \"application/json\", \"headers\": {");
	buf_add_str(b, headers);
	buf_addf(b, "}, \"properties\": {\"delivery_mode\": %d, \"delivery_info\": {\"exchange\": \"%s\", \"routing_key\": ", delivery_mode,
	         exchange);
	json_add_str(b, routing_key);
	buf_addf(b, "}, \"priority\": 0, \"body_encoding\": \"base64\", \"delivery_tag\": \"%s\"}}", tag);
	return b->failed ? ERR_NOMEM : 0;
}

/* ---- one event ---- */

static void publish(struct events *e, const char *routing_key, const struct buf *body)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY, headers = BUF_EMPTY;
	char channel[64];
	int n = snprintf(channel, sizeof(channel), "/%d.celeryev/%s", e->db, routing_key);

	buf_add_text(&headers, "\"hostname\": ");
	json_add_text(&headers, e->hostname);
	if (body->failed || headers.failed)
		return;
	if (events_add_envelope(&envelope, buf_view(body), buf_view(&headers), 1, "celeryev", str_of(routing_key)) == 0)
		publisher_put(e->publisher, (struct str){ channel, (size_t)n }, buf_view(&envelope));
}

static void begin(struct events *e, struct buf *b, const char *type)
{
	struct instant now = clock_now();

	buf_add_text(b, "{\"hostname\": ");
	json_add_text(b, e->hostname);
	buf_addf(b, ", \"utcoffset\": 0.0, \"pid\": %ld, \"clock\": %lld, \"timestamp\": %lld.%06lld, \"type\": \"%s\"", (long)getpid(),
	         (long long)events_tick(e), (long long)(now.us / US_PER_S), (long long)(now.us % US_PER_S), type);
}

static void add_text(struct buf *b, const char *key, struct str value)
{
	buf_add_text(b, ", \"");
	buf_add_text(b, key);
	buf_add_text(b, "\": ");
	json_add_str(b, value);
}

void events_worker(struct events *e, const char *type, int64_t active, int64_t processed)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	double load[3] = { 0, 0, 0 };
	char routing_key[32];

	if (getloadavg(load, 3) < 3)
		load[0] = load[1] = load[2] = 0;
	snprintf(routing_key, sizeof(routing_key), "worker.%s", type + sizeof("worker-") - 1);
	begin(e, &b, type);
	buf_addf(&b, ", \"freq\": 2.0, \"active\": %lld, \"processed\": %lld, \"loadavg\": [%.2f, %.2f, %.2f]", (long long)active,
	         (long long)processed, load[0], load[1], load[2]);
	buf_add_text(&b, ", \"sw_ident\": \"egoejo\", \"sw_ver\": \"" EGOEJO_VERSION "\", \"sw_sys\": \"Linux\"}");
	publish(e, routing_key, &b);
}

/* ---- tasks ---- */

/* With the lock. */
static void publish_batch(struct events *e)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;

	buf_add_char(&body, '[');
	buf_add_str(&body, buf_view(&e->batch));
	buf_add_char(&body, ']');
	if (!e->batch.failed)
		publish(e, "task.multi", &body);
	buf_finish(&e->batch);
	e->n = 0;
}

void events_put(struct events *e, const struct buf *event)
{
	if (!event->len || event->failed)
		return;
	pthread_mutex_lock(&e->lock);
	if (e->n)
		buf_add_text(&e->batch, ", ");
	buf_add_str(&e->batch, buf_view(event));
	if (++e->n >= EVENTS_BATCH || e->batch.len >= BATCH_BYTES)
		publish_batch(e);
	pthread_mutex_unlock(&e->lock);
}

void events_flush(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	if (e->n)
		publish_batch(e);
	pthread_mutex_unlock(&e->lock);
}

/* True when tasks are told of: the beginning of an event of this task. */
static bool begin_task(struct events *e, struct buf *b, const char *type, const struct message *m)
{
	if (!atomic_load(&e->enabled))
		return false;
	begin(e, b, type);
	add_text(b, "uuid", m->id);
	return true;
}

void events_task_received(struct events *e, const struct message *m)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	if (!begin_task(e, &b, "task-received", m))
		return;
	add_text(&b, "name", m->task);
	add_text(&b, "args", m->args_repr);
	add_text(&b, "kwargs", m->kwargs_repr);
	add_text(&b, "root_id", m->root_id);
	add_text(&b, "parent_id", m->parent_id);
	buf_addf(&b, ", \"retries\": %d, \"eta\": ", m->retries);
	json_add_time(&b, m->eta);
	buf_add_text(&b, ", \"expires\": ");
	json_add_time(&b, m->expires);
	buf_add_char(&b, '}');
	events_put(e, &b);
}

void events_task_started(struct events *e, const struct message *m)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	if (!begin_task(e, &b, "task-started", m))
		return;
	buf_add_char(&b, '}');
	events_put(e, &b);
}

void events_write_succeeded(struct events *e, struct buf *b, const struct message *m, struct str result, int64_t runtime_us)
{
	CLEANUP(buf_finish) struct buf shown = BUF_EMPTY;

	if (!begin_task(e, b, "task-succeeded", m))
		return;
	task_message_add_repr(&shown, result);
	add_text(b, "result", buf_view(&shown));
	buf_addf(b, ", \"runtime\": %.6f}", (double)runtime_us / (double)US_PER_S);
	b->failed |= shown.failed;
}

void events_write_error(struct events *e, struct buf *b, const char *type, const struct message *m, const struct task_error *error,
                        bool with_traceback)
{
	CLEANUP(buf_finish) struct buf exception = BUF_EMPTY, traceback = BUF_EMPTY;

	if (!begin_task(e, b, type, m))
		return;
	result_add_exception(&exception, error);
	add_text(b, "exception", buf_view(&exception));
	if (with_traceback) {
		result_add_traceback(&traceback, error);
		add_text(b, "traceback", buf_view(&traceback));
	}
	buf_add_char(b, '}');
	b->failed |= exception.failed || traceback.failed;
}

void events_write_revoked(struct events *e, struct buf *b, const struct message *m, bool terminated, bool expired)
{
	if (begin_task(e, b, "task-revoked", m))
		buf_addf(b, ", \"terminated\": %s, \"signum\": %s, \"expired\": %s}", terminated ? "true" : "false",
		         terminated ? "\"15\"" : "null", expired ? "true" : "false");
}
