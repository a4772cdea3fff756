#include "cache/throttle.h"

#include <pthread.h>

#include "tests/unit/cache/node.h"

#define ANON_CALLS 3
#define USER_CALLS 5

/* One process: a Redis core (or none) and a throttle. */
struct process {
	struct redis *redis;
	struct throttle *throttle;
};

static struct throttle_config config_of(struct redis *redis)
{
	return (struct throttle_config){ .redis = redis,
		                         .rates = { [THROTTLE_ANON] = { ANON_CALLS, 60 * US_PER_S },
		                                    [THROTTLE_USER] = { USER_CALLS, 60 * US_PER_S },
		                                    [THROTTLE_METRICS] = { 1000, US_PER_S } } };
}

static struct process alone(void)
{
	struct throttle_config config = config_of(NULL);
	struct process p = { .throttle = throttle_create(&config) };

	assert_non_null(p.throttle);
	return p;
}

static struct process start(int port)
{
	struct process p = { .redis = core_create(port) };
	struct throttle_config config = config_of(p.redis);
	struct error err;

	p.throttle = throttle_create(&config);
	assert_non_null(p.throttle);
	assert_int_equal(redis_start(p.redis, &err), 0);
	return p;
}

static void stop_process(struct process *p)
{
	throttle_destroy(p->throttle);
	redis_destroy(p->redis);
}

static int64_t call(struct process *p, enum throttle_reach reach, enum throttle_scope scope, const char *ident)
{
	const struct throttle_claim claim = { scope, str_of(ident) };
	struct redis_budget budget = { 150 * US_PER_MS };

	return throttle_take(p->throttle, &budget, reach, &claim, 1);
}

/* An anonymous call: both allowances. */
static int64_t call_anonymous(struct process *p, const char *address)
{
	const struct throttle_claim claims[] = { { THROTTLE_ANON, str_of(address) }, { THROTTLE_USER, str_of(address) } };

	return throttle_take(p->throttle, NULL, THROTTLE_SHARED, claims, 2);
}

static size_t untold(struct process *p)
{
	struct throttle_stats stats;

	throttle_stats(p->throttle, &stats);
	return stats.untold;
}

/* ---- in memory ---- */

static void test_throttle__refuses_and_says_for_how_long(void **state)
{
	struct process p = alone();

	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 0);
	clock_advance_for_tests(20 * US_PER_S);
	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 0);
	assert_int_equal(call(&p, THROTTLE_MEMORY, THROTTLE_ANON, "a"), 0);
	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 40);
	clock_advance_for_tests(10500 * US_PER_MS);
	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 30); /* rounded up */
	clock_advance_for_tests(30 * US_PER_S);
	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 0);
	stop_process(&p);
}

static void test_throttle__what_one_scope_refuses_counts_in_the_other(void **state)
{
	struct process p = alone();

	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(call_anonymous(&p, "a"), 0);
	for (int i = ANON_CALLS; i < USER_CALLS; i++)
		assert_in_range(call_anonymous(&p, "a"), 59, 60);
	assert_in_range(call(&p, THROTTLE_SHARED, THROTTLE_USER, "a"), 59, 60);
	stop_process(&p);
}

static void test_throttle__the_longer_wait_of_two_counts(void **state)
{
	struct process p = alone();

	for (int i = 0; i < USER_CALLS; i++)
		assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_USER, "a"), 0);
	clock_advance_for_tests(30 * US_PER_S);
	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 0);
	assert_in_range(call_anonymous(&p, "a"), 59, 60);
	stop_process(&p);
}

static void test_throttle__off_keeps_nothing(void **state)
{
	struct throttle_config config = config_of(NULL);
	struct process p = { .throttle = NULL };
	struct throttle_stats stats;

	config.off = true;
	p.throttle = throttle_create(&config);
	assert_false(throttle_active(p.throttle));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(call_anonymous(&p, "a"), 0);
		assert_int_equal(throttle_failed_credentials_check(p.throttle, TEXT("a"), TEXT("bob")), 0);
		assert_int_equal(throttle_failed_credentials_count(p.throttle, NULL, TEXT("a"), TEXT("bob")), 0);
	}
	throttle_share(p.throttle);
	throttle_stats(p.throttle, &stats);
	assert_int_equal(stats.identities, 0);
	stop_process(&p);
}

