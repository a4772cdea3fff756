#include <pthread.h>

#include "tests/unit/domain/chats.h"

static struct chat_message_in text_in(int64_t thread, const char *content)
{
	return (struct chat_message_in){ .thread_id = thread, .content = str_of(content) };
}

static int64_t post(struct fixture *f, const struct account *who, int64_t *ret_previous)
{
	struct chat_message_in in = text_in(THREAD, "Bonjour");
	struct chat_message m;

	assert_ok(chat_message_create(f->conn, &f->arena, who, &in, &m, ret_previous));
	return m.id;
}

/* ---- create ---- */

static void test_chat_message_write__create(void **state)
{
	struct fixture *f = *state;
	struct chat_message_in in = text_in(THREAD, "  <b>été</b> 🌱 ");
	struct chat_message m;
	struct chat_thread t;
	int64_t previous = -1, before = clock_now().us;

	add_pair(f);
	in.attachment = TEXT("chat_attachments/a.txt");
	assert_ok(chat_message_create(f->conn, &f->arena, &two, &in, &m, &previous));
	assert_int_equal(previous, 0);
	assert_int_equal(m.thread_id, THREAD);
	assert_int_equal(m.author.id, 2);
	assert_text(m.content, "  <b>été</b> 🌱 ");
	assert_text(m.attachment, "chat_attachments/a.txt");
	assert_text(m.metadata.text, "{}");
	assert_false(m.is_deleted);
	assert_true(m.created_at.us >= before && m.edited_at.us == NULL_TIME.us && m.deleted_at.us == NULL_TIME.us);
	assert_ok(chat_thread_find(f->conn, &f->arena, 1, THREAD, &t));
	assert_int_equal(t.last_message_at.us, m.created_at.us);
	assert_int_equal(t.updated_at.us, january(2));
	assert_int_equal(noted(f, "chat_message_create", 2, m.id), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog WHERE CAST(metadata AS text) LIKE '%thread%1000%'"), 1);
}

static void test_chat_message_write__the_one_before(void **state)
{
	struct fixture *f = *state;
	int64_t previous = -1, first, second;

	add_pair(f);
	first = post(f, &one, &previous);
	assert_int_equal(previous, 0);
	add_thread(f, 2000, 1, 5);
	add_message(f, 500, 2000, 1, 5); /* of another thread */
	second = post(f, &two, &previous);
	assert_true(second > first);
	assert_int_equal(previous, first);
}

static void test_chat_message_write__who_takes_no_part(void **state)
{
	struct fixture *f = *state;
	struct chat_message_in in = text_in(THREAD, "x"), nowhere = text_in(UNKNOWN, "x");
	struct chat_message m = { .id = 5 };
	int64_t previous;

	add_pair(f);
	assert_int_equal(chat_message_create(f->conn, &f->arena, &three, &in, &m, &previous), ERR_FORBIDDEN);
	assert_int_equal(chat_message_create(f->conn, &f->arena, &staff, &in, &m, &previous), ERR_FORBIDDEN);
	assert_int_equal(chat_message_create(f->conn, &f->arena, &one, &nowhere, &m, &previous), ERR_NOT_FOUND);
	assert_int_equal(m.id, 5);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessage"), 0);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread WHERE last_message_at = '2026-01-05 00:00:00'"), 1);
}

/* ---- update ---- */

static void apply(const void *arg, struct chat_message_in *in)
{
	const struct chat_message_in *change = arg;

	if (change->content.s)
		in->content = change->content;
	in->attachment = change->attachment;
}

static int update(struct fixture *f, const struct account *who, int64_t id, struct chat_message_in change, struct chat_message *ret_message)
{
	const struct chat_message_edit edit = { apply, &change };
	struct str old_attachment;

	return chat_message_update(f->conn, &f->arena, who, id, &edit, ret_message, &old_attachment);
}

