#include "tests/unit/realtime/fixture.h"

static struct hold *hold_for(struct still *t, int64_t user, uint64_t request, int64_t since_us)
{
	struct live_event event = { .kind = LIVE_CHAT_MESSAGE, .id = 7, .caller = user, .request = request };

	return hold_create(&t->hub, group_find(&t->hub, HUB_CHAT, 7), &event, since_us);
}

static void append(struct still *t, struct hold *hold)
{
	group_append(&t->hub, group_find(&t->hub, HUB_CHAT, 7), ENTRY_MESSAGE, frame_create(FRAME_TEXT, TEXT("x")), 1, hold);
}

static void test_hold__the_callers_own_sockets_wait_for_his_answer(void **state)
{
	struct still *t = *state;
	struct session *caller = still_session(t, 7, 1), *other = still_session(t, 7, 2);

	append(t, hold_for(t, 1, 50, 0));
	assert_false(session_may_read_group(caller));
	assert_true(session_may_read_group(other));
	hold_release(&t->hub, 49);
	assert_false(session_may_read_group(caller));
	hold_release(&t->hub, 50);
	assert_true(session_may_read_group(caller));
	assert_null(t->hub.holds);
	still_session_free(caller);
	still_session_free(other);
}

static void test_hold__no_longer_than_its_limit(void **state)
{
	struct still *t = *state;
	struct session *caller = still_session(t, 7, 1);

	append(t, hold_for(t, 1, 50, 1000));
	holds_tick(&t->hub, 1000 + HOLD_US - 1);
	assert_false(session_may_read_group(caller));
	holds_tick(&t->hub, 1000 + HOLD_US);
	assert_true(session_may_read_group(caller));
	still_session_free(caller);
}

static void test_hold__nobodys_event_waits_for_nobody(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	assert_null(hold_for(t, NULL_INT, 50, 0));
	assert_null(hold_for(t, 1, 0, 0));
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(hold_for(t, 1, 50, 0)); /* an echo that comes early is better than none */
	fault_disarm_all();
	still_session_free(s);
	assert_null(hold_for(t, 1, 50, 0)); /* nobody listens */
}

static void test_hold__lives_until_its_entry_and_the_list_have_let_go(void **state)
{
	struct still *t = *state;
	struct session *caller = still_session(t, 7, 1);

	append(t, hold_for(t, 1, 50, 0));
	still_session_free(caller); /* the entry goes with its last reader */
	assert_non_null(t->hub.holds);
	assert_int_equal(t->hub.holds->refs, 1);
	hold_release(&t->hub, 50);
	assert_null(t->hub.holds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STILL(test_hold__the_callers_own_sockets_wait_for_his_answer),
		STILL(test_hold__no_longer_than_its_limit),
		STILL(test_hold__nobodys_event_waits_for_nobody),
		STILL(test_hold__lives_until_its_entry_and_the_list_have_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
