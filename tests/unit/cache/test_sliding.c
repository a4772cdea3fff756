#include "cache/sliding_impl.h"

#include <pthread.h>

#include "tests/unit/cache/fixture.h"

#define S US_PER_S

/* anon: 3 in 60 s; user: 5 in 60 s; metrics: none. */
static struct sliding *make_with(size_t max_identities, size_t max_bytes)
{
	const struct throttle_config config = { .rates = { [THROTTLE_ANON] = { 3, 60 * S }, [THROTTLE_USER] = { 5, 60 * S } },
		                                .max_identities = max_identities,
		                                .max_bytes = max_bytes };
	struct sliding *s = sliding_create(&config);

	assert_non_null(s);
	return s;
}

static struct sliding *make(void)
{
	return make_with(0, 0);
}

static struct throttle_claim claim_of(enum throttle_scope scope, const char *ident)
{
	return (struct throttle_claim){ scope, str_of(ident) };
}

static int64_t take_as(struct sliding *s, enum throttle_scope scope, const char *ident, int64_t now_us)
{
	struct throttle_claim claim = claim_of(scope, ident);
	int64_t time_us;

	return sliding_take(s, &claim, now_us, false, &time_us);
}

static int64_t take(struct sliding *s, int64_t now_us)
{
	return take_as(s, THROTTLE_ANON, "a", now_us);
}

static int64_t wait_of(struct sliding *s, const char *ident, int64_t now_us)
{
	struct throttle_claim claim = claim_of(THROTTLE_ANON, ident);

	return sliding_wait(s, &claim, now_us);
}

static void test_sliding__counts_the_calls_of_the_last_period(void **state)
{
	struct sliding *s = make();

	assert_int_equal(take(s, 100 * S), 0);
	assert_int_equal(take(s, 110 * S), 0);
	assert_int_equal(take(s, 120 * S), 0);
	assert_int_equal(take(s, 121 * S), 39 * S); /* the first one leaves at 160 */
	assert_int_equal(take(s, 159 * S), 1 * S);
	assert_int_equal(take(s, 160 * S), 0); /* the refused ones left no trace */
	assert_int_equal(take(s, 160 * S + 1), 10 * S - 1);
	assert_int_equal(wait_of(s, "a", 165 * S), 5 * S);
	assert_int_equal(wait_of(s, "a", 170 * S), 0);
	sliding_destroy(s);
}

static void test_sliding__allowances_are_apart(void **state)
{
	struct sliding *s = make();

	for (int i = 0; i < 3; i++)
		assert_int_equal(take_as(s, THROTTLE_ANON, "a", S), 0);
	assert_true(take_as(s, THROTTLE_ANON, "a", S) > 0);
	assert_int_equal(take_as(s, THROTTLE_ANON, "b", S), 0);
	assert_int_equal(take_as(s, THROTTLE_USER, "a", S), 0);
	assert_int_equal(take_as(s, THROTTLE_ANON, "", S), 0);
	sliding_destroy(s);
}

static void test_sliding__a_rate_of_none_accepts_none(void **state)
{
	const struct throttle_config config = { .rates = { [THROTTLE_ANON] = { 0, 60 * S } } };
	struct sliding *s = sliding_create(&config);

	assert_int_equal(wait_of(s, "a", S), 60 * S);
	assert_int_equal(take(s, S), 60 * S);
	assert_int_equal(wait_of(s, "a", S), 60 * S);
	sliding_destroy(s);
}

