/* Ids that the caller does not give are random; what Celery shows of the arguments is made from their JSON. */
#include "db/task_message.h"

#include <stdio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/random.h"

#define REPR_MAX_BYTES 1024 /* for display only: Celery cuts there too */
#define EMBEDDED       "{\"callbacks\": null, \"errbacks\": null, \"chain\": null, \"chord\": null}"
#define HOST_NAME_SIZE 65
#define USUAL_BYTES    1200 /* of a message without its arguments */

/* The end of the JSON text that begins at from: the index behind its closing quote. */
static size_t text_end(struct str json, size_t from)
{
	size_t i = from + 1;

	while (i < json.len && json.s[i] != '"')
		i += json.s[i] == '\\' ? 2 : 1;
	return i + 1 < json.len ? i + 1 : json.len;
}

static size_t add_word(struct buf *b, struct str json, size_t at)
{
	static const struct {
		struct str json;
		const char *python;
	} words[] = { { STR("null"), "None" }, { STR("true"), "True" }, { STR("false"), "False" } };

	for (size_t i = 0; i < N_ELEMENTS(words); i++)
		if (json.len - at >= words[i].json.len && memcmp(json.s + at, words[i].json.s, words[i].json.len) == 0) {
			buf_add_text(b, words[i].python);
			return words[i].json.len;
		}
	buf_add_char(b, json.s[at]);
	return 1;
}

/* A text in Python's quotes, its JSON escapes left as they are. */
static void add_quoted(struct buf *b, struct str inside)
{
	char quote = str_find(inside, '\'') < 0 ? '\'' : '"';

	buf_add_char(b, quote);
	buf_add_str(b, inside);
	buf_add_char(b, quote);
}

/* Cuts what is too long, and then back to the last ASCII character, so that none is halved. */
static void cut(struct buf *b)
{
	if (b->len <= REPR_MAX_BYTES)
		return;
	b->len = REPR_MAX_BYTES;
	while (b->len && (unsigned char)b->data[b->len - 1] & 0x80)
		b->len--;
	b->data[b->len] = '\0';
}

/* An array becomes a tuple: its own brackets are round ones, and a single element has a comma behind it. */
void task_message_add_repr(struct buf *out, struct str json)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	bool tuple = json.len && json.s[0] == '[';
	size_t commas = 0, depth = 0, i = 0;

	while (i < json.len) {
		char c = json.s[i];

		depth += c == '[' || c == '{';
		commas += c == ',' && depth == 1;
		if (c == '"') {
			size_t end = text_end(json, i);

			add_quoted(&b, (struct str){ json.s + i + 1, end - i - 2 });
			i = end;
			continue;
		}
		if (tuple && depth == 1 && (c == '[' || c == ']')) {
			buf_add_text(&b, c == '[' ? "(" : commas || b.len == 1 ? ")" : ",)");
			i++;
		} else {
			i += add_word(&b, json, i);
		}
		depth -= c == ']' || c == '}';
	}
	cut(&b);
	buf_add_str(out, buf_view(&b));
	out->failed |= b.failed;
}

static struct str or_else(struct str given, struct str standard)
{
	return given.s ? given : standard;
}

static void add_key(struct buf *b, const char *key)
{
	buf_add_text(b, ", \"");
	buf_add_text(b, key);
	buf_add_text(b, "\": ");
}

static void add_key_str(struct buf *b, const char *key, struct str value)
{
	add_key(b, key);
	json_add_str(b, value);
}

static void add_key_time(struct buf *b, const char *key, struct instant value)
{
	add_key(b, key);
	json_add_time(b, value);
}

static void add_key_repr(struct buf *b, const char *key, struct str json)
{
	CLEANUP(buf_finish) struct buf repr = BUF_EMPTY;

	task_message_add_repr(&repr, json);
	add_key_str(b, key, buf_view(&repr));
	b->failed |= repr.failed;
}

