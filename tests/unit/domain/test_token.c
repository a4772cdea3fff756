/*
 * Tokens of both programs: those that simplejwt signed were recorded, those of ours are taken apart; then forgeries.
 */
#include "domain/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

#define NOBODY (-1)

static const struct str key = STR("a-key-for-tests-that-is-long-enough-to-be-no-reason-for-a-warning-0123456789");

/* 2026-03-01, between the expiries of the recorded ones. */
static const struct instant now = { INT64_C(1772323200) * US_PER_S };

/* What simplejwt 5.5 (PyJWT) issued under this key; each was replayed against it. */
static const struct {
	const char *what;
	enum token_type type;
	int result;
	int64_t user_id; /* NOBODY: no such claim */
	struct str text;
} recorded[] = {
	{ "access, valid until 2095", TOKEN_ACCESS, 0, 2,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6IjgzNjMyOGI1Zjg4ZDQ5ZmE5NDA0OWNmNTY4Mzc5NjE3IiwidXNlcl9pZCI6IjIifQ.MUHBJJTLIgqXuP3rQnjM8NWTZghAxuvL"
	      "iIGjoXwtLIo") },
	{ "refresh, valid until 2095", TOKEN_REFRESH, 0, 2,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6Mzk3NTEzNDQwMCwiaWF0IjoxNzY3NjE0N"
	      "DAwLCJqdGkiOiJkZjI4ZDA5ZmY3NTM0MjQ4YWRhYjljYTViZWVlM2NmZCIsInVzZXJfaWQiOiIyIn0.4lIV5tl8isolKZoA_3dKXsA3NKAItLh"
	      "-55FBb0lgfR8") },
	{ "access, expired", TOKEN_ACCESS, ERR_INVALID, 0,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjoxNzY3NjE4MDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6ImI3NmYyMjdlMzViYTRjYWFiYWQzOTQ0YjgxOWZmY2I3IiwidXNlcl9pZCI6IjIifQ.CwmgXiNlmVGzrDauDzgFgZC9kYK71-l5"
	      "CtoeFH00kSw") },
	{ "refresh, expired", TOKEN_REFRESH, ERR_INVALID, 0,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6MTc2ODIxOTIwMCwiaWF0IjoxNzY3NjE0N"
	      "DAwLCJqdGkiOiIyNjQ3ZTNlNTBhNzQ0MDliOTk5NDdiN2Y0OGE0YTJiNSIsInVzZXJfaWQiOiIyIn0.cCauHzili4hmWtY4tojH6IfCqeSvajq"
	      "w8Bp1ah-pAzI") },
	{ "access, user_id as integer", TOKEN_ACCESS, 0, 2,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6ImZjZGM1ZTdkYmFmOTQ4ZmE4NGE2YjlmYjY1MGFiZTgwIiwidXNlcl9pZCI6Mn0.BvLtJCYuc7876rDDJh76ZldDXhI_n5PlS-b"
	      "FFc9A3xI") },
	{ "access with extra claims, aud and iss", TOKEN_ACCESS, 0, 2,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6IjRlZDhmZDczNzNkMzQwMDE4NDVkMTg5MGNmYjllY2Y4IiwidXNlcl9pZCI6IjIiLCJhdWQiOiJ4IiwiaXNzIjoieSIsInJvbGU"
	      "iOiJhZG1pbiJ9.KuXmV2us1woJTRlrvLfyFy-iJ7WjWimedvioL72_Hdk") },
	{ "access with iat in the future", TOKEN_ACCESS, ERR_INVALID, 0,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjQwMDAwMDAwM"
	      "DAsImp0aSI6ImE2NmJlMTMwNjg2NzQzMjM5YzU4YTIzZDQwMDI5NTFkIiwidXNlcl9pZCI6IjIifQ.QtxNxg3bke0CEPrXHQuxI-MJ4O3Osl1o"
	      "izNmMqHSg9g") },
	{ "access with nbf in the future", TOKEN_ACCESS, ERR_INVALID, 0,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6IjhiMTNiMWEzMzc2YjQ4YTFiMmNmMzc0ZDcyZmY2NjQ4IiwidXNlcl9pZCI6IjIiLCJuYmYiOjQwMDAwMDAwMDB9.b7Pz9qC_yH"
	      "oCrGWelTeshN0atin94YCx1ZLdnrs_X18") },
	{ "access without jti", TOKEN_ACCESS, ERR_INVALID, 0,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsInVzZXJfaWQiOiIyIn0.A4qEmgdU0NgGy1RG4sXUeZOKYyLmNrEQxxai_BpJjfQ") },
	{ "access without user_id", TOKEN_ACCESS, 0, NOBODY,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJpYXQiOjE3Njc2MTQ0M"
	      "DAsImp0aSI6IjUxOTkyYjg1MDI1NzQ4ODI4OTM3NzUxMTE5MjkxMWFiIn0.wRK5ep4rZhydSLz8lbIqoQvCtWzuONgbGYc5wtt3gDc") },
	{ "access with iat absent", TOKEN_ACCESS, 0, 2,
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjozOTc1MTM0NDAwLCJqdGkiOiJhYWU4YjczN"
	      "mM3MWM0MGM1YWQ4NzA4NWYyMDFhMWJmMCIsInVzZXJfaWQiOiIyIn0.QtpV16ReQ7BytahJxaa3avH6IHy55h2wF-YatrrVNDY") },
};