static void test_sliding__the_times_of_a_log_differ(void **state)
{
	struct sliding *s = make();
	struct throttle_claim claim = claim_of(THROTTLE_ANON, "a");
	int64_t times[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(sliding_take(s, &claim, 10 * S, false, &times[i]), 0);
	assert_int_equal(times[0], 10 * S);
	assert_int_equal(times[1], 10 * S + 1);
	assert_int_equal(times[2], 10 * S + 2);
	sliding_destroy(s);
}

static void test_sliding__what_is_undone_never_was(void **state)
{
	struct sliding *s = make();
	struct throttle_claim claim = claim_of(THROTTLE_ANON, "a");
	int64_t times[3], time_us;

	for (int i = 0; i < 3; i++)
		sliding_take(s, &claim, (10 + i) * S, /* untold: */ true, &times[i]);
	sliding_undo(s, &claim, times[0]);
	sliding_undo(s, &claim, times[0]);
	sliding_undo(s, &claim, 5);
	assert_int_equal(sliding_take(s, &claim, 15 * S, false, &time_us), 0);
	assert_int_equal(take(s, 16 * S), 55 * S); /* the oldest is the one of 11 */
	claim = claim_of(THROTTLE_ANON, "nobody");
	sliding_undo(s, &claim, 5);
	sliding_destroy(s);
}

static void test_sliding__a_block_lasts_until_its_time(void **state)
{
	struct sliding *s = make();
	struct throttle_claim claim = claim_of(THROTTLE_ANON, "a");

	sliding_block(s, &claim, 30 * S); /* nobody there: nothing to block */
	assert_int_equal(take(s, 10 * S), 0);
	sliding_block(s, &claim, 30 * S);
	assert_int_equal(take(s, 10 * S), 20 * S);
	assert_int_equal(wait_of(s, "a", 29 * S), 1 * S);
	assert_int_equal(take(s, 30 * S), 0);
	sliding_destroy(s);
}

static size_t collect(struct sliding *s, int64_t now_us, struct sliding_news *news, size_t n)
{
	return sliding_collect(s, now_us, news, n);
}

static size_t untold(struct sliding *s)
{
	struct throttle_stats stats;

	sliding_measure(s, &stats);
	return stats.untold;
}

static void test_sliding__news_are_told_once(void **state)
{
	struct sliding *s = make();
	struct throttle_claim a = claim_of(THROTTLE_USER, "a"), b = claim_of(THROTTLE_ANON, "b");
	struct sliding_news *news = calloc(4, sizeof(*news));
	int64_t time_us, told;

	sliding_take(s, &a, 10 * S, true, &time_us);
	sliding_take(s, &a, 11 * S, false, &told);
	sliding_take(s, &a, 12 * S, true, &time_us);
	sliding_take(s, &b, 12 * S, false, &time_us);
	assert_int_equal(untold(s), 2);
	assert_int_equal(collect(s, 13 * S, news, 4), 1);
	assert_int_equal(news[0].claim.scope, THROTTLE_USER);
	assert_true(str_is(news[0].claim.ident, "a"));
	assert_int_equal(news[0].n, 2);
	assert_int_equal(news[0].times[0], 10 * S);
	assert_int_equal(news[0].times[1], 12 * S);
	sliding_take(s, &a, 13 * S, true, &time_us); /* while they are being told */
	sliding_set_told(s, &news[0]);
	assert_int_equal(collect(s, 13 * S, news, 4), 1);
	assert_int_equal(news[0].n, 1);
	sliding_set_told(s, &news[0]);
	assert_int_equal(collect(s, 13 * S, news, 4), 0);
	sliding_set_untold(s, &a, told); /* Redis could not decide */
	sliding_set_untold(s, &b, 99);
	assert_int_equal(collect(s, 13 * S, news, 4), 1);
	assert_int_equal(news[0].times[0], told);
	assert_int_equal(collect(s, 72 * S, news, 4), 0); /* over: nobody need know */
	assert_int_equal(untold(s), 0);
	free(news);
	sliding_destroy(s);
}

static void test_sliding__many_news_come_in_parts(void **state)
{
	const struct throttle_config config = { .rates = { [THROTTLE_ANON] = { 100000, 60 * S } } };
	struct sliding *s = sliding_create(&config);
	struct throttle_claim claim = claim_of(THROTTLE_ANON, "a");
	struct sliding_news *news = calloc(1, sizeof(*news));
	size_t sum = 0;
	int64_t time_us, last = 0;

	for (int i = 0; i < 2 * SLIDING_NEWS_TIMES + 7; i++)
		assert_int_equal(sliding_take(s, &claim, S, true, &time_us), 0);
	while (collect(s, S, news, 1)) {
		assert_true(news->times[0] > last);
		last = news->times[news->n - 1];
		sum += news->n;
		sliding_set_told(s, news);
	}
	assert_int_equal(sum, 2 * SLIDING_NEWS_TIMES + 7);
	free(news);
	sliding_destroy(s);
}

static void test_sliding__memory_is_bounded(void **state)
{
	struct sliding *s = make_with(1600, 0);
	struct throttle_stats stats;
	char ident[24];

	for (int i = 0; i < 20000; i++) {
		snprintf(ident, sizeof(ident), "203.0.%d.%d", i / 256, i % 256);
		assert_int_equal(take_as(s, THROTTLE_ANON, ident, 10 * S + i), 0);
	}
	sliding_measure(s, &stats);
	assert_in_range(stats.identities, 1, 1600);
	assert_in_range(stats.bytes, 1, 1600 * 200);
	assert_int_equal(wait_of(s, ident, 11 * S), 0);
	take_as(s, THROTTLE_ANON, ident, 11 * S);
	take_as(s, THROTTLE_ANON, ident, 11 * S);
	assert_true(wait_of(s, ident, 11 * S) > 0); /* who calls now is known */
	sliding_destroy(s);
}

static void test_sliding__bytes_are_bounded(void **state)
{
	const struct throttle_config config = { .rates = { [THROTTLE_ANON] = { 1000, 60 * S } }, .max_bytes = 16 * 20000 };
	struct sliding *s = sliding_create(&config);
	struct throttle_stats stats;
	char ident[24];

	for (int i = 0; i < 100; i++) {
		snprintf(ident, sizeof(ident), "u%d", i);
		for (int k = 0; k < 1000; k++)
			assert_int_equal(take_as(s, THROTTLE_ANON, ident, S), 0);
	}
	sliding_measure(s, &stats);
	assert_in_range(stats.bytes, 1, 16 * 20000);
	assert_true(take_as(s, THROTTLE_ANON, ident, S) > 0); /* the one that uses it is not forgotten for its own size */
	sliding_destroy(s);
}

static void test_sliding__what_is_over_makes_way(void **state)
{
	struct sliding *s = make();
	struct throttle_stats stats;
	char ident[24];

	for (int i = 0; i < 10000; i++) {
		snprintf(ident, sizeof(ident), "u%d", i);
		assert_int_equal(take_as(s, THROTTLE_ANON, ident, i * S), 0);
	}
	sliding_measure(s, &stats);
	assert_in_range(stats.identities, 1, 100); /* 60 calls are within the last minute */
	sliding_destroy(s);
}

static void test_sliding__long_identities_are_cut(void **state)
{
	struct sliding *s = make();
	char ident[200];

	memset(ident, 'x', sizeof(ident) - 1);
	ident[sizeof(ident) - 1] = '\0';
	for (int i = 0; i < 3; i++)
		assert_int_equal(take_as(s, THROTTLE_ANON, ident, S), 0);
	ident[150] = 'y';
	assert_true(take_as(s, THROTTLE_ANON, ident, S) > 0);
	sliding_destroy(s);
}

static void test_sliding__without_memory_calls_pass(void **state)
{
	struct sliding *s = make();
	const struct throttle_config config = { .rates = { { 1, S } } };

	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ true);
		assert_int_equal(take_as(s, THROTTLE_USER, n == 1 ? "p" : "q", S), 0);
		fault_disarm_all();
	}
	for (int n = 1; n <= 1; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(sliding_create(&config));
		fault_disarm_all();
	}
	sliding_destroy(s);
}

