#include <pthread.h>

#include "cache/outage_impl.h"
#include "tests/unit/cache/fixture.h"

static struct outage *make(void)
{
	struct outage *o = outage_create();

	assert_non_null(o);
	return o;
}

static void remember_many(struct outage *o, int n)
{
	char key[16];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		outage_remember(o, str_of(key));
	}
}

/* Takes and forgets all there is; how many there were. */
static size_t drain(struct outage *o)
{
	struct outage_batch batch;
	size_t n = 0;

	while (outage_take(o, UINT64_MAX, &batch)) {
		n += batch.n;
		outage_forget(o, &batch);
	}
	return n;
}

static void test_outage__remembers_until_told(void **state)
{
	struct outage *o = make();
	struct outage_batch batch;

	assert_false(outage_pending(o));
	assert_false(outage_holds(o, TEXT("a")));
	outage_remember(o, TEXT("a"));
	outage_remember(o, TEXT("b"));
	outage_remember(o, TEXT("a"));
	assert_true(outage_pending(o));
	assert_true(outage_holds(o, TEXT("a")));
	assert_false(outage_holds(o, TEXT("c")));
	assert_true(outage_take(o, UINT64_MAX, &batch));
	assert_int_equal(batch.n, 2);
	assert_string_equal(batch.keys[0], "b");
	assert_string_equal(batch.keys[1], "a"); /* by their last time */
	assert_true(outage_holds(o, TEXT("a"))); /* taken is not told */
	outage_forget(o, &batch);
	assert_false(outage_holds(o, TEXT("a")));
	assert_false(outage_pending(o));
	assert_false(outage_take(o, UINT64_MAX, &batch));
	outage_destroy(o);
}

static void test_outage__what_is_missed_again_while_being_told_stays(void **state)
{
	struct outage *o = make();
	struct outage_batch batch;

	outage_remember(o, TEXT("a"));
	outage_remember(o, TEXT("b"));
	assert_true(outage_take(o, UINT64_MAX, &batch));
	outage_remember(o, TEXT("a"));
	outage_forget(o, &batch);
	assert_true(outage_holds(o, TEXT("a")));
	assert_false(outage_holds(o, TEXT("b")));
	outage_destroy(o);
}

static void test_outage__takes_only_what_was_there_at_a_time(void **state)
{
	struct outage *o = make();
	struct outage_batch batch;
	uint64_t then;

	outage_remember(o, TEXT("a"));
	then = outage_sequence(o);
	outage_remember(o, TEXT("b"));
	assert_true(outage_take(o, then, &batch));
	assert_int_equal(batch.n, 1);
	outage_forget(o, &batch);
	assert_false(outage_take(o, then, &batch));
	assert_true(outage_holds(o, TEXT("b")));
	outage_destroy(o);
}

static void test_outage__one_key_too_many_is_everything(void **state)
{
	struct outage *o = make();
	char cursor[24];

	remember_many(o, OUTAGE_MAX_KEYS);
	assert_false(outage_holds(o, TEXT("never seen")));
	assert_false(outage_scan_begin(o, cursor));
	outage_remember(o, TEXT("key1")); /* an old one needs no room */
	assert_false(outage_holds(o, TEXT("never seen")));
	outage_remember(o, TEXT("one more"));
	assert_true(outage_holds(o, TEXT("never seen")));
	assert_int_equal(drain(o), 0);
	assert_true(outage_pending(o));
	outage_destroy(o);
}

static void test_outage__ten_thousand_are_told_in_batches(void **state)
{
	struct outage *o = make();

	remember_many(o, OUTAGE_MAX_KEYS);
	assert_int_equal(drain(o), OUTAGE_MAX_KEYS);
	assert_false(outage_pending(o));
	outage_destroy(o);
}

