/* What overtakes what: changes that are told in another order than they were made in, readings that were slow, verdicts that are old. */
#include <semaphore.h>

#include "domain/poll.h"
#include "tests/unit/realtime/fixture.h"

#define POLL 2000 /* its id */

/* ---- the database's thread, held in the middle of a reading ---- */

static struct {
	atomic_int state; /* of the poll, as it is read */
	atomic_bool holds;
	sem_t came, go;
} reading;

static void write_state(const struct poll *poll, struct buf *b)
{
	buf_addf(b, "{\"n\":%d}", atomic_load(&reading.state));
	if (!atomic_exchange(&reading.holds, false))
		return;
	sem_post(&reading.came);
	sem_wait(&reading.go);
}

static void hold_next_reading(void)
{
	atomic_store(&reading.holds, true);
}

static void await_reading(void)
{
	sem_wait(&reading.came);
}

static void let_it_go(void)
{
	sem_post(&reading.go);
}

static void open_poll(struct house *t, struct fixture *f)
{
	sem_init(&reading.came, 0, 0);
	sem_init(&reading.go, 0, 0);
	atomic_store(&reading.state, 1);
	add_account(f, 1);
	write_rows(f,
	           "INSERT INTO core_poll (id, title, question, description, status, is_anonymous, allow_multiple, created_at, updated_at, "
	           "voting_method, is_shareholder_vote) VALUES (2000, 'Titre', 'q ?', '', 'open', true, false, '2026-01-20 00:00:00', "
	           "'2026-01-20 00:00:00', 'binary', false)");
	open_house(t, f, NULL);
	t->hub->config.render_poll = write_state; /* nobody has asked it anything yet */
}

static void tell_state(struct house *t, int n)
{
	struct live_event event = { .kind = LIVE_POLL_UPDATE, .id = POLL, .previous = LIVE_NOT_NEW, .caller = NULL_INT };
	char payload[20];

	event.payload = (struct str){ payload, (size_t)snprintf(payload, sizeof(payload), "{\"n\":%d}", n) };
	safe_group_send(t->hub, &event);
}

static void assert_state(struct peer *p, int n)
{
	char expected[60];

	snprintf(expected, sizeof(expected), "{\"type\":\"poll_update\",\"payload\":{\"n\":%d}}", n);
	assert_heard(p, expected);
}

/* ---- polls ---- */

static void test_order__the_last_word_on_a_poll_is_the_databases(void **state)
{
	struct house t;
	struct peer *p;

	open_poll(&t, *state);
	p = ask_at(&t, HUB_POLL, POLL, 1);
	await_welcome(p);
	atomic_store(&reading.state, 3);
	tell_state(&t, 3);
	tell_state(&t, 2); /* an older one, late */
	assert_state(p, 3);
	assert_state(p, 2);
	assert_state(p, 3);
	assert_silence(p);
	close_peer(p);
	close_house(&t);
}

static void test_order__what_was_told_meanwhile_is_newer_than_what_was_read(void **state)
{
	struct house t;
	struct peer *p;

	open_poll(&t, *state);
	p = ask_at(&t, HUB_POLL, POLL, 1);
	await_welcome(p);
	tell_state(&t, 5);
	assert_state(p, 5);
	hold_next_reading();
	await_reading(); /* of state 1: as if a change were not committed yet */
	atomic_store(&reading.state, 6);
	tell_state(&t, 6);
	assert_state(p, 6);
	let_it_go();
	usleep(1500 * 1000);
	assert_silence(p);
	close_peer(p);
	close_house(&t);
}

static void test_order__a_verdict_that_is_older_than_the_end_of_the_poll(void **state)
{
	const struct live_event gone = { .kind = LIVE_POLL_GONE, .id = POLL, .previous = LIVE_NOT_NEW, .caller = NULL_INT };
	struct house t;
	struct peer *p;

	open_poll(&t, *state);
	hold_next_reading();
	p = ask_at(&t, HUB_POLL, POLL, 1);
	await_reading();
	write_rows(*state, "DELETE FROM core_poll");
	safe_group_send(t.hub, &gone);
	let_it_go();
	await_welcome(p);
	assert_null(hear(p));
	assert_int_equal(p->code, 4404);
	close_peer(p);
	close_house(&t);
}

/* ---- messages ---- */

static void tell_message(struct house *t, int64_t id, int64_t previous, const char *text)
{
	struct live_event event = { .kind = LIVE_CHAT_MESSAGE, .id = THREAD, .message = id, .previous = previous, .caller = NULL_INT };
	char payload[80];

	event.payload =
	        (struct str){ payload, (size_t)snprintf(payload, sizeof(payload), "{\"id\":%lld,\"from\":\"%s\"}", (long long)id, text) };
	safe_group_send(t->hub, &event);
}

static void assert_message(struct peer *p, int64_t id, const char *text)
{
	char expected[120];

	snprintf(expected, sizeof(expected), "{\"type\":\"chat_message\",\"payload\":{\"id\":%lld,\"from\":\"%s\"}}", (long long)id, text);
	assert_heard(p, expected);
}

