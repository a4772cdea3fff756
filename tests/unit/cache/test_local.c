#include <pthread.h>
#include <stdio.h>

#include "cache/hash_impl.h"
#include "cache/local_impl.h"
#include "tests/unit/cache/fixture.h"

#define FOR_EVER INT64_MAX
#define ROOMY    1000000

static struct local *make(size_t max_bytes, size_t max_entries)
{
	struct local *l = local_create(max_bytes, max_entries);

	assert_non_null(l);
	return l;
}

static bool put(struct local *l, const char *key, const char *text, int64_t expires_us)
{
	CLEANUP(blob_unrefp) struct blob *value = blob_of(text);
	struct local_found found;

	local_find(l, str_of(key), NOBODY, &found);
	local_found_finish(&found);
	return local_store(l, str_of(key), found.token, value, expires_us);
}

/* The text under a key, "" when there is none. Marks it as used. */
static bool holds(struct local *l, const char *key, const char *text)
{
	struct local_found found;
	bool same;

	local_find(l, str_of(key), NOBODY, &found);
	same = text ? str_is(blob_view(found.value), text) : !found.value;
	local_found_finish(&found);
	return same;
}

static uint64_t token_of(struct local *l, const char *key)
{
	struct local_found found;

	local_find(l, str_of(key), NOBODY, &found);
	local_found_finish(&found);
	return found.token;
}

/* Attaches a fresh object to the value that is stored now. */
static bool attach(struct local *l, const char *key, struct str variant, bool shared, const char *text, size_t bytes)
{
	struct cache_object *object = thing_create(text, bytes);
	struct local_found found;
	bool kept;

	local_find(l, str_of(key), NOBODY, &found);
	kept = local_attach(l, str_of(key), variant, shared, found.value, object);
	local_found_finish(&found);
	cache_object_unref(object);
	return kept;
}

static bool serves(struct local *l, const char *key, struct str variant, const char *text)
{
	struct local_found found;
	bool same;

	local_find(l, str_of(key), variant, &found);
	same = text ? strcmp(thing_text(found.object), text) == 0 : !found.object;
	local_found_finish(&found);
	return same;
}

static void test_local__keeps_a_value_until_it_expires(void **state)
{
	struct local *l = make(ROOMY, 100);

	assert_true(put(l, "k", "v", clock_monotonic_us() + 10 * US_PER_S));
	assert_true(holds(l, "k", "v"));
	clock_advance_for_tests(9 * US_PER_S);
	assert_true(holds(l, "k", "v"));
	clock_advance_for_tests(2 * US_PER_S);
	assert_true(holds(l, "k", NULL));
	local_destroy(l);
}

static void test_local__expired_value_leaves_the_room(void **state)
{
	struct local *l = make(ROOMY, 100);
	size_t entries, bytes;

	assert_true(put(l, "k", "v", clock_monotonic_us() - 1));
	assert_true(holds(l, "k", NULL));
	local_measure(l, &entries, &bytes);
	assert_int_equal(entries, 0);
	assert_int_equal(bytes, 0);
	local_destroy(l);
}

static void test_local__a_deletion_refuses_what_began_before_it(void **state)
{
	CLEANUP(blob_unrefp) struct blob *old = blob_of("old"), *new = blob_of("new");
	struct local *l = make(ROOMY, 100);
	uint64_t before = token_of(l, "k"), after = local_delete(l, TEXT("k"));

	assert_int_not_equal(before, after);
	assert_int_equal(after, token_of(l, "k"));
	assert_false(local_store(l, TEXT("k"), before, old, FOR_EVER));
	assert_true(holds(l, "k", NULL));
	assert_true(local_store(l, TEXT("k"), after, new, FOR_EVER));
	assert_true(holds(l, "k", "new"));
	local_destroy(l);
}

static void test_local__a_deletion_leaves_other_keys_alone(void **state)
{
	struct local *l = make(ROOMY, 100);
	int changed = 0;
	char key[16];

	for (int i = 0; i < 50; i++) {
		uint64_t before;

		snprintf(key, sizeof(key), "other%d", i);
		assert_true(put(l, key, "v", FOR_EVER));
		before = token_of(l, key);
		local_delete(l, TEXT("k"));
		assert_true(holds(l, key, "v"));
		changed += token_of(l, key) != before;
	}
	assert_true(changed < 20); /* one in 64 shares the stripe */
	local_destroy(l);
}

