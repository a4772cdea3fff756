/*
 * What a wallet gives is worked out in SQL, in the same double arithmetic on both engines: by the count, by the rows and by the
 * change, which therefore agree; that they did is checked.
 */
#include "domain/saka_compost.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "domain/saka_impl.h"
#include "domain/saka_integrity.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

/* ---- the log ---- */

static int insert_log(struct db_conn *db, void *arg)
{
	static const char insert[] =
	        "INSERT INTO core_sakacompostlog (cycle_id, started_at, finished_at, dry_run, wallets_affected, total_composted, "
	        "inactivity_days, rate, min_balance, min_amount, source) VALUES ((SELECT id FROM core_sakacycle WHERE is_active ORDER BY "
	        "start_date DESC, id DESC LIMIT 1), $1, NULL, $2, 0, 0, $3, $4, $5, $6, $7) RETURNING id";
	struct saka_compost *c = arg;
	const struct settings *s = c->settings;

	return db_select_int(db, insert,
	                     DB_PARAMS(DB_TIME(clock_now()), DB_BOOL(c->dry_run), DB_INT(s->saka_compost_inactivity_days),
	                               DB_FLOAT(s->saka_compost_rate), DB_INT(s->saka_compost_min_balance),
	                               DB_INT(s->saka_compost_min_amount), DB_TEXT(str_of(c->source))),
	                     &c->log_id);
}

int saka_compost_begin(struct db_conn *db, struct saka_compost *c)
{
	return db_write(db, insert_log, c);
}

static int delete_log(struct db_conn *db, void *log_id)
{
	static const struct db_statement delete = { "DELETE FROM core_sakacompostlog WHERE id = $1 AND finished_at IS NULL" };

	return db_execute(db, &delete, DB_PARAMS(DB_INT(*(const int64_t *)log_id)), NULL);
}

int saka_compost_forget(struct db_conn *db, const struct saka_compost *c)
{
	int64_t log_id = c->log_id;

	return db_write(db, delete_log, &log_id);
}

static int finish_log(struct db_conn *db, const struct saka_compost *c)
{
	static const struct db_statement finish = { "UPDATE core_sakacompostlog SET finished_at = $2, wallets_affected = $3, "
		                                    "total_composted = $4 WHERE id = $1" };

	if (c->total_composted > SAKA_COUNT_MAX)
		return ERR_LIMIT;
	return db_execute(db, &finish,
	                  DB_PARAMS(DB_INT(c->log_id), DB_TIME(clock_now()), DB_INT(c->wallets_affected), DB_INT(c->total_composted)),
	                  NULL);
}

/* ---- wallets ---- */

/* What a part of the wallets gives. */
struct heap {
	int64_t wallets, grains;
};

/* $1 to $8 of all three statements: from, to, cutoff, least balance, rate, least amount, now, metadata. */
#define SQLITE_AMOUNT     "CAST(balance * $5 AS integer)"
#define POSTGRESQL_AMOUNT "CAST(floor(balance * $5) AS integer)"
#define IS_IDLE(amount) \
	"id > $1 AND id <= $2 AND (last_activity_date IS NULL OR last_activity_date < $3) AND balance >= $4 AND " amount " >= $6"

static int count_part(struct db_conn *db, const struct db_param *params, struct heap *ret_heap)
{
#define COUNT(amount) "SELECT $cols FROM (SELECT " amount " AS amount FROM core_sakawallet WHERE " IS_IDLE(amount) ") AS idle"
	static const struct db_column columns[] = { DB_COLUMN(struct heap, wallets, INT, "COUNT(*)"),
		                                    DB_COLUMN(struct heap, grains, INT, "CAST(COALESCE(SUM(amount), 0) AS bigint)") };
	static const struct db_row row = DB_ROW(struct heap, columns);
	static const struct db_statement count = { .row = &row, .sqlite = COUNT(SQLITE_AMOUNT), .postgresql = COUNT(POSTGRESQL_AMOUNT) };

	return db_select_one(db, &count, params, 6, NULL, ret_heap);
#undef COUNT
}

static int note_part(struct db_conn *db, const struct db_param *params, const struct heap *heap)
{
#define NOTE(amount)                                                                                                            \
	"INSERT INTO core_sakatransaction (direction, amount, reason, metadata, created_at, user_id, transaction_type) SELECT " \
	"'SPEND', " amount ", 'compost', $8, $7, user_id, 'COMPOST' FROM core_sakawallet WHERE " IS_IDLE(amount) " ORDER BY id"
	static const struct db_statement note = { .sqlite = NOTE(SQLITE_AMOUNT), .postgresql = NOTE(POSTGRESQL_AMOUNT) };

	return saka_change(db, &note, params, 8, heap->wallets);
#undef NOTE
}

static int debit_part(struct db_conn *db, const struct db_param *params, const struct heap *heap)
{
#define DEBIT(amount)                                                                                            \
	"UPDATE core_sakawallet SET balance = balance - " amount ", total_composted = total_composted + " amount \
	", last_activity_date = $7, updated_at = $7 WHERE " IS_IDLE(amount)
	static const struct db_statement debit = { .sqlite = DEBIT(SQLITE_AMOUNT), .postgresql = DEBIT(POSTGRESQL_AMOUNT) };

	return saka_change(db, &debit, params, 7, heap->wallets);
#undef DEBIT
}

