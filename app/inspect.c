/* egoejo inspect: all workers are asked, their answers printed. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/command.h"
#include "tasks/control.h"

/* What only asks; anything else is not for this command. */
static bool is_question(const char *method)
{
	static const char *const questions[] = { "active", "active_queues", "clock",   "conf",      "ping", "registered",
		                                 "report", "reserved",      "revoked", "scheduled", "stats" };

	for (size_t i = 0; i < N_ELEMENTS(questions); i++)
		if (strcmp(method, questions[i]) == 0)
			return true;
	return false;
}

static int ask(const char *method, struct buf *ret_replies, size_t *ret_n, struct error *err)
{
	struct settings *settings = NULL;
	struct redis *redis = NULL;
	int r = command_load_settings(&settings, err);

	if (r == 0)
		r = command_connect_broker(settings, &redis, err);
	if (r == 0)
		r = control_ask(redis, method, ret_replies, ret_n, err);
	redis_destroy(redis);
	settings_destroy(settings);
	return r;
}

int command_inspect(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf replies = BUF_EMPTY;
	struct error err = { 0 };
	size_t n = 0;
	int status;

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	if (!is_question(arguments->method)) {
		fprintf(stderr, "egoejo: no such question: %s\n", arguments->method);
		return EX_USAGE;
	}
	if (ask(arguments->method, &replies, &n, &err) < 0)
		return command_fail(&err);
	status = command_print(&replies);
	if (status == EXIT_SUCCESS && !n)
		fprintf(stderr, "egoejo: no worker answers\n");
	return n ? status : EXIT_FAILURE;
}
