/* Each case runs twice: with openat2, and as on a kernel that does not have it. */
#include "base/media.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

#define TEXT(literal) ((struct str)STR(literal))

struct fixture {
	char folder[64], root[80];
	struct arena arena;
	struct error err;
};

static struct fixture *make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	test_folder_make(f->folder);
	snprintf(f->root, sizeof(f->root), "%s/media", f->folder);
	arena_init(&f->arena, 1 << 20);
	return f;
}

static int setup(void **state)
{
	*state = make();
	return 0;
}

static int setup_without_openat2(void **state)
{
	*state = make();
	fault_arm(FAULT_OPENAT2, 1, /* repeat: */ true);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	arena_finish(&f->arena);
	test_folder_remove(f->folder);
	free(f);
	return 0;
}

static void run(struct fixture *f, const char *command)
{
	const char *line = arena_printf(&f->arena, "cd '%s' && %s", f->folder, command);

	assert_int_equal(system(line), 0);
}

static size_t count_files(struct fixture *f)
{
	FILE *p = popen(arena_printf(&f->arena, "find '%s' -type f | wc -l", f->root), "r");
	int n = -1;

	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return (size_t)n;
}

static struct str store(struct fixture *f, const char *name, const char *bytes)
{
	struct str path = { NULL, 0 };
	int r = media_store(f->root, "things", str_of(name), MEDIA_PLAIN_NAME, str_of(bytes), &f->arena, &path, &f->err);

	if (r < 0)
		fail_msg("%d %s", r, f->err.text);
	return path;
}

static void assert_holds(struct fixture *f, struct str path, const char *bytes)
{
	char got[100] = "";
	int fd CLEANUP(cleanup_close) = -1;

	assert_int_equal(media_open(f->root, path, &fd, &f->err), 0);
	assert_int_equal(read(fd, got, sizeof(got)), strlen(bytes));
	assert_string_equal(got, bytes);
}

static unsigned mode_of(struct fixture *f, const char *path)
{
	char whole[200];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s/%s", f->root, path);
	assert_int_equal(stat(whole, &st), 0);
	return st.st_mode & 07777;
}

/* ---- storing ---- */

static void test_media__stores(void **state)
{
	struct fixture *f = *state;
	struct str path = store(f, "a.png", "bytes");

	assert_true(str_is(path, "things/a.png"));
	assert_holds(f, path, "bytes");
	assert_int_equal(mode_of(f, "."), 0750);
	assert_int_equal(mode_of(f, "things"), 0750);
	assert_int_equal(mode_of(f, "things/a.png"), 0640);
	assert_int_equal(count_files(f), 1); /* no temporary one is left */
}

static void test_media__a_collision_gets_a_name_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct str first = store(f, "a.b.png", "first"), second = store(f, "a.b.png", "second"), third = store(f, "a.b.png", "third");

	assert_true(str_is(first, "things/a.b.png"));
	assert_int_equal(second.len, strlen("things/a.b_1234567.png"));
	assert_true(str_starts(second, "things/a.b_") && memcmp(second.s + second.len - 4, ".png", 4) == 0);
	for (size_t i = 11; i < 18; i++)
		assert_true(str_is_alpha(second.s[i]) || str_is_digit(second.s[i]));
	assert_false(str_equal(second, third));
	assert_holds(f, first, "first");
	assert_holds(f, second, "second");
	assert_holds(f, third, "third");
}

static void test_media__long_names_are_cut(void **state)
{
	struct fixture *f = *state;
	char name[400] = "";
	struct str path, again;

	memset(name, 'n', 120);
	memcpy(name + 120, ".jpeg", 6);
	path = store(f, name, "1");
	assert_int_equal(path.len, MEDIA_PATH_CHARS);
	assert_memory_equal(path.s + 94, "n.jpeg", 6);
	again = store(f, name, "2");
	assert_int_equal(again.len, MEDIA_PATH_CHARS);
	assert_memory_equal(again.s + 95, ".jpeg", 5);
	assert_int_equal(again.s[87], '_');
	name[0] = '\0';
	for (int i = 0; i < 100; i++)
		memcpy(name + 3 * i, "\xe6\x97\xa5", 3); /* 100 characters, more bytes than a name can have */
	memcpy(name + 300, ".png", 5);
	path = store(f, name, "3");
	assert_true(path.len <= strlen("things/") + 255);
	assert_true(str_valid_utf8(path) && str_count_chars(path) <= MEDIA_PATH_CHARS);
	again = store(f, name, "4");
	assert_true(str_valid_utf8(again));
	assert_holds(f, path, "3");
	assert_holds(f, again, "4");
}

