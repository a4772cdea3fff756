/*
 * Threads and messages for the tests of chat. Ids that tests give are far above those that the database gives, so that the two
 * never meet.
 */
#ifndef TESTS_UNIT_DOMAIN_CHATS_H
#define TESTS_UNIT_DOMAIN_CHATS_H

#include "domain/chat.h"
#include "tests/unit/domain/writing.h"

#define THREAD  1000
#define MESSAGE 10000
#define UNKNOWN 77777

static const struct account one = { .id = 1 }, two = { .id = 2 }, three = { .id = 3 }, staff = { .id = 9, .is_staff = true };

/* A thread of account `creator`, 0: of nobody's; its last message was on that day, 0: there is none. */
static inline void add_thread(struct fixture *f, int id, int creator, int day)
{
	char sql[500], owner[20], last[40];

	snprintf(owner, sizeof(owner), "%d", creator);
	snprintf(last, sizeof(last), "'2026-01-%02d 00:00:00'", day);
	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_chatthread (id, title, is_private, created_at, updated_at, last_message_at, created_by_id, thread_type) "
	         "VALUES (%d, 'Fil %d', true, '2026-01-01 00:00:00', '2026-01-02 00:00:00', %s, %s, 'GENERAL')",
	         id, id, day ? last : "NULL", creator ? owner : "NULL");
	write_rows(f, sql);
}

static inline void add_member(struct fixture *f, int thread, int user, const char *role)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) VALUES ('%s', '2026-01-03 00:00:00', %d, %d)", role,
	         thread, user);
	write_rows(f, sql);
}

static inline void add_message(struct fixture *f, int id, int thread, int author, int day)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_chatmessage (id, content, metadata, is_deleted, created_at, author_id, thread_id) VALUES "
	         "(%d, 'Texte %d', '{}', false, '2026-01-%02d 00:00:00', %d, %d)",
	         id, id, day, author, thread);
	write_rows(f, sql);
}

/* Accounts 1, 2, 3 and 9; THREAD of account 1, in which 1 and 2 take part. */
static inline void add_pair(struct fixture *f)
{
	add_account(f, 1), add_account(f, 2), add_account(f, 3), add_account(f, 9);
	add_thread(f, THREAD, 1, 5);
	add_member(f, THREAD, 1, "member");
	add_member(f, THREAD, 2, "member");
}

/* "1 2", by their ids. */
static inline const char *participants_of(struct fixture *f, const struct chat_thread *t)
{
	const struct chat_participant *p = t->participants.items;
	char *text = arena_zalloc(&f->arena, 20 * t->participants.n + 1);

	for (size_t i = 0; i < t->participants.n; i++)
		snprintf(text + strlen(text), 20, "%s%lld", i ? " " : "", (long long)p[i].person.id);
	return text;
}

/* The ids of messages, "3 7". */
static inline const char *messages_of(struct fixture *f, const struct db_rows *rows)
{
	const struct chat_message *m = rows->items;
	char *text = arena_zalloc(&f->arena, 20 * rows->n + 1);

	for (size_t i = 0; i < rows->n; i++)
		snprintf(text + strlen(text), 20, "%s%lld", i ? " " : "", (long long)m[i].id);
	return text;
}

#define IDS(...) ((struct db_rows){ (int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t) })

/* Audit entries of this action about this row by this account. */
static inline int64_t noted(struct fixture *f, const char *action, int64_t actor, int64_t target)
{
	static const char sql[] = "SELECT count(*) FROM core_auditlog WHERE action = $1 AND actor_id = $2 AND target_id = CAST($3 AS text)";
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_PARAMS(DB_TEXT(str_of(action)), DB_INT(actor), DB_INT(target)), &n));
	return n;
}

#endif
