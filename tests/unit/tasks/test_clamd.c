#include "tasks/clamd.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "tests/lib/server.h"
#include "tests/lib/wait.h"
#include "tests/unit/tasks/scanner.h"

#define LONG_US (20 * US_PER_S)

static const char *const nowhere[] = { NULL };
static struct scanner scanner;

static int set_up(void **state)
{
	scanner_start(&scanner);
	return 0;
}

static int tear_down(void **state)
{
	scanner_stop(&scanner);
	return 0;
}

/* An open file of so many bytes, each 1. */
static int make_file(size_t n)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	char bytes[4096];

	memset(bytes, 1, sizeof(bytes));
	assert_true(fd >= 0);
	for (size_t left = n; left;) {
		ssize_t written = write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		assert_true(written > 0);
		left -= (size_t)written;
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct clamd at_scanner(void)
{
	return (struct clamd){
		.host = "127.0.0.1", .port = scanner.port, .sockets = nowhere, .deadline_us = clock_monotonic_us() + LONG_US
	};
}

static int scan(const struct clamd *with, size_t n, struct clamd_answer *ret_answer, struct error *err)
{
	int fd = make_file(n);
	int r;

	*err = (struct error){ 0 };
	r = clamd_scan(with, fd, ret_answer, err);
	close(fd);
	return r;
}

static void test_clamd__answers_are_read(void **state)
{
	static const struct {
		const char *text;
		bool is_one;
		enum clamd_verdict verdict;
		const char *rest;
	} cases[] = {
		{ "stream: OK", true, CLAMD_CLEAN, "" },
		{ "stream: OK\n", true, CLAMD_CLEAN, "" },
		{ "OK", true, CLAMD_CLEAN, "" },
		{ "stream: Eicar-Test-Signature FOUND", true, CLAMD_INFECTED, "Eicar-Test-Signature" },
		{ "stream: Win.Test.EICAR_HDB-1 FOUND\n", true, CLAMD_INFECTED, "Win.Test.EICAR_HDB-1" },
		{ "stream: not OK FOUND", true, CLAMD_INFECTED, "not OK" },
		{ "stream: a\xff\x01"
		  "b FOUND",
		  true, CLAMD_INFECTED, "a??b" },
		{ "INSTREAM size limit exceeded. ERROR", true, CLAMD_REFUSED, "INSTREAM size limit exceeded." },
		{ "UNKNOWN COMMAND ERROR", true, CLAMD_REFUSED, "UNKNOWN COMMAND" },
		{ "ERROR", true, CLAMD_REFUSED, "" },
		{ "", false, CLAMD_CLEAN, NULL },
		{ "stream: ", false, CLAMD_CLEAN, NULL },
		{ "stream: FOUND", false, CLAMD_CLEAN, NULL },
		{ "stream: virus OK", false, CLAMD_CLEAN, NULL },
		{ "stream: OK FOUND?", false, CLAMD_CLEAN, NULL },
		{ "PONG", false, CLAMD_CLEAN, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clamd_answer answer;

		if (clamd_read_answer(cases[i].text, &answer) != cases[i].is_one)
			fail_msg("'%s'", cases[i].text);
		if (!cases[i].is_one)
			continue;
		assert_int_equal(answer.verdict, cases[i].verdict);
		assert_string_equal(answer.text, cases[i].rest);
	}
}

static void test_clamd__a_file_is_streamed_in_pieces(void **state)
{
	static const size_t sizes[] = { 0, 1, 65536, 65537, 3000000 };
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(scan(&with, sizes[i], &answer, &err), 0);
		assert_int_equal(answer.verdict, CLAMD_CLEAN);
		assert_true(scanner.began_well && scanner.ended_well);
		assert_int_equal(scanner.bytes, sizes[i]);
		assert_int_equal(scanner.sum, sizes[i]);
		assert_true(scanner.largest <= 65536 && scanner.pieces == (sizes[i] + 65535) / 65536);
	}
	scanner_says(&scanner, "stream: Eicar-Test-Signature FOUND");
	assert_int_equal(scan(&with, 100, &answer, &err), 0);
	assert_int_equal(answer.verdict, CLAMD_INFECTED);
	assert_string_equal(answer.text, "Eicar-Test-Signature");
}

/* It answers before it has all, and closes: what is still sent must not cost us the answer. */
static void test_clamd__an_early_answer_is_heard(void **state)
{
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;

	scanner_says(&scanner, "INSTREAM size limit exceeded. ERROR");
	scanner.stop_after = 100000;
	for (int i = 0; i < 20; i++) {
		int r = scan(&with, 3000000, &answer, &err);

		if (r == ERR_CORRUPT) /* the rest of what was sent has reset the connection */
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(answer.verdict, CLAMD_REFUSED);
		assert_string_equal(answer.text, "INSTREAM size limit exceeded.");
		return;
	}
	fail_msg("never heard");
}

static void test_clamd__what_breaks_off_is_no_answer(void **state)
{
	static const char cut[] = { 's', 't', 'r', 'e', 'a', 'm', ':', ' ', 'O', 'K' }, nonsense[] = "HTTP/1.1 400 Bad Request\r\n";
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;

	scanner.answer = cut;
	scanner.answer_bytes = sizeof(cut); /* without its NUL */
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_CORRUPT);
	scanner.answer_bytes = 0;
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_CORRUPT);
	assert_string_equal(err.text, "the scanner ended the connection before its answer");
	scanner.stop_after = 10;
	assert_int_equal(scan(&with, 3000000, &answer, &err), ERR_CORRUPT);
	scanner_says(&scanner, nonsense);
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.text, "HTTP/1.1 400"));
}

