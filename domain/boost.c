#include "domain/boost.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "domain/impact.h"
#include "domain/project_impl.h"
#include "domain/saka.h"
#include "domain/stale.h"

#define SCORE_MAX INT32_MAX /* of core_projet.saka_score */

struct boosting {
	struct project_writing *w;
	const struct settings *settings;
	int64_t project_id, amount;
	struct boost boost;
	bool spent, pending;
};

static int lock_project(struct db_conn *db, int64_t id, struct boost *ret_boost)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct boost, saka_score, INT, "saka_score"),
		DB_COLUMN(struct boost, saka_supporters_count, INT, "saka_supporters_count"),
	};
	static const struct db_row row = DB_ROW(struct boost, columns);
	static const struct db_statement lock = {
		.sqlite = "SELECT $cols FROM core_projet WHERE id = $1",
		.postgresql = "SELECT $cols FROM core_projet WHERE id = $1 FOR UPDATE",
		.row = &row,
	};

	return db_select_one(db, &lock, DB_PARAMS(DB_INT(id)), NULL, ret_boost);
}

static int spend(struct db_conn *db, struct boosting *b)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"project_id\":");
	json_add_int(&metadata, b->project_id);
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return saka_spend(db, b->settings, b->w->actor_id, SAKA_PROJECT_BOOST, b->amount, (struct json_text){ buf_view(&metadata) },
	                  &b->spent);
}

/* What this person gave to this project so far; *ret_new: nothing. */
static int support(struct db_conn *db, const struct boosting *b, int64_t *ret_new)
{
	static const struct db_statement insert = {
		"INSERT INTO core_sakaprojectsupport (total_saka_spent, first_boost_at, last_boost_at, project_id, user_id) VALUES "
		"($1, $2, $2, $3, $4) ON CONFLICT (user_id, project_id) DO NOTHING"
	};
	static const struct db_statement update = {
		"UPDATE core_sakaprojectsupport SET total_saka_spent = total_saka_spent + $1, last_boost_at = $2 WHERE project_id = $3 "
		"AND user_id = $4"
	};
	struct instant now = clock_now();
	int r = db_execute(db, &insert, DB_PARAMS(DB_INT(b->amount), DB_TIME(now), DB_INT(b->project_id), DB_INT(b->w->actor_id)), ret_new);

	if (r < 0 || *ret_new)
		return r;
	return db_execute(db, &update, DB_PARAMS(DB_INT(b->amount), DB_TIME(now), DB_INT(b->project_id), DB_INT(b->w->actor_id)), NULL);
}

static int raise(struct db_conn *db, struct boosting *b)
{
	static const struct db_statement update = { "UPDATE core_projet SET saka_score = $1, saka_supporters_count = $2 WHERE id = $3" };
	int64_t new_supporters;
	int r = support(db, b, &new_supporters);

	if (r < 0)
		return r;
	b->boost.saka_spent = b->amount;
	b->boost.saka_score += b->amount;
	b->boost.saka_supporters_count += new_supporters;
	return db_execute(db, &update,
	                  DB_PARAMS(DB_INT(b->boost.saka_score), DB_INT(b->boost.saka_supporters_count), DB_INT(b->project_id)), NULL);
}

/* Who is too poor commits all the same: a wallet may have been made for him. */
static int boost(struct db_conn *db, void *arg)
{
	struct boosting *b = arg;
	int r = lock_project(db, b->project_id, &b->boost);

	b->spent = b->pending = false;
	if (r == 0 && b->amount <= SCORE_MAX && b->boost.saka_score > SCORE_MAX - b->amount)
		return ERR_CONFLICT;
	if (r == 0)
		r = spend(db, b);
	if (r < 0 || !b->spent)
		return r;
	r = raise(db, b);
	return r < 0 ? r : impact_recompute(db, b->project_id, NULL, &b->pending);
}

int project_boost(struct project_writing *w, const struct settings *settings, int64_t project_id, int64_t amount, struct boost *ret_boost)
{
	struct boosting b = { .w = w, .settings = settings, .project_id = project_id, .amount = amount };
	int r = db_write(w->db, boost, &b);

	if (r < 0 || !b.spent)
		return r < 0 ? r : ERR_FORBIDDEN;
	project_committed(w, CHANGE_PROJECT_SCORE, project_id, b.pending);
	*ret_boost = b.boost;
	return 0;
}
