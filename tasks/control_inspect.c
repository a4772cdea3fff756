/* The methods that only look. What they say is shaped as Celery's clients and Flower read it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tasks/control_impl.h"

/* ---- jobs ---- */

static json_t *text_of(struct str text)
{
	return text.s ? json_stringn(text.s, text.len) : json_null();
}

static double seconds(struct instant at)
{
	return (double)at.us / (double)US_PER_S;
}

/* With the lock. */
static json_t *describe(const struct worker *w, const struct job *j)
{
	const struct message *m = &j->message;
	bool running = j->state == JOB_RUNNING;

	return json_pack("{s:o, s:o, s:O, s:O, s:o, s:s, s:o, s:b, s:{s:o, s:o, s:i, s:b}, s:o}", "id", text_of(m->id), "name",
	                 text_of(m->task), "args", m->args, "kwargs", m->kwargs, "type", text_of(m->task), "hostname", w->name,
	                 "time_start", running ? json_real(seconds(j->started)) : json_null(), "acknowledged", 0, "delivery_info",
	                 "exchange", m->exchange.s ? text_of(m->exchange) : json_string(""), "routing_key", text_of(m->queue), "priority",
	                 m->priority, "redelivered", m->redelivered, "worker_pid", running ? json_integer(getpid()) : json_null());
}

/* JSON values are shared with the job's: copied whole, for the job may be freed, and counts of references are not atomic everywhere. */
static json_t *describe_copy(const struct worker *w, const struct job *j)
{
	json_t *shared = describe(w, j), *copy = json_deep_copy(shared);

	json_decref(shared);
	return copy;
}

static json_t *list_state(struct worker *w, enum job_state state)
{
	json_t *list = json_array();
	struct job *j;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(j, &w->all, all)
	if (j->state == state)
		json_array_append_new(list, describe_copy(w, j));
	pthread_mutex_unlock(&w->lock);
	return list;
}

json_t *control_active(struct worker *w, const json_t *arguments)
{
	return list_state(w, JOB_RUNNING);
}

json_t *control_reserved(struct worker *w, const json_t *arguments)
{
	return list_state(w, JOB_READY);
}

json_t *control_scheduled(struct worker *w, const json_t *arguments)
{
	json_t *list = json_array();
	char when[CLOCK_ISO_SIZE];
	struct job *j;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(j, &w->all, all)
	{
		if (j->state != JOB_WAITING)
			continue;
		clock_format_iso((struct instant){ j->due_at_us }, when);
		json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "eta", when, "priority", 6, "request", describe_copy(w, j)));
	}
	pthread_mutex_unlock(&w->lock);
	return list;
}