#define LONG_EXTENSION "x.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* What is longer than any extension is a part of the name, and cut with it. */
static void test_media__a_long_extension_is_none(void **state)
{
	struct fixture *f = *state;
	struct str path = store(f, LONG_EXTENSION, "1"), again = store(f, LONG_EXTENSION, "2");

	assert_int_equal(path.len, MEDIA_PATH_CHARS);
	assert_int_equal(again.len, MEDIA_PATH_CHARS);
	assert_int_equal(again.s[92], '_');
	assert_holds(f, path, "1");
	assert_holds(f, again, "2");
}

static void test_media__a_secret_name(void **state)
{
	struct fixture *f = *state;
	struct str path = { NULL, 0 }, again = { NULL, 0 };

	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_SECRET_NAME, TEXT("1"), &f->arena, &path, &f->err), 0);
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_SECRET_NAME, TEXT("2"), &f->arena, &again, &f->err), 0);
	assert_int_equal(path.len, strlen("things/a_.png") + 20);
	assert_true(str_starts(path, "things/a_") && memcmp(path.s + path.len - 4, ".png", 4) == 0);
	assert_false(str_equal(path, again));
	assert_holds(f, path, "1");
	assert_holds(f, again, "2");
}

static void test_media__names_that_are_none(void **state)
{
	static const char *const names[] = { "", ".", "..", ".hidden", "a/b", "../a", "/a", "a\nb" };
	struct fixture *f = *state;
	struct str path = { NULL, 0 };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		assert_int_equal(media_store(f->root, "things", str_of(names[i]), MEDIA_PLAIN_NAME, TEXT("x"), &f->arena, &path, &f->err),
		                 ERR_INVALID);
	assert_null(path.s);
	assert_int_equal(count_files(f), 0);
}

static void test_media__a_link_as_folder_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct str path;

	run(f, "mkdir media elsewhere && ln -s ../elsewhere media/things");
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, TEXT("x"), &f->arena, &path, &f->err), ERR_IO);
	run(f, "rmdir elsewhere");
}

static void test_media__a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct str path = { NULL, 0 };
	int fd CLEANUP(cleanup_close) = -1;

	store(f, "kept.png", "kept");
	fault_arm(FAULT_DISK, 1, /* repeat: */ false);
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, TEXT("bytes"), &f->arena, &path, &f->err),
	                 ERR_FULL);
	assert_null(path.s);
	assert_int_equal(count_files(f), 1);
	assert_int_equal(media_temporary(f->root, &fd, &f->err), 0);
	fault_arm(FAULT_DISK, 1, /* repeat: */ false);
	assert_int_equal(media_write(fd, "x", 1, &f->err), ERR_FULL);
	assert_true(str_is(store(f, "a.png", "again"), "things/a.png"));
}

/* What the kernel says itself, short writes included. */
static void test_media__a_limit_of_the_file_size(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	struct str path = { NULL, 0 }, big = { arena_zalloc(&f->arena, 10000), 10000 };

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 5000;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, big, &f->arena, &path, &f->err), ERR_FULL);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(count_files(f), 0);
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, big, &f->arena, &path, &f->err), 0);
}

static void test_media__a_root_that_cannot_be_made(void **state)
{
	struct fixture *f = *state;
	struct str path;
	int fd;

	run(f, "touch media");
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, TEXT("x"), &f->arena, &path, &f->err), ERR_IO);
	assert_int_equal(media_temporary(f->root, &fd, &f->err), ERR_IO);
	assert_int_equal(media_temporary("/no/such/folder/media", &fd, &f->err), ERR_IO);
	assert_int_equal(media_open(f->root, TEXT("a.png"), &fd, &f->err), ERR_NOT_FOUND);
	assert_int_equal(media_open("/no/such/folder", TEXT("a.png"), &fd, &f->err), ERR_NOT_FOUND);
}

