#include "domain/oracle.h"

#include <jansson.h>

#include "base/clock.h"
#include "tests/lib/test.h"

#define TEXT(literal) ((struct str)STR(literal))

struct fixture {
	struct redis_config config;
	struct redis *redis;
	struct cache *cache;
	struct redis_budget budget;
	struct arena arena;
	json_t *json; /* of the last report */
};

/* A cache without Redis. */
static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .config = { .connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1 },
		              .budget = { 1000000 } };
	f.redis = redis_create(&f.config);
	assert_non_null(f.redis);
	f.cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = f.redis });
	assert_non_null(f.cache);
	arena_init(&f.arena, 1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->json);
	arena_finish(&f->arena);
	cache_destroy(f->cache);
	redis_destroy(f->redis);
	return 0;
}

static struct oracle_report consult(struct fixture *f, const struct oracle_subject *subject)
{
	struct oracle_report report = { .json = { NULL, 0 } };

	assert_int_equal(oracle_consult(f->cache, &f->budget, &f->arena, subject, &report), 0);
	json_decref(f->json);
	f->json = json_loadb(report.json.s, report.json.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(f->json);
	return report;
}

/* The value at a path of the last report: "metadata.oracles_count". */
static const json_t *at(struct fixture *f, const char *path)
{
	const json_t *value = f->json;
	char copy[200], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strsep(&rest, ".")))
		value = json_is_array(value) ? json_array_get(value, (size_t)(name[0] - '0')) : json_object_get(value, name);
	return value;
}

