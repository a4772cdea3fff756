/* The gate and its neighbours, with 3 anonymous calls a minute and 5 of everybody; caller 1 is staff, caller 2 is not. */
#include "api/throttling.h"

#include "api/client_address.h"
#include "base/base64.h"
#include "domain/token.h"
#include "tests/unit/api/node.h"

#define KEY     "0123456789012345678901234567890123456789012345678901"
#define SETTING "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"
/* Of "mot de passe": PBKDF2 with one iteration, so that the tests need not wait. */
#define HASH "pbkdf2_sha256$1$salt$1SMn+4tyKgKMKZzbyKLWSdPWPSYK3GbTKCk5XDNNqPw="

static int open_node(void **state)
{
	struct node *node = node_open((const char *const[]){ SETTING, "DEBUG=1", "DISABLE_THROTTLE_FOR_TESTS=0", "THROTTLE_ANON=3/minute",
	                                                     "THROTTLE_USER=5/minute", "THROTTLE_METRICS=2/minute", NULL });

	node_write(node, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	                 "first_name) VALUES (1, '" HASH "', FALSE, TRUE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', ''), (2, '" HASH
	                 "', FALSE, FALSE, TRUE, 'eva', '', '', '2026-01-05 00:00:00', '')");
	*state = node;
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

/* "authorization: Bearer …" of an account. */
static const char *bearer(int64_t user_id)
{
	static char text[1000];
	struct arena arena;
	struct token token;

	arena_init(&arena, 1 << 20);
	assert_int_equal(token_issue((struct str)STR(KEY), TOKEN_ACCESS, user_id, clock_now(), 600, &arena, &token), 0);
	snprintf(text, sizeof(text), "authorization: Bearer %.*s", STR_ARG(token.text));
	arena_finish(&arena);
	return text;
}

#define assert_passes(...)    assert_true(ASK(__VA_ARGS__)->reply.status != 429)
#define assert_throttled(...) assert_throttled_(ASK(__VA_ARGS__), __LINE__)

static void assert_throttled_(const struct request *req, int line)
{
	const char *wait = answer_header(req, "Retry-After");

	if (req->reply.status != 429)
		fail_msg("line %d: %d", line, req->reply.status);
	assert_answer(req, 429, "detail");
	assert_non_null(wait);
	assert_in_range(atoi(wait), 59, 60);
	assert_non_null(req->reply.allow);
}

static void test_throttling__everything_anonymous_shares_one_allowance(void **state)
{
	struct node *node = *state;
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE" };

	assert_passes("GET", "/api/");
	assert_passes("GET", "/api/projets/"); /* a cached one */
	assert_passes("OPTIONS", "/api/cagnottes/");
	for (size_t i = 0; i < N_ELEMENTS(methods); i++)
		assert_throttled(methods[i], "/api/config/features/");
	assert_throttled("GET", "/api/projets/");
	assert_throttled("POST", "/api/auth/login/", "content-type: application/json", "body: {");
	assert_passes("GET", "/api/", "peer: 203.0.113.9"); /* somebody else */
	assert_throttled("GET", "/api/", "x-forwarded-for: 10.0.0.7");
	assert_passes("GET", "/api/", "x-forwarded-for: 198.51.100.7");
}

static void test_throttling__what_is_outside(void **state)
{
	struct node *node = *state;

	for (int i = 0; i < 6; i++)
		ASK("GET", "/api/");
	assert_throttled("GET", "/api/");
	assert_int_equal(ASK("GET", "/")->reply.status, 200);
	assert_passes("GET", "/api/health/");
	assert_passes("GET", "/livez");
	assert_int_equal(ASK("GET", "/api/inconnu/")->reply.status, 404);
	assert_int_equal(ASK("GET", "/api/projets")->reply.status, 301);
	assert_int_equal(ASK("GET", "/api/auth/me/")->reply.status, 403); /* permission comes first, and is not counted */
	assert_int_equal(ASK("GET", "/api/", "accept: text/css")->reply.status, 406);
	assert_int_equal(ASK("OPTIONS", "/api/", "access-control-request-method: GET")->reply.status, 200);
}

static void test_throttling__refusals_of_permission_are_not_counted(void **state)
{
	struct node *node = *state;

	for (int i = 0; i < 10; i++)
		assert_int_equal(ASK("GET", "/api/auth/me/")->reply.status, 403);
	assert_passes("GET", "/api/");
}

static void test_throttling__who_is_signed_in_has_his_own(void **state)
{
	struct node *node = *state;

	for (int i = 0; i < 4; i++)
		ASK("GET", "/api/");
	for (int i = 0; i < 5; i++)
		assert_passes("GET", "/api/", bearer(2));
	assert_throttled("GET", "/api/", bearer(2), "peer: 203.0.113.77"); /* wherever he is */
	assert_throttled("PUT", "/api/", bearer(2));
	assert_passes("GET", "/api/", bearer(1));
	assert_throttled("POST", "/api/auth/login/", bearer(1)); /* login is always anonymous */
}

static void test_throttling__measures_have_their_own(void **state)
{
	struct node *node = *state;

	assert_passes("POST", "/api/analytics/metrics/");
	assert_passes("POST", "/api/monitoring/alerts/", bearer(2));
	assert_throttled("POST", "/api/analytics/metrics/");
	assert_throttled("GET", "/api/monitoring/alerts/");
	for (int i = 0; i < 3; i++)
		assert_passes("GET", "/api/");
	assert_throttled("GET", "/api/");
}

static void test_throttling__bad_bearers_use_the_anonymous_allowance_up(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/api/", "authorization: Bearer x")->reply.status, 403);
	assert_int_equal(ASK("GET", "/api/auth/me/", "authorization: Bearer")->reply.status, 403);
	assert_int_equal(ASK("GET", "/api/", bearer(77))->reply.status, 403);
	assert_throttled("GET", "/api/", "authorization: Bearer x");
	assert_throttled("GET", "/api/");
	assert_passes("GET", "/api/", bearer(2)); /* a good one does not suffer */
	assert_passes("GET", "/api/", "authorization: Bearer x", "peer: 203.0.113.9");
}

/* "authorization: Basic …" */
static const char *basic(const char *pair)
{
	static char text[300];
	struct buf b = BUF_EMPTY;

	base64_add(&b, BASE64, pair, strlen(pair));
	snprintf(text, sizeof(text), "authorization: Basic %s", buf_view(&b).s);
	buf_finish(&b);
	return text;
}

static void test_throttling__passwords_cannot_be_guessed(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/api/", basic("eva:wrong"))->reply.status, 403);
	assert_int_equal(ASK("GET", "/api/", basic("nobody"))->reply.status, 403);
	assert_int_equal(ASK("GET", "/api/", "authorization: Basic", "peer: 203.0.113.9")->reply.status, 403);
	assert_int_equal(ASK("GET", "/api/", basic("eva:wrong"))->reply.status, 403);
	assert_throttled("GET", "/api/", basic("ana:wrong")); /* the address has no more */
	assert_int_equal(ASK("GET", "/api/", basic("eva:wrong"), "peer: 203.0.113.10")->reply.status, 403);
	assert_throttled("GET", "/api/", basic("eva:whatever"), "peer: 203.0.113.11"); /* nor has the name */
	assert_int_equal(ASK("GET", "/api/", basic("ana:wrong"), "peer: 203.0.113.11")->reply.status, 403);
}

static void test_throttling__the_helpers_answer_when_they_refuse(void **state)
{
	struct node *node = *state;
	struct request *req;

	for (int i = 0; i < 3; i++) {
		req = node_request(node, "POST", "/api/auth/login/", NULL);
		assert_true(throttle_credentials_or_reply(req, NOTHING, TEXT("eva")));
		assert_true(throttle_failure_or_reply(req, NOTHING, TEXT("eva")));
		assert_int_equal(req->reply.status, 0);
	}
	req = node_request(node, "POST", "/api/auth/login/", NULL);
	assert_false(throttle_credentials_or_reply(req, NOTHING, TEXT("eva")));
	assert_int_equal(req->reply.status, 429);
	req = node_request(node, "POST", "/api/auth/login/", NULL);
	assert_false(throttle_failure_or_reply(req, NOTHING, TEXT("eva")));
	assert_answer(req, 429, "detail");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_node, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_throttling__everything_anonymous_shares_one_allowance),
		CASE(test_throttling__what_is_outside),
		CASE(test_throttling__refusals_of_permission_are_not_counted),
		CASE(test_throttling__who_is_signed_in_has_his_own),
		CASE(test_throttling__measures_have_their_own),
		CASE(test_throttling__bad_bearers_use_the_anonymous_allowance_up),
		CASE(test_throttling__passwords_cannot_be_guessed),
		CASE(test_throttling__the_helpers_answer_when_they_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
