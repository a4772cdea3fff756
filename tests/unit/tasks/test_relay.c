/*
 * The relay. First the six faults that relays get wrong: two take one row, a dead one keeps it, order breaks, an empty table is
 * polled hard, a broken broker is hammered, the end comes in mid-batch. Then how tasks end that are run here.
 */
#include <jansson.h>

#include "base/base64.h"
#include "tests/unit/tasks/relays.h"

static struct task_services services;

static int begin_relay(void **state)
{
	begin(state);
	forget_runs();
	services = (struct task_services){ .db = ((struct fixture *)*state)->db };
	return 0;
}

#define RELAY_CASE(name) cmocka_unit_test_setup_teardown(name, begin_relay, end)

/* ---- the six ---- */

static void test_relay__two_relays_do_not_take_one_row(void **state)
{
	struct fixture *f = *state;
	struct relay *one = start_relay(&services, 2), *other = start_relay(&services, 2);

	for (int i = 0; i < 4; i++) {
		struct wanted_rows w = { "test.count", NULL, 50 * i, 50 };

		assert_ok(db_write(f->conn, put_wanted, &w));
	}
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	for (int i = 0; i < 200; i++)
		assert_int_equal(atomic_load(&runs[i]), 1);
	assert_int_equal(relay_destroy(one), 0);
	assert_int_equal(relay_destroy(other), 0);
}

static int take_as_another(struct db_conn *db, void *arg)
{
	struct fixture *f = arg;
	struct db_rows rows;

	return outbox_claim(db, (struct outbox_wanted){ true, true }, TEXT("somebody-1"), 10, &f->arena, &rows);
}

static void test_relay__what_a_dead_one_held_is_taken_when_its_lease_ends(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;

	enqueue(f, "test.count", 3);
	assert_ok(db_write(f->conn, take_as_another, f));
	relay = start_relay(&services, 1);
	assert_false(WAIT_FOR(1500, atomic_load(&all_runs) > 0)); /* he may be at it */
	clock_step_for_tests(OUTBOX_LEASE_US + US_PER_S);
	relay_wake(relay);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(atomic_load(&all_runs), 3);
	assert_int_equal(relay_destroy(relay), 0);
}

static void test_relay__a_lease_of_a_clock_that_went_wrong_counts_as_ended(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;

	enqueue(f, "test.count", 1);
	write_rows(f, "UPDATE egoejo_outbox SET lease_owner = 'somebody', lease_until = '2099-01-01 00:00:00'");
	relay = start_relay(&services, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(relay_destroy(relay), 0);
}

/* The argument of the i-th message of the list, counted from where consumers take. */
static int argument_at(struct redis *redis, int i)
{
	char line[64], body[200];
	struct redis_reply *reply;
	json_t *envelope, *inner;
	size_t n = 0;
	int argument;

	snprintf(line, sizeof(line), "LRANGE celery %d %d", -1 - i, -1 - i);
	reply = ask(redis, line);
	envelope = json_loadb(redis_reply_text(redis_reply_at(reply, 0)).s, redis_reply_text(redis_reply_at(reply, 0)).len, 0, NULL);
	assert_true(base64_decode(str_of(json_string_value(json_object_get(envelope, "body"))), BASE64, body, &n));
	inner = json_loadb(body, n, 0, NULL);
	argument = (int)json_integer_value(json_array_get(json_array_get(inner, 0), 0));
	json_decref(inner);
	json_decref(envelope);
	redis_replies_free(&reply, 1);
	return argument;
}

static void test_relay__a_failure_in_between_does_not_change_the_order(void **state)
{
	struct fixture *f = *state;
	struct test_redis server;
	struct relay *relay;

	test_redis_start(&server, 0, NULL, NULL);
	services.redis = start_core(server.port);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	enqueue(f, "test.count", 900);
	fault_arm(FAULT_REDIS, 2, true); /* the first push succeeds, then Redis is away */
	relay = start_relay(&services, 0);
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(services.redis, REDIS_TASKS)));
	enqueue(f, "test.count", 1); /* who comes later does not overtake */
	fault_disarm_all();
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(ask_int(services.redis, "LLEN celery"), 901);
	for (int i = 0; i < 900; i += 7)
		assert_int_equal(argument_at(services.redis, i), i);
	assert_int_equal(argument_at(services.redis, 899), 899);
	assert_int_equal(ask_int(services.redis, "SCARD _kombu.binding.celery"), 1);
	assert_int_equal(ask_int(services.redis, "SCARD _kombu.binding_permanent.celery"), 1);
	assert_int_equal(relay_destroy(relay), 0);
	redis_destroy(services.redis);
	test_redis_stop(&server);
}

