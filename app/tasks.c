/*
 * egoejo tasks: what waits in the outbox, what has failed there for good, and the dead letters in Redis; one looked at, one tried again,
 * all that is dead taken away. Without Redis, or while it does not answer, the outbox alone.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/command.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/random.h"
#include "db/outbox_lease.h"
#include "tasks/dead.h"
#include "tasks/message.h"

#define LISTED_MAX  1000
#define ARENA_BYTES ((size_t)1 << 30)

struct tasks {
	struct settings *settings;
	struct db *db;
	struct db_conn *conn;
	struct redis *redis; /* NULL: none, or it does not answer */
	struct arena arena;
	struct buf out;
	const char *id;
	char hex[UUID_HEX_SIZE]; /* of id, when it is a UUID; else "" */
};

/* 32 digits of a UUID with or without dashes; "" when it is none. */
static void read_id(const char *text, char ret_hex[UUID_HEX_SIZE])
{
	size_t n = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '-')
			continue;
		if (n == UUID_HEX_SIZE - 1 || !strchr("0123456789abcdef", *c)) {
			n = 0;
			break;
		}
		ret_hex[n++] = *c;
	}
	ret_hex[n == UUID_HEX_SIZE - 1 ? n : 0] = '\0';
}

/* Both engines' form of an id as people know it. */
static void show_id(struct str id, char ret_shown[UUID_TEXT_SIZE])
{
	char copy[UUID_TEXT_SIZE], hex[UUID_HEX_SIZE];

	snprintf(copy, sizeof(copy), "%.*s", STR_ARG(id));
	read_id(copy, hex);
	if (*hex)
		uuid_add_dashes(hex, ret_shown);
	else
		snprintf(ret_shown, UUID_TEXT_SIZE, "%s", copy);
}

static int select_rows(struct tasks *t, struct db_rows *ret_rows, struct error *err)
{
	struct str id = t->id ? str_of(t->hex) : (struct str){ NULL, 0 };
	int r = 0;

	*ret_rows = (struct db_rows){ NULL, 0 };
	if (!t->id || *t->hex)
		r = outbox_list(t->conn, (struct str){ NULL, 0 }, id, LISTED_MAX, &t->arena, ret_rows);
	return r < 0 ? error_set(err, r, "the outbox: %s", error_name(r)) : 0;
}

static int read_letters(struct tasks *t, json_t **ret_letters, struct error *err)
{
	int r = t->redis ? dead_letters_read(t->redis, ret_letters) : 0;

	if (!t->redis)
		*ret_letters = json_array();
	return r < 0 ? error_set(err, r, "the dead letters: %s", error_name(r)) : 0;
}

/* ---- list ---- */

static void list_row(struct buf *out, const struct outbox_listed *row)
{
	char id[UUID_TEXT_SIZE], due[CLOCK_ISO_SIZE];

	show_id(row->task_id, id);
	clock_format_iso(row->due_at, due);
	buf_addf(out, "%-36s  %-6s  %-10.*s  %-40.*s  %.19s  %.*s\n", id,
	         row->lease_owner.s && str_is(row->state, "new") ? "taken"
	         : str_is(row->state, "sent")                    ? "sent"
	         : str_is(row->state, "dead")                    ? "dead"
	                                                         : "new",
	         STR_ARG(row->queue), STR_ARG(row->name), due, STR_ARG(row->last_error));
}

static void list_letter(struct buf *out, const json_t *letter)
{
	struct str id = message_text(letter, "id"), task = message_text(letter, "task"), queue = message_text(letter, "queue");
	struct str at = message_text(letter, "at");

	buf_addf(out, "%-36.*s  %-6s  %-10.*s  %-40.*s  %-19.19s  %.*s\n", STR_ARG(id.s ? id : (struct str)STR("-")), "letter",
	         STR_ARG(queue), STR_ARG(task.s ? task : (struct str)STR("-")), at.s && str_find(at, 'T') > 0 ? at.s : "-",
	         STR_ARG(message_text(letter, "reason")));
}

static int list_tasks(struct tasks *t, struct error *err)
{
	json_t *letters = NULL;
	struct db_rows rows;
	int r = select_rows(t, &rows, err);

	if (r == 0)
		r = read_letters(t, &letters, err);
	for (size_t i = 0; i < rows.n && r == 0; i++)
		list_row(&t->out, (const struct outbox_listed *)rows.items + i);
	for (size_t i = 0; i < json_array_size(letters) && r == 0; i++)
		list_letter(&t->out, json_array_get(letters, i));
	json_decref(letters);
	return r;
}

/* ---- show ---- */

static void add_member(struct buf *out, const char *name, struct str value)
{
	buf_addf(out, "%s  \"%s\": ", out->len > 2 ? ",\n" : "", name);
	json_add_str(out, value);
}

static void add_json_member(struct buf *out, const char *name, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY);

	buf_addf(out, ",\n  \"%s\": %s", name, text ? text : "null");
	free(text);
}

static void add_arguments(struct buf *out, struct str envelope)
{
	struct message m = { 0 };
	struct error err = { 0 };

	if (message_parse(envelope, &m, &err) < 0) {
		add_member(out, "unreadable", str_of(err.text));
		return;
	}
	buf_addf(out, ",\n  \"retries\": %d", m.retries);
	add_json_member(out, "args", m.args);
	add_json_member(out, "kwargs", m.kwargs);
	message_finish(&m);
}

static void add_time_member(struct buf *out, const char *name, struct instant time)
{
	buf_addf(out, ",\n  \"%s\": ", name);
	json_add_time(out, time);
}

