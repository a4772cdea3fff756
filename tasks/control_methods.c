/* The methods that do something, and the table of all. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tasks/control_impl.h"

static json_t *answer(const char *key, const char *format, va_list args)
{
	json_t *object = json_object();

	json_object_set_new(object, key, json_vsprintf(format, args));
	return object;
}

json_t *control_ok(const char *format, ...)
{
	va_list args;
	json_t *object;

	va_start(args, format);
	object = answer("ok", format, args);
	va_end(args);
	return object;
}

json_t *control_error(const char *format, ...)
{
	va_list args;
	json_t *object;

	va_start(args, format);
	object = answer("error", format, args);
	va_end(args);
	return object;
}

static json_t *ping(struct worker *w, const json_t *arguments)
{
	return control_ok("pong");
}

static json_t *tell_clock(struct worker *w, const json_t *arguments)
{
	return json_pack("{s:I}", "clock", (json_int_t)events_tick(w->events));
}

static json_t *revoked(struct worker *w, const json_t *arguments)
{
	return revoked_list(w->revoked);
}

/* From another worker at its start: it takes over what is revoked. Our own says nothing. */
static json_t *hello(struct worker *w, const json_t *arguments)
{
	const json_t *theirs = json_object_get(arguments, "revoked");

	if (str_is(message_text(arguments, "from_node"), w->name))
		return NULL;
	for (size_t i = 0; i < json_array_size(theirs); i++) {
		const json_t *id = json_array_get(theirs, i);

		if (json_is_string(id))
			revoked_add(w->revoked, (struct str){ json_string_value(id), json_string_length(id) });
	}
	return json_pack("{s:o, s:I}", "revoked", revoked_list(w->revoked), "clock", (json_int_t)events_tick(w->events));
}

/* ---- revocation ---- */

/* The running task of that id is given up; false: none runs here. */
static bool terminate(struct worker *w, struct str id)
{
	struct task_error error = result_error("celery.exceptions", "TaskRevokedError", "terminated");
	struct ending *e = NULL;
	struct job *j;

	pthread_mutex_lock(&w->lock);
	j = jobs_find(w, id);
	if (j && j->state == JOB_RUNNING && !j->ending)
		e = worker_give_up(w, j, &error, true);
	pthread_mutex_unlock(&w->lock);
	worker_tell(w, e);
	return e;
}

/* REVOKED at once, unless it is finished, or running here or elsewhere: only what this worker holds and has not begun is known not to. */
static void store_revoked(struct worker *w, struct str id)
{
	struct task_error error = result_error("celery.exceptions", "TaskRevokedError", "revoked");
	struct result result = { .state = RESULT_REVOKED, .error = &error, .id = id, .outside = true };
	CLEANUP(buf_finish) struct buf json = BUF_EMPTY;
	bool running;
	struct job *j;

	pthread_mutex_lock(&w->lock);
	j = jobs_find(w, id);
	running = j && j->state == JOB_RUNNING;
	pthread_mutex_unlock(&w->lock);
	if (running || id.len > MESSAGE_ID_MAX)
		return;
	result_write(&json, &result);
	if (!json.failed)
		broker_store(w->redis, id, buf_view(&json), w->expires_s);
}

static bool revoke_one(struct worker *w, const json_t *id, bool with_terminate)
{
	struct str text = { json_string_value(id), json_string_length(id) };
	bool stopped;

	if (!text.len || text.len > MESSAGE_ID_MAX)
		return false;
	revoked_add(w->revoked, text);
	stopped = with_terminate && terminate(w, text);
	if (!stopped)
		store_revoked(w, text);
	return stopped;
}

