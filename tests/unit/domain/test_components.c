#include "domain/components.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-6)

static struct components *of(const double *values, size_t n, size_t dimensions)
{
	struct components *c = components_create();

	assert_non_null(c);
	for (size_t i = 0; i < n; i++) {
		assert_true(components_takes(values + i * dimensions, dimensions));
		assert_int_equal(components_add(c, values + i * dimensions, dimensions), 0);
	}
	assert_int_equal(components_count(c), n);
	assert_int_equal(components_find(c, NULL, NULL), 0);
	return c;
}

static void assert_place(struct place3 place, double x, double y, double z)
{
	NEAR(place.at[0], x);
	NEAR(place.at[1], y);
	NEAR(place.at[2], z);
}

static void scale(struct place3 *places, size_t n)
{
	double farthest = 0;

	for (size_t i = 0; i < n; i++)
		farthest = fmax(farthest, place3_farthest(places[i]));
	for (size_t i = 0; i < n; i++)
		places[i] = place3_scaled(places[i], farthest);
}

/*
 * (±3, 0, 0, 0), (0, ±2, 0, 0), (0, 0, ±1, 0): the mean is 0, the covariance diagonal, 18/6, 8/6 and 2/6, so the components
 * are the axes themselves and each vector lies where its numbers say.
 */
static void test_components__of_a_cross_are_its_arms(void **state)
{
	static const double cross[6][4] = { { 3 }, { -3 }, { 0, 2 }, { 0, -2 }, { 0, 0, 1 }, { 0, 0, -1 } };
	struct components *c = of(*cross, 6, 4);
	struct place3 variances = components_variances(c), places[6];

	NEAR(variances.at[0], 3);
	NEAR(variances.at[1], 4.0 / 3);
	NEAR(variances.at[2], 1.0 / 3);
	for (size_t i = 0; i < 6; i++)
		places[i] = components_place(c, cross[i], 4);
	assert_place(places[0], 3, 0, 0);
	assert_place(places[3], 0, -2, 0);
	assert_place(places[4], 0, 0, 1);
	scale(places, 6);
	assert_place(places[1], -10, 0, 0);
	assert_place(places[2], 0, 20.0 / 3, 0);
	assert_place(places[5], 0, 0, -10.0 / 3);
	components_destroy(c);
}

/*
 * (1, 1), (3, 2), (5, 6): mean (3, 3), differences (-2, -2), (0, -1), (2, 3), covariance [[8, 10], [10, 14]] / 3, whose
 * variances are (11 ± sqrt(109)) / 3; the first direction is (10, 3 + sqrt(109)), normalised.
 */
static void test_components__as_worked_out_by_hand(void **state)
{
	static const double points[3][2] = { { 1, 1 }, { 3, 2 }, { 5, 6 } };
	struct components *c = of(*points, 3, 2);
	double root = sqrt(109), length = hypot(10, 3 + root), x = 10 / length, y = (3 + root) / length;

	NEAR(components_variances(c).at[0], (11 + root) / 3);
	NEAR(components_variances(c).at[1], (11 - root) / 3);
	NEAR(components_variances(c).at[2], 0);
	NEAR(components_place(c, points[0], 2).at[0], -2 * x - 2 * y);
	NEAR(components_place(c, points[1], 2).at[0], -y);
	NEAR(components_place(c, points[2], 2).at[0], 2 * x + 3 * y);
	NEAR(fabs(components_place(c, points[1], 2).at[1]), x); /* (0, -1) along (-y, x) */
	assert_true(components_place(c, points[2], 2).at[2] == 0);
	components_destroy(c);
}

/* From a generator of the test's own: the same on every system. */
static void make_cloud(double *values, size_t n, size_t dimensions)
{
	uint32_t state = 7;

	for (size_t i = 0; i < n * dimensions; i++) {
		state = state * 1664525 + 1013904223;
		values[i] = ((double)state / 4294967296.0 - 0.5) * 20 / (1 + (double)(i % dimensions)) + 5;
	}
}

