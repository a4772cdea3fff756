/*
 * What the checks beside Celery's own workers and producers run: a sum, an echo, one that fails and asks again, one that sleeps.
 * Offered with INTEROP_TASKS alone.
 */
#include <time.h>

#include "base/json_out.h"
#include "tasks/jobs_impl.h"

static void add_value(struct buf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	buf_add_text(b, text ? text : "null");
	free(text);
}

enum task_outcome interop_add(struct task_run *run)
{
	const json_t *x = task_value(run, "x"), *y = task_value(run, "y");

	if (!json_is_number(x) || !json_is_number(y))
		return task_fail(run, "TypeError", "unsupported operand type(s) for +");
	if (json_is_integer(x) && json_is_integer(y))
		json_add_int(&run->result, json_integer_value(x) + json_integer_value(y));
	else
		json_add_float(&run->result, json_number_value(x) + json_number_value(y));
	return TASK_SUCCEEDED;
}

enum task_outcome interop_echo(struct task_run *run)
{
	buf_add_text(&run->result, "{\"args\": ");
	add_value(&run->result, run->args);
	buf_add_text(&run->result, ", \"kwargs\": ");
	add_value(&run->result, run->kwargs);
	buf_add_char(&run->result, '}');
	return TASK_SUCCEEDED;
}

enum task_outcome interop_flaky_retry(struct task_run *run)
{
	run->max_retries = (int)task_int(run, "max_retries");
	if (run->retries < task_int(run, "failures"))
		return task_retry_after(run, task_int(run, "countdown"), "ConnectionError", "attempt %d", run->retries);
	buf_add_text(&run->result, "{\"key\": ");
	add_value(&run->result, task_value(run, "key"));
	buf_addf(&run->result, ", \"retries\": %d}", run->retries);
	return TASK_SUCCEEDED;
}

enum task_outcome interop_sleep(struct task_run *run)
{
	double seconds = json_number_value(task_value(run, "seconds"));

	while (seconds > 0 && !task_is_late(run)) {
		struct timespec step = { 0, 50 * 1000 * 1000 };

		nanosleep(&step, NULL);
		seconds -= 0.05;
	}
	if (seconds > 0)
		return task_fail_late(run);
	add_value(&run->result, task_value(run, "seconds"));
	return TASK_SUCCEEDED;
}
