/*
 * The hub's thread: its loop, its inbox, its clock. Other threads leave news in the inbox and wake the loop; everything else
 * is this thread's alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

/* ---- news ---- */

static struct news *take_inbox(struct hub *hub)
{
	struct news *all;

	pthread_mutex_lock(&hub->lock);
	all = hub->inbox;
	hub->inbox = NULL;
	hub->inbox_end = &hub->inbox;
	pthread_mutex_unlock(&hub->lock);
	return all;
}

/* ---- what the news are about ---- */

/* The group comes before the question, so that nothing falls between. */
static void take_session(struct hub *hub, struct session *s)
{
	struct group *g = s->handshake.id > 0 ? group_get(hub, s->handshake.target, s->handshake.id) : NULL;
	struct job *job;

	s->next = hub->sessions;
	if (hub->sessions)
		hub->sessions->prev = s;
	hub->sessions = s;
	if (g)
		group_join(g, s);
	job = job_create(JOB_HANDSHAKE, s, NULL);
	if (job)
		lookup_ask(hub->lookup, job);
	else
		session_hang_up(s);
}

static void found_handshake(struct hub *hub, struct session *s, struct job *job)
{
	struct group *g = s->group;

	if (!g && !job->error && !job->verdict)
		job->error = ERR_NOMEM;
	if (g && !job->error && !job->verdict) {
		group_welcome(hub, g, s->handshake.origin_prefix);
		if (g->target == HUB_CHAT && g->last_id < 0) {
			g->last_id = job->last_id;
			g->swept_at = (struct instant){ clock_now().us - US_PER_S };
		}
		if (g->target == HUB_POLL && !g->poll_digest)
			g->poll_digest = job->digest;
		events_go_on(hub, g);
	}
	session_adopt(s, job);
	if (s->group && s->group->checking)
		s->group->members_again = true; /* his verdict may be older than the change */
}

static void found(struct hub *hub, struct job *job)
{
	struct session *s = job->session;

	if (job->group) {
		event_found(hub, job->group, job);
		return;
	}
	if (s->state != SESSION_GONE) {
		if (job->kind == JOB_HANDSHAKE)
			found_handshake(hub, s, job);
		else if (job->kind == JOB_REPLAY)
			replay_found(s, job);
		else if (!job->error && job->verdict)
			session_close(s, job->verdict);
	}
	job_free(job);
}

/* Something may have been missed: all groups are swept at once. */
static void sweep_all(struct hub *hub)
{
	for (size_t i = 0; i < GROUP_BUCKETS; i++)
		for (struct group *g = hub->groups[i]; g; g = g->next_in_bucket)
			g->next_sweep_us = 0;
}

/* Redis is back, or gone: sweeps at once, and then as often as that state wants. */
static void note_bus(struct hub *hub, bool live)
{
	hub->degraded = !live;
	sweep_all(hub);
}

/* What was published between the group's first session and now went by unheard. */
static void note_joined(struct hub *hub, enum hub_target target, int64_t id)
{
	struct group *g = group_find(hub, target, id);

	if (g)
		g->next_sweep_us = 0;
}

static void hear(struct hub *hub, struct news *news)
{
	switch (news->kind) {
	case NEWS_TAKE:
		take_session(hub, news->session);
		break;
	case NEWS_EVENT:
		if (news->eid)
			event_heard(hub, &news->event, news->payload, news->eid);
		else
			event_told(hub, &news->event, news->payload, clock_monotonic_us());
		break;
	case NEWS_ANSWERED:
		hold_release(hub, news->request);
		break;
	case NEWS_JOB:
		found(hub, news->job);
		break;
	case NEWS_BUS:
		note_bus(hub, news->live);
		break;
	case NEWS_JOINED:
		note_joined(hub, news->target, news->event.id);
		break;
	case NEWS_LOST:
		sweep_all(hub);
		break;
	case NEWS_DRAIN:
		hub->drain_from_us = clock_monotonic_us();
		break;
	}
	news_free(news);
}

static void on_woken(struct ev_loop *loop, ev_async *watcher, int events)
{
	struct hub *hub = watcher->data;
	struct news *news = take_inbox(hub);

	(void)events;
	while (news) {
		struct news *next = news->next;

		hear(hub, news);
		news = next;
	}
	if (atomic_load(&hub->stopping))
		ev_break(loop, EVBREAK_ALL);
}

/* ---- time ---- */

/* In waves, so that those who come back do not come all at once. */
static void drain(struct hub *hub, int64_t now_us)
{
	int64_t whole_us = hub->drain_us, passed_us = now_us - hub->drain_from_us;
	int open = atomic_load(&hub->n_sessions);
	int64_t n = passed_us >= whole_us ? open : 1 + open * TICK_US / (whole_us - passed_us);

	for (struct session *s = hub->sessions; s && n > 0; s = s->next) {
		if (s->state != SESSION_OPEN)
			continue;
		session_close(s, CLOSE_GOING_AWAY);
		n--;
	}
}

static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct hub *hub = watcher->data;
	int64_t now_us = clock_monotonic_us();

	(void)loop, (void)events;
	atomic_store_explicit(&hub->pulse_us, now_us, memory_order_relaxed);
	holds_tick(hub, now_us);
	groups_tick(hub, now_us);
	bus_tick(hub->bus, now_us);
	if (hub->drain_from_us)
		drain(hub, now_us);
	if (now_us - hub->sessions_ticked_us < SESSIONS_US)
		return;
	hub->sessions_ticked_us = now_us;
	sessions_tick(hub, now_us);
	memories_tick(hub, now_us);
	figures_tick(hub);
}

