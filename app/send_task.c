/*
 * egoejo send-task: standard input to the broker. Requests stand one after another, a line each or over several; what is whole is sent
 * and its id printed before more is read, so that a script may keep the process and write to it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/command.h"
#include "tasks/send.h"

#define REQUEST_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define READ_BYTES        ((size_t)64 * 1024)

struct input {
	struct buf text;     /* what was read and not sent yet */
	size_t from, at;     /* where the request begins that is looked at, and how far it was looked through */
	int depth;           /* of braces, at that place */
	bool inside, behind; /* there: inside a text; behind a backslash in one */
	bool ended;
	size_t n_found, n_sent;
};

int command_connect_broker(const struct settings *settings, struct redis **ret_redis, struct error *err)
{
	char warning[200] = "";
	int r = command_create_redis(settings, ret_redis, warning, err);

	if (r < 0)
		return r;
	if (!redis_configured(*ret_redis, REDIS_TASKS))
		return error_set(err, ERR_CONFIG, "no broker: set REDIS_URL or CELERY_BROKER_URL");
	return redis_start(*ret_redis, err);
}

/* ---- reading ---- */

static int read_more(struct input *in, struct error *err)
{
	ssize_t n;

	if (!buf_reserve(&in->text, READ_BYTES))
		return error_set(err, ERR_NOMEM, "out of memory");
	do
		n = read(STDIN_FILENO, in->text.data + in->text.len, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0 || in->text.len >= REQUEST_MAX_BYTES)
		return error_set(err, ERR_INVALID, "cannot read the request on standard input");
	in->text.len += (size_t)n;
	in->ended = n == 0;
	return 0;
}

/* Goes on to the end of the request that begins at from; false: it is not there yet. */
static bool find_end(struct input *in)
{
	while (in->at < in->text.len) {
		char c = in->text.data[in->at++];

		if (in->behind)
			in->behind = false;
		else if (c == '\\')
			in->behind = in->inside;
		else if (c == '"')
			in->inside = !in->inside;
		else if (c == '{' && !in->inside)
			in->depth++;
		else if (c == '}' && !in->inside && --in->depth <= 0)
			return true;
	}
	return false;
}

/* What is left when nothing more comes: it is no request, unless only space is left behind others. */
static bool find_rest(struct input *in)
{
	size_t i = in->from;

	while (i < in->text.len && isspace((unsigned char)in->text.data[i]))
		i++;
	return in->ended && (i < in->text.len || in->n_found == 0);
}

/* Up to TASK_SEND_MAX requests that are whole. */
static size_t next_requests(struct input *in, struct str requests[TASK_SEND_MAX])
{
	size_t n = 0;

	while (n < TASK_SEND_MAX && (find_end(in) || find_rest(in))) {
		requests[n++] = (struct str){ in->text.data + in->from, in->at - in->from };
		in->from = in->at;
		in->depth = 0;
		in->n_found++;
	}
	return n;
}

static void drop_sent(struct input *in)
{
	memmove(in->text.data, in->text.data + in->from, in->text.len - in->from);
	in->text.len -= in->from;
	in->at -= in->from;
	in->from = 0;
}

/* ---- sending ---- */

static int send_some(struct input *in, struct redis *redis, const struct str *requests, size_t n, struct error *err)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;
	struct error why = { 0 };
	size_t pushed;
	int r = task_send(redis, requests, n, &ids, &pushed, &why);

	in->n_sent += pushed;
	if (command_print(&ids) != 0)
		return error_set(err, ERR_IO, "cannot write to standard output");
	if (r < 0 && in->n_sent)
		return error_set(err, r, "request %zu: %s", in->n_sent + 1, why.text);
	if (r < 0)
		*err = why;
	return r;
}

static int send_all(struct input *in, struct redis *redis, struct error *err)
{
	struct str requests[TASK_SEND_MAX];
	int r = 0;

	while (r == 0 && !in->ended) {
		size_t n;

		r = read_more(in, err);
		while (r == 0 && (n = next_requests(in, requests)) > 0)
			r = send_some(in, redis, requests, n, err);
		drop_sent(in);
	}
	return r;
}

int command_send_task(const struct arguments *arguments)
{
	struct input in = { .text = BUF_EMPTY };
	struct settings *settings = NULL;
	struct redis *redis = NULL;
	struct error err = { 0 };
	int r;

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	r = command_load_settings(&settings, &err);
	if (r == 0)
		r = command_connect_broker(settings, &redis, &err);
	if (r == 0)
		r = send_all(&in, redis, &err);
	redis_destroy(redis);
	settings_destroy(settings);
	buf_finish(&in.text);
	return r < 0 ? command_fail(&err) : 0;
}
