#include "api/access.h"

#include "tests/unit/api/node.h"

#define SECRET "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"

static int open_with_token(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", "ADMIN_TOKEN=s3cret-token", NULL });
	return 0;
}

static int open_without_token(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", NULL });
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

/* Every word against every kind of caller: anonymous, user, contributor, editor, staff, superuser, founder. */
static void test_access__the_table_of_who_may(void **state)
{
	static const struct account people[] = { { .id = 1 },
		                                 { .id = 2, .is_contributor = true },
		                                 { .id = 3, .is_editor = true, .is_contributor = true },
		                                 { .id = 4, .is_staff = true, .is_editor = true, .is_contributor = true },
		                                 { .id = 5, .is_superuser = true, .is_editor = true, .is_contributor = true },
		                                 { .id = 6, .is_founder = true } };
	static const struct {
		enum access access;
		const char *may; /* anonymous first */
	} table[] = {
		{ ACCESS_ANYONE, "yyyyyyy" }, { ACCESS_USER, "nyyyyyy" },  { ACCESS_OWNER, "nyyyyyy" },   { ACCESS_STAFF, "nnnnynn" },
		{ ACCESS_EDITOR, "nnnyyyn" }, { ACCESS_ADMIN, "nnnnyyn" }, { ACCESS_FOUNDER, "nnnnnny" }, { ACCESS_ADMIN_TOKEN, "nnnnnnn" },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(table); i++)
		for (size_t who = 0; who < 7; who++)
			if (access_allows(table[i].access, who ? &people[who - 1] : NULL) != (table[i].may[who] == 'y'))
				fail_msg("%s, caller %zu", access_name(table[i].access), who);
}

static void test_access__every_word_has_a_name(void **state)
{
	static const char *const words[] = {
#define WORD(name, meaning) #name,
		ACCESS_WORDS(WORD)
#undef WORD
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(words); i++) {
		char expected[20] = "";

		for (size_t k = 0; words[i][k]; k++)
			expected[k] = words[i][k] == '_' ? '-' : str_lower(words[i][k]);
		assert_string_equal(access_name((enum access)i), expected);
	}
}

static bool passes(struct node *node, const char *target, const char *header)
{
	struct request *req = node_request(node, "GET", target, (const char *const[]){ header, NULL });
	const char *mark = strchr(target, '?');
	bool passed;

	req->query = str_of(mark ? mark + 1 : "");
	passed = admin_token_or_reply(req);
	if (!passed) {
		json_t *json = parse(answer(req));

		assert_int_equal(req->reply.status, 401);
		assert_true(json_is_false(json_object_get(json, "ok")));
		assert_true(json_is_string(json_object_get(json, "error")));
		assert_int_equal(json_object_size(json), 2);
		json_decref(json);
	}
	return passed;
}

static void test_access__admin_token_in_three_places(void **state)
{
	static const char *const right[][2] = {
		{ "/x?token=s3cret-token", "accept: */*" },
		{ "/x", "x-admin-token: s3cret-token" },
		{ "/x", "authorization: Bearer s3cret-token" },
		{ "/x", "authorization: bearer s3cret-token" },
		{ "/x?token=", "x-admin-token: s3cret-token" },
		{ "/x?token=s3cret-token", "x-admin-token: wrong" }, /* the first that is not empty decides */
	};
	static const char *const wrong[][2] = {
		{ "/x", "accept: */*" },
		{ "/x?token=s3cret-toke", "accept: */*" },
		{ "/x?token=s3cret-tokenn", "accept: */*" },
		{ "/x?token=S3cret-token", "accept: */*" },
		{ "/x?token=wrong", "x-admin-token: s3cret-token" },
		{ "/x", "x-admin-token: wrong" },
		{ "/x", "authorization: s3cret-token" },
		{ "/x", "authorization: BEARER s3cret-token" },
		{ "/x", "authorization: Bearer " },
		{ "/x", "authorization: Basic s3cret-token" },
	};

	for (size_t i = 0; i < N_ELEMENTS(right); i++)
		if (!passes(*state, right[i][0], right[i][1]))
			fail_msg("%s %s", right[i][0], right[i][1]);
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		if (passes(*state, wrong[i][0], wrong[i][1]))
			fail_msg("%s %s", wrong[i][0], wrong[i][1]);
}

static void test_access__without_a_configured_token_nobody_passes(void **state)
{
	assert_false(passes(*state, "/x?token=", "accept: */*"));
	assert_false(passes(*state, "/x?token=s3cret-token", "accept: */*"));
	assert_false(passes(*state, "/x", "x-admin-token: s3cret-token"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access__the_table_of_who_may),
		cmocka_unit_test(test_access__every_word_has_a_name),
		cmocka_unit_test_setup_teardown(test_access__admin_token_in_three_places, open_with_token, close_node),
		cmocka_unit_test_setup_teardown(test_access__without_a_configured_token_nobody_passes, open_without_token, close_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