#define CLOUD 300
#define DEEP  24

/* What must hold for any vectors: places are centred, uncorrelated, as spread as the variances say, most along the first. */
static void assert_components(const struct components *c, const double *values, size_t n, size_t dimensions)
{
	struct place3 variances = components_variances(c), sums = { { 0 } };
	double products[COMPONENTS][COMPONENTS] = { { 0 } };

	for (size_t i = 0; i < n; i++) {
		struct place3 p = components_place(c, values + i * dimensions, dimensions);

		for (size_t k = 0; k < COMPONENTS; k++) {
			sums.at[k] += p.at[k];
			for (size_t m = 0; m < COMPONENTS; m++)
				products[k][m] += p.at[k] * p.at[m] / (double)n;
		}
	}
	for (size_t k = 0; k < COMPONENTS; k++) {
		NEAR(sums.at[k] / (double)n, 0);
		NEAR(products[k][k], variances.at[k]);
		assert_true(k == 0 || variances.at[k] <= variances.at[k - 1]);
		for (size_t m = 0; m < k; m++)
			NEAR(products[k][m], 0);
	}
}

static void test_components__hold_what_they_must(void **state)
{
	static double cloud[CLOUD * DEEP];
	struct place3 first[CLOUD], second[CLOUD];
	double farthest = 0;

	make_cloud(cloud, CLOUD, DEEP);
	for (size_t size = 2; size <= CLOUD; size *= 3) {
		struct components *c = of(cloud, size, DEEP);

		assert_components(c, cloud, size, DEEP);
		components_destroy(c);
	}
	for (size_t run = 0; run < 2; run++) {
		struct components *c = of(cloud, CLOUD, DEEP);
		struct place3 *places = run ? second : first;

		for (size_t i = 0; i < CLOUD; i++)
			places[i] = components_place(c, cloud + i * DEEP, DEEP);
		scale(places, CLOUD);
		components_destroy(c);
	}
	assert_memory_equal(first, second, sizeof(first));
	for (size_t i = 0; i < CLOUD; i++)
		for (size_t k = 0; k < COMPONENTS; k++)
			farthest = fmax(farthest, fabs(first[i].at[k]));
	assert_true(farthest == COMPONENTS_EDGE);
}

/* What no other direction does: vary more than the first component. */
static void test_components__first_varies_most(void **state)
{
	static double cloud[CLOUD * DEEP];
	struct components *c;
	double most;

	make_cloud(cloud, CLOUD, DEEP);
	c = of(cloud, CLOUD, DEEP);
	most = components_variances(c).at[0];
	for (size_t axis = 0; axis < DEEP; axis++) {
		double sum = 0, squares = 0;

		for (size_t i = 0; i < CLOUD; i++) {
			sum += cloud[i * DEEP + axis];
			squares += cloud[i * DEEP + axis] * cloud[i * DEEP + axis];
		}
		assert_true(squares / CLOUD - sum / CLOUD * sum / CLOUD <= most + 1e-9);
	}
	components_destroy(c);
}

