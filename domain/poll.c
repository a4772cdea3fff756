/*
 * A page of polls is two statements: the polls, then all their options with what is counted, sorted by poll, so that each poll's
 * are a stretch of one array. Ballots are counted once for each option and once for each poll, both grouped.
 */
#include "domain/poll.h"

#include "base/json_out.h"
#include "domain/poll_impl.h"

static const struct db_column poll_columns[] = {
	DB_COLUMN(struct poll, id, INT, "p.id"),
	DB_COLUMN(struct poll, title, TEXT, "p.title"),
	DB_COLUMN(struct poll, question, TEXT, "p.question"),
	DB_COLUMN(struct poll, description, TEXT, "p.description"),
	DB_COLUMN(struct poll, status, TEXT, "p.status"),
	DB_COLUMN(struct poll, is_anonymous, BOOL, "p.is_anonymous"),
	DB_COLUMN(struct poll, allow_multiple, BOOL, "p.allow_multiple"),
	DB_COLUMN(struct poll, quorum, INT, "p.quorum"),
	DB_COLUMN(struct poll, opens_at, TIME, "p.opens_at"),
	DB_COLUMN(struct poll, closes_at, TIME, "p.closes_at"),
	DB_COLUMN(struct poll, project_id, INT, "p.project_id"),
	PERSON_COLUMNS(struct poll, creator, "u"),
	DB_COLUMN(struct poll, created_at, TIME, "p.created_at"),
	DB_COLUMN(struct poll, updated_at, TIME, "p.updated_at"),
	DB_COLUMN(struct poll, voting_method, TEXT, "p.voting_method"),
	DB_COLUMN(struct poll, max_points, INT, "p.max_points"),
};
static const struct db_row poll_row = DB_ROW(struct poll, poll_columns);

#define SELECT_POLL "SELECT $cols FROM core_poll p LEFT JOIN auth_user u ON u.id = p.created_by_id "

#define FILTERED "WHERE (CAST($1 AS text) IS NULL OR p.status = $1) AND (CAST($2 AS bigint) IS NULL OR p.project_id = $2) "

#define FILTER_PARAMS(filter) DB_TEXT((filter)->status), DB_INT((filter)->project_id)

/* ---- options and counts ---- */

/* An option, or, with a null id, that the poll has none; and how many ballots the poll has. */
struct counted {
	struct poll_option option;
	int64_t total;
};

static const struct db_column counted_columns[] = {
	DB_COLUMN(struct counted, option.poll_id, INT, "p.id"),
	DB_COLUMN(struct counted, option.id, INT, "o.id"),
	DB_COLUMN(struct counted, option.label, TEXT, "o.label"),
	DB_COLUMN(struct counted, option.position, INT, "o.position"),
	DB_COLUMN(struct counted, option.votes, INT, "COALESCE(of_option.n, 0)"),
	DB_COLUMN(struct counted, total, INT, "COALESCE(of_poll.n, 0)"),
};
static const struct db_row counted_row = DB_ROW(struct counted, counted_columns);

#define COUNTED(ids)                                                                                                             \
	"SELECT $cols FROM core_poll p LEFT JOIN core_polloption o ON o.poll_id = p.id "                                         \
	"LEFT JOIN (SELECT option_id, count(*) AS n FROM core_pollballot WHERE option_id IN "                                    \
	"(SELECT id FROM core_polloption WHERE poll_id IN " ids ") GROUP BY option_id) of_option ON of_option.option_id = o.id " \
	"LEFT JOIN (SELECT poll_id, count(*) AS n FROM core_pollballot WHERE poll_id IN " ids                                    \
	" GROUP BY poll_id) of_poll ON of_poll.poll_id = p.id "                                                                  \
	"WHERE p.id IN " ids " ORDER BY p.id, o.position, o.id"

void poll_add_ids(struct buf *b, const int64_t *first, size_t n, size_t step)
{
	buf_add_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(b, ',');
		json_add_int(b, *(const int64_t *)(const void *)((const char *)first + i * step));
	}
	buf_add_char(b, ']');
}

