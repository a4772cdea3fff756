#include "tests/unit/domain/chats.h"

static const struct chat_message_filter everything = { NULL_INT, NULL_INT, NULL_INT };

static const char *list_ids(struct fixture *f, int64_t viewer, struct chat_message_filter filter, int64_t limit, int64_t offset)
{
	struct db_rows rows;

	assert_ok(chat_message_list(f->conn, &f->arena, viewer, &filter, limit, offset, &rows));
	return messages_of(f, &rows);
}

static const char *tail_ids(struct fixture *f, int64_t viewer, struct chat_message_filter filter, int64_t limit)
{
	struct db_rows rows;

	assert_ok(chat_message_tail(f->conn, &f->arena, viewer, &filter, limit, &rows));
	return messages_of(f, &rows);
}

static int64_t count(struct fixture *f, int64_t viewer, struct chat_message_filter filter)
{
	int64_t n = -1;

	assert_ok(chat_message_count(f->conn, viewer, &filter, &n));
	return n;
}

/* Messages 11 to 14 in THREAD, 21 and 22 in thread 2000, where 2 and 3 take part. */
static void fill(struct fixture *f)
{
	add_pair(f);
	add_thread(f, 2000, 2, 5);
	add_member(f, 2000, 2, "member");
	add_member(f, 2000, 3, "member");
	for (int i = 1; i <= 4; i++)
		add_message(f, 10 + i, THREAD, 1 + i % 2, 4 + i);
	add_message(f, 21, 2000, 3, 5);
	add_message(f, 22, 2000, 2, 6);
}

static void test_chat_message__of_own_threads_the_oldest_first(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, 1, everything, 10, 0), "11 12 13 14");
	assert_string_equal(list_ids(f, 2, everything, 10, 0), "11 21 12 22 13 14");
	assert_string_equal(list_ids(f, 2, everything, 2, 1), "21 12");
	assert_string_equal(list_ids(f, 9, everything, 10, 0), "");
	assert_int_equal(count(f, 2, everything), 6);
	assert_int_equal(count(f, 9, everything), 0);
}

static void test_chat_message__filters_only_narrow(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, 2, (struct chat_message_filter){ 2000, NULL_INT, NULL_INT }, 10, 0), "21 22");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ 2000, NULL_INT, NULL_INT }, 10, 0), "");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ UNKNOWN, NULL_INT, NULL_INT }, 10, 0), "");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ THREAD, 13, NULL_INT }, 10, 0), "11 12");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ THREAD, NULL_INT, 13 }, 10, 0), "14");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ THREAD, 14, 11 }, 10, 0), "12 13");
	assert_string_equal(list_ids(f, 1, (struct chat_message_filter){ THREAD, -5, INT64_MAX }, 10, 0), "");
	assert_int_equal(count(f, 1, (struct chat_message_filter){ THREAD, 14, 11 }), 2);
}

static void test_chat_message__the_last_ones(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(tail_ids(f, 1, everything, 2), "13 14");
	assert_string_equal(tail_ids(f, 1, everything, 100), "11 12 13 14");
	assert_string_equal(tail_ids(f, 1, (struct chat_message_filter){ THREAD, 13, NULL_INT }, 1), "12");
	assert_string_equal(tail_ids(f, 1, (struct chat_message_filter){ THREAD, NULL_INT, 11 }, 2), "13 14");
	assert_string_equal(tail_ids(f, 2, everything, 3), "14 21 22"); /* by their numbers, whatever their threads */
	assert_string_equal(tail_ids(f, 1, (struct chat_message_filter){ 2000, NULL_INT, NULL_INT }, 2), "");
}

static void test_chat_message__one(void **state)
{
	struct fixture *f = *state;
	struct chat_message m = { .id = 5 };

	fill(f);
	write_rows(f, "UPDATE core_chatmessage SET attachment = 'chat_attachments/a.txt', edited_at = '2026-01-20 00:00:00' WHERE id = 12");
	assert_int_equal(chat_message_find(f->conn, &f->arena, 3, 12, &m), ERR_NOT_FOUND);
	assert_int_equal(chat_message_find(f->conn, &f->arena, 1, UNKNOWN, &m), ERR_NOT_FOUND);
	assert_int_equal(m.id, 5);
	assert_ok(chat_message_find(f->conn, &f->arena, 2, 12, &m));
	assert_int_equal(m.id, 12);
	assert_int_equal(m.thread_id, THREAD);
	assert_int_equal(m.author.id, 1);
	assert_text(m.author.username, "user1");
	assert_text(m.content, "Texte 12");
	assert_text(m.attachment, "chat_attachments/a.txt");
	assert_text(m.metadata.text, "{}");
	assert_false(m.is_deleted);
	assert_int_equal(m.deleted_at.us, NULL_TIME.us);
	assert_int_equal(m.created_at.us, january(6));
	assert_int_equal(m.edited_at.us, january(20));
	assert_true(chat_message_may_change(&m, &one) && chat_message_may_change(&m, &staff));
	assert_false(chat_message_may_change(&m, &two));
}

