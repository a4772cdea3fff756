#include "api/body.h"
#include "api/reply.h"
#include "base/log.h"
#include "tests/unit/api/node.h"

struct vote {
	int64_t option, weight;
	struct str why;
};

static int known_option(struct db_conn *db, int64_t id)
{
	int64_t n;
	int r = db_select_int(db, "SELECT count(*) FROM core_projet WHERE id = $1", DB_PARAMS(DB_INT(id)), &n);

	return r < 0 ? r : n ? 0 : ERR_NOT_FOUND;
}

static const struct field vote_list[] = {
	FIELD(struct vote, "option", option, REFERENCE, .flags = FIELD_REQUIRED, .known = known_option),
	FIELD(struct vote, "weight", weight, INT, .min = 1, .max = 5),
	FIELD(struct vote, "why", why, TEXT, .flags = FIELD_BLANK),
};
static const struct fields vote_fields = FIELDS(struct vote, vote_list);

static int setup(void **state)
{
	struct node *node = node_open(
	        (const char *const[]){ "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901", "DEBUG=1", NULL });

	node_write(node,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (8, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')");
	*state = node;
	return 0;
}

static int teardown(void **state)
{
	node_close(*state);
	return 0;
}

/* What a handler does with a body; ret_present NULL: the whole object is wanted. */
static bool read_vote(struct node *node, const char *type, const char *bytes, struct vote *vote, uint64_t *ret_present)
{
	struct request *req = node_request(node, "POST", "/", NULL);
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	bool read;

	req->headers.content_type = str_of(type);
	req->body = str_of(bytes);
	req->worker = &node->executor;
	if (!body_or_reply(req, &body))
		return false;
	req->parsed = &body;
	read = ret_present ? request_read_part_or_reply(req, &vote_fields, vote, ret_present)
	                   : request_read_or_reply(req, &vote_fields, vote);
	assert_int_equal(read, req->reply.status == 0);
	return read;
}

static void test_request_body__fills_the_row(void **state)
{
	struct node *node = *state;
	struct vote vote = { .weight = 1, .why = TEXT("default") };

	assert_true(read_vote(node, "application/json", "{\"option\": 8, \"weight\": \"3\"}", &vote, NULL));
	assert_int_equal(vote.option, 8);
	assert_int_equal(vote.weight, 3);
	assert_text(vote.why, "default");
	assert_true(read_vote(node, "application/x-www-form-urlencoded", "option=8&why=+a+", &vote, NULL));
	assert_text(vote.why, "a");
}

static void test_request_body__answers_all_errors(void **state)
{
	struct node *node = *state;
	struct vote vote;
	json_t *errors CLEANUP(json_decrefp) = NULL;

	assert_false(read_vote(node, "application/json", "{\"option\": 9, \"weight\": 6, \"why\": null}", &vote, NULL));
	assert_int_equal(node->req->reply.status, 400);
	assert_string_equal(node->req->reply.content_type, "application/json");
	errors = parse(node->req->reply.body);
	assert_int_equal(json_object_size(errors), 3);
	assert_int_equal(json_array_size(json_object_get(errors, "option")), 1);
}

static void test_request_body__an_empty_body_lacks_what_is_required(void **state)
{
	struct node *node = *state;
	struct vote vote;

	assert_false(read_vote(node, NULL, "", &vote, NULL));
	assert_non_null(strstr(node->req->reply.body.s, "{\"option\":[\""));
}

static void test_request_body__malformed(void **state)
{
	struct node *node = *state;
	struct vote vote;

	assert_false(read_vote(node, "application/json", "{", &vote, NULL));
	assert_answer(node->req, 400, "detail");
	assert_false(read_vote(node, "application/json", "[]", &vote, NULL));
	assert_non_null(strstr(node->req->reply.body.s, "{\"non_field_errors\":[\""));
}

static void test_request_body__a_part(void **state)
{
	struct node *node = *state;
	struct vote vote = { .option = 5, .weight = 2 };
	uint64_t present = 0;

	assert_true(read_vote(node, "application/json", "{\"why\": \"\"}", &vote, &present));
	assert_int_equal(present, 4);
	assert_int_equal(vote.option, 5);
	assert_false(read_vote(node, "application/json", "{\"weight\": 0}", &vote, &present));
	assert_int_equal(node->req->reply.status, 400);
	assert_int_equal(present, 4); /* untouched on failure */
}

static void test_request_body__multipart_is_for_the_routes_that_take_uploads(void **state)
{
	struct node *node = *state;
	struct vote vote;

	assert_false(read_vote(node, "multipart/form-data; boundary=x", "--x--", &vote, NULL));
	assert_answer(node->req, 415, "detail");
}

static void test_request_body__a_database_that_is_away(void **state)
{
	struct node *node = *state;
	struct vote vote;

	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_false(read_vote(node, "application/json", "{\"option\": 8}", &vote, NULL));
	fault_disarm_all();
	assert_true(node->req->reply.status >= 500);
	assert_true(node->req->reply.error < 0);
}

static void test_request_body__without_memory(void **state)
{
	struct node *node = *state;
	struct vote vote;
	bool read = false;

	for (int n = 1; !read; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		read = read_vote(node, "application/json; charset=latin-1", "{\"option\": 8, \"why\": \"\xe9\", \"x\": 1e999}", &vote,
		                 NULL);
		fault_disarm_all();
		assert_true(read || node->req->reply.status >= 500);
		assert_true(n < 60);
	}
	assert_text(vote.why, "é");
}

/* What a handler does with a query; on an http thread: reads only. */
static bool read_query(struct node *node, const char *text, struct vote *vote)
{
	static const struct field list[] = {
		PAGE_PARAMETER,
		FIELD(struct vote, "weight", weight, INT, .min = 1, .max = 5),
		FIELD(struct vote, "why", why, TEXT, .flags = FIELD_BLANK),
	};
	static const struct fields fields = FIELDS(struct vote, list);
	struct request *req = node_request(node, "GET", "/", NULL);
	struct query query;
	bool read;

	req->query = str_of(text);
	req->worker = &node->executor;
	read = request_query_or_reply(req, &fields, vote, &query);
	assert_int_equal(read, req->reply.status == 0);
	return read;
}

static void test_request_body__a_query_is_read_as_a_form(void **state)
{
	struct node *node = *state;
	struct vote vote = { .weight = 1, .why = TEXT("default") };

	assert_true(read_query(node, "page=last&weight=2&weight=3&other=1", &vote)); /* page is the handler's own */
	assert_int_equal(vote.weight, 3);
	assert_text(vote.why, "default");
	assert_true(read_query(node, "weight=&why=", &vote));
	assert_int_equal(vote.weight, 3);
	assert_text(vote.why, "");
	assert_false(read_query(node, "weight=9&why=a", &vote));
	assert_int_equal(node->req->reply.status, 400);
	assert_non_null(memmem(node->req->reply.body.s, node->req->reply.body.len, "\"weight\":[", 10));
	assert_false(read_query(node, "why=%ff", &vote));
	assert_int_equal(node->req->reply.status, 400);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_request_body__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(fills_the_row),
		CASE(answers_all_errors),
		CASE(an_empty_body_lacks_what_is_required),
		CASE(malformed),
		CASE(a_part),
		CASE(a_query_is_read_as_a_form),
		CASE(multipart_is_for_the_routes_that_take_uploads),
		CASE(a_database_that_is_away),
		CASE(without_memory),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