/* Where the rows of a poll begin, or would. */
static size_t first_of(const struct counted *rows, size_t n, int64_t poll_id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (rows[mid].option.poll_id < poll_id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Gives a poll its stretch of the array of options, which goes with the rows. */
static void give_options(struct poll *poll, const struct counted *rows, size_t n, struct poll_option *options)
{
	size_t first = first_of(rows, n, poll->id);

	poll->options = (struct db_rows){ options + first, 0 };
	poll->total_votes = 0;
	for (size_t i = first; i < n && rows[i].option.poll_id == poll->id; i++) {
		poll->total_votes = rows[i].total;
		poll->options.n += rows[i].option.id != NULL_INT;
	}
}

static int read_options(struct db_conn *db, struct arena *arena, struct poll *polls, size_t n)
{
	static const struct db_statement counted = { .sqlite = COUNTED(IDS_SQLITE("$1")),
		                                     .postgresql = COUNTED(IDS_POSTGRESQL("$1")),
		                                     .row = &counted_row };
	struct buf ids CLEANUP(buf_finish) = BUF_EMPTY;
	struct poll_option *options;
	struct counted *row;
	struct db_rows rows;
	int r;

	poll_add_ids(&ids, &polls->id, n, sizeof(*polls));
	if (ids.failed)
		return ERR_NOMEM;
	r = db_select(db, &counted, DB_PARAMS(DB_JSON(((struct json_text){ buf_view(&ids) }))), arena, &rows);
	if (r < 0)
		return r;
	row = rows.items;
	options = arena_alloc(arena, rows.n * sizeof(*options) + 1);
	if (!options)
		return ERR_NOMEM;
	for (size_t i = 0; i < rows.n; i++)
		options[i] = row[i].option;
	for (size_t i = 0; i < n; i++)
		give_options(&polls[i], row, rows.n, options);
	return 0;
}

/* ---- reading ---- */

int poll_count(struct db_conn *db, const struct poll_filter *filter, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) FROM core_poll p " FILTERED, DB_PARAMS(FILTER_PARAMS(filter)), ret_count);
}

int poll_list(struct db_conn *db, struct arena *arena, const struct poll_filter *filter, int64_t limit, int64_t offset,
              struct db_rows *ret_polls)
{
	static const struct db_statement newest_first = { SELECT_POLL FILTERED "ORDER BY p.created_at DESC, p.id DESC LIMIT $3 OFFSET $4",
		                                          &poll_row };
	struct db_rows polls;
	int r = db_select(db, &newest_first, DB_PARAMS(FILTER_PARAMS(filter), DB_INT(limit), DB_INT(offset)), arena, &polls);

	if (r == 0 && polls.n)
		r = read_options(db, arena, polls.items, polls.n);
	if (r == 0)
		*ret_polls = polls;
	return r;
}

int poll_find(struct db_conn *db, struct arena *arena, int64_t id, struct poll *ret_poll)
{
	static const struct db_statement by_id = { SELECT_POLL "WHERE p.id = $1", &poll_row };
	struct poll poll;
	int r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, &poll);

	if (r == 0)
		r = read_options(db, arena, &poll, 1);
	if (r == 0)
		*ret_poll = poll;
	return r;
}

int poll_lock(struct db_conn *db, struct arena *arena, int64_t id, struct poll *ret_poll)
{
	static const struct db_statement lock = { .sqlite = SELECT_POLL "WHERE p.id = $1",
		                                  .postgresql = SELECT_POLL "WHERE p.id = $1 FOR UPDATE OF p",
		                                  .row = &poll_row };
	struct poll poll = { .total_votes = 0 };
	int r = db_select_one(db, &lock, DB_PARAMS(DB_INT(id)), arena, &poll);

	if (r == 0)
		*ret_poll = poll;
	return r;
}

int poll_exists(struct db_conn *db, int64_t id)
{
	int64_t n;
	int r = db_select_int(db, "SELECT count(*) FROM core_poll WHERE id = $1", DB_PARAMS(DB_INT(id)), &n);

	return r < 0 ? r : n > 0;
}
