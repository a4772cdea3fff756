#include "domain/hash_embedding.h"
#include "tests/unit/tasks/services.h"

#define ONE     "core.tasks_embeddings.generate_embedding_task"
#define MISSING "core.tasks_embeddings.batch_generate_embeddings"
#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

static const struct settings local = { .embeddings_local = true }, nothing;
static const struct task_services here = { .settings = &local }, nowhere = { .settings = &nothing };

/* OpenAI's answer with so many numbers, of which the first is this text. */
static char *answer_with(size_t n, const char *first)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, HEAD "{\"object\": \"list\", \"data\": [{\"object\": \"embedding\", \"index\": 0, \"embedding\": [");
	buf_add_text(&b, first);
	for (size_t i = 1; i < n; i++)
		buf_add_text(&b, i % 2 ? ", 0.25" : ", -1");
	buf_add_text(&b, "]}], \"model\": \"text-embedding-3-small\", \"usage\": {\"prompt_tokens\": 8, \"total_tokens\": 8}}");
	return buf_detach(&b, NULL);
}

static void test_jobs_embeddings__by_openai(void **state)
{
	struct fixture *f = *state;
	char *answer = answer_with(OPENAI_DIMENSIONS, "-0.0123");
	struct outside o;
	json_t *embedding;

	outside_start(&o, f, str_of(answer));
	add_project(f, 7, "L''eau \"vive\"", "à boire", "'{\"vector\": [1], \"coordinates_3d\": {\"x\": 1}}'");
	assert_answers(f, &o.services, ONE, "[\"openai\", 7]", 1, "{\"success\": true, \"content_id\": 7, \"dimension\": 1536}");
	outside_stop(&o);
	assert_asked(&o, "POST /v1/embeddings HTTP/1.1\r\n");
	assert_asked(&o, "\r\nAuthorization: Bearer " OPENAI_KEY "\r\n");
	assert_asked(&o, "\r\nContent-Type: application/json\r\n");
	assert_asked(&o, "\r\n\r\n{\"model\": \"text-embedding-3-small\", \"input\": \"L'eau \\\"vive\\\" à boire\"}");
	embedding = embedding_in(f, SEMANTIC_PROJECTS, 7);
	assert_int_equal(json_object_size(embedding), 3);
	assert_string_equal(json_string_value(json_object_get(embedding, "model")), "text-embedding-3-small");
	assert_true(json_real_value(json_object_get(embedding, "dimension")) == 1536);
	assert_true(json_real_value(json_array_get(json_object_get(embedding, "vector"), 0)) == -0.0123);
	assert_true(json_real_value(json_array_get(json_object_get(embedding, "vector"), 1534)) == -1);
	json_decref(embedding);
	outside_finish(&o);
	free(answer);
}

/* The answer is told as it is, and nothing is stored. */
static void assert_fails(struct fixture *f, struct str answer, enum task_outcome expected, const char *text, int64_t retry_after_s)
{
	struct outside o;
	struct str told;
	int64_t after = 0;
	json_t *embedding;

	outside_start(&o, f, answer);
	told = outcome_of(f, &o.services, ONE, "[\"openai\", 7]", 1, expected, &after);
	outside_stop(&o);
	outside_finish(&o);
	if (!memmem(told.s, told.len, text, strlen(text)))
		fail_msg("\"%.*s\" does not say \"%s\"", STR_ARG(told), text);
	assert_null(memmem(told.s, told.len, "canary", 6));
	assert_int_equal(after, retry_after_s);
	embedding = embedding_in(f, SEMANTIC_PROJECTS, 7);
	assert_null(embedding);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_task_done"), 0);
}

