/*
 * Links: one connection that calls share, set up anew whenever it is new.
 */
#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "resilience/redis_conn.h"
#include "tests/unit/resilience/core.h"

struct fixture {
	struct test_redis server;
	struct redis_config config;
	struct redis *redis;
	struct redis_link *link;
	atomic_int setups;
	atomic_int usable_at_setup;
	atomic_int refuse;
};

static int set_up(struct redis_conn *conn, int64_t deadline_us, void *arg)
{
	const struct redis_command name = REDIS_COMMAND(STR("CLIENT"), STR("SETNAME"), STR("linked"));
	struct fixture *f = arg;
	struct redis_reply *reply;
	int r;

	atomic_fetch_add(&f->setups, 1);
	if (redis_usable(f->redis, REDIS_CACHE))
		atomic_fetch_add(&f->usable_at_setup, 1);
	if (atomic_load(&f->refuse))
		return ERR_INTERNAL;
	r = redis_conn_call(conn, &name, 1, deadline_us, &reply, NULL, NULL);
	if (r == 0)
		redis_replies_free(&reply, 1);
	return r;
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->config.retry_us = 50 * US_PER_MS;
	f->config.command_timeout_us = US_PER_S;
	f->redis = core_start(&f->config);
	f->link = redis_link_create(f->redis, REDIS_CACHE, set_up, f);
	assert_non_null(f->link);
}

static void end(struct fixture *f)
{
	redis_link_destroy(f->link);
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
}

/* The id of the link's connection, whose name proves that setup ran on it. */
static int64_t linked_id(struct fixture *f)
{
	const struct redis_command commands[] = { REDIS_COMMAND(STR("CLIENT"), STR("ID")), REDIS_COMMAND(STR("CLIENT"), STR("GETNAME")) };
	struct redis_reply *replies[2];
	int64_t id;

	if (redis_link_call(f->link, NULL, "link", commands, 2, replies) < 0)
		return -1;
	assert_true(str_is(redis_reply_text(replies[1]), "linked"));
	id = redis_reply_int(replies[0]);
	redis_replies_free(replies, 2);
	return id;
}

static void test_redis_link__keeps_one_connection(void **state)
{
	struct fixture f;
	int64_t id;

	begin(&f);
	id = linked_id(&f);
	assert_true(id > 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(linked_id(&f), id);
	assert_int_equal(f.setups, 1);
	redis_link_reset(f.link);
	assert_int_not_equal(linked_id(&f), id);
	assert_int_equal(f.setups, 2);
	end(&f);
	redis_link_destroy(NULL);
}

static void *call_in_turn(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 50; i++)
		assert_true(linked_id(f) > 0);
	return NULL;
}

static void test_redis_link__calls_take_turns(void **state)
{
	pthread_t threads[8];
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_in_turn, &f), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(f.setups, 1);
	end(&f);
}

static void test_redis_link__is_set_up_again_before_the_usage_closes(void **state)
{
	struct fixture f;
	int64_t id;

	begin(&f);
	id = linked_id(&f);
	assert_int_equal(f.usable_at_setup, 1);
	redis_report_failure(f.redis, REDIS_CACHE, "other", "only for the test");
	assert_int_equal(linked_id(&f), -1);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
	assert_int_equal(f.setups, 2);
	assert_int_equal(f.usable_at_setup, 1);
	assert_int_not_equal(linked_id(&f), id);
	assert_int_equal(f.setups, 2); /* the call used what the prober had set up */
	end(&f);
}

static void test_redis_link__a_dead_server_opens_the_usage(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("k"));
	struct redis_reply *reply;
	struct fixture f;

	begin(&f);
	assert_true(linked_id(&f) > 0);
	test_redis_signal(&f.server, SIGKILL);
	assert_int_equal(redis_link_call(f.link, NULL, "link", &get, 1, &reply), ERR_UNAVAILABLE);
	assert_null(reply);
	assert_false(redis_usable(f.redis, REDIS_CACHE));
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
	assert_true(linked_id(&f) > 0);
	end(&f);
}

static void test_redis_link__a_setup_that_refuses_is_tried_at_the_next_call(void **state)
{
	struct fixture f;

	begin(&f);
	atomic_store(&f.refuse, 1);
	assert_int_equal(linked_id(&f), -1);
	assert_int_equal(f.setups, 1);
	assert_true(redis_usable(f.redis, REDIS_CACHE)); /* Redis has done nothing wrong */
	atomic_store(&f.refuse, 0);
	assert_true(linked_id(&f) > 0);
	end(&f);
}

/* ---- waiting for the turn ---- */

struct hog {
	struct redis_link *link;
	atomic_bool done;
};

static void *hold_the_turn(void *arg)
{
	const struct redis_command slow = REDIS_COMMAND(STR("GET"), STR("k"));
	struct hog *h = arg;
	struct redis_reply *reply;

	redis_link_call(h->link, NULL, "link", &slow, 1, &reply);
	redis_replies_free(&reply, 1);
	atomic_store(&h->done, true);
	return NULL;
}

static void test_redis_link__waiting_for_the_turn_is_charged_and_bounded(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("k"));
	struct redis_budget budget = { 30 * US_PER_MS };
	struct redis_config config;
	struct redis_reply *reply;
	struct fake_redis fake;
	struct redis *r;
	struct hog h = { 0 };
	pthread_t thread;
	int64_t start;
	int before;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.command_timeout_us = 500 * US_PER_MS;
	r = core_start(&config);
	h.link = redis_link_create(r, REDIS_CACHE, NULL, NULL);
	fake_redis_say(&fake, "GET", "", 0);
	before = fake.commands;
	assert_int_equal(pthread_create(&thread, NULL, hold_the_turn, &h), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, fake.commands > before));
	start = clock_monotonic_us();
	assert_int_equal(redis_link_call(h.link, &budget, "link", &get, 1, &reply), ERR_TIMEOUT);
	assert_in_range(clock_monotonic_us() - start, 30 * US_PER_MS, 300 * US_PER_MS);
	assert_true(budget.left_us <= 0);
	assert_false(h.done);
	assert_true(redis_usable(r, REDIS_CACHE)); /* waiting for others says nothing of Redis */
	pthread_join(thread, NULL);
	redis_link_destroy(h.link);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_link__faults(void **state)
{
	struct fixture f;

	begin(&f);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(redis_link_create(f.redis, REDIS_CACHE, NULL, NULL));
	fault_disarm_all();
	for (int n = 1; n <= 4; n++) {
		redis_link_reset(f.link);
		fault_arm(FAULT_REDIS, n, false);
		linked_id(&f);
		fault_disarm_all();
		assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
		assert_true(linked_id(&f) > 0);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_link__keeps_one_connection),
		cmocka_unit_test(test_redis_link__calls_take_turns),
		cmocka_unit_test(test_redis_link__is_set_up_again_before_the_usage_closes),
		cmocka_unit_test(test_redis_link__a_dead_server_opens_the_usage),
		cmocka_unit_test(test_redis_link__a_setup_that_refuses_is_tried_at_the_next_call),
		cmocka_unit_test(test_redis_link__waiting_for_the_turn_is_charged_and_bounded),
		cmocka_unit_test(test_redis_link__faults),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
