/* /api/cagnottes/: projects.md 9. */
#include "domain/cagnotte.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

static const struct field cagnotte_field_list[] = {
	FIELD(struct cagnotte, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct cagnotte, "titre", titre, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct cagnotte, "description", description, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct cagnotte, "montant_cible", montant_cible, FLOAT, .flags = FIELD_REQUIRED),
	FIELD(struct cagnotte, "montant_collecte", montant_collecte, FLOAT, .flags = FIELD_READ_ONLY),
	FIELD(struct cagnotte, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
	FIELD(struct cagnotte, "projet", projet_id, REFERENCE, .flags = FIELD_NULLABLE),
};
const struct fields cagnotte_fields = FIELDS(struct cagnotte, cagnotte_field_list);

static const struct field cagnotte_query_list[] = { PAGE_PARAMETER };
const struct fields cagnotte_query = SHAPES(cagnotte_query_list);

void cagnottes_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	r = cagnotte_count(req->worker->db, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = cagnotte_list(req->worker->db, &req->arena, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &cagnotte_fields, &rows);
}
