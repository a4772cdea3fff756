#include "base/json_out.h"
#include "tests/unit/realtime/fixture.h"

#define OTHER "00112233445566778899aabbccddeeff"
#define OWN   "ffeeddccbbaa99887766554433221100"

#define HUGE_BYTES (4 << 20)

static struct news *read_text(const char *text)
{
	return envelope_read(str_of(text), OWN);
}

/* An envelope of another process with these members too. */
static struct news *read_members(const char *members)
{
	char text[1000];

	snprintf(text, sizeof(text), "{\"v\":1,\"eid\":\"e\",\"origin\":\"" OTHER "\",%s}", members);
	return read_text(text);
}

static void assert_comes_back(struct live_event event, const char *payload)
{
	struct buf text = BUF_EMPTY;
	struct news *news;

	event.payload = str_of(payload);
	envelope_write(&event, "eid-1", OTHER, &text);
	news = envelope_read(buf_view(&text), OWN);
	assert_non_null(news);
	assert_int_equal(news->kind, NEWS_EVENT);
	assert_int_equal(news->event.kind, event.kind);
	assert_int_equal(news->event.id, event.id);
	assert_int_equal(news->event.previous, event.previous);
	assert_int_equal(news->event.message, event.message);
	assert_int_equal(news->event.members, event.members);
	assert_int_equal(news->event.caller, NULL_INT); /* whose request it was is the other's to know */
	assert_int_equal(news->event.request, 0);
	assert_text(blob_view(news->payload), payload ? payload : "null");
	assert_int_equal(news->eid, digest_of(TEXT("eid-1")));
	news_free(news);
	buf_finish(&text);
}

static void test_envelope__what_is_written_is_what_is_read(void **state)
{
	assert_comes_back((struct live_event){ .kind = LIVE_CHAT_MESSAGE, .id = 7, .message = 12, .previous = 11 },
	                  "{\"id\":12,\"content\":\"é\\u0000\\\"\",\"list\":[1,2.5,null]}");
	assert_comes_back((struct live_event){ .kind = LIVE_CHAT_MESSAGE, .id = INT64_MAX, .message = INT64_MAX, .previous = 0 },
	                  "{\"id\":9223372036854775807}");
	assert_comes_back(
	        (struct live_event){ .kind = LIVE_CHAT_MESSAGE, .id = 7, .message = 12, .previous = LIVE_NOT_NEW, .members = INT64_MAX },
	        "{\"id\":12}");
	assert_comes_back((struct live_event){ .kind = LIVE_CHAT_TYPING, .id = 7, .previous = LIVE_NOT_NEW }, "{\"user_id\":3}");
	assert_comes_back((struct live_event){ .kind = LIVE_POLL_UPDATE, .id = 7, .previous = LIVE_NOT_NEW, .message = 3 }, "{\"id\":3}");
	assert_comes_back((struct live_event){ .kind = LIVE_THREAD_MEMBERS, .id = 7, .previous = LIVE_NOT_NEW }, NULL);
	assert_comes_back((struct live_event){ .kind = LIVE_THREAD_GONE, .id = 7, .previous = LIVE_NOT_NEW }, NULL);
	assert_comes_back((struct live_event){ .kind = LIVE_POLL_GONE, .id = 7, .previous = LIVE_NOT_NEW }, NULL);
}

static void test_envelope__that_something_was_lost(void **state)
{
	struct buf text = BUF_EMPTY;
	struct news *news;

	envelope_write_lost(OTHER, &text);
	news = envelope_read(buf_view(&text), OWN);
	assert_non_null(news);
	assert_int_equal(news->kind, NEWS_LOST);
	news_free(news);
	assert_null(envelope_read(buf_view(&text), OTHER));
	buf_finish(&text);
}

static void test_envelope__ones_own_is_passed_over(void **state)
{
	assert_null(read_text("{\"v\":1,\"origin\":\"" OWN "\",\"group\":\"poll_1\",\"type\":\"poll_update\",\"payload\":{}}"));
}