json_t *control_query_task(struct worker *w, const json_t *arguments)
{
	static const char *const states[] = { "reserved", "scheduled", "active", "ready" };
	const json_t *ids = json_object_get(arguments, "ids");
	json_t *found = json_object();

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < (json_is_array(ids) ? json_array_size(ids) : json_is_string(ids)); i++) {
		const char *id = json_string_value(json_is_array(ids) ? json_array_get(ids, i) : ids);
		struct job *j = id ? jobs_find(w, str_of(id)) : NULL;

		if (j)
			json_object_set_new(found, id, json_pack("[s, o]", states[j->state], describe_copy(w, j)));
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

/* ---- the worker ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *control_registered(struct worker *w, const json_t *arguments)
{
	const struct task_policy *all = task_all(&w->n_tasks);
	const char *names[256];
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; i < w->n_tasks && n < N_ELEMENTS(names); i++)
		if (worker_find_task(w, str_of(all[i].name)))
			names[n++] = all[i].name;
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *totals(struct worker *w)
{
	const struct task_policy *all = task_all(&w->n_tasks);
	json_t *total = json_object();

	for (size_t i = 0; i < w->n_tasks; i++)
		if (w->limits[i].total)
			json_object_set_new(total, all[i].name, json_integer(w->limits[i].total));
	return total;
}

static double time_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / (double)US_PER_S;
}

static json_t *usage_of_resources(void)
{
	struct rusage u = { 0 };

	getrusage(RUSAGE_SELF, &u);
	return json_pack("{s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "utime", time_of(u.ru_utime),
	                 "stime", time_of(u.ru_stime), "maxrss", (json_int_t)u.ru_maxrss, "ixrss", (json_int_t)0, "idrss", (json_int_t)0,
	                 "isrss", (json_int_t)0, "minflt", (json_int_t)u.ru_minflt, "majflt", (json_int_t)u.ru_majflt, "nswap",
	                 (json_int_t)0, "inblock", (json_int_t)u.ru_inblock, "oublock", (json_int_t)u.ru_oublock, "msgsnd", (json_int_t)0,
	                 "msgrcv", (json_int_t)0, "nsignals", (json_int_t)0, "nvcsw", (json_int_t)u.ru_nvcsw, "nivcsw",
	                 (json_int_t)u.ru_nivcsw);
}

static json_t *pool(const struct worker *w)
{
	json_t *processes = json_array();

	for (int i = 0; i < w->config.concurrency; i++)
		json_array_append_new(processes, json_integer(getpid()));
	return json_pack("{s:s, s:i, s:o, s:s, s:b, s:[i, i]}", "implementation", "egoejo:threads", "max-concurrency",
	                 w->config.concurrency, "processes", processes, "max-tasks-per-child", "N/A", "put-guarded-by-semaphore", 1,
	                 "timeouts", 0, 0);
}

static json_t *broker(const struct worker *w)
{
	const struct redis_url *url = redis_url_of(w->redis, REDIS_TASKS);
	char db[16];

	snprintf(db, sizeof(db), "%d", redis_database(w->redis, REDIS_TASKS));
	return json_pack("{s:s, s:o, s:s, s:i, s:b, s:b, s:s, s:i, s:{s:I}, s:n, s:n, s:f, s:s, s:[]}", "hostname",
	                 url->scheme == REDIS_UNIX ? url->path : url->host, "userid", *url->user ? json_string(url->user) : json_null(),
	                 "virtual_host", db, "port", url->port, "insist", 0, "ssl", url->scheme == REDIS_TLS, "transport", "redis",
	                 "connect_timeout", 4, "transport_options", "visibility_timeout", (json_int_t)(w->visibility_us / US_PER_S),
	                 "login_method", "uri_prefix", "heartbeat", 120.0, "failover_strategy", "round-robin", "alternates");
}

json_t *control_stats(struct worker *w, const json_t *arguments)
{
	char tick[24];
	json_t *total;
	size_t prefetch;

	snprintf(tick, sizeof(tick), "%lld", (long long)events_tick(w->events));
	pthread_mutex_lock(&w->lock);
	total = totals(w);
	prefetch = jobs_most(w);
	pthread_mutex_unlock(&w->lock);
	return json_pack("{s:o, s:i, s:s, s:I, s:o, s:o, s:I, s:o}", "total", total, "pid", (int)getpid(), "clock", tick, "uptime",
	                 (json_int_t)((clock_now().us - w->started.us) / US_PER_S), "pool", pool(w), "broker", broker(w), "prefetch_count",
	                 (json_int_t)prefetch, "rusage", usage_of_resources());
}

static json_t *describe_queue(const char *name)
{
	return json_pack(
	        "{s:s, s:{s:s, s:s, s:n, s:b, s:b, s:b, s:n, s:b}, s:s, s:n, s:n, s:n, s:b, s:b, s:b, s:b, s:n, s:[], s:n, s:n, s:n, "
	        "s:n, s:n, s:n}",
	        "name", name, "exchange", "name", name, "type", "direct", "arguments", "durable", 1, "passive", 0, "auto_delete", 0,
	        "delivery_mode", "no_declare", 0, "routing_key", name, "queue_arguments", "binding_arguments", "consumer_arguments",
	        "durable", 1, "exclusive", 0, "auto_delete", 0, "no_ack", 0, "alias", "bindings", "no_declare", "expires", "message_ttl",
	        "max_length", "max_length_bytes", "max_priority");
}

json_t *control_active_queues(struct worker *w, const json_t *arguments)
{
	json_t *list = json_array();
	struct broker_queues queues;

	pthread_mutex_lock(&w->lock);
	queues = w->queues;
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < queues.n; i++)
		json_array_append_new(list, describe_queue(queues.names[i]));
	return list;
}

json_t *control_conf(struct worker *w, const json_t *arguments)
{
	const char *shown = redis_url_of(w->redis, REDIS_TASKS)->shown;

	return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s, s:b, s:i, s:b, s:b, s:b, s:b, s:i, s:I, s:{s:I}}", "broker_url", shown,
	                 "result_backend", shown, "task_serializer", "json", "accept_content", "json", "result_serializer", "json",
	                 "timezone", "UTC", "enable_utc", 1, "worker_prefetch_multiplier", PREFETCH_MULTIPLIER, "task_acks_late", 1,
	                 "task_reject_on_worker_lost", 1, "task_track_started", 0, "worker_send_task_events", w->config.send_events,
	                 "worker_concurrency", w->config.concurrency, "result_expires", (json_int_t)w->expires_s,
	                 "broker_transport_options", "visibility_timeout", (json_int_t)(w->visibility_us / US_PER_S));
}

json_t *control_report(struct worker *w, const json_t *arguments)
{
	return control_ok("\nsoftware -> egoejo:%s\nsettings -> transport:redis results:%s\nworker_concurrency: %d\n", EGOEJO_VERSION,
	                  redis_url_of(w->redis, REDIS_TASKS)->shown, w->config.concurrency);
}
