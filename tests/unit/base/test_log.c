/* The log writes into a temporary file; each line of the JSON form goes through a strict parser. */
#include "base/log.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/kinds.h"
#include "tests/lib/test.h"

struct fixture {
	int fd;
	char *text; /* what read_log returned last */
};

static int setup(void **state)
{
	static struct fixture f;
	char path[] = "/tmp/egoejo-log-XXXXXX";

	f = (struct fixture){ .fd = mkstemp(path) };
	assert_true(f.fd >= 0);
	unlink(path);
	log_init(LOG_JSON, LOG_INFO, f.fd);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	log_flush();
	log_init(LOG_JSON, LOG_INFO, STDERR_FILENO);
	close(f->fd);
	free(f->text);
	return 0;
}

/* All that was written so far, without flushing. */
static char *read_log(struct fixture *f)
{
	struct stat st;

	assert_int_equal(fstat(f->fd, &st), 0);
	free(f->text);
	f->text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(f->text);
	assert_int_equal(pread(f->fd, f->text, (size_t)st.st_size, 0), st.st_size);
	return f->text;
}

/* The n-th line (0 first) as an object; the caller's to release. */
static json_t *line_at(struct fixture *f, int n)
{
	char *p = read_log(f), *end;
	json_t *object;

	for (; n > 0; n--)
		p = strchr(p, '\n') + 1;
	end = strchr(p, '\n');
	assert_non_null(end);
	object = json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	assert_true(json_is_object(object));
	return object;
}

static int count_lines(struct fixture *f)
{
	int n = 0;

	for (const char *p = read_log(f); *p; p++)
		n += *p == '\n';
	return n;
}

static void assert_member(json_t *object, const char *name, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(object, name)), expected);
}

static void test_log__json_has_the_fixed_members_and_the_fields(void **state)
{
	struct fixture *f = *state;
	struct instant when;
	json_t *line;

	log_write(LOG_WARNING, "redis.cache", "redis.fallback",
	          LOG_FIELDS(LOG_STR("usage", "cache"), LOG_INT("n", -3), LOG_FLOAT("seconds", 0.25), LOG_STR("absent", NULL),
	                     LOG_INT("none", NULL_INT), LOG_FLOAT("nan", NAN)),
	          "served %s", "it");
	line = line_at(f, 0);
	assert_member(line, "level", "WARNING");
	assert_member(line, "logger", "redis.cache");
	assert_member(line, "event", "redis.fallback");
	assert_member(line, "message", "served it");
	assert_member(line, "usage", "cache");
	assert_int_equal(json_integer_value(json_object_get(line, "n")), -3);
	assert_true(json_real_value(json_object_get(line, "seconds")) == 0.25);
	assert_null(json_object_get(line, "absent"));
	assert_true(json_is_null(json_object_get(line, "none")));
	assert_true(json_is_null(json_object_get(line, "nan")));
	assert_true(clock_parse(str_of(json_string_value(json_object_get(line, "ts"))), &when));
	assert_in_range(clock_now().us - when.us + US_PER_MS, 0, 60 * US_PER_S);
	json_decref(line);
}

static void test_log__one_event_is_one_line(void **state)
{
	struct fixture *f = *state;
	json_t *line;

	log_write(LOG_ERROR, "x", "y", LOG_FIELDS(LOG_STR("text", "a\nb\"\\\x01\xff")), "first\nsecond \"quoted\"\r\t\xc3");
	assert_int_equal(count_lines(f), 1);
	line = line_at(f, 0);
	assert_member(line, "message", "first\nsecond \"quoted\"\r\t\uFFFD");
	assert_member(line, "text", "a\nb\"\\\x01\uFFFD");
	json_decref(line);
}

static void test_log__text_form_is_one_line_too(void **state)
{
	struct fixture *f = *state;

	log_init(LOG_TEXT, LOG_INFO, f->fd);
	log_write(LOG_ERROR, "http", "http.start", LOG_FIELDS(LOG_INT("port", 8000), LOG_STR("host", "a b"), LOG_STR("gone", NULL)),
	          "a\nb");
	assert_int_equal(count_lines(f), 1);
	assert_non_null(strstr(f->text, "Z ERROR    http http.start: a b port=8000 host=\"a b\"\n"));
	assert_null(strstr(f->text, "gone"));
}

static void test_log__levels_below_the_lowest_are_left_out(void **state)
{
	struct fixture *f = *state;

	log_init(LOG_JSON, LOG_ERROR, f->fd);
	assert_false(log_enabled(LOG_WARNING));
	assert_true(log_enabled(LOG_ERROR));
	log_write(LOG_DEBUG, "x", "y", LOG_NO_FIELDS, "no");
	log_write(LOG_WARNING, "x", "y", LOG_NO_FIELDS, "no");
	log_write(LOG_CRITICAL, "x", "y", LOG_NO_FIELDS, "yes");
	log_flush();
	assert_int_equal(count_lines(f), 1);
	assert_non_null(strstr(f->text, "CRITICAL"));
}

