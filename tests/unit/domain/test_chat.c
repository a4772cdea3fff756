#include "tests/unit/domain/chats.h"

/* The ids of a page of what the viewer sees, "3 1". */
static const char *list_ids(struct fixture *f, int64_t viewer, int64_t limit, int64_t offset)
{
	char *text = arena_zalloc(&f->arena, 300);
	const struct chat_thread *t;
	struct db_rows rows;

	assert_ok(chat_thread_list(f->conn, &f->arena, viewer, limit, offset, &rows));
	t = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)t[i].id);
	return text;
}

static int64_t count(struct fixture *f, int64_t viewer)
{
	int64_t n = -1;

	assert_ok(chat_thread_count(f->conn, viewer, &n));
	return n;
}

static void test_chat__own_threads_the_latest_first(void **state)
{
	struct fixture *f = *state;

	add_pair(f);
	assert_string_equal(list_ids(f, 3, 10, 0), "");
	for (int id = 2001; id <= 2004; id++) {
		add_thread(f, id, 3, id == 2001 ? 9 : id == 2002 ? 7 : 0);
		add_member(f, id, 1, "member");
	}
	write_rows(f, "UPDATE core_chatthread SET created_at = '2026-01-04 00:00:00' WHERE id = 2003");
	assert_string_equal(list_ids(f, 1, 10, 0), "2001 2002 1000 2003 2004"); /* those without a message come last */
	assert_string_equal(list_ids(f, 1, 2, 1), "2002 1000");
	assert_string_equal(list_ids(f, 2, 10, 0), "1000");
	assert_string_equal(list_ids(f, 3, 10, 0), ""); /* who made them, but takes no part */
	assert_int_equal(count(f, 1), 5);
	assert_int_equal(count(f, 3), 0);
}

static void test_chat__one_with_everything(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;

	add_pair(f);
	add_member(f, THREAD, 9, "owner");
	write_rows(f, "UPDATE core_chatthread SET is_private = false");
	assert_ok(chat_thread_find(f->conn, &f->arena, 9, THREAD, &t));
	assert_int_equal(t.id, THREAD);
	assert_text(t.title, "Fil 1000");
	assert_int_equal(t.project_id, NULL_INT);
	assert_false(t.is_private);
	assert_int_equal(t.creator.id, 1);
	assert_text(t.creator.username, "user1");
	assert_int_equal(t.created_at.us, january(1));
	assert_int_equal(t.updated_at.us, january(2));
	assert_int_equal(t.last_message_at.us, january(5));
	assert_text(t.role, "owner");
	assert_string_equal(participants_of(f, &t), "1 2 9");
	assert_text(((const struct chat_participant *)t.participants.items)[1].person.username, "user2");
}

static void test_chat__a_creator_who_is_gone(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;

	add_pair(f);
	write_rows(f, "UPDATE core_chatthread SET created_by_id = NULL");
	assert_ok(chat_thread_find(f->conn, &f->arena, 1, THREAD, &t));
	assert_int_equal(t.creator.id, NULL_INT);
	assert_null(t.creator.username.s);
}

static void test_chat__what_is_not_his_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t = { .id = 5 };

	add_pair(f);
	assert_int_equal(chat_thread_find(f->conn, &f->arena, 3, THREAD, &t), ERR_NOT_FOUND);
	assert_int_equal(chat_thread_find(f->conn, &f->arena, 9, THREAD, &t), ERR_NOT_FOUND);
	assert_int_equal(chat_thread_find(f->conn, &f->arena, 1, UNKNOWN, &t), ERR_NOT_FOUND);
	assert_int_equal(chat_thread_find(f->conn, &f->arena, 1, INT64_MAX, &t), ERR_NOT_FOUND);
	assert_int_equal(t.id, 5);
}