static json_t *revoke_tasks(struct worker *w, const json_t *arguments)
{
	const json_t *ids = json_object_get(arguments, "task_id");
	bool with_terminate = message_truth(arguments, "terminate");
	size_t n = json_is_array(ids) ? json_array_size(ids) : 1, stopped = 0;

	if (!json_is_array(ids) && !json_is_string(ids))
		return control_error("TypeError(\"revoke() missing 1 required positional argument: 'task_id'\")");
	for (size_t i = 0; i < n; i++)
		stopped += revoke_one(w, json_is_array(ids) ? json_array_get(ids, i) : ids, with_terminate);
	if (with_terminate)
		return stopped ? control_ok("terminate: %zu tasks terminated", stopped) : control_ok("terminate: tasks unknown");
	return control_ok("%zu tasks flagged as revoked", n);
}

/* ---- limits ---- */

static struct task_limits *limits_of(struct worker *w, const json_t *arguments)
{
	const struct task_policy *policy = worker_find_task(w, message_text(arguments, "task_name"));

	return policy ? &w->limits[worker_task_index(policy)] : NULL;
}

static json_t *unknown_task(const json_t *arguments)
{
	struct str name = message_text(arguments, "task_name");

	return control_error("unknown task: %.*s", (int)(name.len < 200 ? name.len : 200), name.s ? name.s : "");
}

/* "10/m", "5/s", "3/h", a number per second; 0: none. False: none of these. */
static bool read_rate(const json_t *value, int64_t *ret_interval_us)
{
	double rate = json_number_value(value), per = 1;
	char unit = 's';

	if (json_is_null(value) || !value)
		rate = 0;
	else if (json_is_string(value) && sscanf(json_string_value(value), "%15lf/%c", &rate, &unit) < 1)
		return false;
	per = unit == 'm' ? 60 : unit == 'h' ? 3600 : unit == 's' ? 1 : 0;
	if (!(rate >= 0) || rate > 1e6 || (rate > 0 && rate < 1e-6) || per == 0)
		return false;
	*ret_interval_us = rate > 0 ? (int64_t)(per * (double)US_PER_S / rate) : 0;
	return true;
}

static json_t *rate_limit(struct worker *w, const json_t *arguments)
{
	struct task_limits *limits = limits_of(w, arguments);
	int64_t interval_us;

	if (!json_object_get(arguments, "task_name") || !json_object_get(arguments, "rate_limit"))
		return control_error("TypeError(\"rate_limit() needs 'task_name' and 'rate_limit'\")");
	if (!limits)
		return unknown_task(arguments);
	if (!read_rate(json_object_get(arguments, "rate_limit"), &interval_us))
		return control_error("Invalid rate limit string");
	pthread_mutex_lock(&w->lock);
	limits->interval_us = interval_us;
	limits->next_us = 0;
	jobs_unlimit(w, worker_find_task(w, message_text(arguments, "task_name")));
	pthread_mutex_unlock(&w->lock);
	return interval_us ? control_ok("new rate limit set successfully") : control_ok("rate limit disabled successfully");
}

static int64_t seconds_of(const json_t *value)
{
	double s = json_number_value(value);

	return s > 0 && s < 1e9 ? (int64_t)(s * (double)US_PER_S) : 0;
}

static json_t *time_limit(struct worker *w, const json_t *arguments)
{
	struct task_limits *limits = limits_of(w, arguments);

	if (!limits)
		return unknown_task(arguments);
	pthread_mutex_lock(&w->lock);
	limits->soft_us = seconds_of(json_object_get(arguments, "soft"));
	limits->hard_us = seconds_of(json_object_get(arguments, "hard"));
	pthread_mutex_unlock(&w->lock);
	return control_ok("time limits set successfully");
}

/* ---- events ---- */

static json_t *enable_events(struct worker *w, const json_t *arguments)
{
	return events_enable(w->events, true) ? control_ok("task events already enabled") : control_ok("task events enabled");
}

static json_t *disable_events(struct worker *w, const json_t *arguments)
{
	return events_enable(w->events, false) ? control_ok("task events disabled") : control_ok("task events already disabled");
}