static void test_log__info_waits_and_goes_before_a_warning(void **state)
{
	struct fixture *f = *state;
	json_t *line;

	log_write(LOG_INFO, "http", "access", LOG_NO_FIELDS, "first");
	assert_int_equal(count_lines(f), 0);
	log_write(LOG_WARNING, "http", "warn", LOG_NO_FIELDS, "second");
	assert_int_equal(count_lines(f), 2);
	line = line_at(f, 0);
	assert_member(line, "message", "first");
	json_decref(line);
	log_write(LOG_INFO, "http", "access", LOG_NO_FIELDS, "third");
	assert_int_equal(count_lines(f), 2);
	log_flush();
	assert_int_equal(count_lines(f), 3);
}

static void test_log__a_full_buffer_goes_out_by_itself(void **state)
{
	struct fixture *f = *state;
	int n;

	for (int i = 0; i < 20000; i++)
		log_write(LOG_INFO, "http", "access", LOG_FIELDS(LOG_INT("i", i)), "GET /api/projets/ 200");
	n = count_lines(f);
	assert_in_range(n, 1000, 19999);
	log_flush();
	assert_int_equal(count_lines(f), 20000);
	for (int i = 0; i < 20000; i += 977) {
		json_t *line = line_at(f, i);

		assert_int_equal(json_integer_value(json_object_get(line, "i")), i);
		json_decref(line);
	}
}

static void test_log__long_texts_are_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	json_t *line;

	for (int i = 0; i < 400; i++)
		buf_add_text(&text, i ? "é€" : "x"); /* 1 + 5 × 399 bytes: byte 1000 is inside a € */
	log_write(LOG_ERROR, "x", "y", LOG_FIELDS(LOG_VIEW("text", buf_view(&text))), "%s", text.data);
	line = line_at(f, 0);
	assert_true(str_valid_utf8(str_of(json_string_value(json_object_get(line, "text")))));
	assert_null(strstr(json_string_value(json_object_get(line, "text")), "\uFFFD"));
	assert_in_range(json_string_length(json_object_get(line, "text")), 997, 1000);
	json_decref(line);
}

static void test_log__a_line_larger_than_the_buffer_is_written_whole(void **state)
{
	struct fixture *f = *state;
	static char names[200][5], text[1000];
	struct log_field fields[200];
	json_t *line;

	memset(text, 0x01, sizeof(text) - 1); /* six bytes each when escaped: 1.2 MB in all */
	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		snprintf(names[i], sizeof(names[i]), "f%d", (int)i);
		fields[i] = LOG_STR(names[i], text);
	}
	log_write(LOG_INFO, "x", "small", LOG_NO_FIELDS, "before");
	log_write(LOG_INFO, "x", "large", fields, N_ELEMENTS(fields), "large");
	line = line_at(f, 0);
	assert_member(line, "event", "small");
	json_decref(line);
	line = line_at(f, 1);
	assert_member(line, "f199", text);
	json_decref(line);
}

static void test_log__a_torn_line_spoils_only_itself(void **state)
{
	struct fixture *f = *state;
	char chunk[8192], *seen = calloc(1, 1 << 20), *last;
	json_t *line;
	size_t n = 0;
	ssize_t got;
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	log_init(LOG_JSON, LOG_INFO, ends[1]);
	for (int i = 0; i < 3000; i++) /* far more than the pipe holds */
		log_write(LOG_INFO, "x", "y", LOG_NO_FIELDS, "line %d", i);
	log_flush();
	while ((got = read(ends[0], chunk, sizeof(chunk))) > 0) {
		memcpy(seen + n, chunk, (size_t)got);
		n += (size_t)got;
	}
	log_write(LOG_ERROR, "x", "y", LOG_NO_FIELDS, "after");
	while ((got = read(ends[0], chunk, sizeof(chunk))) > 0) {
		memcpy(seen + n, chunk, (size_t)got);
		n += (size_t)got;
	}
	assert_int_equal(seen[n - 1], '\n');
	seen[n - 1] = '\0';
	last = strrchr(seen, '\n');
	assert_non_null(last);
	line = json_loads(last + 1, 0, NULL);
	assert_member(line, "message", "after");
	json_decref(line);
	log_init(LOG_JSON, LOG_INFO, f->fd);
	close(ends[0]);
	close(ends[1]);
	free(seen);
}

