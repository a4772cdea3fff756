#include "api/reply.h"
#include "base/log.h"
#include "tests/unit/api/node.h"

struct row {
	int64_t id;
};

static const struct field row_list[] = { FIELD(struct row, "id", id, INT) };
static const struct fields row_fields = FIELDS(struct row, row_list);

/* A request whose query is read already. */
struct fixture {
	struct api_context context;
	struct settings settings;
	struct worker worker;
	struct request req;
	struct query query;
	struct page page;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->settings.api_page_size = 20;
	f->context.settings = &f->settings;
	f->worker.context = &f->context;
	f->req.worker = &f->worker;
	f->req.origin_prefix = TEXT("https://h.org");
	f->req.raw_path = TEXT("/api/things/");
	arena_init(&f->req.arena, 1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	arena_finish(&f->req.arena);
	free(f);
	return 0;
}

static bool page_of(struct fixture *f, const char *query, int64_t size, int64_t count)
{
	f->req.reply = (struct reply){ .status = 0 };
	f->req.query = str_of(query);
	assert_true(query_or_reply(&f->req, &f->query));
	return page_or_reply(&f->req, 0, &f->query, size, count, &f->page);
}

static void assert_no_page(struct fixture *f, const char *query, int64_t count)
{
	f->page.number = 77;
	assert_false(page_of(f, query, 10, count));
	assert_answer(&f->req, 404, "detail");
	assert_int_equal(f->page.number, 77);
}

/* The member "next" or "previous" of the envelope; "null" when it is. */
static const char *link_of(struct fixture *f, const char *which)
{
	static const struct row rows[] = { { 1 }, { 2 } };
	struct db_rows all = { (void *)(uintptr_t)rows, 2 };
	json_t *envelope, *link;
	char *text;

	reply_page(&f->req, 0, &f->query, &f->page, &row_fields, &all);
	assert_int_equal(f->req.reply.status, 200);
	envelope = parse(f->req.reply.body);
	assert_int_equal(json_object_size(envelope), 4);
	link = json_object_get(envelope, which);
	text = arena_strndup(&f->req.arena, json_is_null(link) ? "null" : json_string_value(link),
	                     json_is_null(link) ? 4 : json_string_length(link));
	json_decref(envelope);
	return text;
}

static void test_page__the_first_by_default(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "", 10, 25));
	assert_int_equal(f->page.number, 1);
	assert_int_equal(f->page.size, 10);
	assert_int_equal(f->page.count, 25);
	assert_int_equal(page_offset(&f->page), 0);
	assert_true(page_of(f, "page=", 10, 25));
	assert_int_equal(f->page.number, 1);
}

static void test_page__size_0_is_the_setting(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "page=2", 0, 25));
	assert_int_equal(f->page.size, 20);
	assert_int_equal(page_offset(&f->page), 20);
	assert_false(page_of(f, "page=3", 0, 25));
}

static void test_page__numbers(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "page=3", 10, 25));
	assert_int_equal(page_offset(&f->page), 20);
	assert_true(page_of(f, "page=+002+", 10, 25));
	assert_int_equal(f->page.number, 2);
	assert_true(page_of(f, "page=last", 10, 25));
	assert_int_equal(f->page.number, 3);
	assert_true(page_of(f, "page=last", 10, 20));
	assert_int_equal(f->page.number, 2);
	assert_true(page_of(f, "page=1&page=2", 10, 25));
	assert_int_equal(f->page.number, 2);
}

static void test_page__what_is_no_page(void **state)
{
	static const char *const bad[] = { "page=0",
		                           "page=-1",
		                           "page=4",
		                           "page=x",
		                           "page=1.0",
		                           "page=Last",
		                           "page=9223372036854775807",
		                           "page=99999999999999999999",
		                           "page=1%202",
		                           "page=+" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_no_page(f, bad[i], 25);
}

static void test_page__an_empty_list_has_one_page(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "page=1", 10, 0));
	assert_true(page_of(f, "page=last", 10, 0));
	assert_int_equal(f->page.number, 1);
	assert_string_equal(link_of(f, "next"), "null");
	assert_string_equal(link_of(f, "previous"), "null");
	assert_no_page(f, "page=2", 0);
}

static void test_page__links(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "z=1&page=2&a=%C3%A9+x", 10, 25));
	assert_string_equal(link_of(f, "next"), "https://h.org/api/things/?a=%C3%A9+x&page=3&z=1");
	assert_string_equal(link_of(f, "previous"), "https://h.org/api/things/?a=%C3%A9+x&z=1");
	assert_true(page_of(f, "page=last", 10, 25));
	assert_string_equal(link_of(f, "next"), "null");
	assert_string_equal(link_of(f, "previous"), "https://h.org/api/things/?page=2");
	assert_true(page_of(f, "", 10, 11));
	assert_string_equal(link_of(f, "next"), "https://h.org/api/things/?page=2");
	assert_true(page_of(f, "page=2", 10, 11));
	assert_string_equal(link_of(f, "previous"), "https://h.org/api/things/");
	assert_true(page_of(f, "", 10, 10));
	assert_string_equal(link_of(f, "next"), "null");
}