static json_t *heartbeat(struct worker *w, const json_t *arguments)
{
	int64_t active;

	pthread_mutex_lock(&w->lock);
	active = (int64_t)w->n_running;
	pthread_mutex_unlock(&w->lock);
	events_worker(w->events, "worker-heartbeat", active, atomic_load(&w->processed));
	return json_null();
}

/* ---- queues ---- */

static size_t find_queue(const struct broker_queues *queues, struct str name)
{
	size_t i = 0;

	while (i < queues->n && !str_is(name, queues->names[i]))
		i++;
	return i;
}

static json_t *add_consumer(struct worker *w, const json_t *arguments)
{
	struct str name = message_text(arguments, "queue");
	bool fits;

	if (!name.len || name.len >= BROKER_QUEUE_SIZE)
		return control_error("TypeError(\"add_consumer() needs a 'queue'\")");
	pthread_mutex_lock(&w->lock);
	if (find_queue(&w->queues, name) < w->queues.n) {
		pthread_mutex_unlock(&w->lock);
		return control_ok("already consuming from %s", name.s);
	}
	fits = w->queues.n < BROKER_QUEUES_MAX;
	if (fits)
		snprintf(w->queues.names[w->queues.n++], BROKER_QUEUE_SIZE, "%.*s", STR_ARG(name));
	w->queues_version++;
	pthread_mutex_unlock(&w->lock);
	worker_wake(w);
	return fits ? control_ok("add consumer %s", name.s) : control_error("too many queues");
}

static json_t *cancel_consumer(struct worker *w, const json_t *arguments)
{
	struct str name = message_text(arguments, "queue");
	size_t i;

	if (!name.len)
		return control_error("TypeError(\"cancel_consumer() needs a 'queue'\")");
	pthread_mutex_lock(&w->lock);
	i = find_queue(&w->queues, name);
	if (i < w->queues.n) {
		memmove(w->queues.names[i], w->queues.names[i + 1], (w->queues.n - i - 1) * sizeof(w->queues.names[0]));
		w->queues.n--;
		w->queues_version++;
	}
	pthread_mutex_unlock(&w->lock);
	worker_wake(w);
	return control_ok("no longer consuming from %s", name.s);
}

/* ---- the process ---- */

static json_t *shut_down(struct worker *w, const json_t *arguments)
{
	atomic_store(&w->wants_end, true);
	w->config.on_change(w->config.arg);
	return NULL;
}

static json_t *fixed_pool(struct worker *w, const json_t *arguments)
{
	return control_error("the number of threads is set at the start (CELERY_CONCURRENCY)");
}

static json_t *sample_memory(struct worker *w, const json_t *arguments)
{
	return json_null();
}

static const struct control_line methods[] = {
	{ "active", control_active },
	{ "active_queues", control_active_queues },
	{ "add_consumer", add_consumer },
	{ "autoscale", fixed_pool },
	{ "cancel_consumer", cancel_consumer },
	{ "clock", tell_clock },
	{ "conf", control_conf },
	{ "disable_events", disable_events },
	{ "enable_events", enable_events },
	{ "heartbeat", heartbeat },
	{ "hello", hello },
	{ "memsample", sample_memory },
	{ "ping", ping },
	{ "pool_grow", fixed_pool },
	{ "pool_restart", fixed_pool },
	{ "pool_shrink", fixed_pool },
	{ "query_task", control_query_task },
	{ "rate_limit", rate_limit },
	{ "registered", control_registered },
	{ "report", control_report },
	{ "reserved", control_reserved },
	{ "revoke", revoke_tasks },
	{ "revoked", revoked },
	{ "scheduled", control_scheduled },
	{ "shutdown", shut_down },
	{ "stats", control_stats },
	{ "time_limit", time_limit },
};

json_t *control_answer(struct worker *w, const char *method, const json_t *arguments)
{
	for (size_t i = 0; i < N_ELEMENTS(methods); i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].fn(w, arguments);
	return control_error("KeyError('%.100s')", method);
}