static struct sliding *shared;
static atomic_int accepted;

static void *call_often(void *arg)
{
	for (int i = 0; i < 5000; i++)
		if (take_as(shared, THROTTLE_USER, i % 2 ? "a" : "b", 10 * S) == 0)
			atomic_fetch_add(&accepted, 1);
	return NULL;
}

static void test_sliding__eight_threads_get_no_more_than_one(void **state)
{
	pthread_t threads[8];

	shared = make();
	atomic_store(&accepted, 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&accepted), 10);
	sliding_destroy(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sliding__counts_the_calls_of_the_last_period),
		cmocka_unit_test(test_sliding__allowances_are_apart),
		cmocka_unit_test(test_sliding__a_rate_of_none_accepts_none),
		cmocka_unit_test(test_sliding__the_times_of_a_log_differ),
		cmocka_unit_test(test_sliding__what_is_undone_never_was),
		cmocka_unit_test(test_sliding__a_block_lasts_until_its_time),
		cmocka_unit_test(test_sliding__news_are_told_once),
		cmocka_unit_test(test_sliding__many_news_come_in_parts),
		cmocka_unit_test(test_sliding__memory_is_bounded),
		cmocka_unit_test(test_sliding__bytes_are_bounded),
		cmocka_unit_test(test_sliding__what_is_over_makes_way),
		cmocka_unit_test(test_sliding__long_identities_are_cut),
		cmocka_unit_test(test_sliding__without_memory_calls_pass),
		cmocka_unit_test(test_sliding__eight_threads_get_no_more_than_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