static void test_envelope__what_is_none_says_nothing(void **state)
{
	static const char *const texts[] = { "", "null", "[]", "{}", "\"\"", "{\"origin\":", "{\"origin\":1}", "\xff\xfe", "[[[[[[[[" };
	static const char *const members[] = {
		"\"group\":\"chat_thread_1\"",
		"\"type\":\"chat_typing\",\"payload\":{}",
		"\"type\":\"unheard_of\",\"group\":\"chat_thread_1\",\"payload\":{}",
		"\"type\":7,\"group\":\"chat_thread_1\",\"payload\":{}",
		"\"type\":\"chat_typing\\u0000\",\"group\":\"chat_thread_1\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":7,\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_-1\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_1x\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_1\\u0000\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_99999999999999999999\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"poll_1\",\"payload\":{}",
		"\"type\":\"poll_update\",\"group\":\"chat_thread_1\",\"payload\":{}",
		"\"type\":\"chat_typing\",\"group\":\"chat_thread_1\"",
		"\"type\":\"chat_message\",\"group\":\"chat_thread_1\",\"payload\":\"text\"",
		"\"type\":\"poll_update\",\"group\":\"poll_1\",\"payload\":[]",
	};

	assert_null(envelope_read(NOTHING, OWN));
	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_null(read_text(texts[i]));
	for (size_t i = 0; i < N_ELEMENTS(members); i++) {
		struct news *news = read_members(members[i]);

		if (news)
			fail_msg("taken for one: %s", members[i]);
	}
}

static void test_envelope__odd_numbers_are_none(void **state)
{
	static const char *const odd[] = { "\"prev\":-1", "\"prev\":-9", "\"prev\":\"3\"", "\"prev\":1.5", "\"prev\":null" };
	char members[200];

	for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
		struct news *news;

		snprintf(members, sizeof(members), "\"type\":\"chat_message\",\"group\":\"chat_thread_1\",\"payload\":{\"id\":\"x\"},%s",
		         odd[i]);
		news = read_members(members);
		assert_non_null(news);
		assert_int_equal(news->event.previous, LIVE_NOT_NEW);
		assert_int_equal(news->event.message, 0);
		news_free(news);
	}
}

static void test_envelope__a_huge_and_a_deep_one(void **state)
{
	static const char begin[] = "{\"origin\":\"" OTHER "\",\"type\":\"poll_update\",\"group\":\"poll_1\",\"payload\":{\"text\":\"";
	static char text[HUGE_BYTES + 1000];
	size_t n = HUGE_BYTES, head = sizeof(begin) - 1;
	struct news *news;

	memcpy(text, begin, head);
	memset(text + head, 'x', n);
	memcpy(text + head + n, "\"}}", 4);
	news = read_text(text);
	assert_non_null(news);
	assert_int_equal(news->payload->len, n + strlen("{\"text\":\"\"}"));
	news_free(news);
	memset(text + head - 1, '[', n);
	text[head - 1 + n] = '\0';
	assert_null(read_text(text));
}

static void test_envelope__without_memory_there_is_none(void **state)
{
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(read_members("\"type\":\"chat_typing\",\"group\":\"chat_thread_1\",\"payload\":{}"));
		fault_disarm_all();
	}
}

static void test_envelope__names_of_groups(void **state)
{
	enum hub_target target;
	char name[GROUP_NAME_SIZE];
	int64_t id;

	group_name(HUB_CHAT, INT64_MAX, name);
	assert_string_equal(name, "chat_thread_9223372036854775807");
	assert_true(group_read_name(str_of(name), &target, &id));
	assert_int_equal(target, HUB_CHAT);
	assert_int_equal(id, INT64_MAX);
	group_name(HUB_POLL, 3, name);
	assert_string_equal(name, "poll_3");
	assert_true(group_read_name(str_of(name), &target, &id));
	assert_int_equal(target, HUB_POLL);
	assert_int_equal(id, 3);
	assert_false(group_read_name(TEXT("everybody"), &target, &id));
	assert_false(group_read_name(NOTHING, &target, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope__what_is_written_is_what_is_read),
		cmocka_unit_test(test_envelope__that_something_was_lost),
		cmocka_unit_test(test_envelope__ones_own_is_passed_over),
		cmocka_unit_test(test_envelope__what_is_none_says_nothing),
		cmocka_unit_test(test_envelope__odd_numbers_are_none),
		cmocka_unit_test(test_envelope__a_huge_and_a_deep_one),
		cmocka_unit_test(test_envelope__without_memory_there_is_none),
		cmocka_unit_test(test_envelope__names_of_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
