/*
 * The row and the message: the message is parsed as a Celery worker would, and compared with what one of Celery's own
 * holds (tasks.md 7.2).
 */
#include "db/outbox.h"

#include <jansson.h>

#include "base/base64.h"
#include "db/schema.h"
#include "tests/unit/db/fixture.h"

struct message {
	struct str task_id, name, queue, envelope, state;
	bool durable;
	int64_t priority, attempts;
	struct instant due_at, created_at, sent_at;
};

static const struct db_column columns[] = {
	DB_COLUMN(struct message, task_id, TEXT, "task_id"),  DB_COLUMN(struct message, name, TEXT, "name"),
	DB_COLUMN(struct message, queue, TEXT, "queue"),      DB_COLUMN(struct message, envelope, TEXT, "envelope"),
	DB_COLUMN(struct message, state, TEXT, "state"),      DB_COLUMN(struct message, durable, BOOL, "durable"),
	DB_COLUMN(struct message, priority, INT, "priority"), DB_COLUMN(struct message, attempts, INT, "attempts"),
	DB_COLUMN(struct message, due_at, TIME, "due_at"),    DB_COLUMN(struct message, created_at, TIME, "created_at"),
	DB_COLUMN(struct message, sent_at, TIME, "sent_at"),
};
static const struct db_row row = DB_ROW(struct message, columns);

struct order {
	struct outbox_task task;
	int result; /* of the closure, after the row */
};

static int put(struct db_conn *db, void *arg)
{
	const struct order *o = arg;
	int r = outbox_put(db, &o->task);

	return r < 0 ? r : o->result;
}

static int open_with_schema(void **state)
{
	struct fixture *f = *state;
	struct buf differences = BUF_EMPTY;
	enum schema_state before;

	fixture_open_empty(state);
	assert_int_equal(schema_migrate(f->conn, &before, &differences), 0);
	buf_finish(&differences);
	return 0;
}

static struct message only(struct fixture *f)
{
	static const struct db_statement all = { "SELECT $cols FROM egoejo_outbox", &row };
	struct db_rows rows;

	assert_int_equal(db_select(f->conn, &all, DB_NO_PARAMS, &f->arena, &rows), 0);
	assert_int_equal(rows.n, 1);
	return *(const struct message *)rows.items;
}

