/* Writing /api/projets/: projects.md 1 and 11, saka.md 4. */
#include <jansson.h>

#include "api/body.h"
#include "api/fields_in_impl.h"
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "base/log.h"
#include "domain/account.h"
#include "domain/boost.h"

static struct project_writing writing_of(struct request *req)
{
	return (struct project_writing){ .db = req->worker->db,
		                         .cache = req->worker->context->cache,
		                         .budget = &req->budget,
		                         .arena = &req->arena,
		                         .actor_id = req->caller->id };
}

/* The answer of a write; what failed after its commit is for the operator alone. */
static void reply_written(struct request *req, int result, const struct project_writing *w, int status, const struct fields *fields,
                          const void *row)
{
	if (result < 0) {
		reply_error(req, result);
		return;
	}
	if (w->refresh_error < 0)
		log_write(LOG_WARNING, "http", "impact.not_refreshed",
		          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("error", error_name(w->refresh_error))),
		          "the 4P of a project could not be computed; the next write of it does");
	reply_with(req, status, fields, row);
}

void projects_create(struct request *req)
{
	struct project in = { .impact_score = NULL_INT,
		              .funding_type = STR("DONATION"),
		              .share_price = NULL_DECIMAL,
		              .total_shares = NULL_INT,
		              .valuation_pre_money = NULL_DECIMAL,
		              .active_oracles = { STR("[]") },
		              .community_id = NULL_INT };
	struct project_writing w = writing_of(req);
	struct project project;

	if (!request_read_or_reply(req, &project_fields, &in))
		return;
	reply_written(req, project_create(&w, &in, &project), &w, 201, &project_fields, &project);
}

/* ---- PUT, PATCH, DELETE ---- */

struct change {
	struct project in;
	uint64_t present;
};

static void apply_change(const void *arg, struct project *project)
{
	const struct change *change = arg;

	fields_merge(&project_fields, change->present, project, &change->in);
}

/* The row that the path names, or 404. */
static bool project_or_reply(struct request *req, struct project *ret_project)
{
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? project_find(req->worker->db, &req->arena, id, ret_project) : ERR_NOT_FOUND;

	if (r < 0)
		reply_error(req, r);
	return r == 0;
}

static void change_project(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct project_writing w = writing_of(req);
	struct change change = { .present = 0 };
	const struct project_edit edit = { apply_change, &change };
	struct project project;
	int r = 0;

	if (!project_or_reply(req, &project) || !read_or_reply(req, &project_fields, &change.in, &change.present))
		return;
	if (change.present)
		r = project_update(&w, project.id, &edit, &project);
	reply_written(req, r, &w, 200, &project_fields, &project);
}

void projects_replace(struct request *req)
{
	change_project(req, request_replace_or_reply);
}

void projects_change(struct request *req)
{
	change_project(req, request_read_part_or_reply);
}

void projects_delete(struct request *req)
{
	struct project_writing w = writing_of(req);
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? project_delete(&w, id) : ERR_NOT_FOUND;

	if (r == ERR_CONFLICT)
		reply_detail(req, 409, "Ce projet est lié à des engagements financiers : il ne peut pas être supprimé.");
	else if (r < 0)
		reply_error(req, r);
	else
		reply_empty(req, 204);
}

/* ---- boost ---- */

static const struct field boost_in_list[] = {
	SHAPE("amount", INT, .schema = "{\"type\":\"number\",\"minimum\":1}",
	      .pattern = "^[" FIELD_WHITE "]*\\+?0*[1-9][0-9]*(?:\\.[0-9]*)?[" FIELD_WHITE "]*$",
	      .meaning = "Grains à planter ; sans lui, SAKA_PROJECT_BOOST_COST."),
};
const struct fields boost_in = SHAPES(boost_in_list);

/*
 * new_…: the names that the web client reads (projects.md 10), for whom a browser asks; the contract's own answer ends
 * before them (saka.md 4).
 */
#define FOR_BROWSERS 2

static const struct field boost_field_list[] = {
	FIELD_CONSTANT("ok", "true"),
	FIELD_CONSTANT("message", "\"Merci : vos grains SAKA nourrissent ce projet.\""),
	FIELD(struct boost, "saka_spent", saka_spent, INT),
	FIELD(struct boost, "saka_score", saka_score, INT),
	FIELD(struct boost, "saka_supporters_count", saka_supporters_count, INT),
	FIELD(struct boost, "new_saka_score", saka_score, INT, .flags = FIELD_OPTIONAL),
	FIELD(struct boost, "new_saka_supporters_count", saka_supporters_count, INT, .flags = FIELD_OPTIONAL),
};
const struct fields boost_fields = FIELDS(struct boost, boost_field_list);
static const struct fields plain_boost_fields = { boost_field_list, N_ELEMENTS(boost_field_list) - FOR_BROWSERS, sizeof(struct boost) };

/* A number or the text of one, truncated; what is out of range counts as the largest. False: neither. */
static bool read_amount(const json_t *value, int64_t *ret_amount)
{
	struct str text;
	char space[40];
	double number;

	if (!scalar_text(value, space, &text))
		return false;
	text = str_trim_unicode(text);
	if (str_to_int(text, ret_amount))
		return true;
	if (!str_to_double(text, &number))
		return false;
	*ret_amount = number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? -INT64_MAX : (int64_t)number;
	return true;
}

static bool amount_or_reply(struct request *req, int64_t *ret_amount)
{
	const struct body_value *body = req->parsed;
	const json_t *value = json_object_get(body->root, "amount");
	int64_t amount = req->worker->context->settings->saka_project_boost_cost;

	if (body->is_form)
		value = json_array_get(value, json_array_size(value) - 1);
	if ((body->root && !json_is_object(body->root)) || (value && !read_amount(value, &amount))) {
		reply_detail(req, 400, "Le montant doit être un nombre entier de grains.");
		return false;
	}
	if (amount <= 0) {
		reply_detail(req, 400, "Le montant doit être supérieur à zéro.");
		return false;
	}
	*ret_amount = amount;
	return true;
}

void projects_boost(struct request *req)
{
	const struct settings *settings = req->worker->context->settings;
	struct project_writing w = writing_of(req);
	struct boost boost;
	int64_t id, amount;
	int r;

	if (!settings->enable_saka || !settings->saka_project_boost_enabled) {
		reply_detail(req, 403, "Le soutien de projets en SAKA n'est pas activé.");
		return;
	}
	if (!amount_or_reply(req, &amount))
		return;
	r = str_to_uint(req->params[0], &id) ? project_boost(&w, settings, id, amount, &boost) : ERR_NOT_FOUND;
	if (r == ERR_FORBIDDEN)
		reply_detail(req, 400, "Solde SAKA insuffisant.");
	else
		reply_written(req, r, &w, 200, req->headers.origin.s ? &boost_fields : &plain_boost_fields, &boost);
}
