#include "cache/claim_impl.h"

#include "tests/unit/cache/node.h"

#define KEY TEXT("critical_alert:k")
#define ANA TEXT("ana")
#define ELI TEXT("eli")

/* ---- in memory ---- */

static void test_claim__one_holder_until_its_end(void **state)
{
	struct claims *claims = claims_create();

	assert_true(claims_take(claims, KEY, ANA, 1000, 2000));
	assert_false(claims_take(claims, KEY, ELI, 1999, 3000));
	assert_true(claims_take(claims, TEXT("other"), ELI, 1999, 3000));
	assert_true(claims_take(claims, KEY, ELI, 2000, 3000));
	assert_false(claims_take(claims, KEY, ANA, 2500, 3500));
	claims_destroy(claims);
}

static void test_claim__its_own_holder_may_go_on(void **state)
{
	struct claims *claims = claims_create();

	assert_true(claims_take(claims, KEY, ANA, 1000, 2000));
	assert_true(claims_take(claims, KEY, ANA, 1500, 2500));
	assert_false(claims_take(claims, KEY, ELI, 2400, 3000));
	claims_destroy(claims);
}

static void test_claim__only_its_holder_gives_it_back(void **state)
{
	struct claims *claims = claims_create();

	assert_true(claims_take(claims, KEY, ANA, 1000, 2000));
	claims_release(claims, KEY, ELI);
	assert_false(claims_take(claims, KEY, ELI, 1000, 2000));
	claims_release(claims, KEY, ANA);
	assert_true(claims_take(claims, KEY, ELI, 1000, 2000));
	claims_destroy(claims);
}

static void test_claim__memory_is_bounded_and_the_oldest_leaves(void **state)
{
	struct claims *claims = claims_create();
	char key[16];

	for (int i = 0; i <= CLAIMS_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		assert_true(claims_take(claims, str_of(key), ANA, 1000, 2000 + i));
	}
	assert_true(claims_take(claims, TEXT("0"), ELI, 1000, 5000)); /* it had made room, and now the next does */
	assert_false(claims_take(claims, TEXT("2"), ELI, 1000, 5000));
	snprintf(key, sizeof(key), "%d", CLAIMS_MAX);
	assert_false(claims_take(claims, str_of(key), ELI, 1000, 5000));
	claims_destroy(claims);
}

static struct node alone;

static void *claim_alone(void *arg)
{
	return cache_claim(alone.cache, KEY, str_of(arg), 300) ? arg : NULL;
}

