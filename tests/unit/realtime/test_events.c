/* From an event to the sockets, through a whole hub: in order, once, and nothing left out. */
#include "tests/unit/realtime/fixture.h"

static void tell(struct house *t, struct live_event event, const char *payload)
{
	event.id = THREAD;
	event.payload = str_of(payload);
	assert_false(safe_group_send(t->hub, &event)); /* there are no other processes */
}

static void tell_message(struct house *t, int64_t id, int64_t previous)
{
	char payload[60];

	snprintf(payload, sizeof(payload), "{\"id\":%lld}", (long long)id);
	tell(t, (struct live_event){ .kind = LIVE_CHAT_MESSAGE, .message = id, .previous = previous, .caller = NULL_INT }, payload);
}

static void assert_message(struct peer *p, int64_t id, bool from_database)
{
	char expected[120];

	snprintf(expected, sizeof(expected), "{\"type\":\"chat_message\",\"payload\":{\"id\":%lld%s}}", (long long)id,
	         from_database ? ",\"from\":\"database\"" : "");
	assert_heard(p, expected);
}

/* A thread of accounts 1 and 2 with one message. */
static void open_thread(struct house *t, struct fixture *f)
{
	add_pair(f);
	add_message(f, MESSAGE, THREAD, 1, 5);
	open_house(t, f, NULL);
}

static void test_events__everybody_hears_a_message_once_and_in_order(void **state)
{
	struct peer *one_peer, *two_peer;
	struct house t;

	open_thread(&t, *state);
	one_peer = open_peer(&t, THREAD, 1);
	two_peer = open_peer(&t, THREAD, 2);
	tell_message(&t, MESSAGE + 1, MESSAGE);
	tell_message(&t, MESSAGE + 1, MESSAGE); /* said twice */
	tell_message(&t, MESSAGE + 2, MESSAGE + 1);
	tell_message(&t, MESSAGE + 1, LIVE_NOT_NEW); /* edited */
	for (int i = 0; i < 2; i++) {
		struct peer *p = i ? two_peer : one_peer;

		assert_message(p, MESSAGE + 1, false);
		assert_message(p, MESSAGE + 2, false);
		assert_message(p, MESSAGE + 1, false);
		assert_silence(p);
	}
	close_peer(one_peer);
	close_peer(two_peer);
	close_house(&t);
}

static void test_events__one_that_was_missed_is_read_from_the_database_first(void **state)
{
	struct fixture *f = *state;
	struct house t;
	struct peer *p;

	open_thread(&t, f);
	p = open_peer(&t, THREAD, 1);
	for (int i = 1; i <= 4; i++)
		add_message(f, MESSAGE + i, THREAD, 2, 6);
	tell_message(&t, MESSAGE + 3, MESSAGE + 2); /* 1 and 2 went by unheard */
	tell_message(&t, MESSAGE + 2, MESSAGE + 1); /* and one of them comes late */
	tell_message(&t, MESSAGE + 4, MESSAGE + 3);
	for (int i = 1; i <= 3; i++)
		assert_message(p, MESSAGE + i, true);
	assert_message(p, MESSAGE + 4, false);
	assert_silence(p);
	close_peer(p);
	close_house(&t);
}

static void test_events__a_gap_that_holds_nothing_is_passed(void **state)
{
	struct house t;
	struct peer *p;

	open_thread(&t, *state);
	p = open_peer(&t, THREAD, 1);
	tell_message(&t, MESSAGE + 9, MESSAGE + 8); /* deleted since, both */
	tell_message(&t, MESSAGE + 10, MESSAGE + 9);
	assert_message(p, MESSAGE + 10, false);
	assert_silence(p);
	close_peer(p);
	close_house(&t);
}