static void test_page__the_envelope(void **state)
{
	static const struct row rows[] = { { 4 }, { 5 } };
	struct db_rows all = { (void *)(uintptr_t)rows, 2 };
	struct fixture *f = *state;

	assert_true(page_of(f, "", 2, 2));
	reply_page(&f->req, 0, &f->query, &f->page, &row_fields, &all);
	assert_text(f->req.reply.body, "{\"count\":2,\"next\":null,\"previous\":null,\"results\":[{\"id\":4},{\"id\":5}]}");
	assert_string_equal(f->req.reply.content_type, "application/json");
}

static void test_page__a_failed_call_is_answered(void **state)
{
	struct fixture *f = *state;

	assert_true(page_of(f, "", 2, 2));
	f->req.reply = (struct reply){ .status = 0 };
	assert_false(page_or_reply(&f->req, ERR_UNAVAILABLE, &f->query, 2, 2, &f->page));
	assert_answer(&f->req, 503, "detail");
	assert_string_equal(answer_header(&f->req, "Retry-After"), "1");
	f->req.reply = (struct reply){ .status = 0 };
	reply_page(&f->req, ERR_TIMEOUT, &f->query, &f->page, &row_fields, NULL);
	assert_answer(&f->req, 503, "detail");
}

/* The member "previous" of the last rows of a list of so many, of which two are shown. */
static const char *tail_link(struct fixture *f, const char *query, int64_t count)
{
	static const struct row rows[] = { { 41 }, { 42 } };
	struct db_rows all = { (void *)(uintptr_t)rows, 2 };
	json_t *envelope CLEANUP(json_decrefp) = NULL;
	const char *link;

	f->req.reply = (struct reply){ .status = 0 };
	f->req.query = str_of(query);
	assert_true(query_or_reply(&f->req, &f->query));
	reply_tail(&f->req, 0, &f->query, count, rows[0].id, &row_fields, &all);
	assert_int_equal(f->req.reply.status, 200);
	envelope = parse(f->req.reply.body);
	assert_int_equal(json_object_size(envelope), 4);
	assert_int_equal(json_integer_value(json_object_get(envelope, "count")), count);
	assert_true(json_is_null(json_object_get(envelope, "next")));
	assert_int_equal(json_array_size(json_object_get(envelope, "results")), 2);
	link = json_string_value(json_object_get(envelope, "previous"));
	return link ? arena_strndup(&f->req.arena, link, strlen(link)) : NULL;
}

static void test_page__the_tail_of_a_list(void **state)
{
	const struct db_rows none = { NULL, 0 };
	struct fixture *f = *state;

	assert_null(tail_link(f, "limit=2", 2));
	assert_string_equal(tail_link(f, "thread=7&limit=2", 3), "https://h.org/api/things/?before=41&limit=2&thread=7");
	assert_string_equal(tail_link(f, "before=60&limit=2", 9), "https://h.org/api/things/?before=41&limit=2");
	reply_tail(&f->req, 0, &f->query, 0, 0, &row_fields, &none);
	assert_json(f->req.reply.body, "{\"count\":0,\"next\":null,\"previous\":null,\"results\":[]}");
	f->req.reply = (struct reply){ .status = 0 };
	reply_tail(&f->req, ERR_TIMEOUT, &f->query, 0, 0, &row_fields, NULL);
	assert_answer(&f->req, 503, "detail");
}

static void test_page__without_memory(void **state)
{
	static const struct row rows[] = { { 4 } };
	struct db_rows all = { (void *)(uintptr_t)rows, 1 };
	struct fixture *f = *state;

	assert_true(page_of(f, "page=2", 1, 3));
	for (int n = 1;; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		reply_page(&f->req, 0, &f->query, &f->page, &row_fields, &all);
		fault_disarm_all();
		if (f->req.reply.status == 200)
			break;
		assert_int_equal(f->req.reply.status, 500);
		assert_true(n < 30);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_page__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_first_by_default), CASE(size_0_is_the_setting),      CASE(numbers),
		CASE(what_is_no_page),      CASE(an_empty_list_has_one_page), CASE(links),
		CASE(the_envelope),         CASE(a_failed_call_is_answered),  CASE(the_tail_of_a_list),
		CASE(without_memory),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