static void test_relay__an_empty_table_is_not_polled_hard(void **state)
{
	struct fixture *f = *state;
	struct metric *writes = metric_series(METRIC_DB_WRITES, "");
	struct relay *relay = start_relay(&services, 2);
	int64_t turns, written;

	assert_true(WAIT_FOR(ENOUGH_MS, relay_turns(relay) > 1));
	turns = relay_turns(relay);
	written = metric_value(writes);
	assert_false(WAIT_FOR(2500, false));
	assert_in_range(relay_turns(relay) - turns, 1, 4);
	assert_int_equal(metric_value(writes), written);
	enqueue(f, "test.count", 1); /* and yet it is there at once */
	assert_true(WAIT_FOR(900, atomic_load(&all_runs) == 1));
	assert_int_equal(relay_destroy(relay), 0);
}

static void test_relay__a_broken_broker_is_not_hammered(void **state)
{
	static const char wrong[] = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
	struct fixture *f = *state;
	struct metric *failures = metric_series(METRIC_TASKS_RELAY_ERRORS, "");
	struct fake_redis server;
	struct relay *relay;
	int64_t before = metric_value(failures);

	fake_redis_start(&server);
	services.redis = start_core(server.port);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	fake_redis_say(&server, "LPUSH", wrong, sizeof(wrong) - 1);
	fake_redis_set(&server, FAKE_SAYS);
	enqueue(f, "test.count", 4);
	relay = start_relay(&services, 0);
	for (int i = 0; i < 300; i++) { /* however often somebody calls */
		relay_wake(relay);
		usleep(10 * 1000);
	}
	assert_in_range(metric_value(failures) - before, 2, 5);
	assert_true(redis_usable(services.redis, REDIS_TASKS)); /* it is not Redis that is away */
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, FREE_ROWS) == 4));
	fake_redis_set(&server, FAKE_ANSWERS);
	clock_advance_for_tests(31 * US_PER_S);
	relay_wake(relay);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(relay_destroy(relay), 0);
	redis_destroy(services.redis);
	fake_redis_stop(&server);
}

static void test_relay__the_end_in_mid_batch_finishes_or_hands_back(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;
	int done;

	enqueue(f, "test.slow", 60);
	relay = start_relay(&services, 2);
	assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) >= 3));
	relay_drain(relay, clock_monotonic_us() + 10 * US_PER_S);
	assert_int_equal(relay_finish(relay), 0);
	done = atomic_load(&all_runs);
	assert_in_range(done, 3, 10);
	assert_int_equal(number(f, ALL_ROWS), 60 - done);  /* what ran is gone, … */
	assert_int_equal(number(f, FREE_ROWS), 60 - done); /* … what did not is anybody's at once */
	assert_int_equal(relay_destroy(relay), 0);
}

/* ---- the end ---- */

static void test_relay__what_can_hurry_is_handed_back(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;

	enqueue(f, "test.long", 1);
	relay = start_relay(&services, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) == 1));
	relay_drain(relay, clock_monotonic_us() + US_PER_S);
	assert_int_equal(relay_finish(relay), 0);
	assert_int_equal(number(f, FREE_ROWS), 1);
	assert_int_equal(relay_destroy(relay), 0);
}

static void test_relay__what_does_not_end_is_cut_and_its_row_given_back(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;

	enqueue(f, "test.hold", 1);
	relay = start_relay(&services, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) == 1));
	relay_drain(relay, clock_monotonic_us() + 300 * US_PER_MS);
	assert_int_equal(relay_finish(relay), 1);
	assert_int_equal(number(f, FREE_ROWS), 1);
	assert_int_equal(relay_destroy(relay), 1); /* its thread cannot be ended */
	atomic_store(&held, false);
	assert_true(WAIT_FOR(ENOUGH_MS, relay_destroy(relay) == 0));
}

/* ---- how tasks end ---- */

static void test_relay__effects_and_row_go_together(void **state)
{
	struct fixture *f = *state;
	struct relay *relay = start_relay(&services, 2);

	enqueue(f, "test.change", 30);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_beat WHERE total_runs = 1"), 30);
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_task_done"), 30);
	assert_int_equal(relay_destroy(relay), 0);
}

static void test_relay__a_retry_survives_a_restart(void **state)
{
	struct fixture *f = *state;

	enqueue(f, "test.again", 1);
	for (int i = 1; i <= 3; i++) {
		struct relay *relay = start_relay(&services, 1);

		assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) == i && number(f, FREE_ROWS) == (i < 3)));
		assert_false(i < 3 && WAIT_FOR(300, atomic_load(&all_runs) > i)); /* its delay has not passed */
		assert_int_equal(relay_destroy(relay), 0);
		clock_step_for_tests((i == 1 ? 61 : 121) * US_PER_S);
	}
	assert_int_equal(number(f, ALL_ROWS), 0);
}

