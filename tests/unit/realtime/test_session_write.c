/* Queues and batches: what a session lacks, what it may lack, and that a broadcast is the same for all who stand at one place. */
#include <fcntl.h>

#include "tests/unit/realtime/fixture.h"

#define MANY 1000 /* frames: several times REALTIME_QUEUE_FRAMES */

static void tell_message(struct house *t, int64_t id, int64_t previous)
{
	char payload[60];
	struct live_event event = { .kind = LIVE_CHAT_MESSAGE, .id = THREAD, .message = id, .previous = previous, .caller = NULL_INT };

	event.payload = (struct str){ payload, (size_t)snprintf(payload, sizeof(payload), "{\"id\":%lld}", (long long)id) };
	safe_group_send(t->hub, &event);
}

/* So many messages in one turn of the hub's loop: they are news of one list. */
static void tell_at_once(struct house *t, int n, size_t bytes)
{
	char *text = malloc(bytes + 100);
	struct news *first = NULL, **end = &first;

	memset(text, 'x', bytes + 100);
	for (int i = 0; i < n; i++) {
		struct news *news = news_create(NEWS_EVENT);
		int head = snprintf(text, 100, "{\"n\":%6d,\"text\":\"", i);

		text[head] = 'x';
		memcpy(text + head + bytes, "\"}", 3);
		news->event = (struct live_event){
			.kind = LIVE_CHAT_MESSAGE, .id = THREAD, .message = 1, .previous = LIVE_NOT_NEW, .caller = NULL_INT
		};
		news->payload = blob_create(text, strlen(text));
		*end = news;
		end = &news->next;
	}
	free(text);
	hub_tell(t->hub, first);
}

static void assert_hears_all(struct peer *p, int n, size_t bytes)
{
	for (int i = 0; i < n; i++) {
		const char *text = hear(p);
		char expected[60];

		snprintf(expected, sizeof(expected), "{\"type\":\"chat_message\",\"payload\":{\"n\":%6d,\"text\":\"", i);
		if (!text || strncmp(text, expected, strlen(expected)) != 0 || strcmp(text + strlen(expected) + bytes, "\"}}") != 0 ||
		    strspn(text + strlen(expected), "x") != bytes)
			fail_msg("instead of number %d: %.100s (%d)", i, text ? text : "the close", p->code);
	}
}

static void open_thread(struct house *t, struct fixture *f)
{
	add_pair(f);
	add_message(f, MESSAGE, THREAD, 1, 5);
	open_house(t, f, "REALTIME_PING_SECONDS=3600", "REALTIME_RATE=1000000", "REALTIME_BURST=1000000", NULL);
}

static void test_session_write__much_at_once_is_no_reason_to_close_who_reads(void **state)
{
	struct peer *peers[5];
	struct house t;

	open_thread(&t, *state);
	for (int i = 0; i < 5; i++)
		peers[i] = open_peer(&t, THREAD, 1 + i % 2);
	tell_at_once(&t, MANY, 100);
	for (int i = 0; i < 5; i++) {
		assert_hears_all(peers[i], MANY, 100);
		assert_silence(peers[i]);
		close_peer(peers[i]);
	}
	close_house(&t);
}

static void test_session_write__large_frames_and_batches_of_them(void **state)
{
	struct peer *one_peer, *two_peer;
	struct house t;

	open_thread(&t, *state);
	one_peer = open_peer(&t, THREAD, 1);
	two_peer = open_peer(&t, THREAD, 2);
	for (int round = 0; round < 3; round++) {
		static const size_t sizes[] = { 0, 40000, 65000 };

		tell_at_once(&t, 20, sizes[round]);
		assert_hears_all(one_peer, 20, sizes[round]);
		assert_hears_all(two_peer, 20, sizes[round]);
	}
	close_peer(one_peer);
	close_peer(two_peer);
	close_house(&t);
}

static void test_session_write__who_does_not_read_is_closed_and_the_others_hear_all(void **state)
{
	struct peer *reader, *sleeper;
	struct house t;
	int64_t dropped;
	int told = 0;

	open_thread(&t, *state);
	dropped = metric_value(t.hub->figures.dropped_slow);
	reader = open_peer(&t, THREAD, 1);
	sleeper = open_peer(&t, THREAD, 2);
	while (metric_value(t.hub->figures.dropped_slow) == dropped) { /* his buffers fill, then his queue */
		assert_true(told++ < 100);
		tell_at_once(&t, 20, 60000);
		assert_hears_all(reader, 20, 60000);
	}
	tell_at_once(&t, 3, 10);
	assert_hears_all(reader, 3, 10);
	for (int i = 0; hear(sleeper); i++) /* he is told so, once he reads, after what had been written before */
		assert_true(i < 20 * told);
	assert_int_equal(sleeper->code, 1013);
	close_peer(reader);
	close_peer(sleeper);
	close_house(&t);
}

