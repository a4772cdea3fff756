/*
 * Polls for the tests of what reads, changes and votes in them. Ids that tests give are far above those that the database gives,
 * so that the two never meet.
 */
#ifndef TESTS_UNIT_DOMAIN_POLLS_H
#define TESTS_UNIT_DOMAIN_POLLS_H

#include "domain/poll.h"
#include "tests/unit/domain/writing.h"

#define POLL    1000
#define OPTION  10000 /* the first of POLL: the others follow it */
#define UNKNOWN 77777

/* An open, anonymous, binary poll with a single choice; of account `creator`, 0: of nobody's. */
static inline void add_poll(struct fixture *f, int id, int creator, int day)
{
	char sql[700], owner[20];

	snprintf(owner, sizeof(owner), "%d", creator);
	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_poll (id, title, question, description, status, is_anonymous, allow_multiple, created_at, updated_at, "
	         "voting_method, is_shareholder_vote, created_by_id) VALUES (%d, 'Titre %d', 'q ?', '', 'open', true, false, "
	         "'2026-01-%02d 00:00:00', '2026-01-20 00:00:00', 'binary', false, %s)",
	         id, id, day, creator ? owner : "NULL");
	write_rows(f, sql);
}

static inline void add_option(struct fixture *f, int id, int poll, int position)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "INSERT INTO core_polloption (id, label, position, poll_id) VALUES (%d, 'o%d', %d, %d)", id, id,
	         position, poll);
	write_rows(f, sql);
}

static inline void add_ballot(struct fixture *f, int poll, int option, const char *hash)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_pollballot (voter_hash, metadata, submitted_at, option_id, poll_id, points, saka_spent) VALUES "
	         "('%s', '{}', '2026-01-06 00:00:00', %d, %d, 1, 0)",
	         hash, option, poll);
	write_rows(f, sql);
}

/* POLL of account 1, with three options. */
static inline void add_poll_of_three(struct fixture *f)
{
	add_account(f, 1);
	add_poll(f, POLL, 1, 5);
	for (int i = 0; i < 3; i++)
		add_option(f, OPTION + i, POLL, i);
}

static inline struct poll found(struct fixture *f, int64_t id)
{
	struct poll p = { .id = 0 };

	assert_ok(poll_find(f->conn, &f->arena, id, &p));
	return p;
}

/* Its options, "10000:0=1 10001:1=0": id, position and votes. */
static inline const char *options_of(struct fixture *f, const struct poll *p)
{
	const struct poll_option *o = p->options.items;
	size_t size = 60 * p->options.n + 1;
	char *text = arena_zalloc(&f->arena, size);

	for (size_t i = 0; i < p->options.n; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s%lld:%lld=%lld", i ? " " : "", (long long)o[i].id,
		         (long long)o[i].position, (long long)o[i].votes);
	return text;
}

/* The metadata of the last audit entry of this action, without the spaces that an engine puts in. */
static inline struct str noted(struct fixture *f, const char *action)
{
	struct entry {
		struct json_text metadata;
	} entry = { { { NULL, 0 } } };
	static const struct db_column columns[] = { DB_COLUMN(struct entry, metadata, JSON, "metadata") };
	static const struct db_row row = DB_ROW(struct entry, columns);
	static const struct db_statement last = {
		"SELECT $cols FROM core_auditlog WHERE action = $1 AND target_type = 'poll' ORDER BY id DESC LIMIT 1", &row
	};
	char *text;
	size_t n = 0;

	assert_ok(db_select_one(f->conn, &last, DB_PARAMS(DB_TEXT(str_of(action))), &f->arena, &entry));
	text = arena_zalloc(&f->arena, entry.metadata.text.len + 1);
	for (size_t i = 0; i < entry.metadata.text.len; i++)
		if (entry.metadata.text.s[i] != ' ')
			text[n++] = entry.metadata.text.s[i];
	return (struct str){ text, n };
}

#endif
