/* /api/audit/logs/: accounts.md 6.2. */
#include "domain/audit.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

static const struct field actor_field_list[] = {
	FIELD(struct audit_entry, "id", actor_id, INT),
	FIELD(struct audit_entry, "username", actor_username, TEXT),
	FIELD(struct audit_entry, "email", actor_email, TEXT),
	FIELD(struct audit_entry, "first_name", actor_first_name, TEXT),
	FIELD(struct audit_entry, "last_name", actor_last_name, TEXT),
};
static const struct fields actor_fields = FIELDS(struct audit_entry, actor_field_list);

static const struct field audit_entry_field_list[] = {
	FIELD(struct audit_entry, "id", id, INT),
	{ .name = "actor", .kind = FIELD_OBJECT, .of = &actor_fields, .flags = FIELD_READ_ONLY | FIELD_NULLABLE },
	FIELD(struct audit_entry, "action", action, TEXT),
	FIELD(struct audit_entry, "target_type", target_type, TEXT),
	FIELD(struct audit_entry, "target_id", target_id, TEXT),
	FIELD(struct audit_entry, "metadata", metadata, JSON),
	FIELD(struct audit_entry, "created_at", created_at, TIME),
};
const struct fields audit_entry_fields = FIELDS(struct audit_entry, audit_entry_field_list);

static const struct field audit_query_list[] = { PAGE_PARAMETER };
const struct fields audit_query = SHAPES(audit_query_list);

void audit_logs_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	r = audit_count(req->worker->db, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = audit_list(req->worker->db, &req->arena, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &audit_entry_fields, &rows);
}

void audit_logs_detail(struct request *req)
{
	struct audit_entry entry;
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? audit_find(req->worker->db, &req->arena, id, &entry) : ERR_NOT_FOUND;

	reply_found(req, r, &audit_entry_fields, &entry);
}
