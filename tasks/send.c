/* A request is read member by member into the message that db/task_message.h writes; what is wrong with it is said in words. */
#include "tasks/send.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "db/task_message.h"
#include "tasks/broker.h"
#include "tasks/message.h"
#include "tasks/push.h"

#define SECONDS_MAX 3.15e9            /* a century, either way */
#define PUSH_BYTES  ((size_t)1 << 20) /* of one push, unless one request is larger */

struct request {
	json_t *json;        /* owned */
	char *args, *kwargs; /* owned, JSON */
	char id[UUID_TEXT_SIZE];
	struct task_message message;
	struct buf envelope;
};

static void request_finish(struct request *q)
{
	json_decref(q->json);
	free(q->args);
	free(q->kwargs);
	buf_finish(&q->envelope);
}

static int refuse(struct error *err, const char *member, const char *what)
{
	return error_set(err, ERR_INVALID, "the request's \"%s\" is not %s", member, what);
}

/* A member that is there and not null. */
static const json_t *given(const struct request *q, const char *name)
{
	const json_t *value = json_object_get(q->json, name);

	return json_is_null(value) ? NULL : value;
}

static int read_text(const struct request *q, const char *name, size_t most, struct str *ret_text, struct error *err)
{
	const json_t *value = given(q, name);

	if (!value)
		return 0;
	if (!json_is_string(value) || !json_string_length(value) || json_string_length(value) > most)
		return refuse(err, name, "a text that is not empty nor too long");
	*ret_text = (struct str){ json_string_value(value), json_string_length(value) };
	return 0;
}

/* ISO 8601, or seconds from now. */
static int read_time(const struct request *q, const char *name, struct instant *ret_time, struct error *err)
{
	const json_t *value = given(q, name);
	double seconds = json_number_value(value);

	if (!value)
		return 0;
	if (json_is_string(value) && clock_parse(message_text(q->json, name), ret_time))
		return 0;
	if (!json_is_number(value) || !(seconds > -SECONDS_MAX && seconds < SECONDS_MAX))
		return refuse(err, name, "a time");
	*ret_time = (struct instant){ clock_now().us + (int64_t)(seconds * (double)US_PER_S) };
	return 0;
}

static int read_arguments(struct request *q, struct error *err)
{
	const json_t *args = given(q, "args"), *kwargs = given(q, "kwargs");

	if (args && !json_is_array(args))
		return refuse(err, "args", "a list");
	if (kwargs && !json_is_object(kwargs))
		return refuse(err, "kwargs", "an object");
	q->args = args ? json_dumps(args, 0) : NULL;
	q->kwargs = kwargs ? json_dumps(kwargs, 0) : NULL;
	if ((args && !q->args) || (kwargs && !q->kwargs))
		return error_set(err, ERR_NOMEM, "out of memory");
	q->message.args = str_of(q->args);
	q->message.kwargs = str_of(q->kwargs);
	return 0;
}

static int read_priority(struct request *q, struct error *err)
{
	const json_t *value = given(q, "priority");

	if (value && (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > TASK_PRIORITY_MAX))
		return refuse(err, "priority", "0 to 9");
	q->message.priority = (int)json_integer_value(value);
	return 0;
}

static int make_id(struct request *q, struct error *err)
{
	char hex[UUID_HEX_SIZE];
	int r = random_uuid_hex(hex);

	if (r < 0)
		return error_set(err, r, "no random bytes");
	uuid_add_dashes(hex, q->id);
	if (!q->message.id.s)
		q->message.id = str_of(q->id);
	return 0;
}