static void test_outage__everything_is_told_step_by_step(void **state)
{
	struct outage *o = make();
	char cursor[24];

	outage_remember(o, TEXT("before"));
	outage_remember_everything(o);
	assert_true(outage_scan_begin(o, cursor));
	assert_string_equal(cursor, "0");
	outage_scan_step(o, TEXT("18446744073709551615"));
	assert_true(outage_holds(o, TEXT("x")));
	outage_remember(o, TEXT("meanwhile"));
	assert_true(outage_scan_begin(o, cursor)); /* goes on where it was */
	assert_string_equal(cursor, "18446744073709551615");
	outage_scan_step(o, TEXT("0"));
	assert_false(outage_scan_begin(o, cursor));
	assert_true(outage_holds(o, TEXT("meanwhile"))); /* was missed after the start */
	assert_false(outage_holds(o, TEXT("before")));
	assert_int_equal(drain(o), 1);
	assert_false(outage_pending(o));
	outage_destroy(o);
}

static void test_outage__everything_again_during_the_scan_is_another_scan(void **state)
{
	struct outage *o = make();
	char cursor[24];

	outage_remember_everything(o);
	assert_true(outage_scan_begin(o, cursor));
	outage_scan_step(o, TEXT("7"));
	outage_remember_everything(o);
	assert_true(outage_scan_begin(o, cursor));
	assert_string_equal(cursor, "7");
	outage_scan_step(o, TEXT("0"));
	assert_true(outage_holds(o, TEXT("x")));
	assert_true(outage_scan_begin(o, cursor));
	assert_string_equal(cursor, "0");
	outage_scan_step(o, TEXT("0"));
	assert_false(outage_pending(o));
	outage_destroy(o);
}

static void test_outage__another_server_has_missed_everything(void **state)
{
	struct outage *o = make();
	char cursor[24];

	outage_note_server(o, TEXT("aaaa")); /* the first: what it has is what there is */
	outage_note_server(o, TEXT("aaaa"));
	outage_note_server(o, NOBODY); /* it would not say */
	assert_false(outage_pending(o));
	outage_note_server(o, TEXT("bbbb"));
	assert_true(outage_holds(o, TEXT("x")));
	assert_true(outage_scan_begin(o, cursor));
	outage_scan_step(o, TEXT("7"));
	outage_note_server(o, TEXT("cccc"));
	outage_scan_step(o, TEXT("9")); /* of the server that is gone */
	assert_true(outage_scan_begin(o, cursor));
	assert_string_equal(cursor, "0");
	outage_destroy(o);
}

static void test_outage__without_memory_it_is_everything(void **state)
{
	struct outage *o = make();

	fault_arm(FAULT_ALLOC, 1, false);
	outage_remember(o, TEXT("a"));
	fault_disarm_all();
	assert_true(outage_holds(o, TEXT("a")));
	assert_true(outage_holds(o, TEXT("b")));
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(outage_create());
	fault_disarm_all();
	outage_destroy(o);
}

static void *remember_and_look(void *arg)
{
	struct outage *o = arg;
	char key[16];

	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "key%d", i % 500);
		outage_remember(o, str_of(key));
		outage_holds(o, TEXT("key7"));
	}
	return NULL;
}

static void test_outage__eight_threads_and_one_who_tells(void **state)
{
	struct outage *o = make();
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, remember_and_look, o), 0);
	for (int i = 0; i < 100; i++)
		drain(o);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(drain(o), 0, 500);
	assert_false(outage_pending(o));
	outage_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outage__remembers_until_told),
		cmocka_unit_test(test_outage__what_is_missed_again_while_being_told_stays),
		cmocka_unit_test(test_outage__takes_only_what_was_there_at_a_time),
		cmocka_unit_test(test_outage__one_key_too_many_is_everything),
		cmocka_unit_test(test_outage__ten_thousand_are_told_in_batches),
		cmocka_unit_test(test_outage__everything_is_told_step_by_step),
		cmocka_unit_test(test_outage__everything_again_during_the_scan_is_another_scan),
		cmocka_unit_test(test_outage__another_server_has_missed_everything),
		cmocka_unit_test(test_outage__without_memory_it_is_everything),
		cmocka_unit_test(test_outage__eight_threads_and_one_who_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
