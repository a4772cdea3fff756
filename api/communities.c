/* /api/communities/: projects.md 8. */
#include "domain/community.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

static const struct field community_field_list[] = {
	FIELD(struct community, "id", id, INT),
	FIELD(struct community, "name", name, TEXT),
	FIELD(struct community, "slug", slug, TEXT),
	FIELD(struct community, "description", description, TEXT),
	FIELD(struct community, "is_active", is_active, BOOL),
	FIELD(struct community, "created_at", created_at, TIME),
	FIELD(struct community, "members_count", members_count, INT),
	FIELD(struct community, "projects_count", projects_count, INT),
};
const struct fields community_fields = FIELDS(struct community, community_field_list);

static const struct field community_project_field_list[] = {
	FIELD(struct community_project, "id", id, INT),
	FIELD(struct community_project, "titre", titre, TEXT),
};
static const struct fields community_project_fields = FIELDS(struct community_project, community_project_field_list);

static const struct field community_detail_field_list[] = {
	FIELD(struct community, "id", id, INT),
	FIELD(struct community, "name", name, TEXT),
	FIELD(struct community, "slug", slug, TEXT),
	FIELD(struct community, "description", description, TEXT),
	FIELD(struct community, "is_active", is_active, BOOL),
	FIELD(struct community, "created_at", created_at, TIME),
	FIELD(struct community, "updated_at", updated_at, TIME),
	FIELD(struct community, "members_count", members_count, INT),
	FIELD(struct community, "projects_count", projects_count, INT),
	FIELD(struct community, "projects", projects, ROWS, .of = &community_project_fields),
};
const struct fields community_detail_fields = FIELDS(struct community, community_detail_field_list);

void communities_list(struct request *req)
{
	struct db_rows rows;
	int r = community_list(req->worker->db, &req->arena, &rows);

	reply_rows(req, r, &community_fields, &rows);
}

void communities_detail(struct request *req)
{
	struct community community;
	int r = community_find(req->worker->db, &req->arena, req->params[0], &community);

	reply_found(req, r, &community_detail_fields, &community);
}
