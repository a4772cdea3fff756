/* /api/projets/: projects.md 1 and 2. */
#include "domain/project.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/community.h"
#include "domain/oracle.h"

/* The shape of the 4P scores is the project's own columns; the labels never change (projects.md 6). */
static const struct field impact_field_list[] = {
	FIELD(struct project, "p1_financier", p1_financier, FLOAT),
	FIELD(struct project, "p2_saka", p2_saka, INT),
	FIELD(struct project, "p3_social", p3_social, INT),
	FIELD(struct project, "p4_sens", p4_sens, INT),
	FIELD(struct project, "updated_at", impact_updated_at, TIME, .flags = FIELD_NULLABLE),
	FIELD_CONSTANT(
	        "meta",
	        "{\"p1\":{\"label\":\"Performance financière\","
	        "\"description\":\"Somme des contributions et des engagements financiers du projet, en euros.\",\"is_measured\":true},"
	        "\"p2\":{\"label\":\"Performance vivante SAKA\","
	        "\"description\":\"Grains SAKA dépensés par la communauté pour soutenir le projet.\",\"is_measured\":true},"
	        "\"p3\":{\"label\":\"PROXY V1 INTERNE\","
	        "\"description\":\"Indicateur interne simplifié de l'impact social et écologique, sans valeur de "
	        "mesure.\",\"is_measured\":false,"
	        "\"disclaimer\":\"Indicateur interne V1 : une estimation simplifiée, non académique.\"},"
	        "\"p4\":{\"label\":\"PROXY V1 INTERNE\","
	        "\"description\":\"Indicateur interne simplifié de la cohérence et du sens du projet, sans valeur de "
	        "mesure.\",\"is_measured\":false,"
	        "\"disclaimer\":\"Indicateur interne V1 : une estimation simplifiée, non académique.\"}}"),
};
static const struct fields impact_fields = FIELDS(struct project, impact_field_list);

static const char *const funding_types[] = { "DONATION", "EQUITY", "HYBRID", NULL };

static const char *check_oracles(const struct fields_input *in, const void *member, int *ret_error)
{
	return oracle_list_is_valid(*(const struct json_text *)member) ? NULL : "Une liste de textes était attendue.";
}

static const struct field project_field_list[] = {
	FIELD(struct project, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD_PART("impact_4p", &impact_fields),
	FIELD(struct project, "titre", titre, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct project, "description", description, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct project, "categorie", categorie, TEXT, .flags = FIELD_BLANK | FIELD_NULLABLE, .max_chars = 100),
	FIELD(struct project, "impact_score", impact_score, INT, .flags = FIELD_NULLABLE, .min = INT32_MIN, .max = INT32_MAX),
	FIELD(struct project, "image", image, FILE, .flags = FIELD_NULLABLE | FIELD_SCANNED, .accept = UPLOAD_IMAGE, .folder = "projets"),
	FIELD(struct project, "embedding", embedding, JSON, .flags = FIELD_NULLABLE | FIELD_STAFF),
	FIELD(struct project, "coordinates_3d", coordinates_3d, JSON, .flags = FIELD_NULLABLE | FIELD_STAFF),
	FIELD(struct project, "funding_type", funding_type, CHOICE, .choices = funding_types),
	FIELD(struct project, "donation_goal", donation_goal, DECIMAL, .digits = 12, .max = INT64_C(999999999999)),
	FIELD(struct project, "investment_goal", investment_goal, DECIMAL, .digits = 12, .max = INT64_C(999999999999)),
	FIELD(struct project, "share_price", share_price, DECIMAL, .flags = FIELD_NULLABLE, .digits = 10, .max = INT64_C(9999999999)),
	FIELD(struct project, "total_shares", total_shares, INT, .flags = FIELD_NULLABLE, .min = 0, .max = INT32_MAX),
	FIELD(struct project, "valuation_pre_money", valuation_pre_money, DECIMAL, .flags = FIELD_NULLABLE, .digits = 15,
	      .max = INT64_C(999999999999999)),
	FIELD(struct project, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
	FIELD(struct project, "saka_score", saka_score, INT, .flags = FIELD_STAFF, .min = 0, .max = INT32_MAX),
	FIELD(struct project, "saka_supporters_count", saka_supporters_count, INT, .flags = FIELD_STAFF, .min = 0, .max = INT32_MAX),
	FIELD(struct project, "active_oracles", active_oracles, JSON, .flags = FIELD_STAFF, .check = check_oracles,
	      .schema = "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/JsonText\"}}",
	      .pattern = "^ *\\[ *(?:\"[^\"\\\\\\x00-\\x1f]*\"(?: *, *\"[^\"\\\\\\x00-\\x1f]*\")*)? *\\] *$"),
	FIELD(struct project, "community", community_id, REFERENCE, .flags = FIELD_NULLABLE, .known = community_exists),
};
const struct fields project_fields = FIELDS(struct project, project_field_list);

void projects_list(struct request *req)
{
	const struct settings *s = req->worker->context->settings;
	enum project_order order = s->enable_saka && s->saka_project_boost_enabled ? PROJECT_BY_SAKA : PROJECT_BY_DATE;
	struct db_rows rows;
	int r = project_list(req->worker->db, &req->arena, order, &rows);

	reply_rows(req, r, &project_fields, &rows);
}

void projects_detail(struct request *req)
{
	struct project project;
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? project_find(req->worker->db, &req->arena, id, &project) : ERR_NOT_FOUND;

	reply_found(req, r, &project_fields, &project);
}

/* The answer of the search; a simple one carries a warning. */
struct search_answer {
	struct db_rows results;
	int64_t count;
	struct str query;
	int64_t max_results;
	struct str warning;
};

static const struct field search_field_list[] = {
	FIELD(struct search_answer, "results", results, ROWS, .of = &project_fields),
	FIELD(struct search_answer, "count", count, INT),
	FIELD(struct search_answer, "query", query, TEXT),
	FIELD(struct search_answer, "max_results", max_results, INT),
	FIELD(struct search_answer, "warning", warning, TEXT, .flags = FIELD_OPTIONAL),
};
const struct fields project_search_fields = FIELDS(struct search_answer, search_field_list);
static const struct fields search_fields_without_warning = { search_field_list, N_ELEMENTS(search_field_list) - 1,
	                                                     sizeof(struct search_answer) };

static const struct field project_search_query_list[] = {
	SHAPE("q", TEXT, .flags = FIELD_REQUIRED,
	      .pattern = "^[" FIELD_WHITE "]*[^" FIELD_WHITE "\\x00][^\\x00]*[^" FIELD_WHITE "\\x00][" FIELD_WHITE "]*$",
	      .meaning = "Ce qui est cherché, deux caractères au moins."),
};
const struct fields project_search_query = SHAPES(project_search_query_list);

void projects_search(struct request *req)
{
	struct search_answer answer = { .max_results = PROJECT_SEARCH_MAX,
		                        .warning = STR("Recherche simple : la recherche par similarité n'est pas disponible.") };
	struct query query;
	bool simple = false;
	int r;

	if (!query_or_reply(req, &query))
		return;
	answer.query = str_trim_unicode(query_get(&query, "q"));
	if (str_count_chars(answer.query) < 2) {
		reply_hand_error(req, 400, "Le paramètre « q » doit compter au moins deux caractères.");
		return;
	}
	r = project_search(req->worker->db, &req->arena, answer.query, &answer.results, &simple);
	answer.count = (int64_t)answer.results.n;
	reply_found(req, r, simple ? &project_search_fields : &search_fields_without_warning, &answer);
}
