/*
 * The life of the server: the table of connections (one record per descriptor, made at once, so that nothing is allocated
 * when a client comes), the threads, and stopping: nobody new, what idles is closed, what runs has until the deadline; then
 * the executor, the http threads, and last the door, whose sweep closes and cuts.
 */
#include "api/server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/listen.h"
#include "api/transport_impl.h"
#include "base/log.h"
#include "base/mem.h"

#define EXECUTOR_QUEUE 1024

/* ---- records ---- */

struct connection *server_claim(struct server *s, int fd)
{
	struct connection *c;
	int highest = atomic_load(&s->highest);

	if (fd >= s->n_connections)
		return NULL;
	c = &s->connections[fd];
	if (connection_phase(atomic_load_explicit(&c->word, memory_order_acquire)) !=
	    PHASE_NONE) { /* libmicrohttpd has closed it without a word: it had no memory */
		connection_end(c);
		if (c->thread)
			atomic_fetch_sub(&c->thread->connections, 1);
		stream_finish(&c->stream);
		server_release(s, c);
	}
	c->fd = fd;
	c->thread = NULL;
	c->lingers = c->counted = false;
	c->peer_text[0] = '\0';
	while (fd > highest && !atomic_compare_exchange_weak(&s->highest, &highest, fd))
		;
	return c;
}

void server_release(struct server *s, struct connection *c)
{
	if (c->counted)
		addresses_leave(s->addresses, &c->peer);
	connection_forget(c);
	if (atomic_fetch_sub(&s->open, 1) != 1 || !atomic_load(&s->draining))
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_broadcast(&s->emptied);
	pthread_mutex_unlock(&s->lock);
}

/* ---- making ---- */

static int prepare_worker(const struct api_context *context, bool with_front, struct worker *ret_worker, struct error *err)
{
	struct worker w = { .context = context };
	int r;

	if (context->db) {
		r = db_connect(context->db, &w.db, err);
		if (r < 0)
			return r;
	}
	if (with_front && context->cache) {
		w.front = cache_front_create(context->cache);
		if (!w.front) {
			db_disconnect(w.db);
			return error_set(err, ERR_NOMEM, "out of memory");
		}
	}
	*ret_worker = w;
	return 0;
}

static void finish_worker(struct worker *w)
{
	if (w->front)
		cache_front_destroy(w->front);
	if (w->db)
		db_disconnect(w->db);
	*w = (struct worker){ NULL };
}

static void finish_lane(struct lane *lane)
{
	for (size_t i = 0; i < lane->n_workers; i++)
		finish_worker(&lane->workers[i]);
	free(lane->workers);
}

static int prepare_threads(struct server *s, struct error *err)
{
	size_t n = (size_t)s->settings->http_threads;

	s->threads = mem_array(n, sizeof(*s->threads));
	if (!s->threads)
		return error_set(err, ERR_NOMEM, "out of memory");
	for (; s->n_threads < n; s->n_threads++) {
		struct http_thread *t = &s->threads[s->n_threads];
		int r = prepare_worker(s->context, true, &t->worker, err);

		t->server = s;
		if (r < 0)
			return r;
	}
	return 0;
}

static int prepare_lane(struct server *s, struct lane *lane, size_t n, struct error *err)
{
	struct worker **workers CLEANUP(cleanup_free) = mem_array(n, sizeof(struct worker *));

	lane->workers = mem_array(n, sizeof(*lane->workers));
	if (!workers || !lane->workers)
		return error_set(err, ERR_NOMEM, "out of memory");
	for (; lane->n_workers < n; lane->n_workers++) {
		struct worker *w = &lane->workers[lane->n_workers];
		int r = prepare_worker(s->context, false, w, err);

		if (r < 0)
			return r;
		w->hashes_passwords = lane == &s->lanes[LANE_PASSWORD];
		workers[lane->n_workers] = w;
	}
	lane->executor = executor_create(workers, n, EXECUTOR_QUEUE);
	return lane->executor ? 0 : error_set(err, ERR_NOMEM, "out of memory");
}

