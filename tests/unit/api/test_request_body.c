#include "api/body.h"
#include "api/reply.h"
#include "api/upload.h"
#include "base/log.h"
#include "tests/unit/api/node.h"

struct vote {
	int64_t option, weight;
	struct str why, proof, photo;
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
	FIELD(struct vote, "proof", proof, FILE, .flags = FIELD_NULLABLE, .accept = UPLOAD_DOCUMENT, .folder = "proofs"),
	FIELD(struct vote, "photo", photo, FILE, .flags = FIELD_NULLABLE, .accept = UPLOAD_IMAGE, .folder = "photos", .max_chars = 20),
};
static const struct fields vote_fields = FIELDS(struct vote, vote_list);

static int setup(void **state)
{
	struct node *node = node_open((const char *const[]){ "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901",
	                                                     "DEBUG=1", "MAX_UPLOAD_BYTES=1000", NULL });

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

/* What a handler does with a body; ret_present NULL: the whole object is wanted. *body is the caller's to finish. */
static bool read_into(struct node *node, const char *type, struct str bytes, struct body_value *body, struct vote *vote,
                      uint64_t *ret_present)
{
	struct request *req = node_request(node, "POST", "/", NULL);
	bool read;

	req->headers.content_type = str_of(type);
	req->body = bytes;
	req->worker = &node->executor;
	if (!body_or_reply(req, body))
		return false;
	req->parsed = body;
	read = ret_present ? request_read_part_or_reply(req, &vote_fields, vote, ret_present)
	                   : request_read_or_reply(req, &vote_fields, vote);
	assert_int_equal(read, req->reply.status == 0);
	return read;
}

static bool read_vote(struct node *node, const char *type, const char *bytes, struct vote *vote, uint64_t *ret_present)
{
	struct body_value body CLEANUP(body_finish) = { .root = NULL };

	return read_into(node, type, str_of(bytes), &body, vote, ret_present);
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

/* ---- multipart ---- */

#define MULTIPART                 "multipart/form-data; boundary=x"
#define PART(name)                "--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_PART(name, filename) "\r\n--x\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" filename "\"\r\n\r\n"
#define END                       "\r\n--x--\r\n"
#define GIF                       "GIF89a\1\0\1\0\0\0\0;"

static size_t count_files(struct node *node)
{
	char command[300];
	int n = -1;
	FILE *p;

	snprintf(command, sizeof(command), "find '%s' -type f 2>/dev/null | wc -l", node->settings->media_root);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return (size_t)n;
}

static void assert_errors(struct node *node, const char *field)
{
	json_t *errors CLEANUP(json_decrefp) = NULL;

	assert_int_equal(node->req->reply.status, 400);
	errors = parse(node->req->reply.body);
	assert_int_equal(json_object_size(errors), 1);
	assert_int_equal(json_array_size(json_object_get(errors, field)), 1);
	assert_int_equal(count_files(node), 0);
}

/* The body is one whose field is to be refused. */
static void refuse_(struct node *node, struct str bytes, const char *field)
{
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct vote vote = { .weight = 1 };

	assert_false(read_into(node, MULTIPART, bytes, &body, &vote, NULL));
	assert_errors(node, field);
}
#define refuse(bytes, field) refuse_(node, TEXT(bytes), field)

static void test_request_body__multipart_texts_are_a_form(void **state)
{
	struct node *node = *state;
	struct vote vote = { .weight = 1 };

	assert_true(read_vote(node, MULTIPART, PART("option") "8\r\n" PART("weight") "4\r\n" PART("why") "" END, &vote, NULL));
	assert_int_equal(vote.option, 8);
	assert_int_equal(vote.weight, 4);
	assert_text(vote.why, "");
	assert_false(read_vote(node, MULTIPART, PART("weight") "9" END, &vote, NULL));
	assert_int_equal(node->req->reply.status, 400);
	assert_false(read_vote(node, MULTIPART, "--x", &vote, NULL));
	assert_answer(node->req, 400, "detail");
	assert_false(read_vote(node, "multipart/form-data", "--x--", &vote, NULL));
	assert_answer(node->req, 400, "detail");
}

static void test_request_body__files_are_stored(void **state)
{
	struct node *node = *state;
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct vote vote = { .weight = 1 };

	assert_true(read_into(node, MULTIPART,
	                      TEXT(PART("option") "8" FILE_PART("photo", "../me too.gif") GIF FILE_PART("proof", "p.pdf") "%PDF-1.4" END),
	                      &body, &vote, NULL));
	assert_text(vote.photo, "photos/me_too.gif");
	assert_text(vote.proof, "proofs/p.pdf");
	assert_int_equal(count_files(node), 2);
	uploads_take_back(node->req, &body);
	assert_int_equal(count_files(node), 0);
}

static void test_request_body__files_that_are_not_sent(void **state)
{
	struct node *node = *state;
	struct vote vote = { .weight = 1, .photo = TEXT("photos/old.gif"), .proof = TEXT("proofs/old.pdf") };
	uint64_t present = 0;

	assert_true(read_vote(node, MULTIPART, PART("option") "8" FILE_PART("photo", "") END, &vote, &present));
	assert_int_equal(present, 1);
	assert_text(vote.photo, "photos/old.gif");
	assert_true(read_vote(node, MULTIPART, PART("option") "8\r\n" PART("photo") END, &vote, &present));
	assert_int_equal(present, 1 | 16);
	assert_null(vote.photo.s);
	assert_true(read_vote(node, "application/json", "{\"option\": 8, \"proof\": null}", &vote, NULL));
	assert_null(vote.proof.s);
	assert_int_equal(count_files(node), 0);
}

static void test_request_body__files_that_are_refused(void **state)
{
	struct node *node = *state;

	refuse(PART("option") "8\r\n" PART("photo") "a.gif" END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "a.gif") END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "a.png") GIF END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "a.pdf") "%PDF-1.4" END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "a.svg") "<svg/>" END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "..") GIF END, "photo");
	refuse(PART("option") "8" FILE_PART("photo", "aaaaaaaaaaaaaaaaa.gif") GIF END, "photo");
	refuse(PART("option") "8" FILE_PART("why", "a.gif") GIF END, "why");
	refuse(PART("weight") "1" FILE_PART("option", "a.gif") "8" END, "option");
	refuse(PART("option") "8" FILE_PART("weight", "a.gif") "1" END, "weight");
}