static void test_media__without_memory(void **state)
{
	struct fixture *f = *state;
	struct arena none;
	struct str path = { NULL, 0 };

	arena_init(&none, 1);
	assert_int_equal(media_store(f->root, "things", TEXT("a.png"), MEDIA_PLAIN_NAME, TEXT("x"), &none, &path, &f->err), ERR_NOMEM);
	arena_finish(&none);
	assert_int_equal(count_files(f), 0);
}

/* ---- temporary files ---- */

static void test_media__temporary_files_have_no_name(void **state)
{
	struct fixture *f = *state;
	int fd CLEANUP(cleanup_close) = -1;
	char got[10] = "";
	struct stat st;

	assert_int_equal(media_temporary(f->root, &fd, &f->err), 0);
	assert_int_equal(media_write(fd, "bytes", 5, &f->err), 0);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 5);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(count_files(f), 0);
}

/* ---- opening ---- */

static void assert_absent(struct fixture *f, struct str path)
{
	int fd = -1, r = media_open(f->root, path, &fd, &f->err);

	if (r != ERR_NOT_FOUND)
		fail_msg("%.*s: %d", STR_ARG(path), r);
	assert_int_equal(fd, -1);
}

static void test_media__paths_that_leave_are_not_found(void **state)
{
	static const char *const paths[] = { "..",
		                             "../secret",
		                             "things/../../secret",
		                             "things/../things/a.png",
		                             "./things/a.png",
		                             "things/./a.png",
		                             "/things/a.png",
		                             "//things/a.png",
		                             "things//a.png",
		                             "things/a.png/",
		                             "things/",
		                             "things",
		                             "",
		                             ".",
		                             "/",
		                             "things/a.png/x",
		                             "things\\a.png",
		                             "..\\secret",
		                             "/etc/passwd",
		                             "things/%2e%2e/a.png",
		                             "things/a.png\n" };
	struct fixture *f = *state;
	char *deep = arena_alloc(&f->arena, 10001);

	store(f, "a.png", "x");
	run(f, "echo secret >secret");
	for (size_t i = 0; i < N_ELEMENTS(paths); i++)
		assert_absent(f, str_of(paths[i]));
	assert_absent(f, TEXT("things/a.png\0"));
	for (size_t i = 0; i < 10000; i++)
		deep[i] = i % 2 ? '/' : 'a';
	assert_absent(f, (struct str){ deep, 9999 });
	memset(deep, 'a', 300);
	assert_absent(f, (struct str){ deep, 300 });
}

static void test_media__hidden_files_are_not_found(void **state)
{
	struct fixture *f = *state;

	store(f, "a.png", "x");
	run(f, "cd media && touch .upload-1 things/.upload-2 && mkdir .git && touch .git/config");
	assert_absent(f, TEXT(".upload-1"));
	assert_absent(f, TEXT("things/.upload-2"));
	assert_absent(f, TEXT(".git/config"));
}

static void test_media__only_regular_files_are_found(void **state)
{
	struct fixture *f = *state;

	store(f, "a.png", "x");
	run(f, "echo secret >secret && mkdir other && echo x >other/b.png && cd media && ln -s ../secret out && ln -s things/a.png in && "
	       "ln -s ../other linked && ln -s /etc/passwd abs && mkfifo pipe && ln -s /proc/self/fd/0 magic");
	assert_absent(f, TEXT("out"));
	assert_absent(f, TEXT("in"));
	assert_absent(f, TEXT("linked/b.png"));
	assert_absent(f, TEXT("abs"));
	assert_absent(f, TEXT("pipe"));
	assert_absent(f, TEXT("magic"));
	assert_absent(f, TEXT("things"));
}

static void test_media__the_root_may_be_a_link_and_hold_deeper_folders(void **state)
{
	struct fixture *f = *state;

	run(f, "mkdir -p real/a/b/c && printf deep >real/a/b/c/d.png && ln -s real media");
	assert_holds(f, TEXT("a/b/c/d.png"), "deep");
	assert_true(str_is(store(f, "a.png", "x"), "things/a.png"));
}

