/* /api/oracles/available/ and /api/projets/{id}/oracles/: projects.md 5. */
#include "domain/oracle.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/project.h"

struct oracle_list {
	struct db_rows oracles;
	int64_t count;
};

static const struct field oracle_field_list[] = {
	FIELD(struct oracle_info, "oracle_id", oracle_id, TEXT),
	FIELD(struct oracle_info, "name", name, TEXT),
	FIELD(struct oracle_info, "description", description, TEXT),
	FIELD(struct oracle_info, "impact_dimensions", impact_dimensions, JSON),
	FIELD(struct oracle_info, "config_keys", config_keys, JSON),
};
static const struct fields oracle_fields = FIELDS(struct oracle_info, oracle_field_list);

static const struct field oracle_list_field_list[] = {
	FIELD(struct oracle_list, "oracles", oracles, ROWS, .of = &oracle_fields),
	FIELD(struct oracle_list, "count", count, INT),
};
const struct fields oracle_list_fields = FIELDS(struct oracle_list, oracle_list_field_list);

void oracles_available(struct request *req)
{
	struct oracle_list list = { .oracles = oracle_registry() };

	list.count = (int64_t)list.oracles.n;
	reply_with(req, 200, &oracle_list_fields, &list);
}

/* What the report says is written by domain/oracle.h; this describes it. */
static const struct field metadata_shape_list[] = {
	SHAPE("last_updated", TIME),
	SHAPE("oracles_count", INT),
	SHAPE("success_count", INT),
};
static const struct fields metadata_shape = SHAPES(metadata_shape_list);

static const struct field value_shape_list[] = {
	SHAPE("value", FLOAT),
	SHAPE("source", TEXT),
};
static const struct fields value_shape = SHAPES(value_shape_list);

/* The values of one metric. */
static const struct field values = { .kind = FIELD_LIST, .each = EACH(OBJECT, .of = &value_shape) };

static const struct field aggregate_shape_list[] = {
	SHAPE("p3_contributions", MAP, .each = &values),
	SHAPE("p4_contributions", MAP, .each = &values),
};
static const struct fields aggregate_shape = SHAPES(aggregate_shape_list);

static const struct field project_oracles_shape_list[] = {
	SHAPE("project_id", INT),
	SHAPE("project_title", TEXT),
	SHAPE("active_oracles", JSON),
	SHAPE("oracles", MAP, .each = EACH(JSON)),
	SHAPE("aggregated_metrics", OBJECT, .of = &aggregate_shape),
	SHAPE("metadata", OBJECT, .of = &metadata_shape),
};
const struct fields project_oracles_shape = SHAPES(project_oracles_shape_list);

static void reply_report(struct request *req, const struct project *project, const struct oracle_report *report)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "{\"project_id\":");
	json_add_int(&b, project->id);
	buf_add_text(&b, ",\"project_title\":");
	json_add_str(&b, project->titre);
	buf_add_text(&b, ",\"active_oracles\":");
	json_add_json(&b, project->active_oracles);
	buf_add_char(&b, ',');
	buf_add(&b, report->json.s + 1, report->json.len - 1); /* the members of the report's object */
	reply_json_take(req, 200, &b);
}

void projects_oracles(struct request *req)
{
	struct oracle_report report = { 0 };
	struct project project = { 0 };
	int64_t id = 0;
	int r = str_to_uint(req->params[0], &id) ? project_find(req->worker->db, &req->arena, id, &project) : ERR_NOT_FOUND;
	const struct oracle_subject subject = { id, project.categorie, project.description, project.active_oracles };

	if (r == 0)
		r = oracle_consult(req->worker->context->cache, &req->budget, &req->arena, &subject, &report);
	if (r < 0)
		reply_error(req, r);
	else
		reply_report(req, &project, &report);
}