static void test_throttle__failed_credentials_of_an_address(void **state)
{
	struct process p = alone();

	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 0);
	for (int i = 1; i < ANON_CALLS; i++) {
		assert_int_equal(throttle_failed_credentials_check(p.throttle, TEXT("a"), NOBODY), 0);
		assert_int_equal(throttle_failed_credentials_count(p.throttle, NULL, TEXT("a"), NOBODY), 0);
	}
	assert_in_range(throttle_failed_credentials_check(p.throttle, TEXT("a"), NOBODY), 59, 60);
	assert_in_range(throttle_failed_credentials_count(p.throttle, NULL, TEXT("a"), NOBODY), 59, 60);
	assert_in_range(call(&p, THROTTLE_SHARED, THROTTLE_ANON, "a"), 59, 60); /* one allowance for both */
	assert_int_equal(call(&p, THROTTLE_SHARED, THROTTLE_USER, "a"), 0);
	assert_int_equal(throttle_failed_credentials_check(p.throttle, NOBODY, NOBODY), 0);
	assert_int_equal(throttle_failed_credentials_count(p.throttle, NULL, NOBODY, NOBODY), 0);
	stop_process(&p);
}

static void test_throttle__failed_credentials_of_a_name(void **state)
{
	struct process p = alone();
	char name[5000];
	static const char *const addresses[] = { "a", "b", "c" };

	memset(name, 'n', sizeof(name));
	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(throttle_failed_credentials_count(p.throttle, NULL, str_of(addresses[i]), TEXT("bob")), 0);
	assert_in_range(throttle_failed_credentials_check(p.throttle, TEXT("d"), TEXT("bob")), 59, 60);
	assert_in_range(throttle_failed_credentials_check(p.throttle, NOBODY, TEXT("bob")), 59, 60);
	assert_int_equal(throttle_failed_credentials_check(p.throttle, TEXT("d"), TEXT("Bob")), 0);
	assert_int_equal(throttle_failed_credentials_check(p.throttle, TEXT("d"), TEXT("")), 0);
	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(throttle_failed_credentials_count(p.throttle, NULL, NOBODY, (struct str){ name, sizeof(name) }), 0);
	assert_in_range(throttle_failed_credentials_check(p.throttle, NOBODY, (struct str){ name, sizeof(name) }), 59, 60);
	assert_int_equal(throttle_failed_credentials_check(p.throttle, NOBODY, (struct str){ name, sizeof(name) - 1 }), 0);
	stop_process(&p);
}

static void test_throttle__without_memory_there_is_none(void **state)
{
	struct throttle_config config = config_of(NULL);

	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(throttle_create(&config));
		fault_disarm_all();
	}
	throttle_destroy(NULL);
}

/* ---- with Redis ---- */

static struct test_redis server;
static struct redis *outsider;
static struct process a, b; /* two processes */

static int start_server(void **state)
{
	test_redis_start(&server, 0, NULL, NULL);
	outsider = outsider_start(server.port);
	return 0;
}

static int stop_server(void **state)
{
	redis_destroy(outsider);
	test_redis_stop(&server);
	return 0;
}

static int set_up(void **state)
{
	assert_answer(outsider, "FLUSHALL", "OK");
	a = start(server.port);
	b = start(server.port);
	EVENTUALLY(redis_usable(a.redis, REDIS_CACHE) && redis_usable(b.redis, REDIS_CACHE));
	return 0;
}

static int tear_down(void **state)
{
	fault_disarm_all();
	stop_process(&a);
	stop_process(&b);
	return 0;
}

static long commands_seen(void)
{
	char info[4096];
	struct redis_reply *reply = NULL;
	const struct redis_command command = REDIS_COMMAND(TEXT("INFO"), TEXT("commandstats"));
	const char *at;

	EVENTUALLY(redis_call(outsider, REDIS_CACHE, NULL, "test", &command, 1, &reply) == 0);
	snprintf(info, sizeof(info), "%.*s", STR_ARG(redis_reply_text(reply)));
	redis_replies_free(&reply, 1);
	at = strstr(info, "cmdstat_evalsha:calls=");
	return at ? atol(at + strlen("cmdstat_evalsha:calls=")) : 0;
}

