/*
 * The message is written as Celery's own producer writes it, member by member, so that a Python worker cannot tell the
 * difference (tasks.md 7.2, captured messages). Ids are random; what Celery shows of the arguments is made from their JSON.
 */
#include "db/outbox.h"

#include <stdio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/random.h"

#define QUEUE          "celery"
#define ARGS_MAX_BYTES (1024 * 1024)
#define REPR_MAX_BYTES 1024 /* for display only: Celery cuts there too */
#define EMBEDDED       "{\"callbacks\": null, \"errbacks\": null, \"chain\": null, \"chord\": null}"
#define HOST_NAME_SIZE 65

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

/* The arguments as Python shows a tuple: ('a', None). Valid JSON in, a text for people out, cut at a character's end. */
static void add_repr(struct buf *b, struct str array)
{
	size_t commas = 0, depth = 0, i = 0;

	while (i < array.len) {
		char c = array.s[i];

		depth += c == '[' || c == '{';
		commas += c == ',' && depth == 1;
		if (c == '"') {
			size_t end = text_end(array, i);

			add_quoted(b, (struct str){ array.s + i + 1, end - i - 2 });
			i = end;
			continue;
		}
		if (depth == 1 && (c == '[' || c == ']')) {
			buf_add_text(b, c == '[' ? "(" : commas || b->len == 1 ? ")" : ",)");
			i++;
		} else {
			i += add_word(b, array, i);
		}
		depth -= c == ']' || c == '}';
	}
	cut(b);
}

static void add_body(struct buf *b, struct str args)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;

	buf_add_char(&body, '[');
	buf_add_str(&body, args);
	buf_add_text(&body, ", {}, " EMBEDDED "]");
	base64_add(b, BASE64, body.data, body.len);
	b->failed |= body.failed;
}

static void add_headers(struct buf *b, const struct outbox_task *task, struct str args, const char *id)
{
	CLEANUP(buf_finish) struct buf repr = BUF_EMPTY;
	char host[HOST_NAME_SIZE] = "";

	add_repr(&repr, args);
	gethostname(host, sizeof(host) - 1);
	buf_addf(
	        b,
	        "{\"lang\": \"py\", \"task\": \"%s\", \"id\": \"%s\", \"shadow\": null, \"eta\": null, \"expires\": null, \"group\": null, "
	        "\"group_index\": null, \"retries\": 0, \"timelimit\": [null, null], \"root_id\": \"%s\", \"parent_id\": null, "
	        "\"argsrepr\": ",
	        task->name, id, id);
	json_add_str(b, buf_view(&repr));
	buf_addf(b, ", \"kwargsrepr\": \"{}\", \"origin\": \"gen%ld@%s\"", (long)getpid(), host);
	buf_add_text(b, ", \"ignore_result\": false, \"replaced_task_nesting\": 0, \"stamped_headers\": null, \"stamps\": {}}");
	b->failed |= repr.failed;
}

static void add_envelope(struct buf *b, const struct outbox_task *task, struct str args, const char *id, const char *reply_to,
                         const char *tag)
{
	buf_add_text(b, "{\"body\": \"");
	add_body(b, args);
	buf_add_text(b, "\", \"content-encoding\": \"utf-8\", \"content-type\": \"application/json\", \"headers\": ");
	add_headers(b, task, args, id);
	buf_addf(b,
	         ", \"properties\": {\"correlation_id\": \"%s\", \"reply_to\": \"%s\", \"delivery_mode\": 2, \"delivery_info\": "
	         "{\"exchange\": \"\", \"routing_key\": \"" QUEUE "\"}, \"priority\": 0, \"body_encoding\": \"base64\", "
	         "\"delivery_tag\": \"%s\"}}",
	         id, reply_to, tag);
}

static int insert(struct db_conn *db, const struct outbox_task *task, const char *hex, struct str envelope)
{
	static const struct db_statement put = {
		"INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, "
		"attempts, created_at) VALUES ($1, $2, '" QUEUE "', 0, $3, $4, 'new', $5, 0, $5)"
	};

	return db_execute(db, &put,
	                  DB_PARAMS(DB_TEXT(str_of(hex)), DB_TEXT(str_of(task->name)), DB_TEXT(envelope), DB_BOOL(task->durable),
	                            DB_TIME(clock_now())),
	                  NULL);
}

int outbox_put(struct db_conn *db, const struct outbox_task *task)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	struct str args = task->args.text.s ? task->args.text : (struct str)STR("[]");
	char hex[3][UUID_HEX_SIZE], dashed[3][UUID_TEXT_SIZE];

	if (args.len > ARGS_MAX_BYTES)
		return ERR_INVALID;
	for (size_t i = 0; i < N_ELEMENTS(hex); i++) {
		int r = random_uuid_hex(hex[i]);

		if (r < 0)
			return r;
		uuid_add_dashes(hex[i], dashed[i]);
	}
	add_envelope(&envelope, task, args, dashed[0], dashed[1], dashed[2]);
	return envelope.failed ? ERR_NOMEM : insert(db, task, hex[0], buf_view(&envelope));
}

int outbox_delete(struct db_conn *db, int64_t id)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_outbox WHERE id = $1" };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(id)), NULL);
}