static void test_events__what_comes_during_the_handshake_waits_for_its_end(void **state)
{
	struct house t;
	struct peer *p;

	open_thread(&t, *state);
	p = ask_for_socket(&t, THREAD, 1);
	tell(&t, (struct live_event){ .kind = LIVE_CHAT_TYPING, .previous = LIVE_NOT_NEW, .caller = NULL_INT }, "{\"user_id\":2}");
	await_welcome(p);
	assert_heard(p, "{\"type\":\"chat_typing\",\"payload\":{\"user_id\":2}}"); /* and not with the next frame only */
	close_peer(p);
	close_house(&t);
}

static void test_events__the_callers_echo_comes_after_his_answer(void **state)
{
	struct peer *caller, *other;
	struct house t;

	open_thread(&t, *state);
	caller = open_peer(&t, THREAD, 1);
	other = open_peer(&t, THREAD, 2);
	tell(&t, (struct live_event){ .kind = LIVE_CHAT_MESSAGE, .message = MESSAGE + 1, .previous = MESSAGE, .caller = 1, .request = 50 },
	     "{\"id\":1}");
	hub_answered(t.hub, 50);
	assert_heard(other, "{\"type\":\"chat_message\",\"payload\":{\"id\":1}}");
	assert_heard(caller, "{\"type\":\"chat_message\",\"payload\":{\"id\":1}}");
	close_peer(caller);
	close_peer(other);
	close_house(&t);
}

static void test_events__who_was_removed_is_closed_and_hears_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct peer *stays, *leaves;
	struct house t;

	open_thread(&t, f);
	stays = open_peer(&t, THREAD, 1);
	leaves = open_peer(&t, THREAD, 2);
	write_rows(f, "DELETE FROM core_chatmembership WHERE user_id = 2");
	tell(&t, (struct live_event){ .kind = LIVE_THREAD_MEMBERS, .previous = LIVE_NOT_NEW, .caller = NULL_INT }, NULL);
	tell_message(&t, MESSAGE + 1, MESSAGE);
	assert_message(stays, MESSAGE + 1, false);
	assert_null(hear(leaves));
	assert_int_equal(leaves->code, 4403);
	close_peer(stays);
	close_peer(leaves);
	close_house(&t);
}

static void test_events__of_a_thread_that_is_gone_all_are_closed(void **state)
{
	struct house t;
	struct peer *p;

	open_thread(&t, *state);
	p = open_peer(&t, THREAD, 1);
	tell(&t, (struct live_event){ .kind = LIVE_THREAD_GONE, .previous = LIVE_NOT_NEW, .caller = NULL_INT }, NULL);
	assert_null(hear(p));
	assert_int_equal(p->code, 4404);
	close_peer(p);
	close_house(&t);
}

static void test_events__who_comes_back_soon_is_sent_what_he_missed(void **state)
{
	struct fixture *f = *state;
	struct house t;
	struct peer *p;

	open_thread(&t, f);
	p = open_peer(&t, THREAD, 1);
	tell_message(&t, MESSAGE + 1, MESSAGE);
	assert_message(p, MESSAGE + 1, false);
	close_peer(p);
	assert_true(WAIT_FOR(5000, hub_connections(t.hub) == 0));
	add_message(f, MESSAGE + 1, THREAD, 2, 6);
	add_message(f, MESSAGE + 2, THREAD, 2, 6);
	p = open_peer(&t, THREAD, 1);
	assert_message(p, MESSAGE + 2, true);
	assert_silence(p);
	close_peer(p);
	close_house(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_events__everybody_hears_a_message_once_and_in_order),
		CASE(test_events__one_that_was_missed_is_read_from_the_database_first),
		CASE(test_events__a_gap_that_holds_nothing_is_passed),
		CASE(test_events__what_comes_during_the_handshake_waits_for_its_end),
		CASE(test_events__the_callers_echo_comes_after_his_answer),
		CASE(test_events__who_was_removed_is_closed_and_hears_nothing_more),
		CASE(test_events__of_a_thread_that_is_gone_all_are_closed),
		CASE(test_events__who_comes_back_soon_is_sent_what_he_missed),
	};

	return RUN_ON_BOTH(tests);
}