static void test_request_body__files_that_are_too_large(void **state)
{
	struct node *node = *state;
	char bytes[1500];
	int n = snprintf(bytes, sizeof(bytes), "%s%s%%PDF-%0995d%s", PART("option") "8", FILE_PART("proof", "a.pdf"), 0, END);
	struct vote vote = { .weight = 1 };

	assert_true(read_vote(node, MULTIPART, bytes, &vote, NULL));
	unlink(arena_printf(&node->req->arena, "%s/%s", node->settings->media_root, vote.proof.s));
	n = snprintf(bytes, sizeof(bytes), "%s%s%%PDF-%0996d%s", PART("option") "8", FILE_PART("proof", "a.pdf"), 0, END);
	refuse_(node, (struct str){ bytes, (size_t)n }, "proof");
}

static void test_request_body__nothing_is_stored_when_anything_is_wrong(void **state)
{
	struct node *node = *state;

	refuse(PART("option") "9" FILE_PART("photo", "a.gif") GIF END, "option");
	refuse(PART("option") "8" FILE_PART("proof", "a.pdf") "%PDF-1" FILE_PART("photo", "a.gif") "no gif" END, "photo");
}

static void test_request_body__a_full_disk(void **state)
{
	struct node *node = *state;
	struct str bytes = TEXT(PART("option") "8" FILE_PART("proof", "p.pdf") "%PDF-1.4" FILE_PART("photo", "a.gif") GIF END);
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct vote vote = { .weight = 1 };

	fault_arm(FAULT_DISK, 2, /* repeat: */ false);
	assert_false(read_into(node, MULTIPART, bytes, &body, &vote, NULL));
	fault_disarm_all();
	assert_answer(node->req, 503, "detail");
	assert_non_null(answer_header(node->req, "Retry-After"));
	assert_int_equal(count_files(node), 1);
	uploads_take_back(node->req, &body); /* as dispatch does */
	assert_int_equal(count_files(node), 0);
	body_finish(&body);
	assert_true(read_into(node, MULTIPART, bytes, &body, &vote, NULL));
	assert_int_equal(count_files(node), 2);
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

/* ---- the body of a resource where rows come first ---- */

static bool read_late(struct node *node, const char *type, const char *bytes, struct vote *vote)
{
	static const struct resource late = { .traits = TRAIT_LATE_BODY };
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct request *req = node_request(node, "POST", "/", NULL);

	req->headers.content_type = str_of(type);
	req->body = str_of(bytes);
	req->worker = &node->executor;
	req->resource = &late;
	req->parsed = &body;
	return request_read_or_reply(req, &vote_fields, vote);
}

static void test_request_body__late(void **state)
{
	struct node *node = *state;
	struct vote vote = { .weight = 1 };

	assert_true(read_late(node, "application/json", "{\"option\": 8}", &vote));
	assert_int_equal(vote.option, 8);
	assert_false(read_late(node, "application/json", "{", &vote));
	assert_answer(node->req, 400, "detail");
	assert_false(read_late(node, "text/plain", "{}", &vote));
	assert_answer(node->req, 415, "detail");
	assert_false(read_late(node, "text/plain", "", &vote));
	assert_errors(node, "option");
}

/* ---- ids in a query ---- */

static int64_t query_id(struct node *node, const char *text, bool *ret_fine)
{
	struct request *req = node_request(node, "GET", "/", NULL);
	struct query query;
	int64_t id = 5;

	assert_int_equal(query_parse(str_of(text), &req->arena, &query), 0);
	*ret_fine = query_id_or_reply(req, &query, "id", &id);
	return id;
}

static void test_request_body__an_id_of_a_query(void **state)
{
	struct node *node = *state;
	bool fine;

	assert_int_equal(query_id(node, "", &fine), NULL_INT);
	assert_true(fine);
	assert_int_equal(query_id(node, "id=", &fine), NULL_INT);
	assert_true(fine);
	assert_int_equal(query_id(node, "id=12&other=x", &fine), 12);
	assert_true(fine);
	assert_int_equal(query_id(node, "id=99999999999999999999", &fine), -1);
	assert_true(fine);
	assert_int_equal(query_id(node, "id=%2012%20", &fine), 12); /* as Python reads them */
	assert_true(fine);
	assert_int_equal(query_id(node, "id=-7", &fine), -7);
	assert_true(fine);
	for (size_t i = 0; i < 3; i++) {
		query_id(node, (const char *const[]){ "id=x", "id=-", "id=1.5" }[i], &fine);
		assert_false(fine);
		assert_errors(node, "id");
	}
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
		CASE(multipart_texts_are_a_form),
		CASE(files_are_stored),
		CASE(files_that_are_not_sent),
		CASE(files_that_are_refused),
		CASE(files_that_are_too_large),
		CASE(nothing_is_stored_when_anything_is_wrong),
		CASE(a_full_disk),
		CASE(a_query_is_read_as_a_form),
		CASE(a_database_that_is_away),
		CASE(without_memory),
		CASE(late),
		CASE(an_id_of_a_query),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
