#include "cache/throttle_scripts_impl.h"

#include <pthread.h>

#include "tests/unit/cache/node.h"

static struct test_redis server;
static struct redis *outsider;

static const struct setting_rate rates[THROTTLE_SCOPES] = { [THROTTLE_ANON] = { 3, 60 * US_PER_S }, [THROTTLE_USER] = { 2, US_PER_S } };

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

static void scripts_of(struct throttle_scripts *s, struct redis *redis)
{
	struct throttle_config config = { .redis = redis };

	memcpy(config.rates, rates, sizeof(rates));
	throttle_scripts_init(s, &config);
}

static const struct throttle_claim anon = { THROTTLE_ANON, STR("203.0.113.5") }, user = { THROTTLE_USER, STR("7") };

static int set_up(void **state)
{
	static struct throttle_scripts s;

	assert_answer(outsider, "FLUSHALL", "OK");
	assert_answer(outsider, "SCRIPT FLUSH", "OK");
	scripts_of(&s, outsider);
	*state = &s;
	return 0;
}

static struct throttle_answer take_one(struct throttle_scripts *s, const struct throttle_claim *claim, int64_t time_us)
{
	struct throttle_answer answer = { 0 };

	assert_int_equal(throttle_scripts_take(s, NULL, claim, &time_us, 1, &answer), 0);
	return answer;
}

static void test_throttle_scripts__take_as_long_as_there_is_room(void **state)
{
	struct throttle_scripts *s = *state;
	struct throttle_answer answer;

	for (int i = 0; i < 3; i++) {
		answer = take_one(s, &anon, i);
		assert_true(answer.accepted);
		if (i < 2)
			assert_int_equal(answer.wait_us, 0);
		else
			assert_in_range(answer.wait_us, 50 * US_PER_S, 60 * US_PER_S); /* full now, and says so */
	}
	answer = take_one(s, &anon, 3);
	assert_false(answer.accepted);
	assert_in_range(answer.wait_us, 50 * US_PER_S, 60 * US_PER_S);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_203.0.113.5", "3");
	assert_in_range(atoi(ask(outsider, "PTTL egoejo:t1:throttle_anon_203.0.113.5")), 50000, 60000);
}

static void test_throttle_scripts__a_place_becomes_free_when_the_oldest_leaves(void **state)
{
	struct throttle_scripts *s = *state;

	take_one(s, &user, 1);
	take_one(s, &user, 2);
	assert_false(take_one(s, &user, 3).accepted);
	EVENTUALLY(take_one(s, &user, 4).accepted);
	assert_false(take_one(s, &user, 5).accepted && take_one(s, &user, 6).accepted && take_one(s, &user, 7).accepted);
}

static void test_throttle_scripts__several_claims_are_judged_each(void **state)
{
	struct throttle_scripts *s = *state;
	const struct throttle_claim claims[] = { anon, user };
	const int64_t times[] = { 10, 10 };
	struct throttle_answer answers[2];

	take_one(s, &user, 1);
	take_one(s, &user, 2);
	assert_int_equal(throttle_scripts_take(s, NULL, claims, times, 2, answers), 0);
	assert_true(answers[0].accepted);
	assert_false(answers[1].accepted);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_203.0.113.5", "1"); /* counts all the same */
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_user_7", "2");
}

static int64_t tell(struct throttle_scripts *s, struct sliding_news *news, int64_t now_us)
{
	int64_t wait = -1;

	assert_int_equal(throttle_scripts_tell(s, news, 1, now_us, &wait), 0);
	return wait;
}

static void test_throttle_scripts__what_is_told_twice_counts_once(void **state)
{
	struct throttle_scripts *s = *state;
	struct sliding_news *news = calloc(1, sizeof(*news));

	*news = (struct sliding_news){ .claim = anon, .times = { 1 * US_PER_S, 2 * US_PER_S }, .n = 2 };
	assert_int_equal(tell(s, news, 3 * US_PER_S), 0);
	assert_int_equal(tell(s, news, 3 * US_PER_S), 0);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_203.0.113.5", "2");
	news->times[0] = 3 * US_PER_S;
	news->n = 1;
	assert_in_range(tell(s, news, 3 * US_PER_S), 50 * US_PER_S, 58 * US_PER_S); /* full; the oldest was 2 s old */
	news->times[0] = 2 * US_PER_S + 5;
	tell(s, news, 3 * US_PER_S);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_anon_203.0.113.5", "3"); /* no more than the rate looks at */
	free(news);
}

