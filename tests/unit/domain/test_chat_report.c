#include "domain/chat_report.h"

#include <pthread.h>

#include "tests/unit/domain/chats.h"

/* Messages 11 and 12 in THREAD, of 2 and of 1. */
static void fill(struct fixture *f)
{
	add_pair(f);
	add_message(f, 11, THREAD, 2, 5);
	add_message(f, 12, THREAD, 1, 5);
}

static int64_t report(struct fixture *f, const struct account *who, int64_t message)
{
	struct chat_report r;

	assert_ok(chat_report_create(f->conn, &f->arena, who, message, TEXT("Insultes"), &r));
	return r.id;
}

static struct chat_report found(struct fixture *f, const struct account *who, int64_t id)
{
	struct chat_report r = { .id = 0 };

	assert_ok(chat_report_find(f->conn, &f->arena, who, id, &r));
	return r;
}

static void test_chat_report__create(void **state)
{
	struct fixture *f = *state;
	struct chat_report r;
	int64_t before = clock_now().us;

	fill(f);
	assert_ok(chat_report_create(f->conn, &f->arena, &one, 11, TEXT("Insultes"), &r));
	assert_int_equal(r.message_id, 11);
	assert_int_equal(r.reporter.id, 1);
	assert_text(r.reporter.username, "user1");
	assert_text(r.reason, "Insultes");
	assert_text(r.status, "pending");
	assert_int_equal(r.reviewer.id, NULL_INT);
	assert_int_equal(r.reviewed_at.us, NULL_TIME.us);
	assert_true(r.created_at.us >= before && r.updated_at.us == r.created_at.us);
	assert_int_equal(noted(f, "chat_report_create", 1, r.id), 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog WHERE CAST(metadata AS text) LIKE '%message%11%'"), 1);
}

static void test_chat_report__once_each(void **state)
{
	struct fixture *f = *state;
	struct chat_report r = { .id = 5 };

	fill(f);
	report(f, &one, 11);
	assert_int_equal(chat_report_create(f->conn, &f->arena, &one, 11, TEXT(""), &r), ERR_CONFLICT);
	assert_int_equal(r.id, 5);
	report(f, &two, 11);
	report(f, &one, 12);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessagereport"), 3);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 3);
}

static void test_chat_report__who_may_not(void **state)
{
	struct fixture *f = *state;
	struct chat_report r;

	fill(f);
	assert_int_equal(chat_report_create(f->conn, &f->arena, &three, 11, TEXT(""), &r), ERR_FORBIDDEN);
	assert_int_equal(chat_report_create(f->conn, &f->arena, &staff, 11, TEXT(""), &r), ERR_FORBIDDEN);
	assert_int_equal(chat_report_create(f->conn, &f->arena, &one, UNKNOWN, TEXT(""), &r), ERR_NOT_FOUND);
	assert_int_equal(chat_report_message_known(f->conn, 11), 0);
	assert_int_equal(chat_report_message_known(f->conn, UNKNOWN), ERR_NOT_FOUND);
}

static void test_chat_report__own_ones_and_all_for_staff(void **state)
{
	struct fixture *f = *state;
	int64_t first, second, n = -1;
	const struct chat_report *list;
	struct chat_report r;
	struct db_rows rows;

	fill(f);
	first = report(f, &one, 11);
	second = report(f, &two, 12);
	write_rows(f, "UPDATE core_chatmessagereport SET created_at = '2026-01-05 00:00:00'");
	assert_ok(chat_report_list(f->conn, &f->arena, &staff, 10, 0, &rows));
	list = rows.items;
	assert_int_equal(rows.n, 2);
	assert_int_equal(list[0].id, second);
	assert_ok(chat_report_list(f->conn, &f->arena, &staff, 10, 1, &rows));
	assert_int_equal(((const struct chat_report *)rows.items)->id, first);
	assert_ok(chat_report_list(f->conn, &f->arena, &one, 10, 0, &rows));
	assert_int_equal(rows.n, 1);
	assert_int_equal(((const struct chat_report *)rows.items)->id, first);
	assert_ok(chat_report_count(f->conn, &staff, &n));
	assert_int_equal(n, 2);
	assert_ok(chat_report_count(f->conn, &three, &n));
	assert_int_equal(n, 0);
	assert_int_equal(chat_report_find(f->conn, &f->arena, &two, first, &r), ERR_NOT_FOUND);
	assert_int_equal(found(f, &staff, first).id, first);
	write_rows(f, "UPDATE core_chatmessagereport SET reporter_id = NULL"); /* the accounts are gone */
	assert_int_equal(chat_report_find(f->conn, &f->arena, &one, first, &r), ERR_NOT_FOUND);
	assert_int_equal(found(f, &staff, first).reporter.id, NULL_INT);
}

static void test_chat_report__settled(void **state)
{
	struct fixture *f = *state;
	struct chat_report r;
	int64_t id;

	fill(f);
	id = report(f, &one, 11);
	assert_ok(chat_report_settle(f->conn, &staff, id, "reviewed"));
	r = found(f, &one, id);
	assert_text(r.status, "reviewed");
	assert_int_equal(r.reviewer.id, 9);
	assert_true(r.reviewed_at.us >= r.created_at.us && r.updated_at.us == r.reviewed_at.us);
	assert_ok(chat_report_settle(f->conn, &staff, id, "dismissed"));
	assert_text(found(f, &one, id).status, "dismissed");
	assert_int_equal(noted(f, "chat_report_review", 9, id), 1);
	assert_int_equal(noted(f, "chat_report_dismiss", 9, id), 1);
	assert_int_equal(chat_report_settle(f->conn, &staff, UNKNOWN, "reviewed"), ERR_NOT_FOUND);
}

static struct chat_report changed(struct fixture *f, int64_t id, const struct account *who, const char *status, const char *reason)
{
	const struct chat_report_change change = { str_of(status), str_of(reason) };
	struct chat_report r = { .id = 0 };

	assert_ok(chat_report_update(f->conn, &f->arena, who, id, &change, &r));
	return r;
}

static void test_chat_report__changed_by_staff(void **state)
{
	static const struct account other = { .id = 3, .is_staff = true };
	static const struct chat_report_change nothing = { { NULL, 0 }, { NULL, 0 } };
	struct fixture *f = *state;
	struct chat_report r;
	int64_t id;

	fill(f);
	id = report(f, &one, 11);
	r = changed(f, id, &other, NULL, "Autre");
	assert_text(r.reason, "Autre");
	assert_text(r.status, "pending");
	assert_int_equal(r.reviewer.id, NULL_INT);
	r = changed(f, id, &staff, "dismissed", NULL);
	assert_text(r.reason, "Autre");
	assert_int_equal(r.reviewer.id, 9);
	assert_true(r.reviewed_at.us != NULL_TIME.us);
	r = changed(f, id, &other, "reviewed", NULL); /* it was settled already */
	assert_int_equal(r.reviewer.id, 9);
	r = changed(f, id, &other, "pending", NULL);
	assert_text(r.status, "pending");
	assert_int_equal(r.reviewer.id, 9);
	r = changed(f, id, &other, "reviewed", "");
	assert_int_equal(r.reviewer.id, 3);
	assert_text(r.reason, "");
	assert_int_equal(chat_report_update(f->conn, &f->arena, &staff, UNKNOWN, &nothing, &r), ERR_NOT_FOUND);
}

static void test_chat_report__deleted(void **state)
{
	struct fixture *f = *state;
	int64_t id;

	fill(f);
	id = report(f, &one, 11);
	assert_ok(chat_report_delete(f->conn, &staff, id));
	assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessagereport"), 0);
	assert_int_equal(chat_report_delete(f->conn, &staff, id), ERR_NOT_FOUND);
	assert_int_equal(noted(f, "chat_report_delete", 9, id), 1);
}

static void test_chat_report__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct chat_report report;
	int failures = 0, r = -1;

	fill(f);
	for (int n = 1; r < 0; n++) {
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = chat_report_create(f->conn, &f->arena, &one, 11, TEXT(""), &report);
		fault_disarm_all();
		failures += r < 0;
		assert_int_equal(NUMBER("SELECT count(*) FROM core_chatmessagereport"), r == 0);
		assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), r == 0);
		assert_true(n < 40);
	}
	assert_true(failures >= 4);
}