static void test_claim__of_many_threads_one_has_it(void **state)
{
	enum { THREADS = 8 };
	struct cache_config config = { .max_bytes = 1 << 20, .max_entries = 100 };
	char names[THREADS][4];
	pthread_t threads[THREADS];
	int won = 0;

	alone = (struct node){ .cache = cache_create(&config) };
	for (int i = 0; i < THREADS; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i);
		assert_int_equal(pthread_create(&threads[i], NULL, claim_alone, names[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		won += result != NULL;
	}
	assert_int_equal(won, 1);
	cache_destroy(alone.cache);
}

/* ---- between processes ---- */

struct pair {
	struct test_redis server;
	struct node a, b;
	struct redis *outsider;
};

static int start_pair(void **state)
{
	static struct pair p;

	test_redis_start(&p.server, 0, NULL, NULL);
	node_start_tracking(&p.a, p.server.port);
	node_start_tracking(&p.b, p.server.port);
	p.outsider = outsider_start(p.server.port);
	*state = &p;
	return 0;
}

static int stop_pair(void **state)
{
	struct pair *p = *state;

	redis_destroy(p->outsider);
	node_stop(&p->a);
	node_stop(&p->b);
	test_redis_stop(&p->server);
	return 0;
}

static void test_claim__between_processes_redis_judges(void **state)
{
	struct pair *p = *state;

	assert_true(cache_claim(p->a.cache, KEY, ANA, 300));
	assert_false(cache_claim(p->b.cache, KEY, ELI, 300));
	assert_true(cache_claim(p->b.cache, KEY, ANA, 300)); /* the same task, taken up again elsewhere */
	assert_answer(p->outsider, "GET egoejo:t1:critical_alert:k", "ana");
	assert_in_range(atoi(ask(p->outsider, "TTL egoejo:t1:critical_alert:k")), 200, 300);
	cache_claim_release(p->b.cache, KEY, ELI);
	assert_answer(p->outsider, "GET egoejo:t1:critical_alert:k", "ana");
	cache_claim_release(p->b.cache, KEY, ANA);
	cache_claim_release(p->a.cache, KEY, ANA);
	assert_answer(p->outsider, "GET egoejo:t1:critical_alert:k", "nil");
	assert_true(cache_claim(p->b.cache, KEY, ELI, 300));
	cache_claim_release(p->b.cache, KEY, ELI);
}

static void test_claim__who_loses_in_redis_does_not_keep_it_in_memory(void **state)
{
	struct pair *p = *state;

	assert_true(cache_claim(p->a.cache, KEY, ANA, 300));
	assert_false(cache_claim(p->b.cache, KEY, ELI, 300));
	cache_claim_release(p->a.cache, KEY, ANA);
	assert_true(cache_claim(p->b.cache, KEY, TEXT("zoe"), 300));
	cache_claim_release(p->b.cache, KEY, TEXT("zoe"));
}

static void test_claim__a_long_key_is_known_by_its_digest(void **state)
{
	struct pair *p = *state;
	char text[500];
	struct str key = { text, sizeof(text) };

	memset(text, 'k', sizeof(text));
	assert_true(cache_claim(p->a.cache, key, ANA, 300));
	assert_false(cache_claim(p->b.cache, key, ELI, 300));
	text[499] = 'l';
	assert_true(cache_claim(p->b.cache, key, ELI, 300));
}

/* What was claimed before the outage is known in it; the rest each process judges alone. */
static void test_claim__while_redis_is_away_the_memory_serves(void **state)
{
	struct pair *p = *state;

	assert_true(cache_claim(p->a.cache, TEXT("before"), ANA, 300));
	test_redis_stop(&p->server);
	EVENTUALLY(!redis_usable(p->a.redis, REDIS_CACHE) && !redis_usable(p->b.redis, REDIS_CACHE));
	assert_false(cache_claim(p->a.cache, TEXT("before"), ELI, 300));
	assert_true(cache_claim(p->a.cache, TEXT("during"), ANA, 300));
	assert_false(cache_claim(p->a.cache, TEXT("during"), ELI, 300));
	assert_true(cache_claim(p->b.cache, TEXT("during"), ELI, 300));
	cache_claim_release(p->a.cache, TEXT("during"), ANA);
	assert_true(cache_claim(p->a.cache, TEXT("during"), ELI, 300));
}

int main(void)
{
	const struct CMUnitTest memory[] = {
		cmocka_unit_test(test_claim__one_holder_until_its_end),
		cmocka_unit_test(test_claim__its_own_holder_may_go_on),
		cmocka_unit_test(test_claim__only_its_holder_gives_it_back),
		cmocka_unit_test(test_claim__memory_is_bounded_and_the_oldest_leaves),
		cmocka_unit_test(test_claim__of_many_threads_one_has_it),
	};
	const struct CMUnitTest shared[] = {
		cmocka_unit_test(test_claim__between_processes_redis_judges),
		cmocka_unit_test(test_claim__who_loses_in_redis_does_not_keep_it_in_memory),
		cmocka_unit_test(test_claim__a_long_key_is_known_by_its_digest),
		cmocka_unit_test(test_claim__while_redis_is_away_the_memory_serves),
	};

	return cmocka_run_group_tests_name("memory", memory, NULL, NULL) +
	       cmocka_run_group_tests_name("redis", shared, start_pair, stop_pair);
}
