#include "api/intake.h"

#include <dirent.h>

#include "base/fault.h"
#include "tests/lib/server.h"
#include "tests/unit/api/fixture.h"

struct fixture {
	char folder[64];
	struct arena arena;
	struct intake in;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_folder_make(f->folder);
	arena_init(&f->arena, 1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	intake_finish(&f->in);
	arena_finish(&f->arena);
	test_folder_remove(f->folder);
	free(f);
	return 0;
}

/* Adds n bytes in pieces, and checks that they are all there. */
static void pour(struct fixture *f, size_t n, size_t piece)
{
	char *bytes = calloc(1, n + 1);
	struct str body;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 31 >> 3);
	for (size_t at = 0; at < n; at += piece)
		assert_int_equal(intake_add(&f->in, &f->arena, bytes + at, n - at < piece ? n - at : piece, &f->err), 0);
	assert_int_equal(f->in.len, n);
	assert_int_equal(intake_view(&f->in, &body, &f->err), 0);
	assert_int_equal(body.len, n);
	assert_memory_equal(body.s, bytes, n);
	free(bytes);
}

static size_t count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void test_intake__nothing_has_come(void **state)
{
	struct fixture *f = *state;
	struct str body = NOTHING;

	assert_int_equal(intake_view(&f->in, &body, &f->err), 0);
	assert_text(body, "");
}

static void test_intake__memory(void **state)
{
	struct fixture *f = *state;

	pour(f, 300000, 7001);
	assert_false(f->in.in_file);
}

static void test_intake__memory_that_was_announced(void **state)
{
	struct fixture *f = *state;

	f->in.expected = 70000;
	pour(f, 70000, 1000);
	assert_true(f->arena.used_bytes < 64 * 1024 + 71000);
}

static void test_intake__memory_runs_out(void **state)
{
	struct fixture *f = *state;
	char bytes[1000] = "";
	int r = 0;

	for (int i = 0; r == 0 && i < 2000; i++)
		r = intake_add(&f->in, &f->arena, bytes, sizeof(bytes), &f->err);
	assert_int_equal(r, ERR_NOMEM);
}

static void test_intake__a_small_upload_stays_in_memory(void **state)
{
	struct fixture *f = *state;

	f->in.media_root = f->folder;
	pour(f, INTAKE_MEMORY_BYTES, 5000);
	assert_false(f->in.in_file);
}

static void test_intake__a_large_one_goes_to_a_file_without_a_name(void **state)
{
	struct fixture *f = *state;

	f->in.media_root = f->folder;
	pour(f, 3000000, 24000); /* more than the arena would give */
	assert_true(f->in.in_file);
	assert_int_equal(count_names(f->folder), 0);
	intake_finish(&f->in);
	assert_false(f->in.in_file);
	assert_int_equal(f->in.len, 0);
}

static void test_intake__in_one_piece(void **state)
{
	struct fixture *f = *state;

	f->in.media_root = f->folder;
	pour(f, INTAKE_MEMORY_BYTES + 1, INTAKE_MEMORY_BYTES + 1);
	assert_true(f->in.in_file);
}

static void test_intake__a_full_disk(void **state)
{
	struct fixture *f = *state;
	char *bytes = calloc(1, 100000);

	f->in.media_root = f->folder;
	for (int n = 1; n <= 3; n++) {
		int r = 0;

		fault_arm(FAULT_DISK, n, /* repeat: */ false);
		for (int i = 0; r == 0 && i < 4; i++)
			r = intake_add(&f->in, &f->arena, bytes, 50000, &f->err);
		assert_int_equal(r, ERR_FULL);
		intake_finish(&f->in);
		f->in.media_root = f->folder;
	}
	pour(f, 200000, 50000);
	free(bytes);
}

static void test_intake__a_folder_that_cannot_be_made(void **state)
{
	struct fixture *f = *state;
	char *bytes = calloc(1, 100000);

	f->in.media_root = "/no/such/folder/media";
	assert_int_equal(intake_add(&f->in, &f->arena, bytes, 50000, &f->err), 0);
	assert_int_equal(intake_add(&f->in, &f->arena, bytes, 50000, &f->err), ERR_IO);
	assert_true(f->err.text[0]);
	free(bytes);
}

static void test_intake__so_many_files_and_no_more(void **state)
{
	struct fixture *f = *state;
	static struct intake many[INTAKE_MAX_FILES];
	char *bytes = calloc(1, 70000);

	f->in.media_root = f->folder;
	for (size_t i = 0; i < INTAKE_MAX_FILES; i++) {
		many[i].media_root = f->folder;
		assert_int_equal(intake_add(&many[i], &f->arena, bytes, 70000, &f->err), 0);
	}
	assert_int_equal(intake_add(&f->in, &f->arena, bytes, 70000, &f->err), ERR_LIMIT);
	intake_finish(&many[7]);
	f->in = (struct intake){ .media_root = f->folder };
	pour(f, 70000, 70000);
	for (size_t i = 0; i < INTAKE_MAX_FILES; i++)
		intake_finish(&many[i]);
	free(bytes);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_intake__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_has_come),
		CASE(memory),
		CASE(memory_that_was_announced),
		CASE(memory_runs_out),
		CASE(a_small_upload_stays_in_memory),
		CASE(a_large_one_goes_to_a_file_without_a_name),
		CASE(in_one_piece),
		CASE(a_full_disk),
		CASE(a_folder_that_cannot_be_made),
		CASE(so_many_files_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
