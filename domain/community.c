#include "domain/community.h"

static const struct db_column community_columns[] = {
	DB_COLUMN(struct community, id, INT, "c.id"),
	DB_COLUMN(struct community, name, TEXT, "c.name"),
	DB_COLUMN(struct community, slug, TEXT, "c.slug"),
	DB_COLUMN(struct community, description, TEXT, "c.description"),
	DB_COLUMN(struct community, is_active, BOOL, "c.is_active"),
	DB_COLUMN(struct community, created_at, TIME, "c.created_at"),
	DB_COLUMN(struct community, updated_at, TIME, "c.updated_at"),
	DB_COLUMN(struct community, members_count, INT, "(SELECT count(*) FROM core_community_members m WHERE m.community_id = c.id)"),
	DB_COLUMN(struct community, projects_count, INT, "(SELECT count(*) FROM core_projet p WHERE p.community_id = c.id)"),
};
static const struct db_row community_row = DB_ROW(struct community, community_columns);

static const struct db_column project_columns[] = {
	DB_COLUMN(struct community_project, id, INT, "p.id"),
	DB_COLUMN(struct community_project, titre, TEXT, "p.titre"),
};
static const struct db_row project_row = DB_ROW(struct community_project, project_columns);

int community_list(struct db_conn *db, struct arena *arena, struct db_rows *ret_communities)
{
	static const struct db_statement active = {
		"SELECT $cols FROM core_community c WHERE c.is_active ORDER BY c.created_at DESC, c.id DESC", &community_row
	};

	return db_select(db, &active, DB_NO_PARAMS, arena, ret_communities);
}

int community_find(struct db_conn *db, struct arena *arena, struct str slug, struct community *ret_community)
{
	static const struct db_statement by_slug = { "SELECT $cols FROM core_community c WHERE c.is_active AND c.slug = $1",
		                                     &community_row };
	static const struct db_statement newest_projects = {
		"SELECT $cols FROM core_projet p WHERE p.community_id = $1 ORDER BY p.created_at DESC, p.id DESC LIMIT $2", &project_row
	};
	struct community found;
	int r;

	memset(&found, 0, sizeof(found));
	r = db_select_one(db, &by_slug, DB_PARAMS(DB_TEXT(slug)), arena, &found);
	if (r < 0)
		return r;
	r = db_select(db, &newest_projects, DB_PARAMS(DB_INT(found.id), DB_INT(COMMUNITY_PROJECTS_MAX)), arena, &found.projects);
	if (r < 0)
		return r;
	*ret_community = found;
	return 0;
}

int community_exists(struct db_conn *db, int64_t id)
{
	int64_t one;

	return db_select_int(db, "SELECT 1 FROM core_community WHERE id = $1", DB_PARAMS(DB_INT(id)), &one);
}
