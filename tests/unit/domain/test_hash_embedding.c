#include "domain/hash_embedding.h"

#include <math.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

static void embed(const char *text, double *values)
{
	assert_int_equal(hash_embedding(str_of(text), values), 0);
}

static double similarity(const char *a, const char *b)
{
	double x[HASH_EMBEDDING_DIMENSIONS], y[HASH_EMBEDDING_DIMENSIONS], sum = 0;

	embed(a, x);
	embed(b, y);
	for (size_t i = 0; i < HASH_EMBEDDING_DIMENSIONS; i++)
		sum += x[i] * y[i];
	return sum;
}

static void test_hash_embedding__is_of_length_one(void **state)
{
	static const char *const texts[] = {
		"a", "le sol vivant", "🌾", "Žďár nad Sázavou", "日本語のテキスト", "aaaaaaaaaaaaaaaaaaaaaaaa"
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_true(fabs(similarity(texts[i], texts[i]) - 1) < 1e-4);
}

static void test_hash_embedding__neither_case_nor_accents_nor_marks_matter(void **state)
{
	double a[HASH_EMBEDDING_DIMENSIONS], b[HASH_EMBEDDING_DIMENSIONS];

	embed("Forêt d'Été : l'eau", a);
	embed("  foret, D ETE -- (L EAU)!\n", b);
	assert_memory_equal(a, b, sizeof(a));
	embed("fore\xcc\x82t d'e\xcc\x81te\xcc\x81 l'eau", b); /* decomposed */
	assert_memory_equal(a, b, sizeof(a));
}

static void test_hash_embedding__what_shares_words_is_nearer(void **state)
{
	const char *garden = "Jardin partagé de permaculture à Lyon";

	assert_true(similarity(garden, "permaculture au jardin") > 0.4);
	assert_true(similarity(garden, "Les jardins permacoles partagés") > similarity(garden, "Une monnaie numérique") + 0.2);
	assert_true(fabs(similarity(garden, "Une monnaie numérique")) < 0.3);
}

/* " le", "le ", " le ", " so", "sol", "ol ", " sol", "sol ", " sol ", nine of them: ±1/3 where a program of its own says. */
static void test_hash_embedding__is_the_same_everywhere(void **state)
{
	static const size_t positive[] = { 53, 202, 270, 339, 356 }, negative[] = { 69, 105, 184, 228 };
	double values[HASH_EMBEDDING_DIMENSIONS], expected[HASH_EMBEDDING_DIMENSIONS] = { 0 };

	for (size_t i = 0; i < N_ELEMENTS(positive); i++)
		expected[positive[i]] = 0.333333;
	for (size_t i = 0; i < N_ELEMENTS(negative); i++)
		expected[negative[i]] = -0.333333;
	embed("Le sol", values);
	assert_memory_equal(values, expected, sizeof(values));
}

static void test_hash_embedding__of_no_words_is_none(void **state)
{
	static const char *const texts[] = { "", " \n", "... !?", "-" };
	double values[HASH_EMBEDDING_DIMENSIONS];

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_int_equal(hash_embedding(str_of(texts[i]), values), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_embedding__is_of_length_one),
		cmocka_unit_test(test_hash_embedding__neither_case_nor_accents_nor_marks_matter),
		cmocka_unit_test(test_hash_embedding__what_shares_words_is_nearer),
		cmocka_unit_test(test_hash_embedding__is_the_same_everywhere),
		cmocka_unit_test(test_hash_embedding__of_no_words_is_none),
	};

	return cmocka_run_group_tests_name("hash_embedding", tests, NULL, NULL);
}
