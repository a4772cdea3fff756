/*
 * The thread that takes, and that tells Redis what has ended, both in one trip. While there is room it asks the queues by a script,
 * which takes and registers in one step; when they are empty it waits in BRPOP on a connection of its own. A take whose reply was
 * lost is looked up again by its time of delivery, once Redis answers, and once more a little later.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tasks/broker_impl.h"
#include "tasks/worker_impl.h"

#define DOWN_MS         100 /* between two looks at a Redis that is away */
#define IDLE_MS         1000
#define RECALL_AGAIN_US (10 * US_PER_S)
#define PUT_BACK_US     (5 * US_PER_S) /* a draining worker tries that long */

/* A take that may have happened. */
struct doubt {
	int64_t taken_at_us;
	int64_t again_at_us; /* monotonic */
	int times;
};

/* What BRPOP handed over and Redis could not be told yet. */
struct loose {
	char *list, *item; /* owned; NULL: none */
	size_t list_len, item_len;
	int64_t taken_at_us;
	bool tried; /* to register it: it may have happened */
};

struct taker {
	struct worker *worker;
	struct redis_waiter *waiter;
	struct broker_queues queues;
	uint64_t queues_version;
	int64_t last_us; /* the last time of delivery: no two are the same */
	struct doubt doubts[DOUBTS_MAX];
	size_t n_doubts;
	struct loose loose;
	struct telling telling;
	struct broker_batch batch;
	int64_t drain_until_us; /* monotonic; 0: not draining */
	bool declared;
};

void worker_wake(struct worker *w)
{
	uint64_t one = 1;

	while (write(w->wake_fd, &one, sizeof(one)) < 0)
		if (errno != EINTR)
			break;
}

/* ---- taking ---- */

static int64_t next_time(struct taker *t)
{
	int64_t now = clock_now().us;

	t->last_us = now > t->last_us ? now : t->last_us + 1;
	return t->last_us;
}

static void add_doubt(struct taker *t, int64_t taken_at_us)
{
	if (t->n_doubts == DOUBTS_MAX)
		memmove(&t->doubts[0], &t->doubts[1], --t->n_doubts * sizeof(t->doubts[0]));
	t->doubts[t->n_doubts++] = (struct doubt){ .taken_at_us = taken_at_us };
}

static void look_up_doubts(struct taker *t)
{
	for (size_t i = 0; i < t->n_doubts; i++) {
		struct doubt *d = &t->doubts[i];

		if (clock_monotonic_us() < d->again_at_us)
			continue;
		if (broker_recall(t->worker->redis, d->taken_at_us, &t->batch) < 0)
			return;
		worker_accept(t->worker, &t->batch, true);
		d->again_at_us = clock_monotonic_us() + RECALL_AGAIN_US;
		if (++d->times == 2)
			*d = t->doubts[--t->n_doubts];
	}
}

/* Tells of what has ended, and takes up to room messages: how many came; negative: Redis is away. */
static int go_round(struct taker *t, size_t room)
{
	struct worker *w = t->worker;
	struct broker_round round = { t->telling.ends, t->telling.n, &t->queues, room, room ? next_time(t) : 0 };
	bool told = false;
	int r = room || t->telling.n ? broker_round(w->redis, &round, &t->batch, &told) : 0, n = (int)t->batch.n;

	worker_told(w, &t->telling, told);
	if (!room)
		return r;
	if (r < 0)
		add_doubt(t, round.taken_at_us);
	else
		atomic_store(&w->last_take_us, clock_monotonic_us());
	worker_accept(w, &t->batch, r < 0); /* of one in doubt, what there was memory for */
	return r < 0 ? r : n;
}

static void wait_in_redis(struct taker *t)
{
	struct redis_command command;
	struct broker_wait wait;

	if (broker_wait_begin(&t->queues, &wait, &command) == 0)
		redis_waiter_send(t->waiter, &command, BROKER_WAIT_US);
	broker_wait_finish(&wait);
}

static void drop_loose(struct loose *l)
{
	free(l->list);
	free(l->item);
	*l = (struct loose){ 0 };
}

/* Whether it is registered already, by a call whose answer came too late. */
static bool find_loose(struct taker *t)
{
	if (!t->loose.tried || broker_recall(t->worker->redis, t->loose.taken_at_us, &t->batch) < 0 || !t->batch.n)
		return false;
	drop_loose(&t->loose);
	worker_accept(t->worker, &t->batch, true);
	return true;
}

