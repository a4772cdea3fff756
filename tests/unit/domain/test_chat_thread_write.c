#include "tests/unit/domain/chats.h"

static struct chat_thread_in wanted(struct db_rows participants)
{
	return (struct chat_thread_in){ .title = TEXT("Jardin"), .project_id = NULL_INT, .is_private = true, .participants = participants };
}

/* ---- create ---- */

static void test_chat_thread_write__create(void **state)
{
	struct fixture *f = *state;
	struct chat_thread_in in = wanted(IDS(3, 2, 3));
	struct chat_thread t;
	int64_t before = clock_now().us;

	add_pair(f);
	assert_ok(chat_thread_create(f->conn, &f->arena, &one, &in, &t));
	assert_text(t.title, "Jardin");
	assert_int_equal(t.project_id, NULL_INT);
	assert_true(t.is_private);
	assert_int_equal(t.creator.id, 1);
	assert_string_equal(participants_of(f, &t), "1 2 3");
	assert_text(t.role, "member");
	assert_true(t.created_at.us >= before && t.updated_at.us == t.created_at.us && t.last_message_at.us >= t.created_at.us);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread WHERE thread_type = 'GENERAL' AND title = 'Jardin'"), 1);
	assert_int_equal(noted(f, "chat_thread_create", 1, t.id), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog WHERE CAST(metadata AS text) LIKE '%Jardin%'"), 1);
}

static void test_chat_thread_write__alone(void **state)
{
	struct fixture *f = *state;
	struct chat_thread_in in = wanted((struct db_rows){ NULL, 0 });
	struct chat_thread t;

	add_pair(f);
	in.title = TEXT("");
	in.is_private = false;
	assert_ok(chat_thread_create(f->conn, &f->arena, &three, &in, &t));
	assert_text(t.title, "");
	assert_false(t.is_private);
	assert_string_equal(participants_of(f, &t), "3");
}

static void test_chat_thread_write__whose_account_is_gone_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct chat_thread_in in = wanted(IDS(2, UNKNOWN));
	struct chat_thread t;

	add_pair(f);
	assert_ok(chat_thread_create(f->conn, &f->arena, &one, &in, &t));
	assert_string_equal(participants_of(f, &t), "1 2");
}

/* ---- update ---- */

static void apply(const void *arg, struct chat_thread_in *in)
{
	const struct chat_thread_in *change = arg;

	in->title = change->title.s ? change->title : in->title;
	in->is_private = false;
	in->participants = change->participants;
}

static int update(struct fixture *f, const struct account *who, struct chat_thread_in change, struct chat_thread *ret_thread,
                  bool *ret_members_changed)
{
	const struct chat_thread_edit edit = { apply, &change };

	return chat_thread_update(f->conn, &f->arena, who, THREAD, &edit, ret_thread, ret_members_changed);
}

static void test_chat_thread_write__update(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	bool members_changed = true;
	int64_t before = clock_now().us;

	add_pair(f);
	assert_ok(update(f, &one, (struct chat_thread_in){ .title = TEXT("Été") }, &t, &members_changed));
	assert_text(t.title, "Été");
	assert_false(t.is_private);
	assert_true(t.updated_at.us >= before);
	assert_int_equal(t.last_message_at.us, january(5));
	assert_int_equal(t.created_at.us, january(1));
	assert_string_equal(participants_of(f, &t), "1 2");
	assert_false(members_changed);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 0);
}

static void test_chat_thread_write__participants_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	bool members_changed;

	add_pair(f);
	add_member(f, THREAD, 9, "moderator");
	assert_ok(update(f, &one, (struct chat_thread_in){ .participants = IDS(3, 9) }, &t, &members_changed));
	assert_string_equal(participants_of(f, &t), "1 3 9"); /* the caller stays */
	assert_true(members_changed);
	/* who stays keeps role and date */
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmembership WHERE user_id = 9 AND role = 'moderator' AND "
	                        "joined_at = '2026-01-03 00:00:00'"),
	                 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmembership WHERE user_id = 3 AND role = 'member' AND "
	                        "joined_at > '2026-01-03 00:00:00'"),
	                 1);
	assert_ok(update(f, &one, (struct chat_thread_in){ .participants = IDS(9, 1, 3) }, &t, &members_changed));
	assert_false(members_changed);
	assert_ok(update(f, &staff, (struct chat_thread_in){ .participants = { &members_changed, 0 } }, &t, &members_changed));
	assert_string_equal(participants_of(f, &t), "9"); /* even the creator may be left out */
	assert_true(members_changed);
}