static void add_body(struct buf *b, const struct task_message *m)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;

	buf_add_char(&body, '[');
	buf_add_str(&body, m->args);
	buf_add_text(&body, ", ");
	buf_add_str(&body, m->kwargs);
	buf_add_text(&body, ", ");
	buf_add_str(&body, or_else(m->embed, (struct str)STR(EMBEDDED)));
	buf_add_char(&body, ']');
	base64_add(b, BASE64, body.data, body.len);
	b->failed |= body.failed;
}

static void add_headers(struct buf *b, const struct task_message *m)
{
	char host[HOST_NAME_SIZE] = "";

	gethostname(host, sizeof(host) - 1);
	buf_add_text(b, "{\"lang\": \"py\"");
	add_key_str(b, "task", m->name);
	add_key_str(b, "id", m->id);
	buf_add_text(b, ", \"shadow\": null");
	add_key_time(b, "eta", m->eta);
	add_key_time(b, "expires", m->expires);
	add_key_str(b, "group", m->group);
	buf_addf(b, ", \"group_index\": null, \"retries\": %d, \"timelimit\": [null, null]", m->retries);
	add_key_str(b, "root_id", or_else(m->root_id, m->id));
	add_key_str(b, "parent_id", m->parent_id);
	add_key_repr(b, "argsrepr", m->args);
	add_key_repr(b, "kwargsrepr", m->kwargs);
	buf_addf(b, ", \"origin\": \"gen%ld@%s\", \"ignore_result\": %s", (long)getpid(), host, m->ignore_result ? "true" : "false");
	buf_add_text(b, ", \"replaced_task_nesting\": 0, \"stamped_headers\": null, \"stamps\": {}");
	buf_add_text(b, m->from_beat ? ", \"celery_beat_task\": true}" : "}");
}

/* What is left until it expires, in milliseconds; Celery says it there too, for brokers that look at it. */
static void add_expiration(struct buf *b, struct instant expires)
{
	int64_t left_us;

	if (expires.us == NULL_TIME.us)
		return;
	left_us = expires.us - clock_now().us;
	buf_addf(b, "\"expiration\": \"%lld\", ", left_us > 0 ? (long long)(left_us / US_PER_MS) : 0LL);
}

static void add_envelope(struct buf *b, const struct task_message *m, const char *reply_to, const char *tag)
{
	buf_add_text(b, "{\"body\": \"");
	add_body(b, m);
	buf_add_text(b, "\", \"content-encoding\": \"utf-8\", \"content-type\": \"application/json\", \"headers\": ");
	add_headers(b, m);
	buf_add_text(b, ", \"properties\": {\"correlation_id\": ");
	json_add_str(b, m->id);
	buf_addf(b, ", \"reply_to\": \"%s\", \"delivery_mode\": 2, ", reply_to);
	add_expiration(b, m->expires);
	buf_add_text(b, "\"delivery_info\": {\"exchange\": \"\"");
	add_key_str(b, "routing_key", m->queue);
	buf_addf(b, "}, \"priority\": %d, \"body_encoding\": \"base64\", \"delivery_tag\": \"%s\"}}", m->priority, tag);
}

int task_message_write(struct buf *b, const struct task_message *message)
{
	char hex[UUID_HEX_SIZE], dashed[3][UUID_TEXT_SIZE];
	struct task_message m = *message;

	for (size_t i = m.id.s ? 1 : 0; i < N_ELEMENTS(dashed); i++) {
		int r = random_uuid_hex(hex);

		if (r < 0)
			return r;
		uuid_add_dashes(hex, dashed[i]);
	}
	if (!m.id.s)
		m.id = str_of(dashed[0]);
	m.args = or_else(m.args, (struct str)STR("[]"));
	m.kwargs = or_else(m.kwargs, (struct str)STR("{}"));
	m.queue = or_else(m.queue, (struct str)STR(TASK_QUEUE));
	buf_reserve(b, USUAL_BYTES + 2 * m.args.len + 2 * m.kwargs.len);
	add_envelope(b, &m, dashed[1], dashed[2]);
	return b->failed ? ERR_NOMEM : 0;
}