static int prepare(struct server *s, struct error *err)
{
	int r;

	s->listener = listen_open(s->settings, &s->port, err);
	if (s->listener < 0)
		return s->listener;
	s->n_connections = settings_files(s->settings);
	s->connections = mem_array((size_t)s->n_connections, sizeof(*s->connections));
	s->addresses = addresses_create((size_t)s->settings->max_connections);
	if (!s->connections || !s->addresses)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = prepare_threads(s, err);
	if (r == 0)
		r = prepare_lane(s, &s->lanes[LANE_SLOW], (size_t)s->settings->executor_threads, err);
	if (r == 0)
		r = prepare_lane(s, &s->lanes[LANE_PASSWORD], (size_t)s->settings->password_threads, err);
	return r < 0 ? r : door_create(s, &s->door, err);
}

int server_create(const struct api_context *context, struct server **ret_server, struct error *err)
{
	struct server *s = mem_alloc(sizeof(*s));
	pthread_condattr_t monotonic;
	int r;

	if (!s)
		return error_set(err, ERR_NOMEM, "out of memory");
	s->context = context;
	s->settings = context->settings;
	s->listener = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->emptied, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = prepare(s, err);
	if (r < 0) {
		server_destroy(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

void server_on_upgrade(struct server *s, server_upgrade_fn upgrade, void *arg)
{
	s->upgrade = upgrade;
	s->upgrade_arg = arg;
}

int server_start(struct server *s, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < LANES && r == 0; i++)
		r = executor_start(s->lanes[i].executor, err);
	if (r == 0)
		r = http_start(s, err);
	if (r == 0)
		r = door_start(s->door, err);
	if (r < 0)
		return r;
	metric_set(metric_series(METRIC_THREADS, "role=\"door\""), 1);
	metric_set(metric_series(METRIC_THREADS, "role=\"http\""), (int64_t)s->n_threads);
	metric_set(metric_series(METRIC_THREADS, "role=\"executor\""), (int64_t)s->lanes[LANE_SLOW].n_workers);
	metric_set(metric_series(METRIC_THREADS, "role=\"password\""), (int64_t)s->lanes[LANE_PASSWORD].n_workers);
	return 0;
}

int server_port(const struct server *s)
{
	return s->port;
}

int server_connections(const struct server *s)
{
	return atomic_load(&s->open);
}

/* ---- stopping ---- */

/* Waits until no connection is open; false when the deadline comes first. */
static bool wait_empty(struct server *s, int64_t deadline_us)
{
	struct timespec until = clock_wait_until(deadline_us - clock_monotonic_us());

	pthread_mutex_lock(&s->lock);
	while (atomic_load(&s->open) > 0)
		if (pthread_cond_timedwait(&s->emptied, &s->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&s->lock);
	return atomic_load(&s->open) <= 0;
}

int server_stop(struct server *s, int64_t deadline_us)
{
	if (!s->threads || !s->threads[0].daemon)
		return 0;
	atomic_store(&s->draining, true);
	door_close_listener(s->door);
	if (!wait_empty(s, deadline_us)) {
		atomic_store(&s->cutting, true);
		wait_empty(s, clock_monotonic_us() + 500 * US_PER_MS); /* the sweep shuts them down, their threads close */
	}
	for (size_t i = 0; i < LANES; i++)
		executor_stop(s->lanes[i].executor);
	http_stop(s);
	door_stop(s->door);
	return atomic_load(&s->cut);
}

static void close_sockets(struct server *s)
{
	for (int fd = 0; s->connections && fd <= atomic_load(&s->highest); fd++)
		if (connection_phase(atomic_load(&s->connections[fd].word)) != PHASE_NONE)
			door_close(s, &s->connections[fd]);
	if (s->listener >= 0)
		close(s->listener);
}

void server_destroy(struct server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < LANES; i++)
		executor_destroy(s->lanes[i].executor);
	http_stop(s);
	door_destroy(s->door);
	close_sockets(s);
	for (size_t i = 0; i < s->n_threads; i++)
		finish_worker(&s->threads[i].worker);
	for (size_t i = 0; i < LANES; i++)
		finish_lane(&s->lanes[i]);
	addresses_destroy(s->addresses);
	pthread_cond_destroy(&s->emptied);
	pthread_mutex_destroy(&s->lock);
	free(s->threads);
	free(s->connections);
	free(s);
}
