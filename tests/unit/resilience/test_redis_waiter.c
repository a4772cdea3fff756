/* A command that waits: its reply comes late, the server hangs while it waits, dies, or never answers it alone. */
#include "resilience/redis_waiter.h"

#include <signal.h>

#include "tests/unit/resilience/core.h"

static const struct redis_command pop = REDIS_COMMAND(STR("BRPOP"), STR("q"), STR("1"));

struct fixture {
	struct test_redis server;
	struct redis *redis;
	struct redis_waiter *waiter;
};

static int open_waiter(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct redis_config config;

	assert_non_null(f);
	test_redis_start(&f->server, 0, NULL, NULL);
	config = core_config_port(f->server.port);
	f->redis = core_start(&config);
	f->waiter = redis_waiter_create(f->redis, REDIS_TASKS);
	*state = f;
	return 0;
}

static int close_waiter(void **state)
{
	struct fixture *f = *state;

	redis_waiter_destroy(f->waiter);
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
	free(f);
	return 0;
}

/* What came, within so many milliseconds: as redis_waiter_receive. */
static int receive(struct fixture *f, struct redis_reply **ret_reply, int ms)
{
	int64_t until = clock_monotonic_us() + ms * US_PER_MS;
	int r = 0;

	while (r == 0 && clock_monotonic_us() < until) {
		r = redis_waiter_receive(f->waiter, ret_reply);
		usleep(2000);
	}
	return r;
}

static void push(struct fixture *f)
{
	const struct redis_command command = REDIS_COMMAND(STR("LPUSH"), STR("q"), STR("x"));
	struct redis_reply *reply;

	assert_int_equal(redis_call(f->redis, REDIS_TASKS, NULL, "test", &command, 1, &reply), 0);
	redis_replies_free(&reply, 1);
}

static void assert_pops(struct fixture *f)
{
	struct redis_reply *reply = NULL;

	assert_int_equal(receive(f, &reply, ENOUGH_MS), 1);
	assert_true(str_is(redis_reply_text(redis_reply_at(reply, 1)), "x"));
	redis_replies_free(&reply, 1);
	assert_false(redis_waiter_pending(f->waiter));
}

static void test_redis_waiter__waits(void **state)
{
	struct fixture *f = *state;
	struct redis_reply *reply;

	assert_int_equal(redis_waiter_fd(f->waiter), -1);
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	assert_true(redis_waiter_pending(f->waiter) && redis_waiter_fd(f->waiter) >= 0);
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), ERR_INVALID);
	assert_int_equal(receive(f, &reply, ENOUGH_MS), 1); /* its own end */
	assert_int_equal(redis_reply_type(reply), REDIS_REPLY_IS_NIL);
	redis_replies_free(&reply, 1);
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	push(f);
	assert_pops(f);
}

static void test_redis_waiter__a_server_that_hangs_keeps_its_word(void **state)
{
	struct fixture *f = *state;
	struct redis_reply *reply;

	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	test_redis_signal(&f->server, SIGSTOP);
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(f->redis, REDIS_TASKS)));
	assert_int_equal(receive(f, &reply, 3000), 0); /* longer than its silence may be while all is well */
	assert_true(redis_waiter_pending(f->waiter));
	test_redis_signal(&f->server, SIGCONT);
	assert_int_equal(receive(f, &reply, ENOUGH_MS), 1);
	redis_replies_free(&reply, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f->redis, REDIS_TASKS)));
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	push(f);
	assert_pops(f);
}

static void test_redis_waiter__a_server_that_dies(void **state)
{
	struct fixture *f = *state;
	struct redis_reply *reply;

	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	test_redis_signal(&f->server, SIGKILL);
	assert_int_equal(receive(f, &reply, ENOUGH_MS), ERR_UNAVAILABLE);
	assert_false(redis_usable(f->redis, REDIS_TASKS)); /* it was the first to know, perhaps */
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), ERR_UNAVAILABLE);
	test_redis_restart(&f->server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f->redis, REDIS_TASKS)));
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	push(f);
	assert_pops(f);
}

static void test_redis_waiter__one_that_is_not_answered_alone(void **state)
{
	const struct redis_command sleepy = REDIS_COMMAND(STR("BRPOP"), STR("q"), STR("0"));
	struct fixture *f = *state;
	struct redis_reply *reply;

	/* The server waits for ever, the caller had reckoned with a tenth of a second. */
	assert_int_equal(redis_waiter_send(f->waiter, &sleepy, US_PER_S / 10), 0);
	assert_int_equal(receive(f, &reply, ENOUGH_MS), ERR_TIMEOUT);
	assert_true(redis_usable(f->redis, REDIS_TASKS)); /* which says nothing against Redis */
	assert_int_equal(redis_waiter_send(f->waiter, &pop, US_PER_S), 0);
	push(f);
	assert_pops(f);
}

#define CASE_OF(name) cmocka_unit_test_setup_teardown(name, open_waiter, close_waiter)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE_OF(test_redis_waiter__waits),
		CASE_OF(test_redis_waiter__a_server_that_hangs_keeps_its_word),
		CASE_OF(test_redis_waiter__a_server_that_dies),
		CASE_OF(test_redis_waiter__one_that_is_not_answered_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
