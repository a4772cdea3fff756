#include "tasks/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "db/task_message.h"

struct task_error result_error(const char *module, const char *type, const char *format, ...)
{
	struct task_error error = { .module = module, .type = type };
	va_list args;

	va_start(args, format);
	vsnprintf(error.message, sizeof(error.message), format, args);
	va_end(args);
	return error;
}

struct result result_of(const struct message *m, enum result_state state)
{
	return (struct result){ .state = state, .id = m->id, .group = m->group, .parent_id = m->parent_id };
}

/* Python's arguments of the exception: a limit is a number, the soft limit has none. */
static void add_message(struct buf *b, const struct task_error *error)
{
	if (strcmp(error->type, "SoftTimeLimitExceeded") == 0)
		return;
	if (strcmp(error->type, "TimeLimitExceeded") == 0)
		buf_add_text(b, error->message);
	else
		json_add_text(b, error->message);
}

static void add_error(struct buf *b, const struct task_error *error)
{
	buf_add_text(b, "{\"exc_type\": ");
	json_add_text(b, error->type);
	buf_add_text(b, ", \"exc_message\": [");
	add_message(b, error);
	buf_add_text(b, "], \"exc_module\": ");
	json_add_text(b, error->module);
	buf_add_char(b, '}');
}

void result_add_exception(struct buf *b, const struct task_error *error)
{
	CLEANUP(buf_finish) struct buf inside = BUF_EMPTY, repr = BUF_EMPTY;
	size_t end;

	buf_add_char(&inside, '[');
	add_message(&inside, error);
	buf_add_char(&inside, ']');
	task_message_add_repr(&repr, buf_view(&inside));
	end = repr.len;
	if (end > 2 && repr.data[end - 2] == ',')
		end -= 2; /* ('x',) is a tuple, an exception has no comma */
	else if (end)
		end--;
	buf_addf(b, "%s%.*s)", error->type, (int)end, repr.data ? repr.data : "(");
	b->failed |= inside.failed || repr.failed;
}

void result_add_traceback(struct buf *b, const struct task_error *error)
{
	buf_addf(b, "Traceback (most recent call last):\n  in a task of egoejo\n%s%s%s: %s\n",
	         strcmp(error->module, "builtins") == 0 ? "" : error->module, strcmp(error->module, "builtins") == 0 ? "" : ".",
	         error->type, error->message);
}

static void add_traceback(struct buf *b, const struct result *result)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	if (result->error && result->with_traceback)
		result_add_traceback(&text, result->error);
	buf_add_text(b, ", \"traceback\": ");
	json_add_text(b, text.data);
	b->failed |= text.failed;
}

static void add_children(struct buf *b, const struct result *result)
{
	buf_add_text(b, result->outside ? ", \"children\": null" : ", \"children\": [");
	for (size_t i = 0; i < result->n_children; i++) {
		buf_add_text(b, i ? ", [[" : "[[");
		json_add_str(b, result->children[i]);
		buf_add_text(b, ", null], null]");
	}
	buf_add_text(b, result->outside ? "" : "]");
}

static void add_key_str(struct buf *b, const char *key, struct str value)
{
	if (!value.s)
		return;
	buf_addf(b, ", \"%s\": ", key);
	json_add_str(b, value);
}

void result_write(struct buf *b, const struct result *result)
{
	static const char *const names[] = { "SUCCESS", "FAILURE", "RETRY", "REVOKED" };

	buf_addf(b, "{\"status\": \"%s\", \"result\": ", names[result->state]);
	if (result->state == RESULT_SUCCESS)
		buf_add_str(b, result->value);
	else
		add_error(b, result->error);
	add_traceback(b, result);
	add_children(b, result);
	buf_add_text(b, ", \"date_done\": ");
	json_add_time(b, result->state == RESULT_RETRY ? NULL_TIME : clock_now());
	add_key_str(b, "group_id", result->group);
	add_key_str(b, "parent_id", result->parent_id);
	add_key_str(b, "task_id", result->id);
	buf_add_char(b, '}');
}