static void test_clamd__an_answer_without_end_is_cut(void **state)
{
	static char endless[5000];
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;

	memset(endless, 'x', sizeof(endless));
	scanner.answer = endless;
	scanner.answer_bytes = sizeof(endless);
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_CORRUPT);
}

static bool is_set(void *arg)
{
	return *(const bool *)arg;
}

static void test_clamd__one_that_hangs_is_left(void **state)
{
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;
	bool stop = true;
	int64_t began_us = clock_monotonic_us();

	scanner_says(&scanner, NULL);
	with.deadline_us = began_us + 300 * US_PER_MS;
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_TIMEOUT);
	assert_true(clock_monotonic_us() >= with.deadline_us);
	with.deadline_us = clock_monotonic_us() + LONG_US;
	with.stop = is_set;
	with.arg = &stop;
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_TIMEOUT);
	assert_true(clock_monotonic_us() < with.deadline_us);
}

static void test_clamd__nobody_is_told_apart(void **state)
{
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;
	int fd;

	with.port = scanner_no_port(&fd);
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_UNAVAILABLE);
	assert_string_equal(err.text, "no scanner: Connection refused");
	with.host = "no-such-host.invalid";
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_UNAVAILABLE);
	close(fd);
}

static void test_clamd__a_socket_of_this_machine_is_the_second_choice(void **state)
{
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct scanner local;
	struct error err;
	char folder[64], path[100];
	const char *const sockets[] = { "/nonexistent/clamd.ctl", path, NULL };
	int fd;

	test_folder_make(folder);
	snprintf(path, sizeof(path), "%s/clamd.ctl", folder);
	scanner_start_at(&local, path);
	scanner_says(&local, "stream: Local FOUND");
	with.sockets = sockets;
	assert_int_equal(scan(&with, 100, &answer, &err), 0);
	assert_int_equal(answer.verdict, CLAMD_CLEAN); /* by TCP */
	with.port = scanner_no_port(&fd);
	assert_int_equal(scan(&with, 100, &answer, &err), 0);
	assert_string_equal(answer.text, "Local");
	scanner_stop(&local);
	unlink(path);
	assert_int_equal(scan(&with, 100, &answer, &err), ERR_UNAVAILABLE);
	assert_string_equal(err.text, "no scanner: Connection refused");
	close(fd);
	test_folder_remove(folder);
}

static void test_clamd__a_file_that_cannot_be_read(void **state)
{
	struct clamd with = at_scanner();
	struct clamd_answer answer;
	struct error err;

	assert_int_equal(clamd_scan(&with, -1, &answer, &err), ERR_IO);
}

int main(void)
{
#define WITH_SCANNER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clamd__answers_are_read),
		WITH_SCANNER(test_clamd__a_file_is_streamed_in_pieces),
		WITH_SCANNER(test_clamd__an_early_answer_is_heard),
		WITH_SCANNER(test_clamd__what_breaks_off_is_no_answer),
		WITH_SCANNER(test_clamd__an_answer_without_end_is_cut),
		WITH_SCANNER(test_clamd__one_that_hangs_is_left),
		WITH_SCANNER(test_clamd__nobody_is_told_apart),
		WITH_SCANNER(test_clamd__a_socket_of_this_machine_is_the_second_choice),
		WITH_SCANNER(test_clamd__a_file_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
