/* Durable rows after Redis has them: they stay until their result is known, and are sent again when Redis has lost them. */
#include <signal.h>

#include "base/random.h"
#include "tests/unit/tasks/relays.h"

#define RESEND_US (61 * US_PER_S)

static struct test_redis server;
static struct task_services services;
static struct relay *relay;

static int set_up(void **state)
{
	struct fixture *f = *state;

	begin(state);
	forget_runs();
	test_redis_start(&server, 0, NULL, NULL);
	services = (struct task_services){ .db = f->db, .redis = start_core(server.port) };
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	relay = start_relay(&services, 0);
	enqueue(f, "test.change", 3);
	enqueue(f, "test.count", 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS " WHERE state = 'sent'") == 3 && number(f, ALL_ROWS) == 3));
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(relay_destroy(relay), 0);
	redis_destroy(services.redis);
	test_redis_stop(&server);
	return end(state);
}

static void say(const char *format, const char *value)
{
	char line[300];
	struct redis_reply *reply;

	snprintf(line, sizeof(line), format, value);
	reply = ask(services.redis, line);
	assert_int_not_equal(redis_reply_type(reply), REDIS_REPLY_IS_ERROR);
	redis_replies_free(&reply, 1);
}

/* The id of the i-th task, with dashes. */
static const char *id_of(struct fixture *f, size_t i)
{
	static char text[UUID_TEXT_SIZE];
	char hex[UUID_HEX_SIZE];
	struct db_rows rows;
	size_t n = 0;

	assert_ok(outbox_list_sent(f->conn, (struct outbox_place){ { 0 }, 0 }, 10, &f->arena, &rows));
	for (const char *c = ((const struct outbox_sent_row *)rows.items)[i].task_id.s; *c; c++)
		if (*c != '-')
			hex[n++] = *c;
	hex[n] = '\0';
	uuid_add_dashes(hex, text);
	return text;
}

static void let_time_pass(int64_t us)
{
	clock_step_for_tests(us);
	relay_wake(relay);
}

static void test_settle__a_final_result_ends_the_row(void **state)
{
	struct fixture *f = *state;

	say("SET celery-task-meta-%s {\"status\":\"SUCCESS\",\"result\":1}", id_of(f, 0));
	say("SET celery-task-meta-%s {\"status\":\"RETRY\",\"result\":1}", id_of(f, 1));
	let_time_pass(5 * US_PER_S);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 2));
	let_time_pass(5 * US_PER_S);
	assert_false(WAIT_FOR(1500, number(f, ALL_ROWS) < 2));
}

static int note_done(struct db_conn *db, void *sql)
{
	return db_script(db, sql);
}

static void test_settle__committed_effects_end_the_row(void **state)
{
	struct fixture *f = *state;
	char done[] = "INSERT INTO egoejo_task_done (task_id, name, result, finished_at) "
	              "SELECT task_id, name, 'true', created_at FROM egoejo_outbox";

	assert_ok(db_write(f->conn, note_done, done));
	let_time_pass(5 * US_PER_S);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
}

static void test_settle__what_is_in_the_queue_or_held_is_left_alone(void **state)
{
	struct fixture *f = *state;

	/* one of them is with a worker */
	say("EVAL %s 0", "redis.call('HSET','unacked','tag','['..redis.call('RPOP','celery')..',\"\",\"celery\"]')");
	let_time_pass(RESEND_US);
	assert_false(WAIT_FOR(3000, number(f, ALL_ROWS " WHERE state <> 'sent'") > 0));
	assert_int_equal(ask_int(services.redis, "LLEN celery"), 3);
}

static void test_settle__an_empty_redis_gets_them_again(void **state)
{
	struct fixture *f = *state;

	test_redis_restart(&server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	assert_int_equal(ask_int(services.redis, "LLEN celery"), 0);
	assert_false(WAIT_FOR(1500, number(f, ALL_ROWS " WHERE state <> 'sent'") > 0)); /* a worker may be at it */
	let_time_pass(RESEND_US);
	assert_true(WAIT_FOR(ENOUGH_MS, ask_int(services.redis, "LLEN celery") == 3));
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS " WHERE state = 'sent'") == 3));
}

static void test_settle__without_a_redis_they_are_run_here(void **state)
{
	struct fixture *f = *state;
	static struct task_services alone;
	char done[] = "INSERT INTO egoejo_task_done (task_id, name, result, finished_at) "
	              "SELECT task_id, name, 'true', created_at FROM egoejo_outbox WHERE id = (SELECT min(id) FROM egoejo_outbox)";

	alone = (struct task_services){ .db = f->db };
	assert_ok(db_write(f->conn, note_done, done));
	assert_int_equal(relay_destroy(relay), 0);
	relay = start_relay(&alone, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 2));                     /* one is done */
	assert_false(WAIT_FOR(1500, number(f, ALL_ROWS " WHERE state <> 'sent'") > 0)); /* a worker may be at the others */
	let_time_pass(RESEND_US);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_task_done"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_settle__##name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_final_result_ends_the_row),
		TEST(committed_effects_end_the_row),
		TEST(what_is_in_the_queue_or_held_is_left_alone),
		TEST(an_empty_redis_gets_them_again),
		TEST(without_a_redis_they_are_run_here),
	};

	return RUN_ON_BOTH(tests);
}