static void test_throttle_scripts__old_news_are_none(void **state)
{
	struct throttle_scripts *s = *state;
	struct sliding_news *news = calloc(1, sizeof(*news));

	*news = (struct sliding_news){ .claim = anon, .times = { 1 }, .n = 1 };
	assert_int_equal(tell(s, news, 61 * US_PER_S), 0);
	assert_answer(outsider, "EXISTS egoejo:t1:throttle_anon_203.0.113.5", "0");
	free(news);
}

static void test_throttle_scripts__one_spoilt_log_does_not_silence_the_others(void **state)
{
	struct throttle_scripts *s = *state;
	struct sliding_news *news = calloc(2, sizeof(*news));
	struct throttle_answer answer;
	int64_t waits[2], time_us = 1;

	assert_answer(outsider, "SET egoejo:t1:throttle_anon_203.0.113.5 text", "OK");
	news[0] = (struct sliding_news){ .claim = anon, .times = { 5 }, .n = 1 };
	news[1] = (struct sliding_news){ .claim = user, .times = { 5 }, .n = 1 };
	assert_int_equal(throttle_scripts_tell(s, news, 2, 6, waits), 0);
	assert_answer(outsider, "ZCARD egoejo:t1:throttle_user_7", "1");
	assert_true(throttle_scripts_take(s, NULL, &anon, &time_us, 1, &answer) < 0);
	free(news);
}

static void test_throttle_scripts__any_byte_may_be_in_an_identity(void **state)
{
	struct throttle_scripts *s = *state;
	const struct throttle_claim odd = { THROTTLE_ANON, { "a\0b\r\n", 5 } };
	char text[THROTTLE_MAX_IDENT + 30];

	assert_true(take_one(s, &odd, 1).accepted);
	assert_answer(outsider, "DBSIZE", "1");
	memset(text, 'x', sizeof(text));
	assert_true(take_one(s, &(struct throttle_claim){ THROTTLE_ANON, { text, sizeof(text) } }, 1).accepted);
}

#define PROCESSES 4

struct process {
	struct throttle_scripts scripts;
	int64_t base;
	int accepted;
};

static void *take_many(void *arg)
{
	struct process *p = arg;
	struct throttle_answer answer;

	for (int64_t i = 0; i < 50; i++) {
		int64_t time_us = p->base + i;

		if (throttle_scripts_take(&p->scripts, NULL, &anon, &time_us, 1, &answer) == 0)
			p->accepted += answer.accepted;
	}
	return NULL;
}

static void test_throttle_scripts__processes_at_once_get_no_more_than_one(void **state)
{
	struct process processes[PROCESSES];
	pthread_t threads[PROCESSES];
	int sum = 0;

	for (int i = 0; i < PROCESSES; i++) {
		processes[i] = (struct process){ .base = 1000 * i };
		scripts_of(&processes[i].scripts, outsider_start(server.port));
	}
	for (int i = 0; i < PROCESSES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &processes[i]), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pthread_join(threads[i], NULL);
		redis_destroy(processes[i].scripts.redis);
		sum += processes[i].accepted;
	}
	assert_int_equal(sum, 3);
}

static void test_throttle_scripts__without_memory_nothing_is_told(void **state)
{
	struct throttle_scripts *s = *state;
	struct sliding_news *news = calloc(1, sizeof(*news));
	int64_t wait;

	*news = (struct sliding_news){ .claim = anon, .times = { 5 }, .n = 1 };
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(throttle_scripts_tell(s, news, 1, 6, &wait), ERR_NOMEM);
	fault_disarm_all();
	free(news);
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_throttle_scripts__take_as_long_as_there_is_room),
		CASE(test_throttle_scripts__a_place_becomes_free_when_the_oldest_leaves),
		CASE(test_throttle_scripts__several_claims_are_judged_each),
		CASE(test_throttle_scripts__what_is_told_twice_counts_once),
		CASE(test_throttle_scripts__old_news_are_none),
		CASE(test_throttle_scripts__one_spoilt_log_does_not_silence_the_others),
		CASE(test_throttle_scripts__any_byte_may_be_in_an_identity),
		CASE(test_throttle_scripts__processes_at_once_get_no_more_than_one),
		CASE(test_throttle_scripts__without_memory_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
