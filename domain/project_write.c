/*
 * Each write is a closure over a struct of its own, which may run twice and so leaves the same there each time. The row of
 * the answer is read inside it: when the commit has happened, nothing is left that could fail the request.
 *
 * The one thing after the commit is the 4P of a project with active oracles (domain/impact.h), and reading the row again
 * with them; when that fails, the answer shows the scores of before.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "db/cascade.h"
#include "db/outbox.h"
#include "domain/audit.h"
#include "domain/file.h"
#include "domain/impact.h"
#include "domain/project_impl.h"
#include "domain/stale.h"

#define TARGET_TYPE "projet"

void project_committed(struct project_writing *w, int change, int64_t id, bool pending)
{
	stale_after(w->cache, w->budget, (enum change)change, id);
	w->refresh_error = pending ? impact_refresh(w->db, w->cache, w->budget, id) : 0;
	if (pending && w->refresh_error == 0)
		stale_after(w->cache, w->budget, CHANGE_PROJECT_SCORE, id);
}

/* ---- tasks ---- */

static int ask_for_embedding(struct db_conn *db, int64_t id)
{
	struct buf args CLEANUP(buf_finish) = BUF_EMPTY;
	struct outbox_task task = { .name = "core.tasks_embeddings.generate_embedding_task", .durable = true };

	buf_add_text(&args, "[\"sentence-transformers\", ");
	json_add_int(&args, id);
	buf_add_text(&args, ", \"projet\"]");
	task.args.text = buf_view(&args);
	return args.failed ? ERR_NOMEM : outbox_put(db, &task);
}

/* ---- create ---- */

struct creation {
	struct project_writing *w;
	const struct project *in;
	struct project row;
	bool pending;
};

static int insert(struct db_conn *db, const struct project *p, int64_t *ret_id)
{
	static const char sql[] =
	        "INSERT INTO core_projet (titre, description, categorie, impact_score, image, created_at, embedding, coordinates_3d, "
	        "donation_goal, funding_type, investment_goal, share_price, total_shares, valuation_pre_money, saka_score, "
	        "saka_supporters_count, community_id, active_oracles) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
	        "$15, $16, $17, $18) RETURNING id";

	return db_select_int(db, sql,
	                     DB_PARAMS(DB_TEXT(p->titre), DB_TEXT(p->description), DB_TEXT(p->categorie), DB_INT(p->impact_score),
	                               DB_TEXT(p->image), DB_TIME(clock_now()), DB_JSON(p->embedding), DB_JSON(p->coordinates_3d),
	                               DB_DECIMAL(p->donation_goal), DB_TEXT(p->funding_type), DB_DECIMAL(p->investment_goal),
	                               DB_DECIMAL(p->share_price), DB_INT(p->total_shares), DB_DECIMAL(p->valuation_pre_money),
	                               DB_INT(p->saka_score), DB_INT(p->saka_supporters_count), DB_INT(p->community_id),
	                               DB_JSON(p->active_oracles)),
	                     ret_id);
}

static int create(struct db_conn *db, void *arg)
{
	struct creation *c = arg;
	int64_t id;
	int r = insert(db, c->in, &id);

	if (r == 0)
		r = file_scan_ask(db, c->in->image);
	if (r == 0)
		r = ask_for_embedding(db, id);
	if (r == 0)
		r = impact_recompute(db, id, NULL, &c->pending);
	return r < 0 ? r : project_find(db, c->w->arena, id, &c->row);
}

/* The scores that were computed after the commit; without them the row stays as it was. */
static void read_scores_again(struct project_writing *w, bool pending, struct project *row)
{
	if (pending && w->refresh_error == 0)
		w->refresh_error = project_find(w->db, w->arena, row->id, row);
}

