/*
 * The hub's database thread: what the hub wants to know is asked here, one job after the other, and what is found is told
 * it as news. Messages become frames here, so that the hub only hands them on.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define LIMIT_BYTES ((size_t)1 << 30) /* of one job: far above a page of the longest messages, or the members of any thread */

struct lookup {
	struct reader reader;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	bool stopping;
	struct job *jobs, **jobs_end;
};

struct job *job_create(enum job_kind kind, struct session *s, struct group *g)
{
	struct job *job = mem_alloc(sizeof(*job));

	if (!job)
		return NULL;
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
	free(job);
}

/* ---- the thread ---- */

static struct job *next_job(struct lookup *l)
{
	struct job *job;

	pthread_mutex_lock(&l->lock);
	while (!l->jobs && !l->stopping)
		pthread_cond_wait(&l->asked, &l->lock);
	job = l->stopping ? NULL : l->jobs;
	if (job) {
		l->jobs = job->next;
		if (!l->jobs)
			l->jobs_end = &l->jobs;
		job->next = NULL;
	}
	pthread_mutex_unlock(&l->lock);
	return job;
}

static void *run(void *arg)
{
	struct lookup *l = arg;
	struct job *job;

	while ((job = next_job(l))) {
		struct news *news = news_create(NEWS_JOB);

		job->error = lookup_find(&l->reader, job);
		arena_reset(&l->reader.arena);
		if (!news)
			continue; /* without memory for a word: the job is lost, and what it was for is closed by the hub's clock */
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
	l->jobs_end = &l->jobs;
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

void lookup_ask(struct lookup *l, struct job *take_job)
{
	pthread_mutex_lock(&l->lock);
	*l->jobs_end = take_job;
	l->jobs_end = &take_job->next;
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
	if (!l)
		return;
	lookup_stop(l);
	while (l->jobs) {
		struct job *job = l->jobs;

		l->jobs = job->next;
		job_free(job);
	}
	if (l->reader.db)
		db_disconnect(l->reader.db);
	arena_finish(&l->reader.arena);
	pthread_cond_destroy(&l->asked);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
