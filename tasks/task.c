/* The registry, and one run: binding arguments as Python does, limits, outcomes. */
#include "tasks/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "tasks/jobs_impl.h"

#define PARAMETERS_MAX 16

static const struct task_policy policies[] = {
#define RETRIES(n, ...) .max_retries = n, .delays_s = { __VA_ARGS__ }
#define NO_RETRY        .max_retries = 0
#define LIMITS(s, h)    .soft_limit_s = s, .hard_limit_s = h
#define TASK(task_name, function, takes, queue_name, tried_again, limits, is_durable) \
	{ .name = task_name, .signature = takes, .run = function, .queue = queue_name, tried_again, limits, .durable = is_durable },
#include "tasks/tasks.def"
#undef TASK
};

const struct task_policy *task_find(struct str name)
{
	for (size_t i = 0; i < N_ELEMENTS(policies); i++)
		if (str_is(name, policies[i].name))
			return &policies[i];
	return NULL;
}

const struct task_policy *task_all(size_t *ret_n)
{
	*ret_n = N_ELEMENTS(policies);
	return policies;
}

/* ---- outcomes ---- */

static void set_error(struct task_run *run, const char *type, const char *format, va_list args)
{
	const char *dot = strrchr(type, '.');

	run->error.type = dot ? dot + 1 : type;
	run->error.module = !dot                                                 ? "builtins"
	                    : strncmp(type, "billiard", strlen("billiard")) == 0 ? "billiard.exceptions"
	                                                                         : "celery.exceptions";
	vsnprintf(run->error.message, sizeof(run->error.message), format, args);
}

enum task_outcome task_fail(struct task_run *run, const char *type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_error(run, type, format, args);
	va_end(args);
	return TASK_FAILED;
}

static enum task_outcome try_again(struct task_run *run, int64_t seconds)
{
	int64_t delay;

	if (run->retries >= run->max_retries)
		return TASK_FAILED;
	delay = run->retries < TASK_RETRIES_MAX ? run->policy->delays_s[run->retries] : 0;
	run->retry_after_s = delay > seconds ? delay : seconds;
	return TASK_RETRY;
}

enum task_outcome task_retry(struct task_run *run, const char *type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_error(run, type, format, args);
	va_end(args);
	return try_again(run, 0);
}

enum task_outcome task_retry_after(struct task_run *run, int64_t seconds, const char *type, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_error(run, type, format, args);
	va_end(args);
	return try_again(run, seconds);
}

enum task_outcome task_database_error(struct task_run *run, int error)
{
	if (error == ERR_UNAVAILABLE || error == ERR_TIMEOUT)
		return task_retry(run, "ConnectionError", "the database does not answer");
	return task_fail(run, "RuntimeError", "%s", error_name(error));
}

enum task_outcome task_answer_error(struct task_run *run, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_clear(&run->result);
	buf_add_text(&run->result, "{\"success\": false, \"error\": ");
	json_add_text(&run->result, text);
	buf_add_char(&run->result, '}');
	return TASK_SUCCEEDED;
}

bool task_is_late(const struct task_run *run)
{
	return clock_monotonic_us() >= run->soft_deadline_us || (run->stop && atomic_load_explicit(run->stop, memory_order_relaxed));
}

enum task_outcome task_fail_late(struct task_run *run)
{
	run->hurried = clock_monotonic_us() < run->soft_deadline_us;
	return task_fail(run, "billiard.exceptions.SoftTimeLimitExceeded", "SoftTimeLimitExceeded()");
}

/* ---- arguments ---- */

struct parameter {
	struct str name, standard; /* standard: JSON of the default; absent: it must be given */
};

static size_t read_signature(const char *signature, struct parameter parameters[PARAMETERS_MAX])
{
	struct str text = str_of(signature), one;
	size_t n = 0;

	while (text.len && n < PARAMETERS_MAX && str_split(&text, ',', &one)) {
		ptrdiff_t equals;

		one = str_trim(one);
		equals = str_find(one, '=');
		parameters[n].name = equals < 0 ? one : (struct str){ one.s, (size_t)equals };
		parameters[n].standard =
		        equals < 0 ? (struct str){ NULL, 0 } : (struct str){ one.s + equals + 1, one.len - (size_t)equals - 1 };
		n++;
	}
	return n;
}