/* Registers what BRPOP handed over. */
static void register_loose(struct taker *t)
{
	struct loose *l = &t->loose;

	if (l->item_len > BROKER_ITEM_MAX) {
		if (worker_bury_large(t->worker, (struct str){ l->list, l->list_len }, (struct str){ l->item, l->item_len }) == 0)
			drop_loose(l);
		return;
	}
	if (find_loose(t))
		return;
	l->tried = true;
	if (broker_register(t->worker->redis, &t->queues, (struct str){ l->list, l->list_len }, (struct str){ l->item, l->item_len },
	                    l->taken_at_us, &t->batch) < 0)
		return;
	drop_loose(l);
	worker_accept(t->worker, &t->batch, false);
}

/* False: Redis refuses to hand anything over (logged): a look later, not at once. */
static bool hear_waiter(struct taker *t)
{
	struct redis_reply *reply;
	int r = redis_waiter_receive(t->waiter, &reply);
	struct str list, item;

	if (r == ERR_TIMEOUT)
		log_write(LOG_WARNING, "tasks.worker", "worker.deaf", LOG_NO_FIELDS,
		          "the connection that waits for tasks went silent: another one is made");
	if (r <= 0)
		return true;
	if (call_check("brpop", reply) < 0) {
		redis_replies_free(&reply, 1);
		return false;
	}
	atomic_store(&t->worker->last_take_us, clock_monotonic_us());
	list = redis_reply_size(reply) == 2 ? redis_reply_text(redis_reply_at(reply, 0)) : (struct str){ NULL, 0 };
	item = list.s ? redis_reply_text(redis_reply_at(reply, 1)) : list;
	if (item.s)
		t->loose = (struct loose){ mem_strndup(list.s, list.len), mem_strndup(item.s, item.len), list.len, item.len, next_time(t) };
	redis_replies_free(&reply, 1);
	if (t->loose.item)
		register_loose(t);
	return true;
}

/* ---- turns ---- */

/* Control may have changed what is consumed. */
static void follow_queues(struct taker *t)
{
	struct worker *w = t->worker;

	pthread_mutex_lock(&w->lock);
	if (t->queues_version != w->queues_version) {
		t->queues = w->queues;
		t->queues_version = w->queues_version;
		t->declared = false;
	}
	pthread_mutex_unlock(&w->lock);
}

static void reconnect(struct taker *t)
{
	if (!atomic_exchange(&t->worker->reconnect, false))
		return;
	redis_waiter_destroy(t->waiter);
	t->waiter = redis_waiter_create(t->worker->redis, REDIS_TASKS);
}

/* What can be done without taking. Otherwise the time until the next look, in milliseconds. */
static bool prepare_take(struct taker *t, size_t room, int *ret_ms)
{
	struct worker *w = t->worker;

	*ret_ms = DOWN_MS;
	if (!redis_usable(w->redis, REDIS_TASKS)) {
		t->declared = false; /* it may come back empty */
		return false;
	}
	if (t->loose.item)
		register_loose(t);
	look_up_doubts(t);
	if (!t->declared)
		t->declared = broker_declare(w->redis, &t->queues) == 0;
	if (!room || !t->queues.n)
		*ret_ms = IDLE_MS;
	if (!t->queues.n)
		atomic_store(&w->last_take_us, clock_monotonic_us());
	return room && t->queues.n && !t->loose.item;
}

/* Tells and looks for work; the time until the next look, in milliseconds. */
static int look(struct taker *t)
{
	size_t room;
	int ms, n;

	worker_collect(t->worker, &t->telling, &room);
	if (t->waiter && redis_waiter_pending(t->waiter)) {
		go_round(t, 0);
		if (!hear_waiter(t))
			return DOWN_MS;
		return redis_waiter_pending(t->waiter) ? IDLE_MS / 4 : 0;
	}
	if (!prepare_take(t, room, &ms)) {
		go_round(t, 0);
		return ms;
	}
	n = go_round(t, room);
	if (n != 0 || !t->waiter)
		return n > 0 && t->waiter ? 0 : DOWN_MS;
	wait_in_redis(t);
	return redis_waiter_pending(t->waiter) ? IDLE_MS / 4 : DOWN_MS;
}