/* ---- making ---- */

/* All that the loop had to tell is told: now what came of it is sent, and the loop waits only if nothing is left. */
static void on_before_wait(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct hub *hub = watcher->data;

	(void)events;
	sessions_write(hub);
	if (TAILQ_EMPTY(&hub->ready))
		ev_idle_stop(loop, &hub->not_yet);
	else
		ev_idle_start(loop, &hub->not_yet);
}

static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
	(void)loop, (void)watcher, (void)events;
}

static void watch_loop(struct hub *hub)
{
	ev_async_init(&hub->woken, on_woken);
	ev_timer_init(&hub->tick, on_tick, (double)TICK_US / US_PER_S, (double)TICK_US / US_PER_S);
	ev_prepare_init(&hub->before_wait, on_before_wait);
	ev_idle_init(&hub->not_yet, on_idle);
	hub->woken.data = hub->tick.data = hub->before_wait.data = hub;
	ev_async_start(hub->loop, &hub->woken);
	ev_timer_start(hub->loop, &hub->tick);
	ev_prepare_start(hub->loop, &hub->before_wait);
}

static int make_parts(struct hub *hub, struct error *err)
{
	int r;

	hub->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOINOTIFY);
	hub->refusals = refusals_create((int)hub->settings->realtime_refusals_max);
	hub->batch.room = BATCH_BYTES;
	hub->batch.bytes = mem_alloc(BATCH_BYTES);
	if (!hub->loop || !hub->refusals || !hub->batch.bytes)
		return error_set(err, ERR_NOMEM, "out of memory");
	watch_loop(hub);
	r = lookup_create(hub, &hub->lookup);
	if (r == 0 && redis_configured(hub->config.redis, REDIS_CHANNELS)) {
		hub->degraded = true; /* until the subscription says otherwise */
		r = bus_create(hub, &hub->bus, err);
	}
	return r;
}

int hub_create(const struct hub_config *config, struct hub **ret_hub, struct error *err)
{
	struct hub *hub = mem_alloc(sizeof(*hub));
	int r;

	if (!hub)
		return error_set(err, ERR_NOMEM, "out of memory");
	hub->config = *config;
	hub->settings = config->settings;
	hub->inbox_end = &hub->inbox;
	TAILQ_INIT(&hub->ready);
	pthread_mutex_init(&hub->lock, NULL);
	atomic_store(&hub->pulse_us, clock_monotonic_us());
	r = make_parts(hub, err);
	if (r < 0) {
		hub_destroy(hub);
		return r;
	}
	figures_init(hub);
	*ret_hub = hub;
	return 0;
}

static void *run(void *arg)
{
	struct hub *hub = arg;

	ev_run(hub->loop, 0);
	return NULL;
}

int hub_start(struct hub *hub, struct error *err)
{
	int r = lookup_start(hub->lookup);

	if (r == 0 && pthread_create(&hub->thread, NULL, run, hub) != 0)
		r = ERR_INTERNAL;
	if (r < 0)
		return error_set(err, r, "cannot start the hub's threads");
	hub->started = true;
	pthread_setname_np(hub->thread, "hub");
	return 0;
}

/* ---- ending ---- */

void hub_drain(struct hub *hub, int64_t deadline_us)
{
	struct news *news = news_create(NEWS_DRAIN);
	struct timespec pause = { 0, 10 * 1000 * 1000 };
	int64_t most_us = deadline_us - clock_monotonic_us() - GOODBYE_US, wanted_us = hub->settings->realtime_drain_seconds * US_PER_S;

	hub->drain_us = wanted_us < most_us ? wanted_us : most_us > 0 ? most_us : 0; /* the last ones have time to hear all, too */
	atomic_store(&hub->draining, true);
	if (!news)
		return;
	hub_tell(hub, news);
	while (atomic_load(&hub->n_sessions) > 0 && clock_monotonic_us() < deadline_us)
		nanosleep(&pause, NULL);
}

static void stop_thread(struct hub *hub)
{
	if (!hub->started)
		return;
	atomic_store(&hub->stopping, true);
	ev_async_send(hub->loop, &hub->woken);
	pthread_join(hub->thread, NULL);
}

/* What was told and not heard any more. */
static void drop_news(struct hub *hub)
{
	struct news *news = take_inbox(hub);

	while (news) {
		struct news *next = news->next;

		if (news->kind == NEWS_TAKE)
			take_session(hub, news->session);
		else if (news->kind == NEWS_JOB)
			job_free(news->job);
		news_free(news);
		news = next;
	}
}

void hub_destroy(struct hub *hub)
{
	if (!hub)
		return;
	stop_thread(hub);
	bus_destroy(hub->bus);
	hub->bus = NULL;
	lookup_stop(hub->lookup);
	if (hub->loop)
		drop_news(hub);
	lookup_destroy(hub->lookup);
	while (hub->sessions)
		session_hang_up(hub->sessions);
	if (hub->loop)
		drop_news(hub); /* their last words */
	holds_tick(hub, INT64_MAX);
	groups_free(hub);
	memories_free(hub);
	refusals_destroy(hub->refusals);
	if (hub->loop)
		ev_loop_destroy(hub->loop);
	free(hub->batch.bytes);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}