static int setup(void **state)
{
	static struct arena arena;

	arena_init(&arena, 1 << 20);
	*state = &arena;
	return 0;
}

static int teardown(void **state)
{
	fault_disarm_all();
	arena_finish(*state);
	return 0;
}

static int verify(struct arena *a, struct str text, enum token_type type, struct token *ret_token)
{
	return token_verify(key, text, type, now, a, ret_token);
}

static void test_token__those_of_simplejwt(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(recorded); i++) {
		struct token token = { .user_id = 77 };
		int r = verify(*state, recorded[i].text, recorded[i].type, &token);

		if (r != recorded[i].result)
			fail_msg("%s: %s", recorded[i].what, error_name(r));
		if (r < 0) {
			assert_int_equal(token.user_id, 77); /* untouched */
			continue;
		}
		assert_int_equal(token.has_user, recorded[i].user_id != NOBODY);
		assert_true(token.user_id == (recorded[i].user_id == NOBODY ? NULL_INT : recorded[i].user_id));
		assert_int_equal(token.jti.len, 32);
		assert_true(token.expires_at.us == INT64_C(3975134400) * US_PER_S);
		assert_true(str_equal(token.text, recorded[i].text));
	}
}

static void test_token__the_other_type_is_refused(void **state)
{
	struct token token;

	assert_int_equal(verify(*state, recorded[0].text, TOKEN_REFRESH, &token), ERR_INVALID);
	assert_int_equal(verify(*state, recorded[1].text, TOKEN_ACCESS, &token), ERR_INVALID);
}