static void test_chat_message__a_deleted_one_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct chat_message m;
	struct db_rows rows;

	fill(f);
	write_rows(f, "UPDATE core_chatmessage SET is_deleted = true, deleted_at = '2026-01-21 00:00:00', author_id = NULL, "
	              "attachment = 'chat_attachments/a.txt' WHERE id = 12");
	assert_ok(chat_message_find(f->conn, &f->arena, 2, 12, &m));
	assert_text(m.content, "");
	assert_null(m.attachment.s);
	assert_true(m.is_deleted);
	assert_int_equal(m.deleted_at.us, january(21));
	assert_int_equal(m.author.id, NULL_INT);
	assert_false(chat_message_may_change(&m, &one));
	assert_ok(chat_messages_between(f->conn, &f->arena, THREAD, 11, 12, 10, &rows));
	assert_text(((const struct chat_message *)rows.items)->content, "");
	assert_string_equal(list_ids(f, 1, everything, 10, 0), "11 12 13 14");
}

static const char *between(struct fixture *f, int64_t after, int64_t up_to, int64_t limit)
{
	struct db_rows rows;

	assert_ok(chat_messages_between(f->conn, &f->arena, THREAD, after, up_to, limit, &rows));
	return messages_of(f, &rows);
}

static const char *changed(struct fixture *f, int day, int64_t after, int64_t up_to, int64_t limit)
{
	const struct instant since = { january(day) };
	struct db_rows rows;

	assert_ok(chat_messages_changed(f->conn, &f->arena, THREAD, since, after, up_to, limit, &rows));
	return messages_of(f, &rows);
}

static void test_chat_message__what_the_hub_repairs(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(between(f, 0, INT64_MAX, 100), "11 12 13 14");
	assert_string_equal(between(f, 11, 13, 100), "12 13");
	assert_string_equal(between(f, 11, 14, 2), "12 13");
	assert_string_equal(between(f, 14, 99, 100), "");
	write_rows(f, "UPDATE core_chatmessage SET edited_at = '2026-01-20 00:00:00' WHERE id IN (11, 13, 21)");
	write_rows(f, "UPDATE core_chatmessage SET is_deleted = true, deleted_at = '2026-01-25 00:00:00' WHERE id = 14");
	assert_string_equal(changed(f, 19, 0, 99, 100), "11 13 14");
	assert_string_equal(changed(f, 20, 0, 99, 100), "14"); /* later, not at the same time */
	assert_string_equal(changed(f, 19, 11, 13, 100), "13");
	assert_string_equal(changed(f, 19, 0, 99, 2), "11 13");
	assert_string_equal(changed(f, 25, 0, 99, 100), "");
}

static void test_chat_message__the_last_and_when(void **state)
{
	struct fixture *f = *state;
	struct instant at = { 5 };
	int64_t last = -1;

	fill(f);
	assert_ok(chat_last_message_id(f->conn, THREAD, &last));
	assert_int_equal(last, 14);
	assert_ok(chat_last_message_id(f->conn, UNKNOWN, &last));
	assert_int_equal(last, 0);
	assert_int_equal(chat_message_created_at(f->conn, THREAD, 21, &at), ERR_NOT_FOUND); /* of another thread */
	assert_int_equal(at.us, 5);
	assert_ok(chat_message_created_at(f->conn, THREAD, 13, &at));
	assert_int_equal(at.us, january(7));
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(chat_last_message_id(f->conn, THREAD, &last) < 0);
	assert_true(chat_message_created_at(f->conn, THREAD, 13, &at) < 0);
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_chat_message__of_own_threads_the_oldest_first),
		CASE(test_chat_message__filters_only_narrow),
		CASE(test_chat_message__the_last_ones),
		CASE(test_chat_message__one),
		CASE(test_chat_message__a_deleted_one_says_nothing),
		CASE(test_chat_message__what_the_hub_repairs),
		CASE(test_chat_message__the_last_and_when),
	};

	return RUN_ON_BOTH(tests);
}