static void show_row(struct buf *out, const struct outbox_listed *row)
{
	char id[UUID_TEXT_SIZE];

	show_id(row->task_id, id);
	buf_add_text(out, "{\n");
	add_member(out, "id", str_of(id));
	add_member(out, "task", row->name);
	add_member(out, "state", row->state);
	add_member(out, "queue", row->queue);
	buf_addf(out, ",\n  \"priority\": %lld,\n  \"durable\": %s,\n  \"attempts\": %lld", (long long)row->priority,
	         row->durable ? "true" : "false", (long long)row->attempts);
	add_time_member(out, "created_at", row->created_at);
	add_time_member(out, "due_at", row->due_at);
	add_time_member(out, "sent_at", row->sent_at);
	add_member(out, "lease_owner", row->lease_owner);
	add_time_member(out, "lease_until", row->lease_until);
	add_member(out, "error", row->last_error);
	add_arguments(out, row->envelope);
	buf_add_text(out, "\n}\n");
}

static void show_letter(struct buf *out, json_t *letter)
{
	char *text = json_dumps(letter, JSON_INDENT(2));

	buf_addf(out, "%s\n", text ? text : "");
	free(text);
}

static int show_task(struct tasks *t, struct error *err)
{
	json_t *letters = NULL;
	struct db_rows rows;
	int r = select_rows(t, &rows, err);

	if (r == 0 && rows.n)
		show_row(&t->out, rows.items);
	if (r == 0)
		r = read_letters(t, &letters, err);
	for (size_t i = 0; i < json_array_size(letters); i++)
		if (str_is(message_text(json_array_get(letters, i), "id"), t->id))
			show_letter(&t->out, json_array_get(letters, i));
	json_decref(letters);
	return r == 0 && !t->out.len ? error_set(err, ERR_NOT_FOUND, "no such task in the outbox or among the dead letters: %s", t->id) : r;
}

/* ---- retry, purge ---- */

struct change {
	struct str id;
	int64_t n;
};

static int revive(struct db_conn *db, void *arg)
{
	struct change *c = arg;

	return outbox_revive(db, c->id, &c->n);
}

static int purge(struct db_conn *db, void *arg)
{
	struct change *c = arg;

	return outbox_purge_dead(db, &c->n);
}

static int retry_task(struct tasks *t, struct error *err)
{
	struct change c = { str_of(t->hex), 0 };
	int r = *t->hex ? db_write(t->conn, revive, &c) : 0;

	if (r < 0)
		return error_set(err, r, "the outbox: %s", error_name(r));
	if (!c.n)
		r = t->redis ? dead_letters_send_again(t->redis, str_of(t->id), err) : ERR_NOT_FOUND;
	if (r == ERR_NOT_FOUND)
		return error_set(err, r, "no such task that could be tried again: %s", t->id);
	if (r == 0)
		buf_addf(&t->out, "%s will be tried again\n", t->id);
	return r;
}

static int purge_tasks(struct tasks *t, struct error *err)
{
	struct change c = { { NULL, 0 }, 0 };
	int64_t letters = 0;
	int r = db_write(t->conn, purge, &c);

	if (r < 0)
		return error_set(err, r, "the outbox: %s", error_name(r));
	r = t->redis ? dead_letters_purge(t->redis, &letters) : 0;
	buf_addf(&t->out, "%lld dead tasks and %lld dead letters removed\n", (long long)c.n, (long long)letters);
	return r < 0 ? error_set(err, r, "the dead letters: %s", error_name(r)) : 0;
}

/* ---- the command ---- */

static const struct action {
	const char *name;
	int (*fn)(struct tasks *, struct error *err);
	bool takes_id;
} actions[] = {
	{ "list", list_tasks, false }, { "show", show_task, true }, { "retry", retry_task, true }, { "purge", purge_tasks, false }
};

static int open_redis(struct tasks *t, struct error *err)
{
	char warning[200] = "";
	int r = command_create_redis(t->settings, &t->redis, warning, err);

	if (r >= 0 && redis_configured(t->redis, REDIS_TASKS))
		r = redis_start(t->redis, err);
	if (r < 0)
		return r;
	if (redis_usable(t->redis, REDIS_TASKS))
		return 0;
	if (redis_configured(t->redis, REDIS_TASKS))
		fprintf(stderr, "egoejo: Redis does not answer: nothing is said of dead letters\n");
	redis_destroy(t->redis);
	t->redis = NULL;
	return 0;
}

static int perform(struct tasks *t, const struct action *action, struct error *err)
{
	int r = command_load_settings(&t->settings, err);

	if (r == 0)
		r = command_open_database(t->settings, false, &t->db, err);
	if (r == 0)
		r = db_connect(t->db, &t->conn, err);
	if (r == 0)
		r = open_redis(t, err);
	return r < 0 ? r : action->fn(t, err);
}

int command_tasks(const struct arguments *arguments)
{
	struct tasks t = { .id = arguments->id };
	const struct action *action = NULL;
	struct error err = { 0 };
	int status;

	for (size_t i = 0; i < N_ELEMENTS(actions); i++)
		if (strcmp(arguments->method, actions[i].name) == 0)
			action = &actions[i];
	if (!action || action->takes_id != (t.id != NULL)) {
		fprintf(stderr, "egoejo: tasks list, show ID, retry ID or purge\n");
		return EX_USAGE;
	}
	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	arena_init(&t.arena, ARENA_BYTES);
	if (t.id)
		read_id(t.id, t.hex);
	status = perform(&t, action, &err) < 0 ? command_fail(&err) : command_print(&t.out);
	redis_destroy(t.redis);
	db_disconnect(t.conn);
	db_close(t.db);
	settings_destroy(t.settings);
	arena_finish(&t.arena);
	buf_finish(&t.out);
	return status;
}
