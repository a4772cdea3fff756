#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/lib/server.h"
#include "tests/unit/tasks/images.h"

#define LONG_US (30 * US_PER_S)

static char folder[64];

static int set_up(void **state)
{
	test_folder_make(folder);
	return 0;
}

static int tear_down(void **state)
{
	test_folder_remove(folder);
	return 0;
}

static struct image_order order_for(const char *program)
{
	return (struct image_order){
		.program = program, .max_width = 1, .max_height = 1, .quality = 85, .deadline_us = clock_monotonic_us() + LONG_US
	};
}

static int ask(const struct image_order *order, struct image_answer *ret_answer, struct error *err)
{
	static const char png[] = PNG;
	int fd = memfd_create("image", MFD_CLOEXEC), r;

	assert_int_equal(write(fd, png, sizeof(png) - 1), sizeof(png) - 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	*err = (struct error){ 0 };
	r = image_ask(order, fd, ret_answer, err);
	close(fd);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	return r;
}

static void test_image__the_program_shrinks(void **state)
{
	struct image_order order = order_for(image_program());
	struct image_answer answer;
	struct error err;
	int r = ask(&order, &answer, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	assert_string_equal(answer.format, "PNG");
	assert_true(answer.changed && answer.width == 1 && answer.height == 1);
	assert_memory_equal(answer.bytes.data, "\x89PNG", 4);
	buf_finish(&answer.bytes);
	order.max_width = order.max_height = 2;
	assert_int_equal(ask(&order, &answer, &err), 0);
	assert_true(!answer.changed && answer.width == 2 && answer.height == 2 && answer.bytes.len == 0);
}

static void test_image__a_frame_that_makes_no_sense_is_refused(void **state)
{
	static const int64_t frames[][3] = { { 0, 1, 85 },  { 1, 0, 85 },     { 1, 1, 0 },        { 1, 1, 101 },
		                             { -5, 1, 85 }, { 65536, 1, 85 }, { INT64_MIN, 1, 1 } };
	struct image_answer answer;
	struct error err;

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct image_order order = order_for(image_program());

		order.max_width = frames[i][0];
		order.max_height = frames[i][1];
		order.quality = frames[i][2];
		assert_int_equal(ask(&order, &answer, &err), ERR_INVALID);
	}
}

static int ask_stand_in(const char *script, struct image_answer *ret_answer, struct error *err)
{
	struct image_order order = order_for(make_stand_in(folder, script));

	return ask(&order, ret_answer, err);
}

static void test_image__what_is_no_answer(void **state)
{
	static const struct {
		const char *script;
		int r;
		const char *text;
	} cases[] = {
		{ "exit 0", ERR_IO, "egoejo-image gave no answer" },
		{ "echo ok PNG 1 1 changed; exit 3", ERR_IO, "egoejo-image ended with status 3" },
		{ "echo ok PNG 1 1 changed; kill -9 $$", ERR_IO, "egoejo-image was ended by signal 9" },
		{ "printf 'ok PNG 1 1 changed'", ERR_IO, "egoejo-image gave no answer" },
		{ "echo ok PNG 1 1 strange", ERR_IO, "egoejo-image gave no answer" },
		{ "echo ok PNG -1 1 same", ERR_IO, "egoejo-image gave no answer" },
		{ "echo ok PNGPNGPNG 1 1 same", ERR_IO, "egoejo-image gave no answer" },
		{ "echo refused too bad", ERR_INVALID, "too bad" },
		{ "exec cat /dev/zero", ERR_LIMIT, "the image is too long" },
	};
	struct image_answer answer;
	struct error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ask_stand_in(cases[i].script, &answer, &err), cases[i].r);
		assert_string_equal(err.text, cases[i].text);
	}
}

static void read_text(const char *name, char ret_text[200])
{
	char path[200];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	assert_non_null(f);
	len = fread(ret_text, 1, 199, f);
	assert_in_range(len, 1, 198); /* all of it */
	ret_text[len] = '\0';
	fclose(f);
}

/*
 * It has its image, a place for its answer, and nothing else of ours; the shell has its script open, as 10 or 255.
 * In a subshell and no pipeline, or the shell itself would have what it redirects (11), or a pipe's ends (3, 4), open.
 */
static void test_image__it_is_given_nothing_else(void **state)
{
	int left_open = memfd_create("secret", 0); /* not closed on exec */
	struct image_answer answer;
	struct str rest, word;
	struct error err;
	char text[200];

	assert_int_equal(
	        ask_stand_in("(ls /proc/$$/fd >\"$0.fds\"); echo \"<$HOME$USER$LANG>\" >\"$0.env\"; echo refused x", &answer, &err),
	        ERR_INVALID);
	close(left_open);
	read_text("stand-in.fds", text);
	rest = str_of(text);
	while (str_split(&rest, '\n', &word) && word.len)
		if (!str_is(word, "0") && !str_is(word, "1") && !str_is(word, "2") && !str_is(word, "10") && !str_is(word, "255"))
			fail_msg("%s", text);
	read_text("stand-in.env", text);
	assert_string_equal(text, "<>\n");
}

static bool is_set(void *arg)
{
	return *(const bool *)arg;
}

static void test_image__one_that_hangs_is_killed(void **state)
{
	struct image_order order = order_for(make_stand_in(folder, "exec sleep 60"));
	struct image_answer answer;
	struct error err;
	bool stop = true;

	order.deadline_us = clock_monotonic_us() + 300 * US_PER_MS;
	assert_int_equal(ask(&order, &answer, &err), ERR_TIMEOUT);
	order = order_for(order.program);
	order.stop = is_set;
	order.arg = &stop;
	assert_int_equal(ask(&order, &answer, &err), ERR_TIMEOUT);
	assert_true(clock_monotonic_us() < order.deadline_us);
}

static void test_image__a_program_that_is_missing(void **state)
{
	struct image_order order = order_for("/nonexistent/egoejo-image");
	struct image_answer answer;
	struct error err;
	char path[IMAGE_PATH_SIZE];

	assert_int_equal(ask(&order, &answer, &err), ERR_IO);
	assert_string_equal(err.text, "/nonexistent/egoejo-image: No such file or directory");
	assert_int_equal(image_find_program(path, &err), 0);
	assert_string_equal(strrchr(path, '/'), "/egoejo-image");
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(test_image__the_program_shrinks),      IN_FOLDER(test_image__a_frame_that_makes_no_sense_is_refused),
		IN_FOLDER(test_image__what_is_no_answer),        IN_FOLDER(test_image__it_is_given_nothing_else),
		IN_FOLDER(test_image__one_that_hangs_is_killed), IN_FOLDER(test_image__a_program_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