static void test_chat__each_thread_has_its_own_participants(void **state)
{
	struct fixture *f = *state;
	const struct chat_thread *t;
	struct db_rows rows;

	add_pair(f);
	add_thread(f, 2001, 1, 9);
	add_member(f, 2001, 3, "member");
	add_member(f, 2001, 1, "member");
	add_thread(f, 500, 1, 1);
	add_member(f, 500, 1, "member");
	assert_ok(chat_thread_list(f->conn, &f->arena, 1, 10, 0, &rows));
	t = rows.items;
	assert_int_equal(rows.n, 3);
	assert_string_equal(participants_of(f, &t[0]), "1 3");
	assert_string_equal(participants_of(f, &t[1]), "1 2");
	assert_string_equal(participants_of(f, &t[2]), "1");
}

static void test_chat__rights(void **state)
{
	static const struct {
		int64_t creator;
		const char *role;
		const struct account *who;
		bool changes, deletes;
	} cases[] = {
		{ 1, "member", &one, true, true },  { 1, "member", &two, false, false }, { 1, "moderator", &two, true, false },
		{ 1, "owner", &two, true, false },  { 1, "member", &staff, true, true }, { NULL_INT, "member", &one, false, false },
		{ 1, "Owner", &two, false, false },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const struct chat_thread t = { .creator.id = cases[i].creator, .role = str_of(cases[i].role) };

		assert_int_equal(chat_thread_may_change(&t, cases[i].who), cases[i].changes);
		assert_int_equal(chat_thread_may_delete(&t, cases[i].who), cases[i].deletes);
	}
}

static void test_chat__who_takes_part(void **state)
{
	struct fixture *f = *state;

	add_pair(f);
	assert_int_equal(chat_takes_part(f->conn, THREAD, 1), 1);
	assert_int_equal(chat_takes_part(f->conn, THREAD, 3), 0);
	assert_int_equal(chat_takes_part(f->conn, UNKNOWN, 1), 0);
	assert_int_equal(chat_thread_exists(f->conn, THREAD), 1);
	assert_int_equal(chat_thread_exists(f->conn, UNKNOWN), 0);
	assert_int_equal(chat_thread_known(f->conn, THREAD), 0);
	assert_int_equal(chat_thread_known(f->conn, UNKNOWN), ERR_NOT_FOUND);
}

static void test_chat__known_people(void **state)
{
	static const struct {
		int64_t ids[3];
		size_t n;
		bool known;
	} cases[] = { { { 0 }, 0, true },   { { 3, 1, 3 }, 3, true },       { { 1, 4 }, 2, false },
		      { { -1 }, 1, false }, { { INT64_MAX, 1 }, 2, false }, { { NULL_INT + 1 }, 1, false } };
	struct fixture *f = *state;

	add_pair(f);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct db_rows ids = { (void *)(uintptr_t)cases[i].ids, cases[i].n };
		bool known = !cases[i].known;

		assert_ok(chat_people_known(f->conn, &f->arena, &ids, &known));
		assert_int_equal(known, cases[i].known);
	}
}

static void test_chat__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	struct db_rows rows;
	int64_t n;

	add_pair(f);
	for (int i = 1; i <= 2; i++) {
		fault_arm(FAULT_SQL_STEP, i, /* repeat: */ true);
		assert_true(chat_thread_list(f->conn, &f->arena, 1, 10, 0, &rows) < 0);
		fault_arm(FAULT_SQL_STEP, i, /* repeat: */ true);
		assert_true(chat_thread_find(f->conn, &f->arena, 1, THREAD, &t) < 0);
		fault_disarm_all();
	}
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(chat_thread_count(f->conn, 1, &n) < 0);
	assert_true(chat_takes_part(f->conn, THREAD, 1) < 0);
	assert_true(chat_thread_exists(f->conn, THREAD) < 0);
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_chat__own_threads_the_latest_first),
		CASE(test_chat__one_with_everything),
		CASE(test_chat__a_creator_who_is_gone),
		CASE(test_chat__what_is_not_his_is_not_there),
		CASE(test_chat__each_thread_has_its_own_participants),
		CASE(test_chat__rights),
		CASE(test_chat__who_takes_part),
		CASE(test_chat__known_people),
		CASE(test_chat__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