static void test_chat_thread_write__who_may_not_change_it(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t = { .id = 5 };
	bool members_changed;

	add_pair(f);
	assert_int_equal(update(f, &two, (struct chat_thread_in){ .title = TEXT("x") }, &t, &members_changed), ERR_FORBIDDEN);
	assert_int_equal(update(f, &three, (struct chat_thread_in){ .title = TEXT("x") }, &t, &members_changed), ERR_NOT_FOUND);
	assert_int_equal(update(f, &staff, (struct chat_thread_in){ .title = TEXT("x") }, &t, &members_changed), ERR_NOT_FOUND);
	assert_int_equal(t.id, 5);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread WHERE title = 'x'"), 0);
	write_rows(f, "UPDATE core_chatmembership SET role = 'moderator' WHERE user_id = 2");
	assert_ok(update(f, &two, (struct chat_thread_in){ .title = TEXT("x") }, &t, &members_changed));
	assert_text(t.role, "moderator");
}

/* ---- delete ---- */

static int delete_thread(struct fixture *f, const struct account *who, int64_t id)
{
	struct db_rows attachments;

	return chat_thread_delete(f->conn, &f->arena, who, id, &attachments);
}

static void test_chat_thread_write__delete_takes_all_with_it(void **state)
{
	struct fixture *f = *state;

	add_pair(f);
	add_message(f, 11, THREAD, 1, 5);
	write_rows(f, "INSERT INTO core_chatmessagereport (message_id, reporter_id, reason, status, created_at, updated_at) VALUES "
	              "(11, 2, '', 'pending', '2026-01-05 00:00:00', '2026-01-05 00:00:00')");
	assert_int_equal(delete_thread(f, &two, THREAD), ERR_FORBIDDEN);
	assert_int_equal(delete_thread(f, &three, THREAD), ERR_NOT_FOUND);
	assert_int_equal(delete_thread(f, &one, UNKNOWN), ERR_NOT_FOUND);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessagereport"), 1);
	assert_ok(delete_thread(f, &one, THREAD));
	assert_int_equal(NUMBER("SELECT (SELECT count(*) FROM core_chatthread) + (SELECT count(*) FROM core_chatmessage) + "
	                        "(SELECT count(*) FROM core_chatmembership) + (SELECT count(*) FROM core_chatmessagereport)"),
	                 0);
	assert_int_equal(noted(f, "chat_thread_delete", 1, THREAD), 1);
	assert_int_equal(delete_thread(f, &one, THREAD), ERR_NOT_FOUND);
}

static void test_chat_thread_write__delete_names_the_files(void **state)
{
	struct fixture *f = *state;
	const struct chat_attachment *files;
	struct db_rows attachments;

	add_pair(f);
	for (int id = 11; id <= 14; id++)
		add_message(f, id, THREAD, 1, 5);
	write_rows(f, "UPDATE core_chatmessage SET attachment = 'chat_attachments/a.txt', is_deleted = TRUE WHERE id = 12");
	write_rows(f, "UPDATE core_chatmessage SET attachment = '' WHERE id = 13");
	assert_ok(chat_thread_delete(f->conn, &f->arena, &one, THREAD, &attachments));
	assert_int_equal(attachments.n, 1);
	files = attachments.items;
	assert_text(files[0].path, "chat_attachments/a.txt");
}

/* ---- all or nothing ---- */

#define ROWS_OF_CHAT                                                                                         \
	"SELECT (SELECT count(*) FROM core_chatthread) + 10 * (SELECT count(*) FROM core_chatmembership) + " \
	"100 * (SELECT count(*) FROM core_auditlog)"

static int create_step(struct fixture *f)
{
	struct chat_thread_in in = wanted(IDS(2, 3));
	struct chat_thread t;

	return chat_thread_create(f->conn, &f->arena, &one, &in, &t);
}

static int update_step(struct fixture *f)
{
	struct chat_thread t;
	bool members_changed;

	return update(f, &one, (struct chat_thread_in){ .participants = IDS(3, 9) }, &t, &members_changed);
}

static int delete_step(struct fixture *f)
{
	return delete_thread(f, &one, THREAD);
}

static void test_chat_thread_write__all_or_nothing(void **state)
{
	int (*const steps[])(struct fixture *) = { create_step, update_step, delete_step };
	struct fixture *f = *state;

	add_pair(f);
	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		int64_t before = NUMBER(ROWS_OF_CHAT);
		int failures = 0, r = -1;

		for (int n = 1; r < 0; n++) {
			fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
			r = steps[i](f);
			fault_disarm_all();
			failures += r < 0;
			assert_true(r == 0 || NUMBER(ROWS_OF_CHAT) == before);
			assert_true(n < 40);
		}
		assert_true(failures >= 4);
		assert_true(NUMBER(ROWS_OF_CHAT) != before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_chat_thread_write__create),
		CASE(test_chat_thread_write__alone),
		CASE(test_chat_thread_write__whose_account_is_gone_is_left_out),
		CASE(test_chat_thread_write__update),
		CASE(test_chat_thread_write__participants_are_replaced),
		CASE(test_chat_thread_write__who_may_not_change_it),
		CASE(test_chat_thread_write__delete_takes_all_with_it),
		CASE(test_chat_thread_write__delete_names_the_files),
		CASE(test_chat_thread_write__all_or_nothing),
	};

	return RUN_ON_BOTH(tests);
}