static void assert_json(struct fixture *f, const char *path, const char *expected)
{
	char *text = json_dumps(at(f, path), JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(10));

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_oracle__the_registry_has_two(void **state)
{
	struct db_rows rows = oracle_registry();
	const struct oracle_info *info = rows.items;

	assert_int_equal(rows.n, 2);
	assert_true(str_is(info[0].oracle_id, "co2_avoided") && str_is(info[1].oracle_id, "social_impact"));
	assert_true(str_is(info[0].impact_dimensions.text, "[\"P3\"]") && str_is(info[1].impact_dimensions.text, "[\"P3\",\"P4\"]"));
}

static void test_oracle__none_is_an_empty_report_that_is_not_kept(void **state)
{
	static const char *const none[] = { "[]", "{}", "\"co2_avoided\"", "null", "broken" };
	struct fixture *f = *state;

	for (size_t i = 0; i <= N_ELEMENTS(none); i++) {
		struct oracle_subject subject = { .project_id = 1, .description = TEXT("d") };
		struct oracle_report report;

		if (i < N_ELEMENTS(none))
			subject.active_oracles.text = str_of(none[i]);
		assert_false(oracle_any_active(subject.active_oracles));
		report = consult(f, &subject);
		assert_json(f, "oracles", "{}");
		assert_json(f, "aggregated_metrics", "{\"p3_contributions\": {}, \"p4_contributions\": {}}");
		assert_json(f, "metadata.oracles_count", "0");
		assert_json(f, "metadata.success_count", "0");
		assert_true(report.scores.co2_avoided_kg == 0 && report.scores.social_impact_score == 0);
		assert_null(safe_cache_get(f->cache, &f->budget, "oracle_data:project:1"));
	}
}

/* The example of the spec: a description of 250 characters. */
static void test_oracle__social_impact_comes_from_the_description(void **state)
{
	struct fixture *f = *state;
	char text[501] = "";
	struct oracle_subject subject = { .project_id = 3, .active_oracles = { STR("[\"social_impact\"]") } };
	struct oracle_report report;

	for (int i = 0; i < 250; i++)
		memcpy(text + 2 * i, "é", 2); /* 250 characters, 500 bytes */
	subject.description = str_of(text);
	report = consult(f, &subject);
	assert_json(f, "oracles.social_impact.status", "\"success\"");
	assert_json(f, "oracles.social_impact.data.raw_data",
	            "{\"calculation_method\": \"simulated\", \"confidence\": 0.6, \"jobs_created\": 2, \"people_impacted\": 25}");
	assert_json(f, "oracles.social_impact.metrics.p3_contributions",
	            "{\"jobs_created\": 2, \"people_impacted\": 25, \"social_impact_score\": 6}");
	assert_json(f, "oracles.social_impact.metrics.metadata.calculation_method", "\"simulated\"");
	assert_true(
	        json_equal(at(f, "oracles.social_impact.data.timestamp"), at(f, "oracles.social_impact.metrics.metadata.last_updated")));
	assert_json(f, "aggregated_metrics.p3_contributions.social_impact_score", "[{\"source\": \"social_impact\", \"value\": 6}]");
	assert_true(report.scores.social_impact_score == 6);
	assert_true(report.scores.purpose_alignment > 0.03249 && report.scores.purpose_alignment < 0.03251);
	assert_true(report.scores.co2_avoided_kg == 0);
}

static void test_oracle__social_impact_has_ceilings(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(20001);
	struct oracle_subject subject = { .project_id = 3, .active_oracles = { STR("[\"social_impact\"]") } };
	struct oracle_report report;

	memset(text, 'd', 20000);
	text[20000] = '\0';
	subject.description = str_of(text);
	report = consult(f, &subject);
	free(text);
	assert_json(f, "oracles.social_impact.metrics.p3_contributions",
	            "{\"jobs_created\": 50, \"people_impacted\": 1000, \"social_impact_score\": 100}");
	assert_true(report.scores.purpose_alignment == 1);
}

static void assert_co2_between(struct fixture *f, int64_t project, struct str category, double base)
{
	const struct oracle_subject subject = {
		.project_id = project, .categorie = category, .description = TEXT("d"), .active_oracles = { STR("[\"co2_avoided\"]") }
	};
	struct oracle_report report = consult(f, &subject);
	double kg = report.scores.co2_avoided_kg;
	double score = json_number_value(at(f, "oracles.co2_avoided.metrics.p3_contributions.co2_score"));

	assert_true(kg >= base * 0.8 && kg <= base * 1.2);
	assert_true(kg == json_number_value(at(f, "oracles.co2_avoided.data.raw_data.co2_avoided_kg")));
	assert_true(score == (kg >= 1000 ? 100 : (int)(kg / 10)));
	assert_json(f, "oracles.co2_avoided.metrics.p4_contributions", "{}");
}

static void test_oracle__co2_comes_from_the_category(void **state)
{
	struct fixture *f = *state;

	assert_co2_between(f, 1, TEXT("energie"), 500);
	assert_json(f, "oracles.co2_avoided.data.raw_data.category", "\"energie\"");
	assert_co2_between(f, 2, TEXT("FORET"), 1000);
	assert_json(f, "oracles.co2_avoided.data.raw_data.category", "\"FORET\"");
	assert_co2_between(f, 3, TEXT("transport"), 300);
	assert_co2_between(f, 4, TEXT("agriculture"), 200);
	assert_co2_between(f, 5, TEXT("eau"), 150);
	assert_co2_between(f, 6, TEXT("dechet"), 250);
	assert_co2_between(f, 7, TEXT("énergie"), 100);
	assert_co2_between(f, 8, TEXT(""), 100);
	assert_json(f, "oracles.co2_avoided.data.raw_data.category", "\"autre\"");
	assert_co2_between(f, 9, (struct str){ NULL, 0 }, 100);
	assert_json(f, "oracles.co2_avoided.data.raw_data.category", "\"autre\"");
}

static void test_oracle__a_report_is_kept_until_the_project_changes(void **state)
{
	struct fixture *f = *state;
	struct oracle_subject subject = { .project_id = 1, .description = TEXT("d"), .active_oracles = { STR("[\"co2_avoided\"]") } };
	struct str first = consult(f, &subject).json;

	for (int i = 0; i < 5; i++)
		assert_true(str_equal(consult(f, &subject).json, first));
	subject.description = TEXT("other"); /* its key was not dropped: the mark tells */
	assert_false(str_equal(consult(f, &subject).json, first));
	subject.description = TEXT("d");
	first = consult(f, &subject).json;
	clock_advance_for_tests((ORACLE_TTL_S + 1) * US_PER_S);
	assert_false(str_equal(consult(f, &subject).json, first));
	clock_advance_for_tests(-(ORACLE_TTL_S + 1) * US_PER_S);
}

static void test_oracle__what_is_broken_in_the_cache_is_a_miss(void **state)
{
	struct fixture *f = *state;
	struct oracle_subject subject = { .project_id = 1, .description = TEXT("d"), .active_oracles = { STR("[\"co2_avoided\"]") } };
	struct blob *good;
	char text[64];

	consult(f, &subject);
	good = safe_cache_get(f->cache, &f->budget, "oracle_data:project:1");
	assert_non_null(good);
	for (size_t n = 0; n < 60; n++) {
		memcpy(text, good->data, n);
		safe_cache_set(f->cache, &f->budget, "oracle_data:project:1", text, n, 60);
		consult(f, &subject);
		assert_json(f, "metadata.success_count", "1");
	}
	blob_unref(good);
}

static void test_oracle__unknown_ones_are_reported_and_ten_are_asked(void **state)
{
	struct fixture *f = *state;
	const struct oracle_subject subject = {
		.project_id = 1,
		.description = TEXT("d"),
		.active_oracles = { STR(
		        "[\"a\\\"b\", \"co2_avoided\", 7, \"co2_avoided\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"social_impact\"]") },
	};

	assert_true(oracle_any_active(subject.active_oracles));
	consult(f, &subject);
	assert_int_equal(json_object_size(at(f, "oracles")), 8);
	assert_json(f, "oracles.a\"b", "{\"error\": \"Oracle inconnu.\", \"status\": \"error\"}");
	assert_json(f, "metadata.oracles_count", "11");
	assert_json(f, "metadata.success_count", "1");
	assert_int_equal(json_array_size(at(f, "aggregated_metrics.p3_contributions.co2_score")), 1);
}

static void test_oracle__a_valid_list_is_of_texts(void **state)
{
	assert_true(oracle_list_is_valid((struct json_text){ STR("[]") }));
	assert_true(oracle_list_is_valid((struct json_text){ STR("[\"a\", \"\"]") }));
	assert_false(oracle_list_is_valid((struct json_text){ STR("[\"a\", 1]") }));
	assert_false(oracle_list_is_valid((struct json_text){ STR("[null]") }));
	assert_false(oracle_list_is_valid((struct json_text){ STR("\"co2_avoided\"") }));
	assert_false(oracle_list_is_valid((struct json_text){ STR("{\"a\": \"b\"}") }));
	assert_false(oracle_list_is_valid((struct json_text){ STR("null") }));
}

static void test_oracle__two_together(void **state)
{
	struct fixture *f = *state;
	const struct oracle_subject subject = { .project_id = 1,
		                                .description = TEXT("0123456789"),
		                                .active_oracles = { STR("[\"social_impact\", \"co2_avoided\"]") } };
	struct oracle_report report = consult(f, &subject);

	assert_json(f, "metadata.success_count", "2");
	assert_int_equal(json_object_size(at(f, "aggregated_metrics.p3_contributions")), 5);
	assert_int_equal(json_object_size(at(f, "aggregated_metrics.p4_contributions")), 1);
	assert_true(report.scores.co2_avoided_kg >= 80 && report.scores.social_impact_score == 0);
}

static void test_oracle__without_memory(void **state)
{
	struct fixture *f = *state;
	const struct oracle_subject subject = { .project_id = 1, .description = TEXT("d"), .active_oracles = { STR("[\"co2_avoided\"]") } };
	struct oracle_report report;
	struct arena small;

	arena_init(&small, 16);
	assert_int_equal(oracle_consult(f->cache, &f->budget, &small, &subject, &report), ERR_NOMEM);
	arena_finish(&small);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_oracle__the_registry_has_two),
		CASE(test_oracle__none_is_an_empty_report_that_is_not_kept),
		CASE(test_oracle__social_impact_comes_from_the_description),
		CASE(test_oracle__social_impact_has_ceilings),
		CASE(test_oracle__co2_comes_from_the_category),
		CASE(test_oracle__a_report_is_kept_until_the_project_changes),
		CASE(test_oracle__what_is_broken_in_the_cache_is_a_miss),
		CASE(test_oracle__unknown_ones_are_reported_and_ten_are_asked),
		CASE(test_oracle__a_valid_list_is_of_texts),
		CASE(test_oracle__two_together),
		CASE(test_oracle__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