static void test_order__the_last_word_on_a_message_is_the_databases(void **state)
{
	struct fixture *f = *state;
	char sql[200], now[CLOCK_ISO_SIZE];
	struct house t;
	struct peer *p;

	add_pair(f);
	add_message(f, MESSAGE, THREAD, 1, 5);
	open_house(&t, f, NULL);
	p = open_peer(&t, THREAD, 1);
	clock_format_sql(clock_now(), now);
	snprintf(sql, sizeof(sql), "UPDATE core_chatmessage SET edited_at = '%s'", now);
	write_rows(f, sql);
	tell_message(&t, MESSAGE, LIVE_NOT_NEW, "database");
	tell_message(&t, MESSAGE, LIVE_NOT_NEW, "late");
	assert_message(p, MESSAGE, "database");
	assert_message(p, MESSAGE, "late");
	assert_message(p, MESSAGE, "database");
	usleep(1500 * 1000);
	assert_silence(p); /* it has been told */
	close_peer(p);
	close_house(&t);
}

static void test_order__an_author_hears_a_message_that_was_read_after_his_answer(void **state)
{
	struct fixture *f = *state;
	struct peer *author, *other;
	int64_t told_us;
	struct house t;

	add_pair(f);
	add_message(f, MESSAGE, THREAD, 1, 5);
	open_house(&t, f, NULL);
	author = open_peer(&t, THREAD, 1);
	other = open_peer(&t, THREAD, 2);
	add_message(f, MESSAGE + 1, THREAD, 1, 5); /* told in a moment, and answered only then */
	add_message(f, MESSAGE + 2, THREAD, 2, 5);
	told_us = clock_monotonic_us();
	tell_message(&t, MESSAGE + 2, MESSAGE + 1, "late");
	assert_message(other, MESSAGE + 1, "database");
	assert_message(author, MESSAGE + 1, "database");
	assert_true(clock_monotonic_us() - told_us >= HOLD_US);
	assert_message(author, MESSAGE + 2, "database");
	assert_message(other, MESSAGE + 2, "database");
	close_peer(author);
	close_peer(other);
	close_house(&t);
}

/* ---- the end ---- */

/* For the tools that watch memory. */
static void test_order__a_hub_that_goes_forgets_the_last_words_of_its_sockets(void **state)
{
	struct fixture *f = *state;
	struct peer *here, *coming;
	struct house t;

	add_pair(f);
	open_house(&t, f, NULL);
	here = open_peer(&t, THREAD, 1);
	say(here, "{\"type\":\"typing\",\"is_typing\":true}");
	assert_heard(here, "{\"type\":\"chat_typing\",\"payload\":{\"user_id\":1,\"is_typing\":true}}");
	coming = ask_for_socket(&t, THREAD, 2);
	close_house(&t);
	close_peer(here);
	close_peer(coming);
}

/* ---- without threads ---- */

static void test_order__so_many_wait_and_no_more(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	struct live_event event = { .kind = LIVE_CHAT_TYPING, .id = 7, .previous = LIVE_NOT_NEW, .caller = NULL_INT };

	for (int i = 0; i < 10 * PENDING_MAX; i++)
		event_told(&t->hub, &event, NULL, 0);
	assert_int_equal(s->group->n_pending, PENDING_MAX);
	event.kind = LIVE_THREAD_GONE; /* what no sweep would tell is kept */
	event_told(&t->hub, &event, NULL, 0);
	assert_int_equal(s->group->n_pending, PENDING_MAX + 1);
	still_session_free(s);
	assert_int_equal(group_find(&t->hub, HUB_CHAT, 7)->n_pending, 0);
}

/* Whatever allocation fails: the message is in the list, or it is not known, and a sweep finds it. */
static void test_order__without_memory_a_message_is_not_taken_for_told(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	struct group *g = s->group;
	struct live_event event = { .kind = LIVE_CHAT_MESSAGE, .id = 7, .caller = NULL_INT, .payload = STR("{}") };
	int n = 0;

	g->last_id = 0;
	for (int tries = 1; g->last_id == 0; tries++) {
		event.message = 1;
		fault_arm(FAULT_ALLOC, tries, false);
		event_told(&t->hub, &event, NULL, 0);
		fault_disarm_all();
		assert_int_equal(g->end->frames, g->last_id);
		n = tries;
	}
	assert_true(n > 1);
	still_session_free(s);
}

int main(void)
{
	const struct CMUnitTest stills[] = {
		STILL(test_order__so_many_wait_and_no_more),
		STILL(test_order__without_memory_a_message_is_not_taken_for_told),
	};
	const struct CMUnitTest tests[] = {
		CASE(test_order__the_last_word_on_a_poll_is_the_databases),
		CASE(test_order__what_was_told_meanwhile_is_newer_than_what_was_read),
		CASE(test_order__a_verdict_that_is_older_than_the_end_of_the_poll),
		CASE(test_order__the_last_word_on_a_message_is_the_databases),
		CASE(test_order__a_hub_that_goes_forgets_the_last_words_of_its_sockets),
		CASE(test_order__an_author_hears_a_message_that_was_read_after_his_answer),
	};

	return cmocka_run_group_tests_name("stills", stills, NULL, NULL) + RUN_ON_BOTH(tests);
}