static void test_chat_message_write__update(void **state)
{
	struct fixture *f = *state;
	struct chat_message m;
	int64_t before = clock_now().us;

	add_pair(f);
	add_message(f, 11, THREAD, 1, 5);
	write_rows(f, "UPDATE core_chatmessage SET attachment = 'chat_attachments/a.txt'");
	assert_ok(update(f, &one, 11, (struct chat_message_in){ .content = TEXT("Bonsoir") }, &m));
	assert_text(m.content, "Bonsoir");
	assert_null(m.attachment.s);
	assert_true(m.edited_at.us >= before);
	assert_int_equal(m.created_at.us, january(5));
	assert_int_equal(noted(f, "chat_message_update", 1, 11), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread WHERE last_message_at = '2026-01-05 00:00:00'"), 1);
	assert_ok(update(f, &one, 11, (struct chat_message_in){ .content = NOTHING }, &m)); /* nothing changes but the time */
	assert_text(m.content, "Bonsoir");
	assert_int_equal(noted(f, "chat_message_update", 1, 11), 2);
}

static void test_chat_message_write__who_may_not_change_it(void **state)
{
	struct fixture *f = *state;
	struct chat_message m = { .id = 5 };

	add_pair(f);
	add_message(f, 11, THREAD, 1, 5);
	assert_int_equal(update(f, &two, 11, (struct chat_message_in){ .content = TEXT("x") }, &m), ERR_FORBIDDEN);
	assert_int_equal(update(f, &staff, 11, (struct chat_message_in){ .content = TEXT("x") }, &m), ERR_NOT_FOUND);
	assert_int_equal(update(f, &one, UNKNOWN, (struct chat_message_in){ .content = TEXT("x") }, &m), ERR_NOT_FOUND);
	assert_int_equal(chat_message_delete(f->conn, &f->arena, &two, 11, &m), ERR_FORBIDDEN);
	assert_int_equal(chat_message_delete(f->conn, &f->arena, &three, 11, &m), ERR_NOT_FOUND);
	assert_int_equal(m.id, 5);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 0);
	write_rows(f, "DELETE FROM core_chatmembership WHERE user_id = 1"); /* the author himself, once he is out */
	assert_int_equal(update(f, &one, 11, (struct chat_message_in){ .content = TEXT("x") }, &m), ERR_NOT_FOUND);
	add_member(f, THREAD, 9, "member");
	assert_ok(update(f, &staff, 11, (struct chat_message_in){ .content = TEXT("x") }, &m));
	assert_int_equal(m.author.id, 1);
}

/* ---- delete ---- */

static void test_chat_message_write__delete_keeps_the_row(void **state)
{
	struct fixture *f = *state;
	struct chat_message m;
	struct instant first;

	add_pair(f);
	add_message(f, 11, THREAD, 1, 5);
	assert_ok(chat_message_delete(f->conn, &f->arena, &one, 11, &m));
	assert_true(m.is_deleted);
	assert_text(m.content, "");
	first = m.deleted_at;
	assert_true(first.us != NULL_TIME.us);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessage WHERE content = 'Texte 11'"), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread WHERE last_message_at = '2026-01-05 00:00:00'"), 1);
	assert_ok(chat_message_delete(f->conn, &f->arena, &one, 11, &m)); /* again, from now on */
	assert_true(m.is_deleted && m.deleted_at.us >= first.us);
	assert_int_equal(noted(f, "chat_message_delete", 1, 11), 2);
	assert_int_equal(update(f, &one, 11, (struct chat_message_in){ .content = TEXT("x") }, &m), ERR_CONFLICT);
}

/* ---- all or nothing ---- */

#define STATE_OF_CHAT                                                                                                        \
	"SELECT (SELECT count(*) FROM core_chatmessage WHERE NOT is_deleted) + 10 * (SELECT count(*) FROM core_auditlog) + " \
	"100 * (SELECT count(*) FROM core_chatmessage WHERE edited_at IS NULL) + "                                           \
	"1000 * (SELECT count(*) FROM core_chatthread WHERE last_message_at = '2026-01-05 00:00:00')"

static int create_step(struct fixture *f)
{
	struct chat_message_in in = text_in(THREAD, "x");
	struct chat_message m;
	int64_t previous;

	return chat_message_create(f->conn, &f->arena, &one, &in, &m, &previous);
}