/* ---- removing ---- */

static void test_media__removes(void **state)
{
	struct fixture *f = *state;
	struct str path = store(f, "a.png", "x");

	run(f, "echo secret >secret");
	assert_int_equal(media_remove(f->root, path, &f->err), 0);
	assert_absent(f, path);
	assert_int_equal(media_remove(f->root, path, &f->err), 0);
	assert_int_equal(media_remove(f->root, TEXT("../secret"), &f->err), 0);
	assert_int_equal(media_remove(f->root, TEXT("things/../../secret"), &f->err), 0);
	assert_int_equal(media_remove("/no/such/folder", path, &f->err), 0);
	run(f, "test -f secret && printf x >media/top.png");
	assert_int_equal(media_remove(f->root, TEXT("top.png"), &f->err), 0);
	assert_absent(f, TEXT("top.png"));
}

#define CASE(name)                                                                                  \
	cmocka_unit_test_setup_teardown(test_media__##name, setup, teardown),                       \
	{                                                                                           \
#name " without openat2", test_media__##name, setup_without_openat2, teardown, NULL \
	}

/* ---- replacing ---- */

#define DEEP "things/deeper/a.mp3"

static void test_media__replaces(void **state)
{
	struct fixture *f = *state;
	char got[10] = "";
	int before CLEANUP(cleanup_close) = -1;

	assert_int_equal(media_replace(f->root, TEXT(DEEP), TEXT("one"), &f->err), 0);
	assert_holds(f, TEXT(DEEP), "one");
	assert_int_equal(mode_of(f, "things/deeper"), 0750);
	assert_int_equal(mode_of(f, DEEP), 0640);
	assert_int_equal(media_open(f->root, TEXT(DEEP), &before, &f->err), 0);
	assert_int_equal(media_replace(f->root, TEXT(DEEP), TEXT("another"), &f->err), 0);
	assert_holds(f, TEXT(DEEP), "another");
	assert_int_equal(read(before, got, sizeof(got)), 3); /* who had opened it reads on */
	assert_string_equal(got, "one");
	assert_int_equal(count_files(f), 1);
}

static void test_media__replaces_nothing_on_a_full_disk(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(media_replace(f->root, TEXT(DEEP), TEXT("one"), &f->err), 0);
	fault_arm(FAULT_DISK, 1, false);
	assert_int_equal(media_replace(f->root, TEXT(DEEP), TEXT("another"), &f->err), ERR_FULL);
	assert_holds(f, TEXT(DEEP), "one");
	assert_int_equal(count_files(f), 1);
}

static void test_media__replaces_only_where_a_file_may_be(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", "a.mp3", "../a/b.mp3", "things/../../a", "/etc/x", "things/", "things/.a", "things//a" };

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(media_replace(f->root, str_of(bad[i]), TEXT("x"), &f->err), ERR_INVALID);
	assert_int_equal(media_replace(f->root, (struct str){ NULL, 0 }, TEXT("x"), &f->err), ERR_INVALID);
	run(f, "mkdir -p media/things out && ln -s ../../out media/things/link");
	assert_int_equal(media_replace(f->root, TEXT("things/link/a.mp3"), TEXT("x"), &f->err), ERR_IO);
	run(f, "test -z \"$(ls out)\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(stores),
		CASE(a_collision_gets_a_name_of_its_own),
		CASE(long_names_are_cut),
		CASE(a_long_extension_is_none),
		CASE(a_secret_name),
		CASE(names_that_are_none),
		CASE(a_link_as_folder_is_not_followed),
		CASE(a_full_disk),
		CASE(a_limit_of_the_file_size),
		CASE(a_root_that_cannot_be_made),
		CASE(without_memory),
		CASE(temporary_files_have_no_name),
		CASE(paths_that_leave_are_not_found),
		CASE(hidden_files_are_not_found),
		CASE(only_regular_files_are_found),
		CASE(the_root_may_be_a_link_and_hold_deeper_folders),
		CASE(replaces),
		CASE(replaces_nothing_on_a_full_disk),
		CASE(replaces_only_where_a_file_may_be),
		CASE(removes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