static void test_log__a_closed_target_costs_only_the_line(void **state)
{
	struct fixture *f = *state;

	log_init(LOG_JSON, LOG_INFO, -1);
	log_write(LOG_ERROR, "x", "y", LOG_NO_FIELDS, "lost");
	log_init(LOG_JSON, LOG_INFO, f->fd);
	log_write(LOG_ERROR, "x", "y", LOG_NO_FIELDS, "kept");
	assert_int_equal(count_lines(f), 1);
}

static void test_log__without_memory_the_line_is_lost_whole(void **state)
{
	struct fixture *f = *state;
	char text[900];

	memset(text, 1, sizeof(text));
	text[899] = '\0';
	fault_arm(FAULT_ALLOC, 1, true);
	for (int i = 0; i < 30; i++)
		log_write(LOG_ERROR, "x", "y", LOG_FIELDS(LOG_STR("a", text), LOG_STR("b", text), LOG_STR("c", text), LOG_STR("d", text)),
		          "m");
	fault_disarm_all();
	log_write(LOG_ERROR, "x", "y", LOG_NO_FIELDS, "m");
	for (int n = count_lines(f); n > 0; n--)
		json_decref(line_at(f, n - 1));
	assert_true(count_lines(f) >= 1);
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < 500; i++)
		log_write(i % 50 ? LOG_INFO : LOG_WARNING, "thread", "line", LOG_FIELDS(LOG_INT("i", i)), "of %s", (const char *)arg);
	return NULL;
}

static void test_log__lines_of_threads_do_not_mix(void **state)
{
	static const char *const names[] = { "one", "two", "three", "four" };
	struct fixture *f = *state;
	pthread_t threads[4];
	char *p, *end;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)(uintptr_t)names[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_flush();
	assert_int_equal(count_lines(f), 2000);
	for (p = f->text; *p; p = end + 1) {
		json_t *line;

		end = strchr(p, '\n');
		line = json_loadb(p, (size_t)(end - p), 0, NULL);
		assert_true(json_is_object(line));
		json_decref(line);
	}
}

static void test_log__level_names_go_both_ways(void **state)
{
	enum log_level level = LOG_INFO;

	for (int i = LOG_DEBUG; i <= LOG_CRITICAL; i++) {
		assert_true(log_level_parse(str_of(log_level_name((enum log_level)i)), &level));
		assert_int_equal(level, i);
	}
	assert_true(log_level_parse((struct str)STR("warning"), &level));
	assert_int_equal(level, LOG_WARNING);
	assert_false(log_level_parse((struct str)STR("WARN"), &level));
	assert_false(log_level_parse((struct str){ NULL, 0 }, &level));
	assert_int_equal(level, LOG_WARNING);
}

static void test_log__a_limit_lets_one_pass_per_interval(void **state)
{
	struct log_limit limit = { 0 };
	int64_t suppressed = -1;

	assert_true(log_limit_pass(&limit, 10 * US_PER_S, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 7; i++)
		assert_false(log_limit_pass(&limit, 10 * US_PER_S, &suppressed));
	clock_advance_for_tests(11 * US_PER_S);
	assert_true(log_limit_pass(&limit, 10 * US_PER_S, &suppressed));
	assert_int_equal(suppressed, 7);
	assert_false(log_limit_pass(&limit, 10 * US_PER_S, &suppressed));
	clock_advance_for_tests(11 * US_PER_S);
	assert_true(log_limit_pass(&limit, 10 * US_PER_S, &suppressed));
	assert_int_equal(suppressed, 1);
}

static struct log_limit shared_limit;
static _Atomic int passes;

static void *pass_often(void *arg)
{
	int64_t suppressed;

	for (int i = 0; i < 5000; i++)
		passes += log_limit_pass(&shared_limit, 3600 * US_PER_S, &suppressed);
	return NULL;
}

static void test_log__a_limit_counts_across_threads(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pass_often, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(passes, 1);
	assert_int_equal(shared_limit.suppressed, 4 * 5000 - 1);
}

#define T(name) cmocka_unit_test_setup_teardown(test_log__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(json_has_the_fixed_members_and_the_fields),
		T(one_event_is_one_line),
		T(text_form_is_one_line_too),
		T(levels_below_the_lowest_are_left_out),
		T(info_waits_and_goes_before_a_warning),
		T(a_full_buffer_goes_out_by_itself),
		T(long_texts_are_cut_between_characters),
		T(a_line_larger_than_the_buffer_is_written_whole),
		T(a_torn_line_spoils_only_itself),
		T(a_closed_target_costs_only_the_line),
		T(without_memory_the_line_is_lost_whole),
		T(lines_of_threads_do_not_mix),
		T(level_names_go_both_ways),
		T(a_limit_lets_one_pass_per_interval),
		T(a_limit_counts_across_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