static int read_request(struct request *q, struct str text, struct error *err)
{
	struct task_message *m = &q->message;
	json_error_t why;
	int r;

	q->message = TASK_MESSAGE(.priority = 0);
	q->json = json_loadb(text.s ? text.s : "", text.len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(q->json))
		return error_set(err, ERR_INVALID, "the request is no JSON object%s%s", q->json ? "" : ": ", q->json ? "" : why.text);
	r = read_text(q, "task", MESSAGE_ID_MAX, &m->name, err);
	if (r == 0 && !m->name.s)
		return refuse(err, "task", "there");
	if (r == 0)
		r = read_text(q, "id", MESSAGE_ID_MAX, &m->id, err);
	if (r == 0)
		r = read_text(q, "queue", BROKER_QUEUE_SIZE - 1, &m->queue, err);
	if (r == 0)
		r = read_time(q, "countdown", &m->eta, err);
	if (r == 0)
		r = read_time(q, "eta", &m->eta, err);
	if (r == 0)
		r = read_time(q, "expires", &m->expires, err);
	if (r == 0)
		r = read_priority(q, err);
	if (r == 0)
		r = read_arguments(q, err);
	m->ignore_result = json_is_true(given(q, "ignore_result"));
	return r < 0 ? r : make_id(q, err);
}

/* ---- pushing ---- */

static int write_envelope(struct request *q, struct error *err)
{
	int r = task_message_write(&q->envelope, &q->message);

	if (r == 0)
		r = broker_check(buf_view(&q->envelope));
	return r < 0 ? error_set(err, r, "%s", error_name(r)) : 0;
}

static struct str queue_of(const struct request *q)
{
	return q->message.queue.s ? q->message.queue : (struct str)STR(TASK_QUEUE);
}

/* How many from the first go in one push: to the same list, and not too many bytes. */
static size_t group_size(const struct request *q, size_t n)
{
	size_t bytes = q[0].envelope.len, i = 1;

	while (i < n && q[i].message.priority == q[0].message.priority && str_equal(queue_of(&q[i]), queue_of(&q[0])) &&
	       bytes + q[i].envelope.len <= PUSH_BYTES)
		bytes += q[i++].envelope.len;
	return i;
}

static int push_group(struct redis *redis, const struct request *q, size_t n, struct error *err)
{
	struct str envelopes[TASK_SEND_MAX], queue = queue_of(q);
	char name[BROKER_QUEUE_SIZE];
	int r;

	for (size_t i = 0; i < n; i++)
		envelopes[i] = buf_view(&q[i].envelope);
	snprintf(name, sizeof(name), "%.*s", STR_ARG(queue));
	r = push_envelopes(redis, NULL, name, q->message.priority, envelopes, n);
	if (r == ERR_TIMEOUT)
		return error_set(err, r, "the broker does not answer in time: whether it has the task is not known");
	if (r == ERR_UNAVAILABLE)
		return error_set(err, r, "the broker does not answer");
	return r < 0 ? error_set(err, r, "%s", error_name(r)) : 0;
}

static int push(struct redis *redis, const struct request *q, size_t n, size_t *ret_pushed, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0;) {
		size_t many = group_size(q + i, n - i);

		r = push_group(redis, q + i, many, err);
		i += many;
		if (r == 0)
			*ret_pushed = i;
	}
	return r;
}

int task_send(struct redis *redis, const struct str *texts, size_t n, struct buf *ret_ids, size_t *ret_pushed, struct error *err)
{
	CLEANUP(cleanup_free) struct request *q = mem_array(n, sizeof(*q));
	struct error bad = { 0 };
	size_t good = 0;
	int r = q ? 0 : error_set(err, ERR_NOMEM, "out of memory"), refused = 0;

	*ret_pushed = 0;
	if (r < 0)
		return r;
	while (good < n && refused == 0) {
		refused = read_request(&q[good], texts[good], &bad);
		if (refused == 0)
			refused = write_envelope(&q[good], &bad);
		good += refused == 0;
	}
	r = push(redis, q, good, ret_pushed, err);
	for (size_t i = 0; i < *ret_pushed; i++)
		buf_addf(ret_ids, "%.*s\n", STR_ARG(q[i].message.id));
	for (size_t i = 0; i < n; i++)
		request_finish(&q[i]);
	if (r == 0 && refused < 0)
		*err = bad;
	return r < 0 ? r : refused;
}