static void test_throttle__two_processes_share_a_limit(void **state)
{
	assert_int_equal(call_anonymous(&a, "x"), 0);
	assert_int_equal(call_anonymous(&b, "x"), 0);
	assert_int_equal(call_anonymous(&a, "x"), 0);
	assert_in_range(call_anonymous(&b, "x"), 59, 60);
	assert_in_range(call_anonymous(&a, "x"), 59, 60);
	assert_int_equal(call_anonymous(&b, "y"), 0);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_x", "3");
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_user_x", "5"); /* the refused ones too */
}

static void test_throttle__who_is_refused_costs_redis_nothing(void **state)
{
	long before;

	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x"), 0);
	assert_true(call(&b, THROTTLE_SHARED, THROTTLE_ANON, "x") > 0); /* learns it */
	before = commands_seen();
	for (int i = 0; i < 100; i++) {
		assert_true(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x") > 0);
		assert_true(call(&b, THROTTLE_SHARED, THROTTLE_ANON, "x") > 0);
	}
	assert_int_equal(commands_seen(), before);
}

static void test_throttle__a_call_from_memory_is_told_later(void **state)
{
	long before = commands_seen();

	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(call(&a, THROTTLE_MEMORY, THROTTLE_ANON, "x"), 0);
	assert_int_equal(call(&a, THROTTLE_MEMORY, THROTTLE_USER, "x"), 0);
	assert_int_equal(commands_seen(), before);
	assert_int_equal(untold(&a), ANON_CALLS + 1);
	throttle_share(a.throttle);
	assert_int_equal(untold(&a), 0);
	assert_int_equal(commands_seen(), before + 2); /* one for each log */
	assert_in_range(call(&b, THROTTLE_SHARED, THROTTLE_ANON, "x"), 59, 60);
	throttle_share(a.throttle);
	assert_int_equal(commands_seen(), before + 3);
}

static void test_throttle__who_tells_learns_that_it_is_full(void **state)
{
	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x"), 0);
	assert_int_equal(call(&b, THROTTLE_MEMORY, THROTTLE_ANON, "x"), 0); /* it cannot know yet */
	throttle_share(b.throttle);
	assert_in_range(call(&b, THROTTLE_MEMORY, THROTTLE_ANON, "x"), 59, 60);
}

static void test_throttle__failed_credentials_are_shared(void **state)
{
	for (int i = 0; i < ANON_CALLS; i++)
		assert_int_equal(throttle_failed_credentials_count(a.throttle, NULL, NOBODY, TEXT("bob")), 0);
	assert_true(throttle_failed_credentials_count(b.throttle, NULL, NOBODY, TEXT("bob")) > 0);
	assert_true(throttle_failed_credentials_check(b.throttle, NOBODY, TEXT("bob")) > 0);
}

static void test_throttle__many_logs_are_told_in_pipelines(void **state)
{
	char ident[16];

	for (int i = 0; i < 100; i++) {
		snprintf(ident, sizeof(ident), "i%d", i);
		assert_int_equal(call(&a, THROTTLE_MEMORY, THROTTLE_ANON, ident), 0);
	}
	throttle_share(a.throttle);
	assert_int_equal(untold(&a), 0);
	assert_answer(outsider, "EXISTS egoejo:t1:throttle_anon_i0 egoejo:t1:throttle_anon_i50 egoejo:t1:throttle_anon_i99", "3");
}

static void test_throttle__redis_dies_half_way(void **state)
{
	assert_int_equal(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x"), 0);
	test_redis_signal(&server, SIGKILL);
	assert_int_equal(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x"), 0);
	assert_int_equal(call(&a, THROTTLE_MEMORY, THROTTLE_ANON, "x"), 0);
	assert_in_range(call(&a, THROTTLE_SHARED, THROTTLE_ANON, "x"), 59, 60); /* its own memory still limits */
	throttle_share(a.throttle);
	assert_int_equal(untold(&a), 2);
	test_redis_restart(&server);
	EVENTUALLY(redis_usable(a.redis, REDIS_CACHE) && redis_usable(b.redis, REDIS_CACHE));
	throttle_share(a.throttle);
	assert_int_equal(untold(&a), 0);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_x", "2"); /* what came while it was dead; the first died with it */
	assert_int_equal(call(&b, THROTTLE_SHARED, THROTTLE_ANON, "x"), 0);
	assert_true(call(&b, THROTTLE_SHARED, THROTTLE_ANON, "x") > 0);
}

static void test_throttle__redis_hangs(void **state)
{
	struct timespec begin, end;
	int64_t ms;

	test_redis_signal(&server, SIGSTOP);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < 3; i++) {
		char ident[8];

		snprintf(ident, sizeof(ident), "h%d", i);
		assert_int_equal(call(&a, THROTTLE_SHARED, THROTTLE_ANON, ident), 0); /* never closed because of an outage */
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	test_redis_signal(&server, SIGCONT);
	ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
	assert_in_range(ms, 0, 2 * 150 + 200); /* two timeouts open the breaker, each within the budget */
	EVENTUALLY(redis_usable(a.redis, REDIS_CACHE));
	EVENTUALLY((throttle_share(a.throttle), untold(&a) == 0));
}

static void *call_user(void *arg)
{
	struct process *p = arg;
	intptr_t accepted = 0;

	for (int i = 0; i < 40; i++)
		accepted += call(p, THROTTLE_SHARED, THROTTLE_USER, "7") == 0;
	return (void *)accepted;
}

static void test_throttle__threads_of_two_processes_get_no_more_than_one(void **state)
{
	pthread_t threads[8];
	void *accepted;
	intptr_t sum = 0;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_user, i % 2 ? &a : &b), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &accepted);
		sum += (intptr_t)accepted;
	}
	assert_int_equal(sum, USER_CALLS);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_user_7", "5");
}