int project_create(struct project_writing *w, const struct project *in, struct project *ret_project)
{
	struct creation c = { .w = w, .in = in };
	int r = db_write(w->db, create, &c);

	if (r < 0)
		return r;
	project_committed(w, CHANGE_PROJECT, c.row.id, c.pending);
	read_scores_again(w, c.pending, &c.row);
	*ret_project = c.row;
	return 0;
}

/* ---- update ---- */

struct update {
	struct project_writing *w;
	int64_t id;
	const struct project_edit *edit;
	struct project row;
	bool pending;
};

static int store(struct db_conn *db, const struct project *p)
{
	static const struct db_statement sql = {
		"UPDATE core_projet SET titre = $1, description = $2, categorie = $3, impact_score = $4, image = $5, embedding = $6, "
		"coordinates_3d = $7, donation_goal = $8, funding_type = $9, investment_goal = $10, share_price = $11, total_shares = $12, "
		"valuation_pre_money = $13, saka_score = $14, saka_supporters_count = $15, community_id = $16, active_oracles = $17 "
		"WHERE id = $18"
	};

	return db_execute(db, &sql,
	                  DB_PARAMS(DB_TEXT(p->titre), DB_TEXT(p->description), DB_TEXT(p->categorie), DB_INT(p->impact_score),
	                            DB_TEXT(p->image), DB_JSON(p->embedding), DB_JSON(p->coordinates_3d), DB_DECIMAL(p->donation_goal),
	                            DB_TEXT(p->funding_type), DB_DECIMAL(p->investment_goal), DB_DECIMAL(p->share_price),
	                            DB_INT(p->total_shares), DB_DECIMAL(p->valuation_pre_money), DB_INT(p->saka_score),
	                            DB_INT(p->saka_supporters_count), DB_INT(p->community_id), DB_JSON(p->active_oracles), DB_INT(p->id)),
	                  NULL);
}

static int update(struct db_conn *db, void *arg)
{
	struct update *u = arg;
	struct str old_image;
	int r = project_lock(db, u->w->arena, u->id, &u->row);

	if (r < 0)
		return r;
	old_image = u->row.image;
	u->edit->apply(u->edit->arg, &u->row);
	r = store(db, &u->row);
	if (r == 0 && !str_equal(old_image, u->row.image))
		r = file_scan_ask(db, u->row.image);
	if (r == 0)
		r = audit_write(db, u->w->actor_id, "project_update", TARGET_TYPE, u->id, (struct json_text){ { NULL, 0 } });
	if (r == 0)
		r = impact_recompute(db, u->id, NULL, &u->pending);
	return r < 0 ? r : project_find(db, u->w->arena, u->id, &u->row);
}

int project_update(struct project_writing *w, int64_t id, const struct project_edit *edit, struct project *ret_project)
{
	struct update u = { .w = w, .id = id, .edit = edit };
	int r = db_write(w->db, update, &u);

	if (r < 0)
		return r;
	project_committed(w, CHANGE_PROJECT, id, u.pending);
	read_scores_again(w, u.pending, &u.row);
	*ret_project = u.row;
	return 0;
}

/* ---- delete ---- */

struct deletion {
	struct project_writing *w;
	int64_t id;
};

static int audit_deletion(struct db_conn *db, const struct deletion *d, struct str titre)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"titre\":");
	json_add_str(&metadata, titre);
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return audit_write(db, d->w->actor_id, "project_delete", TARGET_TYPE, d->id, (struct json_text){ buf_view(&metadata) });
}

static int delete (struct db_conn *db, void *arg)
{
	const struct deletion *d = arg;
	struct project row;
	int r = project_lock(db, d->w->arena, d->id, &row);

	if (r == 0)
		r = cascade_delete(db, "core_projet", d->id);
	return r < 0 ? r : audit_deletion(db, d, row.titre);
}

int project_delete(struct project_writing *w, int64_t id)
{
	struct deletion d = { .w = w, .id = id };
	int r = db_write(w->db, delete, &d);

	if (r == 0)
		project_committed(w, CHANGE_PROJECT, id, /* pending: */ false);
	return r;
}