/* The task's name as Python shows a function's. */
static const char *function_name(const struct task_run *run)
{
	const char *dot = strrchr(run->policy->name, '.');

	return dot ? dot + 1 : run->policy->name;
}

static int set(struct task_run *run, struct str name, json_t *take_value)
{
	char key[100];

	snprintf(key, sizeof(key), "%.*s", STR_ARG(name));
	return json_object_set_new(run->arguments, key, take_value);
}

static bool refuse(struct task_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct task_run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_error(run, "TypeError", format, args);
	va_end(args);
	return false;
}

static bool bind_named(struct task_run *run, const struct parameter *parameters, size_t n)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)run->kwargs, key, value)
	{
		size_t i = 0;

		while (i < n && !str_is(parameters[i].name, key))
			i++;
		if (i == n)
			return refuse(run, "%s() got an unexpected keyword argument '%.100s'", function_name(run), key);
		if (json_object_get(run->arguments, key))
			return refuse(run, "%s() got multiple values for argument '%.100s'", function_name(run), key);
		json_object_set(run->arguments, key, value);
	}
	return true;
}

static bool bind(struct task_run *run)
{
	struct parameter parameters[PARAMETERS_MAX];
	size_t n = read_signature(run->policy->signature, parameters), given = json_array_size(run->args);
	int r = 0;

	run->arguments = json_object();
	if (strcmp(run->policy->signature, "*") == 0)
		return true;
	if (given > n)
		return refuse(run, "%s() takes %zu positional argument%s but %zu %s given", function_name(run), n, n == 1 ? "" : "s", given,
		              given == 1 ? "was" : "were");
	for (size_t i = 0; i < given; i++)
		r += set(run, parameters[i].name, json_incref(json_array_get(run->args, i)));
	if (!bind_named(run, parameters, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		char name[100];

		snprintf(name, sizeof(name), "%.*s", STR_ARG(parameters[i].name));
		if (json_object_get(run->arguments, name))
			continue;
		if (!parameters[i].standard.s)
			return refuse(run, "%s() missing 1 required positional argument: '%s'", function_name(run), name);
		r += set(run, parameters[i].name, json_loadb(parameters[i].standard.s, parameters[i].standard.len, JSON_DECODE_ANY, NULL));
	}
	return r == 0 || refuse(run, "out of memory");
}

const json_t *task_value(const struct task_run *run, const char *name)
{
	const json_t *value = json_object_get(run->arguments, name);

	return value ? value : json_null();
}

struct str task_text(const struct task_run *run, const char *name)
{
	const json_t *value = task_value(run, name);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

int64_t task_int(const struct task_run *run, const char *name)
{
	const json_t *value = task_value(run, name);
	int64_t i;

	if (json_is_integer(value))
		return json_integer_value(value);
	return json_is_string(value) && str_to_int(task_text(run, name), &i) ? i : NULL_INT;
}

bool task_bool(const struct task_run *run, const char *name)
{
	return json_is_true(task_value(run, name));
}

/* ---- a run ---- */

enum task_outcome task_execute(struct task_run *run)
{
	enum task_outcome outcome;

	run->max_retries = run->policy->max_retries;
	run->soft_deadline_us = clock_monotonic_us() + (run->soft_limit_us ? run->soft_limit_us : run->policy->soft_limit_s * US_PER_S);
	buf_clear(&run->result);
	if (!bind(run))
		return TASK_FAILED;
	outcome = run->policy->run(run);
	if (outcome == TASK_SUCCEEDED && run->result.failed)
		return task_retry(run, "MemoryError", "out of memory");
	if (outcome == TASK_SUCCEEDED && !run->result.len)
		buf_add_text(&run->result, "null");
	return outcome;
}

void task_run_finish(struct task_run *run)
{
	json_decref(run->arguments);
	run->arguments = NULL;
	buf_finish(&run->result);
}
