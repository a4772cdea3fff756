#include "resilience/redis_waiter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "resilience/redis_impl.h"

#define SILENCE_US (1 * US_PER_S)  /* after the command's own end (resilience.md 2.1) */
#define KEPT_US    (60 * US_PER_S) /* while the usage is down */

struct redis_waiter {
	struct redis *redis;
	struct usage *usage;
	struct redis_conn *conn;
	bool pending;
	int64_t blocks_us;
	int64_t silent_at_us;   /* no reply by then, with the usage closed all the time since it was set: deaf */
	int64_t given_up_at_us; /* whatever the usage does */
};

struct redis_waiter *redis_waiter_create(struct redis *redis, enum redis_usage usage)
{
	struct redis_waiter *w = mem_alloc(sizeof(*w));

	if (!w)
		return NULL;
	w->redis = redis;
	w->usage = &redis->usages[usage];
	return w;
}

static void hang_up(struct redis_waiter *w)
{
	redis_conn_destroy(w->conn);
	w->conn = NULL;
	w->pending = false;
}

void redis_waiter_destroy(struct redis_waiter *w)
{
	if (!w)
		return;
	hang_up(w);
	free(w);
}

/* A connection of this attempt's generation that is still good. */
static int prepare(struct redis_waiter *w, struct attempt *a)
{
	if (w->conn && (w->conn->generation != a->generation || !redis_conn_idle_ok(w->conn)))
		hang_up(w);
	return w->conn ? 0 : attempt_connect(a, &w->conn);
}

static int64_t silence(const struct redis_waiter *w)
{
	return clock_monotonic_us() + w->blocks_us + SILENCE_US;
}

int redis_waiter_send(struct redis_waiter *w, const struct redis_command *command, int64_t blocks_us)
{
	struct attempt a;
	int r = w->pending ? ERR_INVALID : attempt_begin(&a, w->usage, NULL);

	if (r < 0)
		return r;
	r = prepare(w, &a);
	if (r == 0)
		r = redis_conn_send(w->conn, command, 1, attempt_command_deadline(&a), &a.outage.err);
	if (r < 0 && w->conn)
		a.outage.kind = w->conn->failure;
	if (r < 0)
		hang_up(w);
	r = attempt_end(&a, "wait", r);
	if (r < 0)
		return r;
	w->pending = true;
	w->blocks_us = blocks_us;
	w->silent_at_us = silence(w);
	w->given_up_at_us = w->silent_at_us + KEPT_US;
	return 0;
}

bool redis_waiter_pending(const struct redis_waiter *w)
{
	return w->pending;
}

/* The connection is lost: the usage is told, and so is the caller. */
static int lose(struct redis_waiter *w)
{
	struct outage o = { .kind = w->conn->failure, .duration_us = -1, .by_reply = w->conn->by_reply, .err = w->conn->error };
	uint64_t generation = w->conn->generation;

	hang_up(w);
	metric_add(w->usage->errors[o.kind ? o.kind : REDIS_OTHER], 1);
	if (o.kind != REDIS_FAILURE_NONE)
		usage_failed(w->usage, generation, &o);
	return ERR_UNAVAILABLE;
}

static int stay_silent(struct redis_waiter *w)
{
	int64_t now = clock_monotonic_us();

	if (!redis_usable(w->redis, w->usage->id))
		w->silent_at_us = silence(w);
	if (now < w->silent_at_us && now < w->given_up_at_us)
		return 0;
	metric_add(w->usage->errors[REDIS_TIMEOUT], 1);
	hang_up(w);
	return ERR_TIMEOUT;
}

int redis_waiter_receive(struct redis_waiter *w, struct redis_reply **ret_reply)
{
	enum redis_failure outage;
	struct redis_reply *reply;
	int r = w->pending ? redis_conn_try(w->conn, &reply) : ERR_INVALID;

	if (r == 0)
		return stay_silent(w);
	if (r < 0)
		return w->pending ? lose(w) : r;
	outage = redis_outage_of(reply);
	if (outage != REDIS_FAILURE_NONE) {
		redis_conn_fail(w->conn, ERR_UNAVAILABLE, outage, "%.*s", STR_ARG(redis_reply_text(reply)));
		w->conn->by_reply = true;
		redis_replies_free(&reply, 1);
		return lose(w);
	}
	w->pending = false;
	*ret_reply = reply;
	return 1;
}

int redis_waiter_fd(const struct redis_waiter *w)
{
	return w->pending ? redis_conn_fd(w->conn) : -1;
}
