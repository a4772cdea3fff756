/* The program is not beside this test: what the job does with it is shown in tests/e2e/test_images.py. */
#include "tests/unit/tasks/files.h"
#include "tests/unit/tasks/images.h"

#define PROCESS "core.tasks.process_image_task"

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

static void test_jobs_images__nothing_outside_is_read(void **state)
{
	static const char *const args[] = {
		"[\"../a.png\"]", "[\"/etc/hostname\"]", "[null]", "[\"x/link.png\"]", "[\"x/gone.png\"]", "[\"\"]", "[7]"
	};
	struct fixture *f = *state;

	assert_int_equal(mkdir(media_path("x"), 0750), 0);
	assert_int_equal(symlink("/etc/hostname", media_path("x/link.png")), 0);
	for (size_t i = 0; i < N_ELEMENTS(args); i++)
		assert_text(result_of(f, PROCESS, args[i], (int)i, 0), "{\"success\": false, \"error\": \"no such file\"}");
}

static void test_jobs_images__a_program_that_is_missing_is_said(void **state)
{
	static const char png[] = PNG;
	struct fixture *f = *state;
	struct str result;

	assert_int_equal(mkdir(media_path("x"), 0750), 0);
	store("x/a.png", (struct str){ png, sizeof(png) - 1 });
	result = result_of(f, PROCESS, "[\"x/a.png\"]", 1, 0);
	assert_true(str_starts(result, "{\"success\": false, \"error\": \""));
	assert_non_null(memmem(result.s, result.len, "egoejo-image: No such file", 26));
}

int main(void)
{
#define WITH_MEDIA(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		WITH_MEDIA(test_jobs_images__nothing_outside_is_read),
		WITH_MEDIA(test_jobs_images__a_program_that_is_missing_is_said),
	};

	return RUN_ON_BOTH(tests);
}