static void test_jobs_embeddings__what_may_do_better_later_is_tried_again(void **state)
{
	struct fixture *f = *state;

	add_project(f, 7, "a", "", "NULL");
	assert_fails(f, NOTHING, TASK_RETRY, "OpenAI: ", 60);
	assert_fails(f, TEXT("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), TASK_RETRY, "OpenAI answered 500", 60);
	assert_fails(f, TEXT("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"), TASK_RETRY, "OpenAI answered 429", 60);
	assert_fails(f, TEXT("HTTP/1.1 429 Slow\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n"), TASK_RETRY, "OpenAI answered 429", 300);
	assert_fails(f, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\""), TASK_RETRY, "OpenAI: ", 60);
}

static void test_jobs_embeddings__what_is_refused_is_told(void **state)
{
	struct fixture *f = *state;
	char *shorter = answer_with(OPENAI_DIMENSIONS - 1, "1"), *longer = answer_with(OPENAI_DIMENSIONS + 1, "1");
	char *nan = answer_with(OPENAI_DIMENSIONS, "NaN"), *infinite = answer_with(OPENAI_DIMENSIONS, "1e999");
	char *text = answer_with(OPENAI_DIMENSIONS, "\"1\"");
	const char *const wrong[] = {
		shorter, longer, nan, infinite, text, HEAD "{\"data\": [", HEAD "[]", HEAD "", HEAD "{\"data\": []}"
	};

	add_project(f, 7, "a", "", "NULL");
	assert_fails(f,
	             TEXT("HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"error\": {\"message\": \"Incorrect API key provided: " OPENAI_KEY
	                  "\", \"type\": \"invalid_request_error\", \"param\": null, \"code\": \"invalid_api_key\"}}"),
	             TASK_SUCCEEDED, "{\"success\": false, \"error\": \"OpenAI answered 401 (invalid_api_key)\"}", 0);
	assert_fails(f, TEXT("HTTP/1.1 400 No\r\nConnection: close\r\n\r\n{\"error\": {\"code\": \"sk canary\"}}"), TASK_SUCCEEDED,
	             "\"OpenAI answered 400\"", 0);
	assert_fails(f, TEXT("HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), TASK_SUCCEEDED, "\"OpenAI answered 302\"",
	             0);
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_fails(f, str_of(wrong[i]), TASK_SUCCEEDED, "OpenAI answered something that is not a vector of 1536 numbers", 0);
	free(shorter);
	free(longer);
	free(nan);
	free(infinite);
	free(text);
}

/* A key that is none of a header's values makes no second header, and is not told. */
static void test_jobs_embeddings__a_key_that_cannot_be_sent(void **state)
{
	struct fixture *f = *state;
	struct outside o;
	struct str told;

	add_project(f, 7, "a", "", "NULL");
	outside_start(&o, f, TEXT(HEAD "{}"));
	o.settings.openai_api_key = "canary\r\nX-More: 1";
	told = outcome_of(f, &o.services, ONE, "[\"openai\", 7]", 1, TASK_SUCCEEDED, NULL);
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 0);
	assert_null(memmem(told.s, told.len, "canary", 6));
	outside_finish(&o);
}

static void test_jobs_embeddings__without_a_model_nothing_is_stored(void **state)
{
	struct fixture *f = *state;

	add_project(f, 7, "a", "", "NULL");
	assert_answers(
	        f, &nowhere, ONE, "[\"sentence-transformers\", 7, \"projet\"]", 1,
	        "{\"success\": false, \"error\": \"there is no model sentence-transformers here; EMBEDDINGS_LOCAL=true offers vectors "
	        "without one\"}");
	assert_answers(f, &nowhere, ONE, "[\"openai\", 7]", 2, "{\"success\": false, \"error\": \"OPENAI_API_KEY is not set\"}");
	assert_answers(f, &here, ONE, "[\"other\", 7]", 3,
	               "{\"success\": false, \"error\": \"unknown model: openai or sentence-transformers\"}");
	assert_answers(f, &here, ONE, "[null, 7]", 4,
	               "{\"success\": false, \"error\": \"unknown model: openai or sentence-transformers\"}");
	assert_answers(f, &here, ONE, "[\"openai\", 7, \"poll\"]", 5,
	               "{\"success\": false, \"error\": \"unknown content_type: projet or educational_content\"}");
	assert_answers(f, &here, ONE, "[\"openai\", 8]", 6, "{\"success\": false, \"error\": \"there is no such project\"}");
	assert_answers(f, &here, ONE, "[\"openai\", null, \"educational_content\"]", 7,
	               "{\"success\": false, \"error\": \"there is no such content\"}");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_projet WHERE embedding IS NOT NULL"), 0);
}

static void test_jobs_embeddings__here_until_the_text_changes(void **state)
{
	struct fixture *f = *state;
	double values[HASH_EMBEDDING_DIMENSIONS];
	json_t *embedding;
	const json_t *vector;

	add_content(f, 3, "pending", "L&#x27;eau", "NULL");
	assert_answers(f, &here, ONE, "[\"sentence-transformers\", 3, \"educational_content\"]", 1,
	               "{\"success\": true, \"content_id\": 3, \"dimension\": 384}");
	embedding = embedding_in(f, SEMANTIC_CONTENTS, 3);
	vector = json_object_get(embedding, "vector");
	assert_string_equal(json_string_value(json_object_get(embedding, "model")), "local-hash-384");
	assert_int_equal(hash_embedding(TEXT("L'eau texte"), values), 0);
	for (size_t i = 0; i < HASH_EMBEDDING_DIMENSIONS; i++)
		assert_true(json_number_value(json_array_get(vector, i)) == values[i]);
	json_decref(embedding);
	assert_answers(f, &here, ONE, "[\"openai\", 3, \"educational_content\"]", 2,
	               "{\"success\": true, \"skipped\": true, \"reason\": \"hash_unchanged\"}");
	write_rows(f, "UPDATE core_educationalcontent SET description = '', title = '...'");
	assert_answers(f, &here, ONE, "[\"sentence-transformers\", 3, \"educational_content\"]", 3,
	               "{\"success\": false, \"error\": \"there is no word in the text\"}");
}

/* The second delivery of a message answers what the first did, and changes nothing. */
static void test_jobs_embeddings__once_for_a_message(void **state)
{
	struct fixture *f = *state;

	add_project(f, 7, "a", "", "NULL");
	for (int i = 0; i < 2; i++) {
		assert_answers(f, &here, ONE, "[\"sentence-transformers\", 7]", 1,
		               "{\"success\": true, \"content_id\": 7, \"dimension\": 384}");
		write_rows(f, "UPDATE core_projet SET embedding = NULL");
	}
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_task_done"), 1);
}

static void test_jobs_embeddings__of_all_that_have_none(void **state)
{
	struct fixture *f = *state;

	add_project(f, 7, "a", "", "NULL");
	add_project(f, 8, "b", "", EMBEDDING("[1]"));
	add_content(f, 3, "draft", "c", "NULL");
	assert_answers(f, &here, MISSING, "[]", 1, "{\"success\": true, \"count\": 1, \"content_type\": \"projet\"}");
	assert_text(args_of_message(f, 0), "[\"sentence-transformers\", 7, \"projet\"]");
	assert_answers(f, &here, MISSING, "[]", 1, "{\"success\": true, \"count\": 1, \"content_type\": \"projet\"}");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_outbox"), 1); /* the same message again */
	assert_answers(f, &here, MISSING, "[\"openai\", \"educational_content\"]", 2,
	               "{\"success\": true, \"count\": 1, \"content_type\": \"educational_content\"}");
	assert_text(args_of_message(f, 0), "[\"openai\", 3, \"educational_content\"]");
	assert_answers(f, &here, MISSING, "[\"openai\", \"both\"]", 3,
	               "{\"success\": false, \"error\": \"unknown content_type: projet or educational_content\"}");
}

static void test_jobs_embeddings__a_database_that_fails(void **state)
{
	struct fixture *f = *state;

	add_project(f, 7, "a", "", "NULL");
	for (int n = 1; n < 4; n++) {
		fault_arm(FAULT_SQL_STEP, n, true);
		outcome_of(f, &here, ONE, "[\"sentence-transformers\", 7]", 1, TASK_FAILED, NULL);
		fault_disarm_all();
		assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_projet WHERE embedding IS NOT NULL"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_jobs_embeddings__by_openai),
		CASE(test_jobs_embeddings__what_may_do_better_later_is_tried_again),
		CASE(test_jobs_embeddings__what_is_refused_is_told),
		CASE(test_jobs_embeddings__a_key_that_cannot_be_sent),
		CASE(test_jobs_embeddings__without_a_model_nothing_is_stored),
		CASE(test_jobs_embeddings__here_until_the_text_changes),
		CASE(test_jobs_embeddings__once_for_a_message),
		CASE(test_jobs_embeddings__of_all_that_have_none),
		CASE(test_jobs_embeddings__a_database_that_fails),
	};

	return RUN_ON_BOTH(tests);
}
