/*
 * The hub's database thread: what the hub wants to know is asked here, one job after the other, and what is found is told
 * it as news. Messages become frames here, so that the hub only hands them on.
 *
 * Groups, those who come in and those who resume have a queue each, and take turns: however many there are of one kind, they do not
 * hold up the others.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define LOG_INTERVAL_US (10 * US_PER_S)
#define LIMIT_BYTES     ((size_t)1 << 30) /* of one job: far above a page of the longest messages, or the members of any thread */

enum queues { OF_GROUPS, OF_SESSIONS, OF_REPLAYS, QUEUES };

struct lookup {
	struct reader reader;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	bool stopping;
	struct queue {
		struct job *jobs, **end;
	} queues[QUEUES];
	unsigned turn;
	struct log_limit log_limit;
};

static enum queues queue_of(const struct job *job)
{
	return job->group ? OF_GROUPS : job->kind == JOB_REPLAY ? OF_REPLAYS : OF_SESSIONS;
}

struct job *job_create(enum job_kind kind, struct session *s, struct group *g)
{
	struct job *job = mem_alloc(sizeof(*job));

	if (job)
		job->news = news_create(NEWS_JOB);
	if (!job || !job->news) {
		free(job);
		return NULL;
	}
	job->kind = kind;
	job->session = s;
	job->group = g;
	job->found_end = &job->found;
	job->up_to = INT64_MAX;
	job->user = NULL_INT;
	if (s) {
		s->jobs++;
		job->target = s->handshake.target;
		job->id = s->handshake.id;
		job->user = s->user;
		job->texts = blob_ref(s->texts);
		job->token = s->handshake.token;
		job->origin = s->handshake.origin_prefix;
	}
	if (g) {
		g->jobs++;
		job->told = g->n_told;
		job->target = g->target;
		job->id = g->id;
		job->texts = blob_ref(g->origin);
		job->origin = blob_view(g->origin);
	}
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	if (job->group)
		job->group->jobs--;
	if (job->session)
		session_unref(job->session);
	while (job->found) {
		struct found *f = job->found;

		job->found = f->next;
		blob_unref(f->bytes);
		free(f);
	}
	blob_unref(job->texts);
	blob_unref(job->poll);
	free(job->members);
	news_free(job->news);
	free(job);
}

/* ---- the thread ---- */

/* From the queue whose turn it is, or the next that has one; NULL: there is none. Under the lock. */
static struct job *take_job(struct lookup *l)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		struct queue *q = &l->queues[l->turn++ % QUEUES];
		struct job *job = q->jobs;

		if (!job)
			continue;
		q->jobs = job->next;
		if (!q->jobs)
			q->end = &q->jobs;
		job->next = NULL;
		return job;
	}
	return NULL;
}

static struct job *next_job(struct lookup *l)
{
	struct job *job = NULL;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping && !(job = take_job(l)))
		pthread_cond_wait(&l->asked, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return job;
}

static void log_failure(struct lookup *l, const struct job *job)
{
	int64_t left_out;

	if (job->error && job->error != ERR_NOT_FOUND && log_limit_pass(&l->log_limit, LOG_INTERVAL_US, &left_out))
		log_write(LOG_ERROR, "hub", "hub.lookup_failed",
		          LOG_FIELDS(LOG_STR("target", job->target == HUB_CHAT ? "chat" : "polls"), LOG_INT("id", job->id),
		                     LOG_INT("suppressed", left_out)),
		          "%s: %s", error_name(job->error), db_error(l->reader.db));
}

static void *run(void *arg)
{
	struct lookup *l = arg;
	struct job *job;

	while ((job = next_job(l))) {
		struct news *news = job->news;

		job->error = lookup_find(&l->reader, job);
		log_failure(l, job);
		arena_reset(&l->reader.arena);
		job->news = NULL;
		news->job = job;
		hub_tell(l->reader.hub, news);
	}
	return NULL;
}

int lookup_create(struct hub *hub, struct lookup **ret)
{
	struct lookup *l = mem_alloc(sizeof(*l));
	int r;

	if (!l)
		return ERR_NOMEM;
	l->reader.hub = hub;
	for (int i = 0; i < QUEUES; i++)
		l->queues[i].end = &l->queues[i].jobs;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->asked, NULL);
	arena_init(&l->reader.arena, LIMIT_BYTES);
	r = db_connect(hub->config.db, &l->reader.db, NULL);
	*ret = l;
	return r;
}

int lookup_start(struct lookup *l)
{
	if (pthread_create(&l->thread, NULL, run, l) != 0)
		return ERR_INTERNAL;
	l->started = true;
	pthread_setname_np(l->thread, "hub-lookup");
	return 0;
}

void lookup_ask(struct lookup *l, struct job *job)
{
	struct queue *q = &l->queues[queue_of(job)];

	pthread_mutex_lock(&l->lock);
	*q->end = job;
	q->end = &job->next;
	pthread_cond_signal(&l->asked);
	pthread_mutex_unlock(&l->lock);
}

void lookup_stop(struct lookup *l)
{
	if (!l || !l->started)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_signal(&l->asked);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	l->started = false;
}

void lookup_destroy(struct lookup *l)
{
	struct job *job;

	if (!l)
		return;
	lookup_stop(l);
	while ((job = take_job(l)))
		job_free(job);
	if (l->reader.db)
		db_disconnect(l->reader.db);
	arena_finish(&l->reader.arena);
	pthread_cond_destroy(&l->asked);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
