/*
 * Taking rows in their order without reading what waits behind them: a backlog of a million rows, most of them not due perhaps, must
 * not be read for each hundred of it. Two indexes hold the rows in the order in which they are taken, those of queue local and all
 * others, so that neither stands in the way of the other. One priority after the other is asked for the rows that are due, with one
 * look in the index each; of what is found in both indexes the first are taken. What is stepped over is only what others hold now.
 *
 * PostgreSQL steps over rows that another relay is just taking. Leases are wall-clock times, since processes of different machines
 * compare them: one that lies further ahead than any lease can was written under another clock, and counts as passed.
 */
#include <stdlib.h>

#include "db/outbox_impl.h"
#include "db/outbox_lease.h"

#define ABSURD_LEASE_US  (4 * OUTBOX_LEASE_US)
#define BELOW_PRIORITIES (-32769) /* of a smallint */

enum { OF_LOCAL, OF_OTHERS, KINDS };

struct candidate {
	int64_t id, priority;
	struct instant due_at;
};

struct search {
	int64_t limit;
	struct arena *arena;
	struct buf found; /* struct candidate */
};

static size_t n_found(const struct search *s)
{
	return s->found.len / sizeof(struct candidate);
}

/* ---- what could be taken ---- */

static const struct db_column priority_columns[] = { DB_COLUMN(struct candidate, priority, INT, "priority") };
static const struct db_row priority_row = DB_ROW(struct candidate, priority_columns);

static const struct db_column candidate_columns[] = {
	DB_COLUMN(struct candidate, id, INT, "id"),
	DB_COLUMN(struct candidate, priority, INT, "priority"),
	DB_COLUMN(struct candidate, due_at, TIME, "due_at"),
};
static const struct db_row candidate_row = DB_ROW(struct candidate, candidate_columns);

#define WAITING(of_kind) "FROM egoejo_outbox WHERE state = 'new' AND " of_kind " AND "

#define NEXT_PRIORITY(of_kind)                                                                                            \
	{                                                                                                                 \
		"SELECT $cols " WAITING(of_kind) "priority > $1 ORDER BY priority LIMIT 1", &priority_row, .replan = true \
	}
static const struct db_statement next_priority[KINDS] = { NEXT_PRIORITY("queue = 'local'"), NEXT_PRIORITY("queue <> 'local'") };

/* $1 the priority, $2 now, $3 a time that no lease reaches, $4 how many */
#define DUE(of_kind)                                                                                                         \
	"SELECT $cols " WAITING(                                                                                             \
	        of_kind) "priority = $1 AND due_at <= $2 AND (lease_until IS NULL OR lease_until <= $2 OR lease_until > $3)" \
	                 " ORDER BY due_at, id LIMIT $4"
#define LOOK(of_kind)                                        \
	{                                                    \
		DUE(of_kind), &candidate_row, .replan = true \
	}
#define CLAIM(of_kind)                                                                                                              \
	{                                                                                                                           \
		.row = &candidate_row, .sqlite = DUE(of_kind), .postgresql = DUE(of_kind) " FOR UPDATE SKIP LOCKED", .replan = true \
	}
static const struct db_statement to_look[KINDS] = { LOOK("queue = 'local'"), LOOK("queue <> 'local'") };
static const struct db_statement to_take[KINDS] = { CLAIM("queue = 'local'"), CLAIM("queue <> 'local'") };