/* ---- many at once ---- */

#define THREADS 16

struct reporter {
	pthread_t thread;
	struct fixture *f;
	int result;
};

static void *report_once(void *arg)
{
	struct reporter *p = arg;
	struct error err = { 0 };
	struct db_conn *conn;
	struct chat_report r;
	struct arena arena;

	p->result = db_connect(p->f->db, &conn, &err);
	if (p->result < 0)
		return NULL;
	arena_init(&arena, 1 << 20);
	p->result = chat_report_create(conn, &arena, &one, 11, TEXT(""), &r);
	arena_finish(&arena);
	db_disconnect(conn);
	return NULL;
}

static void test_chat_report__one_of_many_at_once(void **state)
{
	struct fixture *f = *state;
	struct reporter reporters[THREADS];
	int made = 0;

	fill(f);
	for (int i = 0; i < THREADS; i++) {
		reporters[i] = (struct reporter){ .f = f };
		assert_int_equal(pthread_create(&reporters[i].thread, NULL, report_once, &reporters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(reporters[i].thread, NULL);
		made += reporters[i].result == 0;
		assert_true(reporters[i].result == 0 || reporters[i].result == ERR_CONFLICT);
	}
	assert_int_equal(made, 1);
	assert_int_equal(NUMBER("SELECT count(*) FROM core_auditlog"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_chat_report__create),
		CASE(test_chat_report__once_each),
		CASE(test_chat_report__who_may_not),
		CASE(test_chat_report__own_ones_and_all_for_staff),
		CASE(test_chat_report__settled),
		CASE(test_chat_report__changed_by_staff),
		CASE(test_chat_report__deleted),
		CASE(test_chat_report__all_or_nothing),
		CASE(test_chat_report__one_of_many_at_once),
	};

	return RUN_ON_BOTH(tests);
}