static void test_local__emptying_refuses_what_began_before_it(void **state)
{
	CLEANUP(blob_unrefp) struct blob *value = blob_of("v");
	struct local *l = make(ROOMY, 100);
	uint64_t before = token_of(l, "k");
	size_t entries, bytes;

	assert_true(put(l, "a", "1", FOR_EVER));
	assert_true(put(l, "b", "2", FOR_EVER));
	local_empty(l);
	assert_true(holds(l, "a", NULL));
	assert_true(holds(l, "b", NULL));
	assert_false(local_store(l, TEXT("k"), before, value, FOR_EVER));
	local_measure(l, &entries, &bytes);
	assert_int_equal(entries + bytes, 0);
	assert_true(put(l, "a", "3", FOR_EVER));
	assert_true(holds(l, "a", "3"));
	local_destroy(l);
}

static void test_local__replacing_obeys_the_token_and_drops_the_old(void **state)
{
	CLEANUP(blob_unrefp) struct blob *one = blob_of("one"), *two = blob_of("two");
	struct local *l = make(ROOMY, 100);
	uint64_t token = token_of(l, "k");

	assert_true(local_replace(l, TEXT("k"), &token, one, FOR_EVER));
	assert_true(holds(l, "k", "one"));
	assert_int_not_equal(token, token_of(l, "k"));
	assert_false(local_replace(l, TEXT("k"), &token, two, FOR_EVER)); /* somebody else changed it meanwhile */
	assert_true(holds(l, "k", NULL));
	assert_true(local_replace(l, TEXT("k"), NULL, two, FOR_EVER));
	assert_true(holds(l, "k", "two"));
	local_destroy(l);
}

static void test_local__the_epoch_moves_with_each_deletion_only(void **state)
{
	CLEANUP(blob_unrefp) struct blob *value = blob_of("v");
	struct local *l = make(ROOMY, 100);
	uint64_t epoch = local_epoch(l);

	assert_true(put(l, "k", "v", FOR_EVER));
	assert_true(attach(l, "k", TEXT("a"), false, "o", 10));
	assert_int_equal(local_epoch(l), epoch);
	local_delete(l, TEXT("not there")); /* a front may hold what level 1 has dropped */
	assert_int_equal(local_epoch(l), epoch + 1);
	local_replace(l, TEXT("k"), NULL, value, FOR_EVER);
	assert_int_equal(local_epoch(l), epoch + 2);
	local_empty(l);
	assert_int_equal(local_epoch(l), epoch + 3);
	local_destroy(l);
}

static void test_local__the_least_recently_used_leaves_by_number(void **state)
{
	struct local *l = make(ROOMY, 3);
	size_t entries, bytes;

	assert_true(put(l, "a", "1", FOR_EVER));
	assert_true(put(l, "b", "2", FOR_EVER));
	assert_true(put(l, "c", "3", FOR_EVER));
	assert_true(holds(l, "a", "1"));
	assert_true(put(l, "d", "4", FOR_EVER));
	assert_true(holds(l, "b", NULL));
	assert_true(holds(l, "a", "1"));
	assert_true(holds(l, "c", "3"));
	assert_true(holds(l, "d", "4"));
	local_measure(l, &entries, &bytes);
	assert_int_equal(entries, 3);
	local_destroy(l);
}

static void test_local__the_least_recently_used_leaves_by_bytes(void **state)
{
	struct local *l = make(2000, 100);
	char text[601];
	size_t entries, bytes;

	memset(text, 'x', 600);
	text[600] = '\0';
	assert_true(put(l, "a", text, FOR_EVER));
	assert_true(put(l, "b", text, FOR_EVER));
	assert_true(put(l, "c", text, FOR_EVER));
	assert_true(holds(l, "a", NULL));
	assert_true(holds(l, "c", text));
	local_measure(l, &entries, &bytes);
	assert_int_equal(entries, 2);
	assert_in_range(bytes, 1200, 2000);
	local_destroy(l);
}

static void test_local__too_large_a_value_is_refused_and_evicts_nobody(void **state)
{
	struct local *l = make(1000, 100);
	char text[1201];

	memset(text, 'x', 1200);
	text[1200] = '\0';
	assert_true(put(l, "a", "1", FOR_EVER));
	assert_false(put(l, "b", text, FOR_EVER));
	assert_true(holds(l, "a", "1"));
	local_destroy(l);
}

static void test_local__an_object_serves_its_variant_alone(void **state)
{
	struct local *l = make(ROOMY, 100);

	assert_true(put(l, "k", "v", FOR_EVER));
	assert_true(attach(l, "k", TEXT("a"), false, "for a", 10));
	assert_true(serves(l, "k", TEXT("a"), "for a"));
	assert_true(serves(l, "k", TEXT("b"), NULL));
	assert_true(serves(l, "k", NOBODY, NULL));
	assert_true(attach(l, "k", TEXT("b"), true, "for all", 10));
	assert_true(serves(l, "k", TEXT("a"), "for a"));
	assert_true(serves(l, "k", TEXT("b"), "for all"));
	assert_true(attach(l, "k", TEXT("a"), false, "newer", 10));
	assert_true(serves(l, "k", TEXT("a"), "newer"));
	local_delete(l, TEXT("k"));
	assert_true(serves(l, "k", TEXT("a"), NULL));
	assert_int_equal(atomic_load(&objects_alive), 0);
	local_destroy(l);
}