/* Adds what is due of one kind, by priority, until there are limit of it. */
static int search_kind(struct db_conn *db, const struct db_statement *due, const struct db_statement *next, struct search *s)
{
	struct candidate at = { .priority = BELOW_PRIORITIES };
	int64_t left = s->limit;
	struct db_rows rows = { NULL, 0 };
	int r = 0;

	while (left > 0) {
		r = db_select_one(db, next, DB_PARAMS(DB_INT(at.priority)), s->arena, &at);
		if (r == 0)
			r = db_select(
			        db, due,
			        DB_PARAMS(DB_INT(at.priority), DB_TIME(clock_now()), DB_TIME(outbox_later(ABSURD_LEASE_US)), DB_INT(left)),
			        s->arena, &rows);
		if (r < 0)
			break;
		buf_add(&s->found, rows.items, rows.n * sizeof(struct candidate));
		left -= (int64_t)rows.n;
	}
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int search(struct db_conn *db, const struct db_statement due[KINDS], struct outbox_wanted wanted, struct search *s)
{
	int r = wanted.local ? search_kind(db, &due[OF_LOCAL], &next_priority[OF_LOCAL], s) : 0;

	if (r == 0 && wanted.others)
		r = search_kind(db, &due[OF_OTHERS], &next_priority[OF_OTHERS], s);
	return r == 0 && s->found.failed ? ERR_NOMEM : r;
}

int outbox_any_due(struct db_conn *db, struct outbox_wanted wanted)
{
	struct arena arena;
	struct search s = { .limit = 1, .arena = &arena };
	int r;

	arena_init(&arena, 4096);
	r = search(db, to_look, wanted, &s);
	if (r == 0)
		r = n_found(&s) > 0;
	buf_finish(&s.found);
	arena_finish(&arena);
	return r;
}

/* ---- taking it ---- */

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_order(const struct candidate *x, const struct candidate *y)
{
	int r = compare(x->priority, y->priority);

	if (r == 0)
		r = compare(x->due_at.us, y->due_at.us);
	return r ? r : compare(x->id, y->id);
}

static int compare_candidates(const void *a, const void *b)
{
	return compare_order(a, b);
}

static struct candidate order_of(const struct outbox_row *row)
{
	return (struct candidate){ row->id, row->priority, row->due_at };
}

static int compare_rows(const void *a, const void *b)
{
	struct candidate x = order_of(a), y = order_of(b);

	return compare_order(&x, &y);
}

static const struct db_column claimed_columns[] = {
	DB_COLUMN(struct outbox_row, id, INT, "id"),
	DB_COLUMN(struct outbox_row, task_id, TEXT, "task_id"),
	DB_COLUMN(struct outbox_row, name, TEXT, "name"),
	DB_COLUMN(struct outbox_row, queue, TEXT, "queue"),
	DB_COLUMN(struct outbox_row, priority, INT, "priority"),
	DB_COLUMN(struct outbox_row, envelope, TEXT, "envelope"),
	DB_COLUMN(struct outbox_row, durable, BOOL, "durable"),
	DB_COLUMN(struct outbox_row, attempts, INT, "attempts"),
	DB_COLUMN(struct outbox_row, due_at, TIME, "due_at"),
};
static const struct db_row claimed_row = DB_ROW(struct outbox_row, claimed_columns);

static int lease(struct db_conn *db, struct str owner, struct str ids, struct arena *arena, struct db_rows *ret_rows)
{
	static const struct db_statement sql =
	        OUTBOX_BY_IDS("UPDATE egoejo_outbox SET lease_owner = $1, lease_until = $2, attempts = attempts + 1 WHERE ", 3,
	                      " RETURNING $cols", .row = &claimed_row);
	int r = db_select(db, &sql, DB_PARAMS(DB_TEXT(owner), DB_TIME(outbox_later(OUTBOX_LEASE_US)), DB_TEXT(ids)), arena, ret_rows);

	if (r == 0 && ret_rows->n)
		qsort(ret_rows->items, ret_rows->n, sizeof(struct outbox_row), compare_rows);
	return r;
}

/* The first of what was found, as a list of ids. */
static struct str first_ids(struct search *s, struct buf *ids)
{
	struct candidate *candidates = (struct candidate *)(void *)s->found.data;
	size_t n = n_found(s);

	qsort(candidates, n, sizeof(*candidates), compare_candidates);
	for (size_t i = 0; i < n && (int64_t)i < s->limit; i++)
		outbox_add_id(ids, candidates[i].id);
	return outbox_ids(ids);
}

int outbox_claim(struct db_conn *db, struct outbox_wanted wanted, struct str owner, int64_t limit, struct arena *arena,
                 struct db_rows *ret_rows)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;
	struct search s = { .limit = limit, .arena = arena };
	int r = search(db, to_take, wanted, &s);

	*ret_rows = (struct db_rows){ NULL, 0 };
	if (r == 0 && n_found(&s)) {
		struct str list = first_ids(&s, &ids);

		r = ids.failed ? ERR_NOMEM : lease(db, owner, list, arena, ret_rows);
	}
	buf_finish(&s.found);
	return r;
}