/* Whether there is nothing to tell; then who has something calls. */
static bool may_wait(struct worker *w)
{
	bool may;

	pthread_mutex_lock(&w->lock);
	may = w->taker_waits = STAILQ_EMPTY(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return may;
}

static void sleep_until_needed(struct taker *t, int ms, int64_t due_at_us)
{
	struct pollfd p[2] = { { .fd = t->worker->wake_fd, .events = POLLIN }, { .fd = -1, .events = POLLIN } };
	int64_t due_ms = due_at_us == INT64_MAX ? IDLE_MS : (due_at_us - clock_now().us) / US_PER_MS + 1;
	uint64_t calls;

	if (t->waiter)
		p[1].fd = redis_waiter_fd(t->waiter);
	if (due_ms < ms)
		ms = due_ms < 0 ? 0 : (int)due_ms;
	if (ms && may_wait(t->worker) && poll(p, 2, ms) > 0 && (p[0].revents & POLLIN) &&
	    read(t->worker->wake_fd, &calls, sizeof(calls)) < 0)
		return; /* somebody else has read it */
}

static void turn(struct taker *t)
{
	struct worker *w = t->worker;
	int64_t due_at_us;
	int ms;

	atomic_store(&w->taker_pulse_us, clock_monotonic_us());
	reconnect(t);
	follow_queues(t);
	ms = look(t);
	events_flush(w->events);
	pthread_mutex_lock(&w->lock);
	due_at_us = jobs_ripen(w, clock_now().us);
	pthread_mutex_unlock(&w->lock);
	sleep_until_needed(t, ms, due_at_us);
}

/* ---- the end ---- */

/* The next job that waits or is ready, out of all lists; NULL: there is none. */
static struct job *pick_idle(struct worker *w)
{
	struct job *j;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(j, &w->all, all)
	if (j->state == JOB_READY || j->state == JOB_WAITING)
		break;
	if (j)
		jobs_remove(w, j);
	pthread_mutex_unlock(&w->lock);
	return j;
}

/* In the order in which they came, the last one first: each goes in front of those that go before. */
static void put_back_idle(struct taker *t)
{
	struct worker *w = t->worker;
	struct jobs backward = TAILQ_HEAD_INITIALIZER(backward);
	struct job *j;
	size_t left = 0;

	while ((j = pick_idle(w)))
		TAILQ_INSERT_HEAD(&backward, j, all);
	while ((j = TAILQ_FIRST(&backward))) {
		int r = worker_put_back(w, j);

		if (r < 0 && clock_monotonic_us() < t->drain_until_us) {
			usleep(DOWN_MS * 1000);
			continue;
		}
		left += r < 0;
		TAILQ_REMOVE(&backward, j, all);
		jobs_free(j);
	}
	if (left)
		log_write(LOG_WARNING, "tasks.worker", "worker.not_put_back", LOG_FIELDS(LOG_INT("messages", (int64_t)left)),
		          "Redis is away: what waited comes back after the visibility timeout");
}

static void tell(struct taker *t)
{
	size_t room;

	worker_collect(t->worker, &t->telling, &room);
	go_round(t, 0);
}

/* From here on ends are told by whoever makes them. */
static void tell_last(struct taker *t)
{
	struct worker *w = t->worker;
	bool done = false;

	while (!done) {
		tell(t);
		pthread_mutex_lock(&w->lock);
		done = w->taker_done = STAILQ_EMPTY(&w->ended);
		pthread_mutex_unlock(&w->lock);
	}
}

static void drain(struct taker *t)
{
	t->drain_until_us = clock_monotonic_us() + PUT_BACK_US;
	while (t->waiter && redis_waiter_pending(t->waiter) && clock_monotonic_us() < t->drain_until_us) {
		tell(t);
		hear_waiter(t);
		if (redis_waiter_pending(t->waiter))
			sleep_until_needed(t, IDLE_MS / 4, INT64_MAX);
	}
	while (t->loose.item && clock_monotonic_us() < t->drain_until_us) {
		register_loose(t);
		if (t->loose.item)
			usleep(DOWN_MS * 1000);
	}
	put_back_idle(t);
	if (t->loose.item)
		log_write(LOG_ERROR, "tasks.worker", "worker.lost", LOG_NO_FIELDS,
		          "Redis went away between handing a message over and its registration: only its outbox knows it now");
	drop_loose(&t->loose);
}

void *worker_take(void *arg)
{
	struct taker t = { .worker = arg };
	struct worker *w = arg;

	t.waiter = redis_waiter_create(w->redis, REDIS_TASKS);
	while (!atomic_load(&w->draining))
		turn(&t);
	drain(&t);
	redis_waiter_destroy(t.waiter);
	tell_last(&t);
	w->config.on_change(w->config.arg);
	return NULL;
}