static void test_local__an_object_of_an_older_value_is_refused(void **state)
{
	struct local *l = make(ROOMY, 100);
	struct cache_object *object = thing_create("old", 10);
	struct local_found found;

	assert_true(put(l, "k", "v", FOR_EVER));
	local_find(l, TEXT("k"), NOBODY, &found);
	local_delete(l, TEXT("k"));
	assert_false(local_attach(l, TEXT("k"), NOBODY, true, found.value, object));
	assert_true(put(l, "k", "v2", FOR_EVER));
	assert_false(local_attach(l, TEXT("k"), NOBODY, true, found.value, object));
	assert_true(serves(l, "k", NOBODY, NULL));
	cache_object_unref(object);
	local_found_finish(&found);
	local_destroy(l);
}

static void test_local__sixteen_variants_and_the_oldest_use_leaves(void **state)
{
	struct local *l = make(ROOMY, 100);
	char name[16];

	assert_true(put(l, "k", "v", FOR_EVER));
	for (int i = 0; i < LOCAL_MAX_VARIANTS; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		assert_true(attach(l, "k", str_of(name), false, name, 10));
	}
	assert_true(serves(l, "k", TEXT("v0"), "v0"));
	assert_true(attach(l, "k", TEXT("v16"), false, "v16", 10));
	assert_true(serves(l, "k", TEXT("v0"), "v0"));
	assert_true(serves(l, "k", TEXT("v1"), NULL));
	assert_true(serves(l, "k", TEXT("v2"), "v2"));
	assert_true(serves(l, "k", TEXT("v16"), "v16"));
	assert_int_equal(atomic_load(&objects_alive), LOCAL_MAX_VARIANTS);
	local_destroy(l);
	assert_int_equal(atomic_load(&objects_alive), 0);
}

static void test_local__variants_count_in_bytes(void **state)
{
	struct local *l = make(2000, 100);
	size_t entries, before, bytes;

	assert_true(put(l, "k", "v", FOR_EVER));
	local_measure(l, &entries, &before);
	assert_true(attach(l, "k", TEXT("a"), false, "a", 700));
	assert_true(attach(l, "k", TEXT("b"), false, "b", 700));
	assert_true(attach(l, "k", TEXT("c"), false, "c", 700)); /* room for two */
	assert_true(serves(l, "k", TEXT("a"), NULL));
	assert_true(serves(l, "k", TEXT("c"), "c"));
	assert_false(attach(l, "k", TEXT("d"), false, "d", 3000));
	assert_true(serves(l, "k", TEXT("d"), NULL));
	assert_true(holds(l, "k", "v"));
	local_measure(l, &entries, &bytes);
	assert_in_range(bytes, before, 2000);
	local_delete(l, TEXT("k"));
	local_measure(l, &entries, &bytes);
	assert_int_equal(bytes, 0);
	local_destroy(l);
}

static void test_local__holds_many_keys_in_shards(void **state)
{
	struct local *l = make(64 << 20, 10000);
	size_t entries, bytes;
	char key[16];

	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_true(put(l, key, key, FOR_EVER));
		assert_true(holds(l, key, key));
	}
	local_measure(l, &entries, &bytes);
	assert_in_range(entries, 9000, 10000);
	local_destroy(l);
}

static void test_local__survives_every_failed_allocation(void **state)
{
	for (int n = 1; n < 20; n++) {
		CLEANUP(blob_unrefp) struct blob *value = blob_of("v");
		struct cache_object *object = thing_create("o", 10);
		struct local *l;

		fault_arm(FAULT_ALLOC, n, false);
		l = local_create(ROOMY, 100);
		if (l) {
			local_replace(l, TEXT("k"), NULL, value, FOR_EVER);
			local_store(l, TEXT("k"), token_of(l, "k"), value, FOR_EVER);
			local_attach(l, TEXT("k"), TEXT("a"), false, value, object);
			local_attach(l, TEXT("k"), TEXT("b"), true, value, object);
		}
		fault_disarm_all();
		local_destroy(l);
		cache_object_unref(object);
		assert_int_equal(atomic_load(&objects_alive), 0);
	}
}

