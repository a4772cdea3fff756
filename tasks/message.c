/*
 * The checks are those that keep a worker alive: kombu and Celery take much for granted, and a Python worker ends, or fails in a
 * loop, on what is not there (tasks.md 7.2, "never push anything else"). What they only tolerate is tolerated here too: a
 * body that is plain text, an envelope without encodings, additional headers.
 */
#include "tasks/message.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "db/task_message.h"

#define REDELIVERIES "x-redeliveries"

struct str message_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

bool message_truth(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_number(value))
		return json_number_value(value) != 0;
	return json_is_true(value) || json_string_length(value) || json_array_size(value) || json_object_size(value);
}

static int refuse(struct error *err, const char *why)
{
	return error_set(err, ERR_INVALID, "%s", why);
}

/* ---- the body ---- */

static int load(struct str text, json_t **ret_json, const char *what, struct error *err)
{
	json_error_t why;

	*ret_json = json_loadb(text.s ? text.s : "", text.len, JSON_ALLOW_NUL, &why);
	if (*ret_json)
		return 0;
	return error_set(err, ERR_INVALID, "%s is not JSON: %.160s", what, why.text);
}

static int load_encoded(struct str text, json_t **ret_body, struct error *err)
{
	CLEANUP(cleanup_free) char *bytes = mem_alloc(BASE64_DECODED_MAX(text.len));
	size_t n = 0;

	if (!bytes)
		return error_set(err, ERR_NOMEM, "out of memory");
	if (!base64_decode(text, BASE64, bytes, &n))
		return refuse(err, "body is not base64");
	return load((struct str){ bytes, n }, ret_body, "body", err);
}

static int read_body(struct message *m, const json_t *properties, struct error *err)
{
	struct str text = message_text(m->envelope, "body");
	int r;

	if (!text.s)
		return refuse(err, "no body");
	if (str_is(message_text(properties, "body_encoding"), "base64"))
		r = load_encoded(text, &m->body, err);
	else
		r = load(text, &m->body, "body", err);
	if (r < 0)
		return r;
	m->args = json_array_get(m->body, 0);
	m->kwargs = json_array_get(m->body, 1);
	m->embed = json_array_get(m->body, 2);
	if (json_array_size(m->body) != 3 || !json_is_array(m->args) || !json_is_object(m->kwargs))
		return refuse(err, "body is not [args, kwargs, embed]");
	if (!json_is_object(m->embed) && !json_is_null(m->embed))
		return refuse(err, "embed is not an object");
	return 0;
}

/* ---- headers and properties ---- */

static int read_time(const json_t *headers, const char *name, struct instant *ret_time, struct error *err)
{
	struct str text = message_text(headers, name);

	*ret_time = NULL_TIME;
	if (text.s && !clock_parse(text, ret_time))
		return error_set(err, ERR_INVALID, "headers.%s is not a time", name);
	return 0;
}

static int64_t limit_us(const json_t *limits, size_t i)
{
	const json_t *value = json_array_get(limits, i);
	double seconds = json_number_value(value);

	return json_is_number(value) && seconds > 0 && seconds < 1e9 ? (int64_t)(seconds * (double)US_PER_S) : NULL_INT;
}

static int whole(const json_t *value, int most)
{
	json_int_t n = json_integer_value(value);

	return n < 0 ? 0 : n > most ? most : (int)n;
}

static int read_headers(struct message *m, struct error *err)
{
	const json_t *headers = json_object_get(m->envelope, "headers");
	int r;

	m->task = message_text(headers, "task");
	m->id = message_text(headers, "id");
	if (!m->task.len || !m->id.len)
		return refuse(err, m->task.len ? "no headers.id" : "no headers.task");
	if (m->id.len > MESSAGE_ID_MAX || m->task.len > MESSAGE_ID_MAX)
		return refuse(err, "headers.id or headers.task is too long");
	r = read_time(headers, "eta", &m->eta, err);
	if (r == 0)
		r = read_time(headers, "expires", &m->expires, err);
	m->root_id = message_text(headers, "root_id");
	if (!m->root_id.s)
		m->root_id = m->id;
	m->parent_id = message_text(headers, "parent_id");
	m->group = message_text(headers, "group");
	m->args_repr = message_text(headers, "argsrepr");
	m->kwargs_repr = message_text(headers, "kwargsrepr");
	m->retries = whole(json_object_get(headers, "retries"), 1000000);
	m->hard_limit_us = limit_us(json_object_get(headers, "timelimit"), 0);
	m->soft_limit_us = limit_us(json_object_get(headers, "timelimit"), 1);
	m->ignore_result = message_truth(headers, "ignore_result");
	m->redelivered = message_truth(headers, "redelivered");
	m->from_beat = message_truth(headers, "celery_beat_task");
	m->redeliveries = whole(json_object_get(headers, REDELIVERIES), 1000000);
	return r;
}