static void describe(struct buf *b, struct instant cutoff, double rate)
{
	buf_add_text(b, "{\"source\": \"compost_cycle\", \"cutoff\": ");
	json_add_time(b, cutoff);
	buf_add_text(b, ", \"rate\": ");
	json_add_float(b, rate);
	buf_add_char(b, '}');
}

static int compost_part(struct db_conn *db, const struct db_param *params, const struct heap *heap, struct saka_watching *watching)
{
	int r = note_part(db, params, heap);

	if (r == 0)
		r = debit_part(db, params, heap);
	return r < 0 ? r : saka_watch_part(db, watching);
}

static int compost_wallets(struct db_conn *db, struct saka_compost *c, struct instant now)
{
	CLEANUP(buf_finish) struct buf metadata = BUF_EMPTY;
	const struct settings *s = c->settings;
	struct instant cutoff = { now.us - s->saka_compost_inactivity_days * DAY_US };
	struct saka_part part = SAKA_FIRST_PART;
	struct saka_watching watching;
	int r = c->dry_run ? 0 : saka_watch_begin(db, &watching);

	describe(&metadata, cutoff, s->saka_compost_rate);
	if (r < 0 || metadata.failed)
		return r < 0 ? r : ERR_NOMEM;
	while ((r = saka_next_part(db, &part)) == 1) {
		const struct db_param params[] = { DB_INT(part.after),
			                           DB_INT(part.last),
			                           DB_TIME(cutoff),
			                           DB_INT(s->saka_compost_min_balance),
			                           DB_FLOAT(s->saka_compost_rate),
			                           DB_INT(s->saka_compost_min_amount),
			                           DB_TIME(now),
			                           DB_JSON(((struct json_text){ buf_view(&metadata) })) };
		struct heap heap;

		r = count_part(db, params, &heap);
		if (r == 0 && !c->dry_run && heap.wallets > 0)
			r = compost_part(db, params, &heap, &watching);
		if (r < 0)
			return r;
		c->wallets_affected += heap.wallets;
		c->total_composted += heap.grains;
	}
	return r;
}

/* ---- a run ---- */

static int fill_silo(struct db_conn *db, const struct saka_silo *silo, int64_t grains, struct instant now)
{
	static const struct db_statement fill = {
		"UPDATE core_sakasilo SET total_balance = total_balance + $1, total_composted = total_composted + $1, total_cycles = "
		"total_cycles + 1, last_compost_at = $2, updated_at = $2 WHERE id = 1"
	};

	if (silo->total_composted > SAKA_COUNT_MAX - grains || silo->total_balance > SAKA_COUNT_MAX - grains)
		return ERR_LIMIT;
	return saka_change(db, &fill, DB_PARAMS(DB_INT(grains), DB_TIME(now)), 1);
}

int saka_compost_cycle(struct db_conn *db, struct saka_compost *c)
{
	struct instant now = clock_now();
	struct saka_silo silo = { 0 };
	int r = 0;

	c->cycles = c->wallets_affected = c->total_composted = 0;
	if (!c->dry_run)
		r = saka_silo_hold(db, now, &silo);
	if (r == 0)
		r = compost_wallets(db, c, now);
	if (r == 0 && !c->dry_run && c->total_composted > 0)
		r = fill_silo(db, &silo, c->total_composted, now);
	if (r < 0)
		return r;
	c->cycles = !c->dry_run && c->wallets_affected > 0;
	return finish_log(db, c);
}

static int run_cycle(struct db_conn *db, void *compost)
{
	return saka_compost_cycle(db, compost);
}

int saka_compost_run(struct db_conn *db, struct saka_compost *c)
{
	int r = saka_compost_begin(db, c);

	return r < 0 ? r : db_write(db, run_cycle, c);
}

/* ---- watched ---- */

int saka_compost_runs_since(struct db_conn *db, struct instant since, int64_t *ret_runs)
{
	static const char count[] =
	        "SELECT COUNT(*) FROM core_sakacompostlog WHERE started_at >= $1 AND finished_at IS NOT NULL AND NOT dry_run";

	return db_select_int(db, count, DB_PARAMS(DB_TIME(since)), ret_runs);
}

int saka_compost_unfinished(struct db_conn *db, struct instant from, struct instant before, int64_t *ret_runs)
{
	static const char count[] =
	        "SELECT COUNT(*) FROM core_sakacompostlog WHERE started_at >= $1 AND started_at < $2 AND finished_at IS NULL";

	return db_select_int(db, count, DB_PARAMS(DB_TIME(from), DB_TIME(before)), ret_runs);
}

int saka_compost_eligible(struct db_conn *db, const struct settings *s, int64_t *ret_wallets)
{
	struct instant cutoff = { clock_now().us - s->saka_compost_inactivity_days * DAY_US };
	const struct db_param all[] = { DB_INT(INT64_MIN + 1),
		                        DB_INT(INT64_MAX),
		                        DB_TIME(cutoff),
		                        DB_INT(s->saka_compost_min_balance),
		                        DB_FLOAT(s->saka_compost_rate),
		                        DB_INT(s->saka_compost_min_amount) };
	struct heap heap;
	int r = count_part(db, all, &heap);

	if (r == 0)
		*ret_wallets = heap.wallets;
	return r;
}
