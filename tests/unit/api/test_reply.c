#include "api/reply.h"

#include "base/log.h"
#include "tests/unit/api/node.h"

static int setup(void **state)
{
	struct request *req = calloc(1, sizeof(*req));

	arena_init(&req->arena, 1 << 20);
	req->id = "0123456789abcdef";
	*state = req;
	return 0;
}

static int teardown(void **state)
{
	struct request *req = *state;

	fault_disarm_all();
	arena_finish(&req->arena);
	free(req);
	return 0;
}

static void test_reply__results_of_a_domain_call(void **state)
{
	static const struct {
		int code, status;
		const char *retry_after;
	} cases[] = { { ERR_NOT_FOUND, 404, NULL }, { ERR_FORBIDDEN, 403, NULL },  { ERR_INVALID, 400, NULL },
		      { ERR_CONFLICT, 409, NULL },  { ERR_UNAVAILABLE, 503, "1" }, { ERR_TIMEOUT, 503, "1" },
		      { ERR_READ_ONLY, 503, "30" }, { ERR_FULL, 503, "30" },       { ERR_LIMIT, 503, "1" } };
	struct request *req = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *retry_after;

		req->reply = (struct reply){ .status = 0 };
		reply_error(req, cases[i].code);
		assert_answer(req, cases[i].status, "detail");
		assert_int_equal(req->reply.error, cases[i].code);
		retry_after = answer_header(req, "Retry-After");
		assert_int_equal(retry_after != NULL, cases[i].retry_after != NULL);
		if (retry_after)
			assert_string_equal(retry_after, cases[i].retry_after);
	}
}

static void test_reply__what_is_ours_says_nothing_but_the_request(void **state)
{
	static const int codes[] = { ERR_NOMEM, ERR_IO, ERR_CORRUPT, ERR_SCHEMA, ERR_CONFIG, ERR_INTERNAL, -999 };
	struct request *req = *state;

	for (size_t i = 0; i < N_ELEMENTS(codes); i++) {
		reply_error(req, codes[i]);
		assert_int_equal(req->reply.status, 500);
		assert_json(req->reply.body, "{\"detail\":\"Erreur interne.\",\"request_id\":\"0123456789abcdef\"}");
	}
}

static void test_reply__without_any_memory_there_is_still_an_answer(void **state)
{
	struct request *req = *state;

	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	reply_detail(req, 404, "Introuvable.");
	fault_disarm_all();
	assert_int_equal(req->reply.status, 500);
	assert_json(req->reply.body, "{\"detail\":\"Erreur interne.\",\"request_id\":\"\"}");
}

static void test_reply__texts_are_escaped(void **state)
{
	struct request *req = *state;

	reply_detail(req, 400, "a \"b\" \n é");
	assert_text(req->reply.body, "{\"detail\":\"a \\\"b\\\" \\n é\"}");
	reply_hand_error(req, 400, "x");
	assert_text(req->reply.body, "{\"error\":\"x\"}");
	reply_field_error(req, "name", "x");
	assert_text(req->reply.body, "{\"name\":[\"x\"]}");
	assert_int_equal(req->reply.status, 400);
}

static void test_reply__the_last_one_counts(void **state)
{
	struct request *req = *state;

	reply_text(req, 200, TEXT("ok\n"), "text/plain; charset=utf-8");
	assert_text(req->reply.body, "ok\n");
	reply_empty(req, 204);
	assert_int_equal(req->reply.status, 204);
	assert_int_equal(req->reply.body.len, 0);
	assert_null(req->reply.content_type);
}

static void test_reply__headers_are_bounded(void **state)
{
	struct request *req = *state;

	reply_header(req, "X-None", NULL);
	assert_int_equal(req->reply.n_headers, 0);
	for (int i = 0; i < REPLY_MAX_HEADERS + 3; i++)
		reply_header(req, "X-A", "1");
	assert_int_equal(req->reply.n_headers, REPLY_MAX_HEADERS);
}

static void test_reply__a_taken_buffer_is_empty(void **state)
{
	struct request *req = *state;
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "{}");
	reply_json_take(req, 201, &b);
	assert_null(b.data);
	assert_int_equal(req->reply.status, 201);
	assert_text(req->reply.body, "{}");
	b.failed = true;
	reply_json_take(req, 200, &b);
	assert_int_equal(req->reply.status, 500);
}

static void test_reply__a_broken_query(void **state)
{
	struct request *req = *state;
	struct query query;

	req->query = TEXT("a=%ff");
	assert_false(query_or_reply(req, &query));
	assert_answer(req, 400, "detail");
	req->query = TEXT("a=1");
	assert_true(query_or_reply(req, &query));
	assert_int_equal(query.n, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_reply__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(results_of_a_domain_call),
		CASE(what_is_ours_says_nothing_but_the_request),
		CASE(without_any_memory_there_is_still_an_answer),
		CASE(texts_are_escaped),
		CASE(the_last_one_counts),
		CASE(headers_are_bounded),
		CASE(a_taken_buffer_is_empty),
		CASE(a_broken_query),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