static void test_local__a_full_table_without_memory_to_grow_still_finds(void **state)
{
	struct local *l = make(ROOMY, 400);
	char key[16];

	for (int i = 0; i < 300; i++) {
		CLEANUP(blob_unrefp) struct blob *value = blob_of("v");

		snprintf(key, sizeof(key), "key%d", i);
		fault_arm(FAULT_ALLOC, 2, false); /* the item has its memory, the larger table not */
		assert_true(local_replace(l, str_of(key), NULL, value, FOR_EVER));
		fault_disarm_all();
	}
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_true(holds(l, key, "v"));
	}
	local_destroy(l);
}

/* Keys named by a number; the value of a key is its own name, so any mix-up is seen. */
static void *hammer(void *arg)
{
	struct local *l = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;
	char key[16];

	for (int i = 0; i < 20000; i++) {
		struct local_found found;

		snprintf(key, sizeof(key), "key%d", rand_r(&seed) % 200);
		local_find(l, str_of(key), TEXT("x"), &found);
		if (found.value && !str_is(blob_view(found.value), key))
			abort();
		if (found.object && strcmp(thing_text(found.object), key) != 0)
			abort();
		if (!found.value) {
			CLEANUP(blob_unrefp) struct blob *value = blob_create(key, strlen(key));
			struct cache_object *object = thing_create(key, 50);

			local_store(l, str_of(key), found.token, value, FOR_EVER);
			local_attach(l, str_of(key), TEXT("x"), i % 2, value, object);
			cache_object_unref(object);
		} else if (i % 7 == 0) {
			local_delete(l, str_of(key));
		} else if (i % 5000 == 0) {
			local_empty(l);
		}
		local_found_finish(&found);
	}
	return NULL;
}

static void test_local__eight_threads_never_mix_keys(void **state)
{
	struct local *l = make(ROOMY, 150);
	pthread_t threads[8];
	size_t entries, bytes;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, l), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	local_measure(l, &entries, &bytes);
	assert_in_range(entries, 1, 150);
	local_empty(l);
	assert_int_equal(atomic_load(&objects_alive), 0);
	local_destroy(l);
}

/* The reference vectors of SipHash-1-3 do not exist in print; what we need is that it is keyed and spreads. */
static void test_local__the_hash_is_keyed_and_spreads(void **state)
{
	struct hash_seed one = { 1, 2 }, other = { 1, 3 };
	int buckets[64] = { 0 };
	char key[16];

	assert_int_equal(hash_bytes(&one, TEXT("abc")), hash_bytes(&one, TEXT("abc")));
	assert_int_not_equal(hash_bytes(&one, TEXT("abc")), hash_bytes(&other, TEXT("abc")));
	assert_int_not_equal(hash_bytes(&one, TEXT("abcdefgh")), hash_bytes(&one, TEXT("abcdefgi")));
	assert_int_not_equal(hash_pair(&one, TEXT("a"), TEXT("bc")), hash_pair(&one, TEXT("ab"), TEXT("c")));
	for (int i = 0; i < 6400; i++) {
		snprintf(key, sizeof(key), "%d", i);
		buckets[hash_bytes(&one, str_of(key)) % 64]++;
	}
	for (int i = 0; i < 64; i++)
		assert_in_range(buckets[i], 50, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local__keeps_a_value_until_it_expires),
		cmocka_unit_test(test_local__expired_value_leaves_the_room),
		cmocka_unit_test(test_local__a_deletion_refuses_what_began_before_it),
		cmocka_unit_test(test_local__a_deletion_leaves_other_keys_alone),
		cmocka_unit_test(test_local__emptying_refuses_what_began_before_it),
		cmocka_unit_test(test_local__replacing_obeys_the_token_and_drops_the_old),
		cmocka_unit_test(test_local__the_epoch_moves_with_each_deletion_only),
		cmocka_unit_test(test_local__the_least_recently_used_leaves_by_number),
		cmocka_unit_test(test_local__the_least_recently_used_leaves_by_bytes),
		cmocka_unit_test(test_local__too_large_a_value_is_refused_and_evicts_nobody),
		cmocka_unit_test(test_local__an_object_serves_its_variant_alone),
		cmocka_unit_test(test_local__an_object_of_an_older_value_is_refused),
		cmocka_unit_test(test_local__sixteen_variants_and_the_oldest_use_leaves),
		cmocka_unit_test(test_local__variants_count_in_bytes),
		cmocka_unit_test(test_local__holds_many_keys_in_shards),
		cmocka_unit_test(test_local__survives_every_failed_allocation),
		cmocka_unit_test(test_local__a_full_table_without_memory_to_grow_still_finds),
		cmocka_unit_test(test_local__eight_threads_never_mix_keys),
		cmocka_unit_test(test_local__the_hash_is_keyed_and_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