/* Sessions at different places, with something of their own, and with something that is held: each gets what is its own. */
static void test_session_write__what_one_was_sent_is_not_sent_to_who_lacks_something_else(void **state)
{
	struct peer *first, *second, *third;
	struct house t;

	open_thread(&t, *state);
	first = open_peer(&t, THREAD, 1);
	second = open_peer(&t, THREAD, 2);
	for (int i = 0; i < 200; i++) {
		char text[120];

		say(first, "{\"type\":\"ping\"}");
		tell_message(&t, MESSAGE + 1 + i, MESSAGE + i);
		third = open_peer(&t, THREAD, 1);
		snprintf(text, sizeof(text), "{\"type\":\"chat_message\",\"payload\":{\"id\":%d}}", MESSAGE + 1 + i);
		if (strcmp(hear(first) ? first->text : "the close", text) == 0) /* pong and message in either order */
			assert_heard(first, "{\"type\":\"pong\"}");
		else
			assert_heard(first, text);
		assert_heard(second, text);
		assert_silence(third); /* he came behind it, or remembers it */
		close_peer(third);
		assert_true(WAIT_FOR(5000, hub_connections(t.hub) == 2));
	}
	close_peer(first);
	close_peer(second);
	close_house(&t);
}

static void test_session_write__of_the_queue_typing_goes_first(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	struct group *g = s->group;

	for (int i = 0; i < 8; i++)
		group_append(&t->hub, g, i % 2 ? ENTRY_TYPING : ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), i % 2 ? 0 : i + 1,
		             NULL);
	assert_false(s->lean);
	group_append(&t->hub, g, ENTRY_TYPING, frame_create(FRAME_TEXT, TEXT("x")), 0, NULL); /* the ninth of eight */
	assert_true(s->lean);
	assert_int_equal(s->state, SESSION_OPEN);
	for (int i = 0; i < 100; i++)
		group_append(&t->hub, g, ENTRY_POLL, frame_create(FRAME_TEXT, TEXT("x")), 0, NULL);
	assert_int_equal(s->state, SESSION_OPEN); /* all of these can be dropped */
	for (int i = 0; i < 4; i++)
		group_append(&t->hub, g, ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), 100 + i, NULL);
	assert_int_equal(s->state, SESSION_OPEN);
	group_append(&t->hub, g, ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), 200, NULL);
	assert_int_equal(s->state, SESSION_CLOSING);
	assert_int_equal(s->cause, CLOSE_SLOW_CONSUMER);
	still_session_free(s);
}

/* The list is one for all: it is as long as what the slowest still needs. */
static void test_session_write__what_can_be_dropped_is_not_kept_for_who_reads_nothing(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	struct group *g = s->group;

	for (int i = 0; i < 10000; i++) {
		group_append(&t->hub, g, i % 2 ? ENTRY_TYPING : ENTRY_POLL, frame_create(FRAME_TEXT, TEXT("x")), 0, NULL);
		assert_true(g->end->frames - g->oldest->frames <= 9);
	}
	assert_int_equal(s->state, SESSION_OPEN);
	group_append(&t->hub, g, ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), 1, NULL); /* he stays there … */
	for (int i = 0; i < 200 && s->state == SESSION_OPEN; i++)
		group_append(&t->hub, g, ENTRY_TYPING, frame_create(FRAME_TEXT, TEXT("x")), 0, NULL);
	assert_int_equal(s->state, SESSION_CLOSING); /* … not for ever */
	assert_int_equal(s->cause, CLOSE_SLOW_CONSUMER);
	still_session_free(s);
}

static void test_session_write__one_frame_larger_than_the_limit_may_go_alone(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	size_t n = (size_t)t->settings->realtime_queue_bytes + 1;
	char *large = calloc(1, n);

	group_append(&t->hub, s->group, ENTRY_MESSAGE, frame_create(FRAME_TEXT, (struct str){ large, n }), 1, NULL);
	assert_int_equal(s->state, SESSION_OPEN);
	group_append(&t->hub, s->group, ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), 2, NULL);
	assert_int_equal(s->state, SESSION_CLOSING);
	still_session_free(s);
	free(large);
}

static void test_session_write__answers_that_nobody_reads_count_too(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	for (int i = 0; i < 8; i++)
		session_push(s, frame_create(FRAME_TEXT, TEXT("x")));
	assert_int_equal(s->state, SESSION_OPEN);
	session_push(s, frame_create(FRAME_TEXT, TEXT("x")));
	assert_int_equal(s->state, SESSION_CLOSING);
	assert_int_equal(s->cause, CLOSE_SLOW_CONSUMER);
	session_push(s, frame_create(FRAME_TEXT, TEXT("x"))); /* and nothing more for him */
	assert_int_equal(s->n_parcels, 9);
	still_session_free(s);
}

int main(void)
{
	const struct CMUnitTest queues[] = {
		STILL(test_session_write__of_the_queue_typing_goes_first),
		STILL(test_session_write__what_can_be_dropped_is_not_kept_for_who_reads_nothing),
		STILL(test_session_write__one_frame_larger_than_the_limit_may_go_alone),
		STILL(test_session_write__answers_that_nobody_reads_count_too),
	};
	const struct CMUnitTest tests[] = {
		CASE(test_session_write__much_at_once_is_no_reason_to_close_who_reads),
		CASE(test_session_write__large_frames_and_batches_of_them),
		CASE(test_session_write__who_does_not_read_is_closed_and_the_others_hear_all),
		CASE(test_session_write__what_one_was_sent_is_not_sent_to_who_lacks_something_else),
	};

	return cmocka_run_group_tests_name("queues", queues, NULL, NULL) + cmocka_run_group_tests_name("sqlite", tests, start_sqlite, stop);
}
