#include "tests/unit/realtime/fixture.h"

static struct group *group(struct still *t)
{
	return group_get(&t->hub, HUB_CHAT, 7);
}

static void append(struct still *t, enum entry_kind kind, const char *text, int64_t message)
{
	group_append(&t->hub, group(t), kind, frame_create(FRAME_TEXT, str_of(text)), message, NULL);
}

static size_t n_entries(struct still *t)
{
	size_t n = 0;

	for (const struct entry *e = group(t)->oldest; e != group(t)->end; e = e->next)
		n++;
	return n;
}

static void step(struct session *s)
{
	group_step(s->group, s, s->at->next);
}

static void test_group__is_found_again_by_kind_and_id(void **state)
{
	struct still *t = *state;
	struct group *chat = group_get(&t->hub, HUB_CHAT, 7), *poll = group_get(&t->hub, HUB_POLL, 7);

	for (int i = 1000; i < 5000; i++) /* more than there are buckets */
		assert_non_null(group_get(&t->hub, HUB_CHAT, i));
	assert_ptr_not_equal(chat, poll);
	assert_ptr_equal(group_find(&t->hub, HUB_CHAT, 7), chat);
	assert_ptr_equal(group_get(&t->hub, HUB_POLL, 7), poll);
	assert_null(group_find(&t->hub, HUB_POLL, 8));
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(group_get(&t->hub, HUB_CHAT, 9999));
		fault_disarm_all();
	}
}

static void test_group__each_reads_at_its_own_pace_and_what_all_have_read_is_freed(void **state)
{
	struct still *t = *state;
	struct session *fast = still_session(t, 7, 1), *slow = still_session(t, 7, 2);

	for (int i = 1; i <= 3; i++)
		append(t, ENTRY_MESSAGE, "x", i);
	assert_int_equal(n_entries(t), 3);
	step(fast), step(fast), step(fast);
	assert_ptr_equal(fast->at, group(t)->end);
	assert_int_equal(slow->at->message, 1);
	assert_int_equal(n_entries(t), 3);
	step(slow), step(slow);
	assert_int_equal(n_entries(t), 1);
	assert_int_equal(group(t)->oldest->message, 3);
	still_session_free(slow); /* who leaves holds nothing back */
	assert_int_equal(n_entries(t), 0);
	still_session_free(fast);
}

static void test_group__who_comes_stands_behind_what_was_told(void **state)
{
	struct still *t = *state;
	struct session *first = still_session(t, 7, 1), *second;

	append(t, ENTRY_MESSAGE, "x", 1);
	second = still_session(t, 7, 2);
	append(t, ENTRY_MESSAGE, "x", 2);
	assert_int_equal(first->at->message, 1);
	assert_int_equal(second->at->message, 2);
	group_step(first->group, first, group(t)->end); /* several at once */
	assert_int_equal(n_entries(t), 1);
	still_session_free(first);
	still_session_free(second);
}

static void test_group__nothing_is_kept_for_nobody(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	still_session_free(s);
	append(t, ENTRY_MESSAGE, "x", 1);
	assert_int_equal(n_entries(t), 0);
	assert_int_equal(group(t)->last_id, -1);
	s = still_session(t, 7, 1);
	fault_arm(FAULT_ALLOC, 1, false);
	group_append(&t->hub, group(t), ENTRY_MESSAGE, NULL, 2, NULL);
	fault_disarm_all();
	assert_int_equal(n_entries(t), 0);
	still_session_free(s);
}

static void test_group__goes_thirty_seconds_after_its_last_session(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);
	int64_t left_us;

	s->group->joined = true; /* somebody was let in */
	groups_tick(&t->hub, INT64_MAX / 2);
	assert_non_null(group_find(&t->hub, HUB_CHAT, 7));
	still_session_free(s);
	left_us = group(t)->empty_since_us;
	groups_tick(&t->hub, left_us + LINGER_US);
	assert_non_null(group_find(&t->hub, HUB_CHAT, 7));
	groups_tick(&t->hub, left_us + LINGER_US + 1);
	assert_null(group_find(&t->hub, HUB_CHAT, 7));
}

static void test_group__of_whom_nobody_is_let_in_goes_at_once(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	groups_tick(&t->hub, INT64_MAX / 2);
	assert_non_null(group_find(&t->hub, HUB_CHAT, 7));
	still_session_free(s);
	groups_tick(&t->hub, 0);
	assert_null(group_find(&t->hub, HUB_CHAT, 7));
}

static void test_group__knows_the_newest_state_of_a_poll(void **state)
{
	struct still *t = *state;
	struct session *s = still_session(t, 7, 1);

	append(t, ENTRY_POLL, "1", 0);
	append(t, ENTRY_TYPING, "2", 0);
	append(t, ENTRY_POLL, "3", 0);
	append(t, ENTRY_TYPING, "4", 0);
	assert_memory_equal(group(t)->newest_poll->bytes->data + 2, "3", 1);
	step(s), step(s), step(s);
	assert_null(group(t)->newest_poll); /* it is freed */
	still_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STILL(test_group__is_found_again_by_kind_and_id),
		STILL(test_group__each_reads_at_its_own_pace_and_what_all_have_read_is_freed),
		STILL(test_group__who_comes_stands_behind_what_was_told),
		STILL(test_group__nothing_is_kept_for_nobody),
		STILL(test_group__goes_thirty_seconds_after_its_last_session),
		STILL(test_group__of_whom_nobody_is_let_in_goes_at_once),
		STILL(test_group__knows_the_newest_state_of_a_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