static json_t *parse(struct str text)
{
	json_error_t error;
	json_t *json = json_loadb(text.s, text.len, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		fail_msg("%s: %.*s", error.text, STR_ARG(text));
	return json;
}

static const char *text_at(json_t *json, const char *object, const char *name)
{
	return json_string_value(json_object_get(json_object_get(json, object), name));
}

static void test_outbox__the_row(void **state)
{
	struct fixture *f = *state;
	struct order o = {
		.task = { .name = "core.tasks_audio.generate_audio_content", .args = { STR("[7, \"openai\"]") }, .durable = true }
	};
	int64_t before = clock_now().us;
	struct message m;

	assert_int_equal(db_write(f->conn, put, &o), 0);
	m = only(f);
	assert_true(str_is(m.name, "core.tasks_audio.generate_audio_content"));
	assert_true(str_is(m.queue, "celery"));
	assert_true(str_is(m.state, "new"));
	assert_true(m.durable);
	assert_int_equal(m.priority, 0);
	assert_int_equal(m.attempts, 0);
	assert_true(m.due_at.us >= before && m.due_at.us <= clock_now().us);
	assert_true(m.created_at.us == m.due_at.us && m.sent_at.us == NULL_TIME.us);
}

static void assert_headers(json_t *json, const char *id)
{
	static const char *const nulls[] = { "shadow", "eta", "expires", "group", "group_index", "parent_id", "stamped_headers" };
	json_t *headers = json_object_get(json, "headers");

	assert_string_equal(text_at(json, "headers", "id"), id);
	assert_string_equal(text_at(json, "headers", "root_id"), id);
	assert_string_equal(text_at(json, "headers", "lang"), "py");
	assert_string_equal(text_at(json, "headers", "task"), "core.tasks.x");
	assert_string_equal(text_at(json, "headers", "argsrepr"), "('é\\n', None, [True, 'a\\\\'], \"it's\")");
	assert_string_equal(text_at(json, "headers", "kwargsrepr"), "{}");
	assert_true(strncmp(text_at(json, "headers", "origin"), "gen", 3) == 0);
	for (size_t i = 0; i < N_ELEMENTS(nulls); i++)
		assert_true(json_is_null(json_object_get(headers, nulls[i])));
	assert_true(json_is_false(json_object_get(headers, "ignore_result")));
	assert_int_equal(json_integer_value(json_object_get(headers, "retries")), 0);
	assert_int_equal(json_array_size(json_object_get(headers, "timelimit")), 2);
	assert_int_equal(json_object_size(headers), 19);
}

static void test_outbox__the_message(void **state)
{
	struct fixture *f = *state;
	struct order o = { .task = { .name = "core.tasks.x", .args = { STR("[\"é\\n\", null, [true, \"a\\\\\"], \"it's\"]") } } };
	char body[500];
	struct message m;
	json_t *json, *inner;
	size_t n;
	const char *id;

	assert_int_equal(db_write(f->conn, put, &o), 0);
	m = only(f);
	json = parse(m.envelope);
	id = text_at(json, "properties", "correlation_id");
	assert_int_equal(strlen(id), 36);
	assert_string_equal(json_string_value(json_object_get(json, "content-type")), "application/json");
	assert_string_equal(json_string_value(json_object_get(json, "content-encoding")), "utf-8");
	assert_string_equal(text_at(json, "properties", "body_encoding"), "base64");
	assert_string_equal(text_at(json_object_get(json, "properties"), "delivery_info", "routing_key"), "celery");
	assert_string_not_equal(text_at(json, "properties", "delivery_tag"), id);
	assert_string_not_equal(text_at(json, "properties", "reply_to"), id);
	assert_headers(json, id);
	assert_true(base64_decode(str_of(json_string_value(json_object_get(json, "body"))), BASE64, body, &n));
	inner = parse((struct str){ body, n });
	assert_int_equal(json_array_size(inner), 3);
	assert_string_equal(json_string_value(json_array_get(json_array_get(inner, 0), 0)), "é\n");
	assert_int_equal(json_object_size(json_array_get(inner, 1)), 0);
	assert_int_equal(json_object_size(json_array_get(inner, 2)), 4);
	json_decref(inner);
	json_decref(json);
}

/* What the arguments look like to a person. */
static void assert_repr(struct fixture *f, struct str args, const char *repr)
{
	struct order o = { .task = { .name = "t", .args = { args } } };
	json_t *json;

	must_write(f->conn, "DELETE FROM egoejo_outbox");
	assert_int_equal(db_write(f->conn, put, &o), 0);
	json = parse(only(f).envelope);
	assert_string_equal(text_at(json, "headers", "argsrepr"), repr);
	json_decref(json);
}

static void test_outbox__arguments_as_python_shows_them(void **state)
{
	struct fixture *f = *state;

	assert_repr(f, (struct str){ NULL, 0 }, "()");
	assert_repr(f, (struct str)STR("[]"), "()");
	assert_repr(f, (struct str)STR("[2]"), "(2,)");
	assert_repr(f, (struct str)STR("[2, 3]"), "(2, 3)");
	assert_repr(f, (struct str)STR("[\"null\", {\"true\": false}]"), "('null', {'true': False})");
	assert_repr(f, (struct str)STR("[[1], [[2]]]"), "([1], [[2]])");
	assert_repr(f, (struct str)STR("[\"]\", \"[\"]"), "(']', '[')");
}

static void test_outbox__a_long_text_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char args[2100] = "[\"", expected[1100] = "('";
	struct order o = { .task = { .name = "t" } };
	json_t *json;

	for (int i = 0; i < 1000; i++)
		memcpy(args + 2 + 2 * i, "é", 3);
	snprintf(args + 2002, 3, "\"]");
	o.task.args.text = str_of(args);
	assert_int_equal(db_write(f->conn, put, &o), 0);
	json = parse(only(f).envelope);
	assert_string_equal(text_at(json, "headers", "argsrepr"), expected); /* back to the last ASCII character */
	json_decref(json);
}

static void test_outbox__goes_with_its_change(void **state)
{
	struct fixture *f = *state;
	struct order o = { .task = { .name = "t" }, .result = ERR_FORBIDDEN };

	assert_int_equal(db_write(f->conn, put, &o), ERR_FORBIDDEN);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_outbox"), 0);
}

static void test_outbox__arguments_have_a_limit(void **state)
{
	struct fixture *f = *state;
	struct order o = { .task = { .name = "t", .args = { { "[]", 1024 * 1024 + 1 } } } };

	assert_int_equal(db_write(f->conn, put, &o), ERR_INVALID);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_outbox"), 0);
}

#define WITH_SCHEMA(name) cmocka_unit_test_setup_teardown(name, open_with_schema, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCHEMA(test_outbox__the_row),
		WITH_SCHEMA(test_outbox__the_message),
		WITH_SCHEMA(test_outbox__arguments_as_python_shows_them),
		WITH_SCHEMA(test_outbox__a_long_text_is_cut_between_characters),
		WITH_SCHEMA(test_outbox__goes_with_its_change),
		WITH_SCHEMA(test_outbox__arguments_have_a_limit),
	};

	return cmocka_run_group_tests_name("sqlite", tests, fixture_start_sqlite, fixture_stop) +
	       cmocka_run_group_tests_name("postgresql", tests, fixture_start_postgresql, fixture_stop);
}