static void test_token__written_as_django_writes_it(void **state)
{
	struct token token, back;
	char expected[200], claims[300];
	struct str rest, part;
	size_t n;

	assert_int_equal(token_issue(key, TOKEN_ACCESS, 42, now, 3600, *state, &token), 0);
	rest = token.text;
	assert_true(str_split(&rest, '.', &part));
	assert_true(str_is(part, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"));
	assert_true(str_split(&rest, '.', &part));
	assert_true(base64_decode(part, BASE64_URL, claims, &n));
	snprintf(expected, sizeof(expected),
	         "{\"token_type\":\"access\",\"exp\":1772326800,\"iat\":1772323200,\"jti\":\"%.*s\",\"user_id\":\"42\"}",
	         STR_ARG(token.jti));
	assert_true(str_is((struct str){ claims, n }, expected));
	assert_int_equal(verify(*state, token.text, TOKEN_ACCESS, &back), 0);
	assert_int_equal(back.user_id, 42);
	assert_true(str_equal(back.jti, token.jti));
	assert_true(back.expires_at.us == token.expires_at.us);
}

static void test_token__each_has_its_own_jti(void **state)
{
	struct token a, b;

	assert_int_equal(token_issue(key, TOKEN_REFRESH, 1, now, 60, *state, &a), 0);
	assert_int_equal(token_issue(key, TOKEN_REFRESH, 1, now, 60, *state, &b), 0);
	assert_false(str_equal(a.jti, b.jti));
}

static void test_token__expires_to_the_second(void **state)
{
	struct token token, back;
	const int64_t end = now.us + 60 * US_PER_S;

	assert_int_equal(token_issue(key, TOKEN_ACCESS, 1, now, 60, *state, &token), 0);
	assert_int_equal(token_verify(key, token.text, TOKEN_ACCESS, (struct instant){ end - 1 }, *state, &back), 0);
	assert_int_equal(token_verify(key, token.text, TOKEN_ACCESS, (struct instant){ end }, *state, &back), ERR_INVALID);
	assert_int_equal(token_verify(key, token.text, TOKEN_ACCESS, (struct instant){ now.us - US_PER_S }, *state, &back),
	                 ERR_INVALID); /* issued in the future */
}

/* ---- forgeries: signed as the test says ---- */

static struct str sign(struct arena *a, const char *header, const char *claims, struct str with, const EVP_MD *digest)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	unsigned char mac[64];
	unsigned n = 0;

	base64_add(&b, BASE64_URL, header, strlen(header));
	buf_add_char(&b, '.');
	base64_add(&b, BASE64_URL, claims, strlen(claims));
	HMAC(digest, with.s, (int)with.len, (const unsigned char *)b.data, b.len, mac, &n);
	buf_add_char(&b, '.');
	base64_add(&b, BASE64_URL, mac, n);
	return arena_str(a, buf_view(&b));
}

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS "\"token_type\":\"access\",\"exp\":3975134400,\"jti\":\"a\",\"user_id\":\"2\""

static int verify_claims(void **state, const char *claims)
{
	struct token token;

	return verify(*state, sign(*state, HEADER, claims, key, EVP_sha256()), TOKEN_ACCESS, &token);
}

static int verify_header(void **state, const char *header)
{
	struct token token;

	return verify(*state, sign(*state, header, "{" CLAIMS "}", key, EVP_sha256()), TOKEN_ACCESS, &token);
}

static void test_token__header_must_name_our_algorithm(void **state)
{
	static const char *const refused[] = { "{\"alg\":\"none\"}",
		                               "{\"alg\":\"None\"}",
		                               "{\"alg\":\"HS512\"}",
		                               "{\"alg\":\"RS256\"}",
		                               "{\"alg\":\"hs256\"}",
		                               "{\"alg\":\"HS256\\u0000\"}",
		                               "{\"alg\":[\"HS256\"]}",
		                               "{\"alg\":null}",
		                               "{\"typ\":\"JWT\"}",
		                               "[\"alg\",\"HS256\"]",
		                               "\"HS256\"",
		                               "{}",
		                               "",
		                               "{",
		                               "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
		                               "{\"alg\":\"HS256\",\"crit\":null}",
		                               "{\"alg\":\"HS256\"} x" };

	for (size_t i = 0; i < N_ELEMENTS(refused); i++)
		if (verify_header(state, refused[i]) != ERR_INVALID)
			fail_msg("%s is accepted", refused[i]);
	assert_int_equal(verify_header(state, "{\"typ\":\"at+jwt\",\"kid\":\"7\",\"alg\":\"HS256\"}"), 0);
	assert_int_equal(verify_header(state, "{\"alg\":\"none\",\"alg\":\"HS256\"}"), 0); /* the last wins */
}

static void test_token__signature_must_be_ours(void **state)
{
	static const char claims[] = "{" CLAIMS "}";
	struct arena *a = *state;
	struct token token;
	struct str right = sign(a, HEADER, claims, key, EVP_sha256());
	char *text = arena_strndup(a, right.s, right.len);

	assert_int_equal(verify(a, right, TOKEN_ACCESS, &token), 0);
	assert_int_equal(verify(a, sign(a, HEADER, claims, (struct str)STR("another key"), EVP_sha256()), TOKEN_ACCESS, &token),
	                 ERR_INVALID);
	assert_int_equal(verify(a, sign(a, HEADER, claims, (struct str)STR(""), EVP_sha256()), TOKEN_ACCESS, &token), ERR_INVALID);
	assert_int_equal(verify(a, sign(a, HEADER, claims, key, EVP_sha512()), TOKEN_ACCESS, &token), ERR_INVALID);
	for (size_t i = 0; i < right.len; i++) { /* each single change of a character */
		text[i] = text[i] == 'A' ? 'B' : 'A';
		if (verify(a, (struct str){ text, right.len }, TOKEN_ACCESS, &token) != ERR_INVALID)
			fail_msg("character %zu may be another", i);
		text[i] = right.s[i];
	}
	for (size_t n = 0; n < right.len; n++)
		assert_int_equal(verify(a, (struct str){ right.s, n }, TOKEN_ACCESS, &token), ERR_INVALID);
}

static void test_token__form(void **state)
{
	static const struct str refused[] = {
		STR(""),        STR("."),    STR(".."),           STR("a.b"),         STR("a.b.c.d"), STR("a..c"), STR("\xff.\xff.."),
		STR("a.b.c\0"), STR("    "), STR("Bearer x.y.z"), STR("e30.e30.e30"), { NULL, 0 }
	};
	struct arena *a = *state;
	struct str right = recorded[0].text;
	struct token token;

	for (size_t i = 0; i < N_ELEMENTS(refused); i++)
		assert_int_equal(verify(a, refused[i], TOKEN_ACCESS, &token), ERR_INVALID);
	assert_int_equal(verify(a, str_of(arena_printf(a, " %s", right.s)), TOKEN_ACCESS, &token), ERR_INVALID);
	assert_int_equal(verify(a, str_of(arena_printf(a, "%s ", right.s)), TOKEN_ACCESS, &token), ERR_INVALID);
	assert_int_equal(verify(a, str_of(arena_printf(a, "%s.", right.s)), TOKEN_ACCESS, &token), ERR_INVALID);
	assert_int_equal(verify(a, str_of(arena_printf(a, "%s=", right.s)), TOKEN_ACCESS, &token), 0); /* a padded part */
	assert_int_equal(verify(a, str_of(arena_printf(a, "%s==", right.s)), TOKEN_ACCESS, &token), ERR_INVALID);
}

static void test_token__claims(void **state)
{
	static const char *const refused[] = {
		"{\"token_type\":\"access\",\"jti\":\"a\",\"user_id\":\"2\"}",
		"{\"token_type\":\"access\",\"exp\":\"3975134400\",\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":true,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":null,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":1e300,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":253402300801,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":99999999999999999999999,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":-5,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":1772323200,\"jti\":\"a\"}",
		"{\"token_type\":\"refresh\",\"exp\":3975134400,\"jti\":\"a\"}",
		"{\"token_type\":[\"access\"],\"exp\":3975134400,\"jti\":\"a\"}",
		"{\"exp\":3975134400,\"jti\":\"a\"}",
		"{\"token_type\":\"access\",\"exp\":3975134400,\"jti\":5}",
		"{\"token_type\":\"access\",\"exp\":3975134400,\"jti\":null}",
		"{\"token_type\":\"access\",\"exp\":3975134400,\"jti\":\"a\\u0000\"}",
		"{" CLAIMS ",\"iat\":1772323201}",
		"{" CLAIMS ",\"iat\":\"1772323200\"}",
		"{" CLAIMS ",\"nbf\":1772323200.5}",
		"{" CLAIMS ",\"nbf\":null}",
		"{" CLAIMS ",\"sub\":2}",
		"[{" CLAIMS "}]",
		"{" CLAIMS "",
	};
	static const char *const accepted[] = {
		"{" CLAIMS "}",
		"{\"token_type\":\"access\",\"exp\":1772323200.5,\"jti\":\"\"}",
		"{" CLAIMS ",\"iat\":1772323200,\"nbf\":0}",
		"{" CLAIMS ",\"iat\":-1.5}",
		"{" CLAIMS ",\"sub\":\"x\",\"aud\":[1],\"iss\":{},\"unknown\":null}",
	};

	for (size_t i = 0; i < N_ELEMENTS(refused); i++)
		if (verify_claims(state, refused[i]) != ERR_INVALID)
			fail_msg("accepted: %s", refused[i]);
	for (size_t i = 0; i < N_ELEMENTS(accepted); i++)
		if (verify_claims(state, accepted[i]) != 0)
			fail_msg("refused: %s", accepted[i]);
}

static void test_token__user_ids(void **state)
{
	static const struct {
		const char *json;
		int64_t id;
	} cases[] = { { "\"7\"", 7 },
		      { "7", 7 },
		      { "\"007\"", 7 },
		      { "-7", NULL_INT },
		      { "\"-7\"", NULL_INT },
		      { "\"abc\"", NULL_INT },
		      { "7.0", NULL_INT },
		      { "null", NULL_INT },
		      { "[7]", NULL_INT },
		      { "\"\"", NULL_INT },
		      { "true", NULL_INT },
		      { "\" 7\"", NULL_INT },
		      { "\"7 OR 1=1\"", NULL_INT },
		      { "\"99999999999999999999\"", NULL_INT },
		      { "99999999999999999999", NULL_INT } };

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		char claims[200];
		struct token token;

		snprintf(claims, sizeof(claims), "{\"token_type\":\"access\",\"exp\":3975134400,\"jti\":\"a\",\"user_id\":%s}",
		         cases[i].json);
		assert_int_equal(verify(*state, sign(*state, HEADER, claims, key, EVP_sha256()), TOKEN_ACCESS, &token), 0);
		assert_true(token.has_user);
		if (token.user_id != cases[i].id)
			fail_msg("user_id %s", cases[i].json);
	}
}

static void test_token__no_memory_is_no_verdict(void **state)
{
	int r = ERR_NOMEM, n = 0;

	while (r < 0) {
		struct arena fresh;
		struct token token;

		arena_init(&fresh, 1 << 20);
		fault_arm(FAULT_ALLOC, ++n, /* repeat: */ true);
		r = token_issue(key, TOKEN_ACCESS, 1, now, 60, &fresh, &token);
		if (r == 0)
			r = token_verify(key, token.text, TOKEN_ACCESS, now, &fresh, &token);
		fault_disarm_all();
		arena_finish(&fresh);
		assert_true(r == 0 || r == ERR_NOMEM);
	}
	assert_true(n > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_token__those_of_simplejwt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__the_other_type_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__written_as_django_writes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__each_has_its_own_jti, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__expires_to_the_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__header_must_name_our_algorithm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__signature_must_be_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__claims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__user_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_token__no_memory_is_no_verdict, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
