/*
 * Who asks: tokens of each kind of account, and Basic credentials. The cheap hash below is PBKDF2 with one thousand
 * iterations, recorded from Django; a success makes it Argon2.
 */
#include "api/authenticate.h"

#include "base/base64.h"
#include "domain/account.h"
#include "domain/token.h"
#include "tests/unit/api/node.h"

#define SECRET "0123456789012345678901234567890123456789012345678901"
/* "héhé çà:va € 漢字 🌱" */
#define HASH     "pbkdf2_sha256$1000$E6iCxi8EuQ1h6POEvvGUYg$xmqK3cTBEN1QchssBuSG/sQcd0CNZVb4ajYQj3vBrY4="
#define PASSWORD "héhé çà:va € 漢字 🌱"

static int open_node(void **state)
{
	struct node *node = node_open((const char *const[]){ "DJANGO_SECRET_KEY=" SECRET, "DEBUG=1", NULL });

	node_write(node, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	                 "first_name) VALUES (1, '" HASH "', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', ''), (2, '" HASH
	                 "', FALSE, TRUE, TRUE, 'eva', '', '', '2026-01-05 00:00:00', ''), (3, '" HASH
	                 "', FALSE, FALSE, FALSE, 'dave', '', '', '2026-01-05 00:00:00', '')");
	*state = node;
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

/* Has the header judged as a thread that may hash does. */
static struct request *judge(struct node *node, const char *authorization, bool *ret_passed)
{
	static char header[2000];
	struct request *req;

	snprintf(header, sizeof(header), "authorization: %s", authorization);
	req = node_request(node, "GET", "/api/", (const char *const[]){ header, NULL });
	req->worker = &node->executor;
	*ret_passed = authenticate_or_reply(req);
	return req;
}

static const char *token_of(struct node *node, const char *scheme, enum token_type type, int64_t user_id)
{
	static char text[1000];
	struct arena arena;
	struct token token;

	(void)node;
	arena_init(&arena, 1 << 20);
	assert_int_equal(token_issue((struct str)STR(SECRET), type, user_id, clock_now(), 60, &arena, &token), 0);
	snprintf(text, sizeof(text), "%s %.*s", scheme, STR_ARG(token.text));
	arena_finish(&arena);
	return text;
}

static void assert_caller(struct node *node, const char *authorization, int64_t id)
{
	bool passed;
	struct request *req = judge(node, authorization, &passed);

	if (!passed)
		fail_msg("refused: %.*s", STR_ARG(req->reply.body));
	if (!id) {
		assert_null(req->caller);
		return;
	}
	assert_non_null(req->caller);
	assert_int_equal(req->caller->id, id);
}

/* code NULL: no such member. */
static void assert_refused(struct node *node, const char *authorization, const char *code, bool with_messages)
{
	bool passed;
	struct request *req = judge(node, authorization, &passed);
	json_t *json;

	if (passed)
		fail_msg("%s passes", authorization);
	json = parse(answer(req));
	assert_int_equal(req->reply.status, 403);
	assert_null(req->caller);
	assert_true(json_is_string(json_object_get(json, "detail")));
	if (code)
		assert_string_equal(json_string_value(json_object_get(json, "code")), code);
	else
		assert_null(json_object_get(json, "code"));
	assert_int_equal(json_array_size(json_object_get(json, "messages")), with_messages ? 1 : 0);
	json_decref(json);
}

static void test_authenticate__a_token_names_its_account(void **state)
{
	assert_caller(*state, token_of(*state, "Bearer", TOKEN_ACCESS, 1), 1);
	assert_caller(*state, token_of(*state, "Bearer", TOKEN_ACCESS, 2), 2);
	assert_caller(*state, token_of(*state, "  Bearer  ", TOKEN_ACCESS, 2), 2);
}

static void test_authenticate__other_schemes_are_no_credentials(void **state)
{
	assert_caller(*state, token_of(*state, "bearer", TOKEN_ACCESS, 1), 0);
	assert_caller(*state, token_of(*state, "BEARER", TOKEN_ACCESS, 1), 0);
	assert_caller(*state, token_of(*state, "JWT", TOKEN_ACCESS, 1), 0);
	assert_caller(*state, token_of(*state, "", TOKEN_ACCESS, 1), 0);
	assert_caller(*state, "", 0);
	assert_caller(*state, "Digest username=x", 0);
}

static void test_authenticate__bad_bearers(void **state)
{
	assert_refused(*state, "Bearer", "bad_authorization_header", false);
	assert_refused(*state, "Bearer a b", "bad_authorization_header", false);
	assert_refused(*state, "Bearer a b c d", "bad_authorization_header", false);
	assert_refused(*state, "Bearer abc", "token_not_valid", true);
	assert_refused(*state, token_of(*state, "Bearer", TOKEN_REFRESH, 1), "token_not_valid", true);
	assert_refused(*state, token_of(*state, "Bearer", TOKEN_ACCESS, 99), "user_not_found", false);
	assert_refused(*state, token_of(*state, "Bearer", TOKEN_ACCESS, 3), "user_inactive", false);
}

static const char *basic(struct str pair)
{
	static char text[500];
	struct buf b = BUF_EMPTY;

	base64_add(&b, BASE64, pair.s, pair.len);
	snprintf(text, sizeof(text), "Basic %s", b.data);
	buf_finish(&b);
	return text;
}

static void test_authenticate__basic_upgrades_the_hash(void **state)
{
	struct node *node = *state;
	int64_t n = 0;

	assert_caller(*state, basic((struct str)STR("ana:" PASSWORD)), 1); /* the password has a colon */
	assert_int_equal(
	        db_select_int(node->http.db, "SELECT count(*) FROM auth_user WHERE password LIKE 'argon2$argon2id$%'", DB_NO_PARAMS, &n),
	        0);
	assert_int_equal(n, 1);
	assert_caller(*state, basic((struct str)STR("ana:" PASSWORD)), 1);
}

static void test_authenticate__bad_basics(void **state)
{
	assert_refused(*state, "Basic", NULL, false);
	assert_refused(*state, "basic a b", NULL, false);
	assert_refused(*state, "Basic ***", NULL, false);
	assert_refused(*state, "Basic YW5h", NULL, false); /* no colon */
	assert_refused(*state, basic((struct str)STR("ana:wrong")), NULL, false);
	assert_refused(*state, basic((struct str)STR("dave:" PASSWORD)), NULL, false);
	assert_refused(*state, basic((struct str)STR("Ana:" PASSWORD)), NULL, false);
	assert_refused(*state, basic((struct str)STR("ana\0:" PASSWORD)), NULL, false);
	assert_refused(*state, basic((struct str)STR("ana' OR '1'='1:x")), NULL, false);
}

static void test_authenticate__basic_goes_to_the_threads_that_hash(void **state)
{
	struct node *node = *state;
	char header[600];
	struct request *req;

	snprintf(header, sizeof(header), "authorization: %s", basic((struct str)STR("eva:" PASSWORD)));
	req = ASK("GET", "/api/config/features/", header);
	assert_int_equal(node->result, DISPATCH_PASSWORD);
	assert_int_equal(req->reply.status, 200);
	assert_int_equal(req->caller->id, 2);
	req = ASK("GET", "/api/health/", header); /* outside the API: not looked at */
	assert_int_equal(node->result, DISPATCH_ANSWERED);
}

static void test_authenticate__a_database_that_is_away_is_no_verdict(void **state)
{
	bool passed;
	struct request *req;
	const char *header = token_of(*state, "Bearer", TOKEN_ACCESS, 1);

	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	req = judge(*state, header, &passed);
	assert_false(passed);
	assert_true(req->reply.status >= 500);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_node, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_authenticate__a_token_names_its_account),
		CASE(test_authenticate__other_schemes_are_no_credentials),
		CASE(test_authenticate__bad_bearers),
		CASE(test_authenticate__basic_upgrades_the_hash),
		CASE(test_authenticate__bad_basics),
		CASE(test_authenticate__basic_goes_to_the_threads_that_hash),
		CASE(test_authenticate__a_database_that_is_away_is_no_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