static int update_step(struct fixture *f)
{
	struct chat_message m;

	return update(f, &one, 11, (struct chat_message_in){ .content = TEXT("x") }, &m);
}

static int delete_step(struct fixture *f)
{
	struct chat_message m;

	return chat_message_delete(f->conn, &f->arena, &one, 11, &m);
}

static void test_chat_message_write__all_or_nothing(void **state)
{
	int (*const steps[])(struct fixture *) = { create_step, update_step, delete_step };
	struct fixture *f = *state;

	add_pair(f);
	add_message(f, 11, THREAD, 1, 5);
	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		int64_t before = NUMBER(STATE_OF_CHAT);
		int failures = 0, r = -1;

		for (int n = 1; r < 0; n++) {
			fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
			r = steps[i](f);
			fault_disarm_all();
			failures += r < 0;
			assert_true(r == 0 || NUMBER(STATE_OF_CHAT) == before);
			assert_true(n < 40);
		}
		assert_true(failures >= 4);
		assert_true(NUMBER(STATE_OF_CHAT) != before);
	}
}

/* ---- many at once ---- */

#define THREADS 8
#define EACH    8

struct poster {
	pthread_t thread;
	struct fixture *f;
	int64_t user;
	int64_t ids[EACH], previous[EACH], created_us[EACH];
	int failed;
};

static void *post_repeatedly(void *arg)
{
	struct poster *p = arg;
	const struct account who = { .id = p->user };
	struct chat_message_in in = text_in(THREAD, "Bonjour");
	struct error err = { 0 };
	struct db_conn *conn;

	if (db_connect(p->f->db, &conn, &err) < 0) {
		p->failed = EACH;
		return NULL;
	}
	for (int i = 0; i < EACH; i++) {
		struct chat_message m = { .id = 0 };
		struct arena arena;

		arena_init(&arena, 1 << 20);
		p->failed += chat_message_create(conn, &arena, &who, &in, &m, &p->previous[i]) != 0;
		p->ids[i] = m.id;
		p->created_us[i] = m.created_at.us;
		arena_finish(&arena);
	}
	db_disconnect(conn);
	return NULL;
}

/* The message that follows this one, by what they say was before them; false: none. */
static bool find_next(const struct poster *posters, int64_t previous, int64_t *ret_id, int64_t *ret_created_us)
{
	int found = 0;

	for (int p = 0; p < THREADS; p++) {
		for (int i = 0; i < EACH; i++) {
			if (posters[p].previous[i] != previous)
				continue;
			found++;
			*ret_id = posters[p].ids[i];
			*ret_created_us = posters[p].created_us[i];
		}
	}
	assert_true(found <= 1); /* a chain, not a tree */
	return found;
}

static void test_chat_message_write__sixty_four_at_once_are_a_chain(void **state)
{
	struct fixture *f = *state;
	struct poster posters[THREADS];
	int64_t last = 0, last_us = 0, id, created_us;
	int n = 0;

	add_pair(f);
	for (int i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){ .f = f, .user = 1 + i % 2 };
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_repeatedly, &posters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].failed, 0);
	}
	for (; find_next(posters, last, &id, &created_us); n++) {
		assert_true(id > last && created_us >= last_us);
		last = id;
		last_us = created_us;
	}
	assert_int_equal(n, THREADS * EACH);
	assert_int_equal(NUMBER("SELECT MAX(id) FROM core_chatmessage"), last);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessage"), THREADS * EACH);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatthread t WHERE last_message_at = (SELECT MAX(created_at) FROM "
	                        "core_chatmessage)"),
	                 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_chat_message_write__create),
		CASE(test_chat_message_write__the_one_before),
		CASE(test_chat_message_write__who_takes_no_part),
		CASE(test_chat_message_write__update),
		CASE(test_chat_message_write__who_may_not_change_it),
		CASE(test_chat_message_write__delete_keeps_the_row),
		CASE(test_chat_message_write__all_or_nothing),
		CASE(test_chat_message_write__sixty_four_at_once_are_a_chain),
	};

	return RUN_ON_BOTH(tests);
}