static void test_relay__a_failure_is_kept_for_people(void **state)
{
	struct fixture *f = *state;
	struct relay *relay = start_relay(&services, 1);
	struct db_rows rows;

	enqueue(f, "test.wrong", 1);
	enqueue(f, "test.nobody_knows", 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS " WHERE state = 'dead'") == 2));
	assert_ok(outbox_list(f->conn, TEXT("dead"), NOTHING, 10, &f->arena, &rows));
	assert_text(((struct outbox_listed *)rows.items)[0].last_error, "ValueError: no good");
	assert_text(((struct outbox_listed *)rows.items)[1].last_error, "NotRegistered: no such task");
	assert_int_equal(relay_destroy(relay), 0);
}

static void test_relay__who_kills_his_process_again_and_again_is_buried(void **state)
{
	struct fixture *f = *state;
	struct relay *relay;

	enqueue(f, "test.count", 1);
	write_rows(f, "UPDATE egoejo_outbox SET attempts = 5");
	relay = start_relay(&services, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS " WHERE state = 'dead'") == 1));
	assert_int_equal(atomic_load(&all_runs), 0);
	assert_int_equal(relay_destroy(relay), 0);
}

/* What it waits for of the database when the clock moves is too late at once: let it be between two sweeps, which are a second apart. */
static void let_it_sleep(const struct relay *relay)
{
	int64_t turns;

	do {
		turns = relay_turns(relay);
	} while (WAIT_FOR(300, relay_turns(relay) != turns));
}

static void test_relay__the_hard_limit_frees_the_slot(void **state)
{
	struct fixture *f = *state;
	struct relay *relay = start_relay(&services, 1);

	enqueue(f, "test.hold", 1);
	assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) == 1));
	let_it_sleep(relay);
	clock_advance_for_tests(901 * US_PER_S);
	enqueue(f, "test.count", 1);
	assert_true(WAIT_FOR(ENOUGH_MS, atomic_load(&all_runs) == 2));
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 1));
	assert_int_equal(number(f, ALL_ROWS " WHERE state = 'dead'"), 1);
	assert_int_equal(relay_abandoned(relay), 1);
	atomic_store(&held, false);
	assert_true(WAIT_FOR(ENOUGH_MS, relay_abandoned(relay) == 0)); /* liveness counts those that hang, not all there ever were */
	assert_true(WAIT_FOR(ENOUGH_MS, relay_destroy(relay) == 0));
}

static void test_relay__queue_local_never_leaves(void **state)
{
	struct fixture *f = *state;
	struct wanted_rows w = { "test.count", OUTBOX_QUEUE_LOCAL, 7, 1 };
	struct test_redis server;
	struct relay *relay;

	test_redis_start(&server, 0, NULL, NULL);
	services.redis = start_core(server.port);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	relay = start_relay(&services, 1);
	assert_ok(db_write(f->conn, put_wanted, &w));
	enqueue(f, "test.count", 2);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ALL_ROWS) == 0));
	assert_int_equal(atomic_load(&runs[7]), 1);
	assert_int_equal(atomic_load(&all_runs), 1);
	assert_int_equal(ask_int(services.redis, "LLEN celery"), 2);
	assert_int_equal(relay_destroy(relay), 0);
	redis_destroy(services.redis);
	test_redis_stop(&server);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		RELAY_CASE(test_relay__two_relays_do_not_take_one_row),
		RELAY_CASE(test_relay__what_a_dead_one_held_is_taken_when_its_lease_ends),
		RELAY_CASE(test_relay__a_lease_of_a_clock_that_went_wrong_counts_as_ended),
		RELAY_CASE(test_relay__a_failure_in_between_does_not_change_the_order),
		RELAY_CASE(test_relay__an_empty_table_is_not_polled_hard),
		RELAY_CASE(test_relay__a_broken_broker_is_not_hammered),
		RELAY_CASE(test_relay__the_end_in_mid_batch_finishes_or_hands_back),
		RELAY_CASE(test_relay__what_can_hurry_is_handed_back),
		RELAY_CASE(test_relay__what_does_not_end_is_cut_and_its_row_given_back),
		RELAY_CASE(test_relay__effects_and_row_go_together),
		RELAY_CASE(test_relay__a_retry_survives_a_restart),
		RELAY_CASE(test_relay__a_failure_is_kept_for_people),
		RELAY_CASE(test_relay__who_kills_his_process_again_and_again_is_buried),
		RELAY_CASE(test_relay__the_hard_limit_frees_the_slot),
		RELAY_CASE(test_relay__queue_local_never_leaves),
	};

	return RUN_ON_BOTH(tests);
}
