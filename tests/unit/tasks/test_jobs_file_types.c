#include "tests/unit/tasks/files.h"

#define VALIDATE "core.tasks_security.validate_file_type"
#define DOCUMENT "[\"application/pdf\", \"audio/\", \"video/\", \"image/\"]"

static int set_up(void **state)
{
	begin(state);
	make_media();
	return 0;
}

static int tear_down(void **state)
{
	test_folder_remove(media);
	return end(state);
}

static void test_jobs_file_types__what_is_allowed_stays(void **state)
{
	static const struct {
		struct str bytes;
		const char *args, *result;
	} cases[] = {
		{ STR("%PDF-1.4"), "[\"a\", [\"application/pdf\"]]",
		  "{\"success\": true, \"valid\": true, \"detected_type\": \"application/pdf\", \"allowed_types\": "
		  "[\"application/pdf\"]}" },
		{ STR("GIF89a"), "[\"a\", [\"audio/\", \"image/\"]]",
		  "{\"success\": true, \"valid\": true, \"detected_type\": \"image/gif\", \"allowed_types\": [\"audio/\", \"image/\"]}" },
		{ STR("ID3"), "[\"a\", " DOCUMENT "]",
		  "{\"success\": true, \"valid\": true, \"detected_type\": \"audio/mpeg\", \"allowed_types\": " DOCUMENT "}" },
		{ STR("#!/bin/sh\n"), "[\"a\"]", "{\"success\": true, \"valid\": true, \"detected_type\": \"text/x-shellscript\"}" },
		{ STR("#!/bin/sh\n"), "[\"a\", null]", "{\"success\": true, \"valid\": true, \"detected_type\": \"text/x-shellscript\"}" },
	};
	struct fixture *f = *state;

	add_content(f, 3, "a");
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		store("a", cases[i].bytes);
		assert_text(result_of(f, VALIDATE, cases[i].args, (int)i, 0), cases[i].result);
	}
	assert_true(is_stored("a"));
	assert_int_equal(COUNT("core_educationalcontent WHERE file = 'a'"), 1);
	assert_int_equal(COUNT("core_auditlog"), 0);
}

/* A type is not the beginning of another one unless it ends with the slash. */
static void test_jobs_file_types__what_is_not_goes(void **state)
{
	static const char *const allowed[] = { "[]",     "[\"application/pdf\"]",       "[\"image\"]", "[\"image/g\"]", "[\"image/gif/\"]",
		                               "[\"\"]", "[\"/\", null, 1, \"IMAGE/\"]" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(allowed); i++) {
		char args[100], expected[200];

		store("a", TEXT("GIF89a"));
		add_content(f, (int)i + 1, "a");
		snprintf(args, sizeof(args), "[\"a\", %s]", allowed[i]);
		snprintf(expected, sizeof(expected),
		         "{\"success\": true, \"valid\": false, \"detected_type\": \"image/gif\", \"allowed_types\": %s}", allowed[i]);
		assert_text(result_of(f, VALIDATE, args, (int)i, 0), expected);
		assert_false(is_stored("a"));
		assert_int_equal(COUNT("core_educationalcontent WHERE file IS NOT NULL"), 0);
		assert_int_equal(COUNT("core_auditlog WHERE action = 'file_type_refused' AND target_type = 'educational_content'"), i + 1);
	}
}

static void test_jobs_file_types__nothing_outside_is_read(void **state)
{
	static const char *const args[] = { "[\"../a\", []]", "[\"/etc/hostname\", []]", "[null, []]", "[\"link\", []]", "[\"gone\", []]" };
	struct fixture *f = *state;

	assert_int_equal(symlink("/etc/hostname", media_path("link")), 0);
	for (size_t i = 0; i < N_ELEMENTS(args); i++)
		assert_text(result_of(f, VALIDATE, args[i], (int)i, 0), "{\"success\": false, \"error\": \"no such file\"}");
}

static void test_jobs_file_types__types_are_a_list(void **state)
{
	struct task_run run = run_of(*state, &file_services, VALIDATE, "[\"a\", \"image/\"]", 1);

	store("a", TEXT("GIF89a"));
	assert_int_equal(task_execute(&run), TASK_FAILED);
	assert_string_equal(run.error.type, "TypeError");
	run_done(&run);
	assert_true(is_stored("a"));
}

int main(void)
{
#define WITH_MEDIA(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		WITH_MEDIA(test_jobs_file_types__what_is_allowed_stays),
		WITH_MEDIA(test_jobs_file_types__what_is_not_goes),
		WITH_MEDIA(test_jobs_file_types__nothing_outside_is_read),
		WITH_MEDIA(test_jobs_file_types__types_are_a_list),
	};

	return RUN_ON_BOTH(tests);
}