static void test_components__shorter_ones_end_in_zeros(void **state)
{
	static const double mixed[3][3] = { { 1, 2 }, { 4, 1, 7 }, { 2 } };
	static const size_t lengths[3] = { 2, 3, 1 };
	struct components *padded = of(*mixed, 3, 3), *c = components_create();

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(components_add(c, mixed[i], lengths[i]), 0);
	assert_int_equal(components_find(c, NULL, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		struct place3 a = components_place(padded, mixed[i], 3), b = components_place(c, mixed[i], lengths[i]);

		assert_place(a, b.at[0], b.at[1], b.at[2]);
	}
	components_destroy(padded);
	components_destroy(c);
}

static void test_components__of_few_or_equal_vectors(void **state)
{
	static const double same[3][4] = { { 0.1, 0.7, -3e5, 0 }, { 0.1, 0.7, -3e5, 0 }, { 0.1, 0.7, -3e5, 0 } };
	static const double two[2][2] = { { 1, 5 }, { 4, 9 } }, one = 5;
	struct components *c = of(*same, 0, 4);
	struct place3 places[2];

	components_destroy(c);
	for (size_t n = 1; n <= 3; n++) {
		c = of(*same, n, 4);
		places[0] = components_place(c, *same, 4);
		scale(places, 1);
		assert_true(places[0].at[0] == 0 && places[0].at[1] == 0 && places[0].at[2] == 0);
		assert_true(components_variances(c).at[0] == 0);
		components_destroy(c);
	}
	c = of(&one, 1, 1);
	assert_place(components_place(c, &one, 1), 0, 0, 0);
	components_destroy(c);
	c = of(*two, 2, 2);
	NEAR(components_variances(c).at[0], 6.25); /* they are 5 apart */
	places[0] = components_place(c, two[0], 2);
	places[1] = components_place(c, two[1], 2);
	assert_place(places[0], -2.5, 0, 0);
	scale(places, 2);
	assert_place(places[1], 10, 0, 0);
	components_destroy(c);
}

static void test_components__of_huge_and_tiny_numbers(void **state)
{
	static const double huge[3][2] = { { 1e100, -1e100 }, { -1e100, 1e100 }, { 0, 0 } };
	static const double tiny[2][2] = { { 5e-320, 0 }, { -5e-320, 0 } };
	struct components *c = of(*huge, 3, 2);
	struct place3 place = components_place(c, huge[1], 2);

	scale(&place, 1);
	assert_true(fabs(place.at[0]) == COMPONENTS_EDGE && place.at[1] == 0 && place.at[2] == 0);
	components_destroy(c);
	c = of(*tiny, 2, 2);
	place = components_place(c, tiny[0], 2);
	scale(&place, 1);
	assert_true(isfinite(place.at[0]) && isfinite(place.at[1]) && isfinite(place.at[2]));
	components_destroy(c);
}

static void test_components__what_is_no_vector(void **state)
{
	static double many[COMPONENTS_DIMENSIONS_MAX + 1];
	const double bad[] = { NAN, INFINITY, -INFINITY, 2e100, -2e100 };

	assert_false(components_takes(many, 0));
	assert_true(components_takes(many, COMPONENTS_DIMENSIONS_MAX));
	assert_false(components_takes(many, COMPONENTS_DIMENSIONS_MAX + 1));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		double values[2] = { 0, bad[i] };

		assert_false(components_takes(values, 2));
	}
}

static bool third_time(void *arg)
{
	return ++*(int *)arg == 3;
}

static void test_components__end_when_it_is_late(void **state)
{
	static double cloud[CLOUD * DEEP];
	struct components *c = components_create();
	int asked = 0;

	make_cloud(cloud, CLOUD, DEEP);
	for (size_t i = 0; i < CLOUD; i++)
		assert_int_equal(components_add(c, cloud + i * DEEP, DEEP), 0);
	assert_int_equal(components_find(c, third_time, &asked), ERR_TIMEOUT);
	assert_int_equal(asked, 3);
	components_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_components__of_a_cross_are_its_arms),   cmocka_unit_test(test_components__as_worked_out_by_hand),
		cmocka_unit_test(test_components__hold_what_they_must),       cmocka_unit_test(test_components__first_varies_most),
		cmocka_unit_test(test_components__shorter_ones_end_in_zeros), cmocka_unit_test(test_components__of_few_or_equal_vectors),
		cmocka_unit_test(test_components__of_huge_and_tiny_numbers),  cmocka_unit_test(test_components__what_is_no_vector),
		cmocka_unit_test(test_components__end_when_it_is_late),
	};

	return cmocka_run_group_tests_name("components", tests, NULL, NULL);
}