static int read_properties(struct message *m, struct error *err)
{
	const json_t *properties = json_object_get(m->envelope, "properties");
	const json_t *info = json_object_get(properties, "delivery_info");

	m->tag = message_text(properties, "delivery_tag");
	if (!m->tag.len || m->tag.len > MESSAGE_ID_MAX)
		return refuse(err, "no properties.delivery_tag");
	if (!json_is_object(info))
		return refuse(err, "no properties.delivery_info");
	m->exchange = message_text(info, "exchange");
	m->queue = message_text(info, "routing_key");
	m->priority = whole(json_object_get(properties, "priority"), TASK_PRIORITY_MAX);
	m->redelivered |= message_truth(info, "redelivered");
	return read_body(m, properties, err);
}

static int read_envelope(struct message *m, struct error *err)
{
	struct str encoding = message_text(m->envelope, "content-encoding");
	int r;

	if (!json_is_object(m->envelope))
		return refuse(err, "not an envelope");
	if (!str_is(message_text(m->envelope, "content-type"), "application/json"))
		return refuse(err, "content-type is not application/json");
	if (encoding.s && !str_equal_nocase(encoding, (struct str)STR("utf-8")) && !str_equal_nocase(encoding, (struct str)STR("utf8")))
		return refuse(err, "content-encoding is not utf-8");
	r = read_headers(m, err);
	return r < 0 ? r : read_properties(m, err);
}

int message_parse(struct str text, struct message *ret_message, struct error *err)
{
	struct message m = { 0 };
	int r = load(text, &m.envelope, "item", err);

	if (r == 0)
		r = read_envelope(&m, err);
	if (r < 0) {
		message_finish(&m);
		return r;
	}
	*ret_message = m;
	return 0;
}

void message_finish(struct message *m)
{
	json_decref(m->envelope);
	json_decref(m->body);
	*m = (struct message){ 0 };
}

/* ---- on its way back ---- */

static int add_json(struct buf *b, json_t *take_json)
{
	char *text = take_json ? json_dumps(take_json, JSON_ENCODE_ANY) : NULL;

	json_decref(take_json);
	buf_add_text(b, text ? text : "");
	if (!text)
		b->failed = true;
	free(text);
	return b->failed ? ERR_NOMEM : 0;
}

int message_add_retry(struct buf *b, const struct message *m, struct instant eta)
{
	json_t *copy = json_deep_copy(m->envelope), *headers = json_object_get(copy, "headers");
	json_t *properties = json_object_get(copy, "properties");
	char when[CLOCK_ISO_SIZE], hex[UUID_HEX_SIZE], tag[UUID_TEXT_SIZE];
	int r = random_uuid_hex(hex);

	if (r < 0) {
		json_decref(copy);
		return r;
	}
	uuid_add_dashes(hex, tag);
	clock_format_iso(eta, when);
	json_object_set_new(headers, "retries", json_integer(m->retries + 1));
	json_object_set_new(headers, "eta", json_string(when));
	json_object_set_new(headers, "parent_id", json_stringn(m->id.s, m->id.len));
	json_object_del(headers, "redelivered");
	json_object_del(headers, REDELIVERIES);
	json_object_set_new(properties, "delivery_tag", json_string(tag));
	json_object_del(json_object_get(properties, "delivery_info"), "redelivered");
	return add_json(b, copy);
}

int message_add_restored(struct buf *b, const struct message *m, bool counted)
{
	json_t *copy = json_deep_copy(m->envelope), *headers = json_object_get(copy, "headers");

	json_object_set_new(headers, "redelivered", json_true());
	if (counted)
		json_object_set_new(headers, REDELIVERIES, json_integer(m->redeliveries + 1));
	json_object_set_new(json_object_get(json_object_get(copy, "properties"), "delivery_info"), "redelivered", json_true());
	return add_json(b, copy);
}