static void *share_often(void *arg)
{
	for (int i = 0; i < 200; i++)
		throttle_share(a.throttle);
	return NULL;
}

static void test_throttle__sharing_while_calls_come(void **state)
{
	pthread_t sharer;
	int accepted = 0;

	assert_int_equal(pthread_create(&sharer, NULL, share_often, NULL), 0);
	for (int i = 0; i < 800; i++)
		accepted += call(&a, THROTTLE_MEMORY, THROTTLE_METRICS, "m") == 0;
	pthread_join(sharer, NULL);
	throttle_share(a.throttle);
	assert_int_equal(accepted, 800);
	assert_int_equal(untold(&a), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest in_memory[] = {
		cmocka_unit_test(test_throttle__refuses_and_says_for_how_long),
		cmocka_unit_test(test_throttle__what_one_scope_refuses_counts_in_the_other),
		cmocka_unit_test(test_throttle__the_longer_wait_of_two_counts),
		cmocka_unit_test(test_throttle__off_keeps_nothing),
		cmocka_unit_test(test_throttle__failed_credentials_of_an_address),
		cmocka_unit_test(test_throttle__failed_credentials_of_a_name),
		cmocka_unit_test(test_throttle__without_memory_there_is_none),
	};
	const struct CMUnitTest with_redis[] = {
		CASE(test_throttle__two_processes_share_a_limit),
		CASE(test_throttle__who_is_refused_costs_redis_nothing),
		CASE(test_throttle__a_call_from_memory_is_told_later),
		CASE(test_throttle__who_tells_learns_that_it_is_full),
		CASE(test_throttle__failed_credentials_are_shared),
		CASE(test_throttle__many_logs_are_told_in_pipelines),
		CASE(test_throttle__redis_dies_half_way),
		CASE(test_throttle__redis_hangs),
		CASE(test_throttle__threads_of_two_processes_get_no_more_than_one),
		CASE(test_throttle__sharing_while_calls_come),
	};

	return cmocka_run_group_tests(in_memory, NULL, NULL) + cmocka_run_group_tests(with_redis, start_server, stop_server);
}
