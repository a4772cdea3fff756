#include "tests/unit/realtime/fixture.h"

static void say_to(struct session *s, const char *text)
{
	inbound_message(s, FRAME_TEXT, str_of(text));
}

/* The text of the next parcel, which is taken away. */
static void assert_answered(struct session *s, const char *expected)
{
	struct parcel *p = s->parcels;

	assert_non_null(p);
	assert_int_equal(p->bytes->len, 2 + strlen(expected));
	assert_memory_equal(p->bytes->data + 2, expected, strlen(expected));
	s->parcels = p->next;
	s->n_parcels--;
	s->n_own--;
	s->own_bytes -= p->bytes->len;
	blob_unref(p->bytes);
	free(p);
}

/* What was announced to the group last, which is taken away. */
static void assert_told(struct still *t, const char *expected)
{
	struct news *news = t->hub.inbox;

	if (!news) {
		fail_msg("nothing was told");
		return;
	}
	assert_text(blob_view(news->payload), expected);
	t->hub.inbox = NULL;
	t->hub.inbox_end = &t->hub.inbox;
	news_free(news);
}

static void test_inbound__ping_is_answered(void **state)
{
	struct session *s = still_session(*state, 7, 1);

	say_to(s, "{\"type\":\"ping\",\"more\":[1]}");
	assert_answered(s, "{\"type\":\"pong\"}");
	assert_null(s->parcels);
	still_session_free(s);
}

static void test_inbound__typing_is_true_as_python_says(void **state)
{
	static const char *const truths[] = { "true", "1", "-0.5", "\"0\"", "[0]", "{\"a\":null}", "123456789012345678901234567890" };
	static const char *const lies[] = { "false", "null", "0", "0.0", "\"\"", "[]", "{}" };
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	char text[100];

	for (size_t i = 0; i < N_ELEMENTS(truths); i++) {
		snprintf(text, sizeof(text), "{\"type\":\"typing\",\"is_typing\":%s}", truths[i]);
		say_to(s, text);
		assert_told(t, "{\"user_id\":1,\"is_typing\":true}");
		assert_true(s->typing);
	}
	for (size_t i = 0; i < N_ELEMENTS(lies); i++) {
		snprintf(text, sizeof(text), "{\"type\":\"typing\",\"is_typing\":%s}", lies[i]);
		say_to(s, text);
		assert_told(t, "{\"user_id\":1,\"is_typing\":false}");
	}
	say_to(s, "{\"type\":\"typing\"}");
	assert_told(t, "{\"user_id\":1,\"is_typing\":false}");
	assert_false(s->typing);
	still_session_free(s);
}

static void test_inbound__polls_know_ping_alone(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	s->handshake.target = HUB_POLL;
	say_to(s, "{\"type\":\"typing\",\"is_typing\":true}");
	say_to(s, "{\"type\":\"resume\",\"last_message_id\":1}");
	assert_null(t->hub.inbox);
	assert_null(s->replay);
	say_to(s, "{\"type\":\"ping\"}");
	assert_answered(s, "{\"type\":\"pong\"}");
	still_session_free(s);
}

static void test_inbound__what_is_no_message_of_ours_is_ignored(void **state)
{
	static const char *const ignored[] = { "{}",
		                               "{\"type\":null}",
		                               "{\"type\":[\"ping\"]}",
		                               "{\"type\":\"PING\"}",
		                               "{\"type\":\"chat_message\",\"payload\":{}}",
		                               "{\"type\":\"resume\"}",
		                               "{\"type\":\"resume\",\"last_message_id\":-1}",
		                               "{\"type\":\"resume\",\"last_message_id\":\"1\"}",
		                               "{\"type\":\"resume\",\"last_message_id\":1.0}" };
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	for (size_t i = 0; i < N_ELEMENTS(ignored); i++)
		say_to(s, ignored[i]);
	assert_null(s->parcels);
	assert_null(s->replay);
	assert_null(t->hub.inbox);
	assert_int_equal(s->invalid, 0);
	still_session_free(s);
}

static void test_inbound__the_tenth_that_makes_no_sense_is_the_last(void **state)
{
	static const char *const broken[] = { "", "{", "{\"a\":1}x", "nul", "'a'" }, *const other[] = { "[]", "1", "\"ping\"", "null" };
	struct session *s = still_session(*state, 7, 1);

	for (size_t i = 0; i < N_ELEMENTS(broken); i++) {
		say_to(s, broken[i]);
		assert_answered(s, "{\"type\":\"error\",\"payload\":{\"code\":\"invalid_json\"}}");
	}
	for (size_t i = 0; i < N_ELEMENTS(other); i++) {
		say_to(s, other[i]);
		assert_answered(s, "{\"type\":\"error\",\"payload\":{\"code\":\"invalid_frame\"}}");
	}
	assert_int_equal(s->state, SESSION_OPEN);
	say_to(s, "[]");
	assert_null(s->parcels);
	assert_int_equal(s->state, SESSION_CLOSING);
	assert_int_equal(s->cause, CLOSE_INVALID_FRAMES);
	still_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STILL(test_inbound__ping_is_answered),
		STILL(test_inbound__typing_is_true_as_python_says),
		STILL(test_inbound__polls_know_ping_alone),
		STILL(test_inbound__what_is_no_message_of_ours_is_ignored),
		STILL(test_inbound__the_tenth_that_makes_no_sense_is_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
