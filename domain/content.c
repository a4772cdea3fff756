#include "domain/content.h"

static const struct db_column content_columns[] = {
	DB_COLUMN(struct content, id, INT, "c.id"),
	DB_COLUMN(struct content, title, TEXT, "c.title"),
	DB_COLUMN(struct content, slug, TEXT, "c.slug"),
	DB_COLUMN(struct content, type, TEXT, "c.type"),
	DB_COLUMN(struct content, status, TEXT, "c.status"),
	DB_COLUMN(struct content, description, TEXT, "c.description"),
	DB_COLUMN(struct content, external_url, TEXT, "c.external_url"),
	DB_COLUMN(struct content, file, TEXT, "c.file"),
	DB_COLUMN(struct content, created_at, TIME, "c.created_at"),
	DB_COLUMN(struct content, likes_count, INT, "(SELECT count(*) FROM core_contentlike l WHERE l.content_id = c.id)"),
	DB_COLUMN(struct content, comments_count, INT, "(SELECT count(*) FROM core_contentcomment m WHERE m.content_id = c.id)"),
};
static const struct db_row content_row = DB_ROW(struct content, content_columns);

/* What an anonymous caller may see, narrowed by $1 (status) and $2 (category). */
#define VISIBLE                                            \
	"FROM core_educationalcontent c "                  \
	"WHERE c.status = 'published' "                    \
	"AND (CAST($1 AS text) IS NULL OR c.status = $1) " \
	"AND (CAST($2 AS text) IS NULL OR c.category = $2) "

int content_count(struct db_conn *db, const struct content_filter *filter, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " VISIBLE, DB_PARAMS(DB_TEXT(filter->status), DB_TEXT(filter->category)), ret_count);
}

int content_list(struct db_conn *db, struct arena *arena, const struct content_filter *filter, int64_t limit, int64_t offset,
                 struct db_rows *ret_contents)
{
	static const struct db_statement newest_first = { "SELECT $cols " VISIBLE
		                                          "ORDER BY c.created_at DESC, c.id DESC LIMIT $3 OFFSET $4",
		                                          &content_row };

	return db_select(
	        db, &newest_first,
	        DB_PARAMS(DB_TEXT(filter->status), DB_TEXT(filter->category), DB_INT(limit < 0 ? INT64_MAX : limit), DB_INT(offset)), arena,
	        ret_contents);
}

int content_find(struct db_conn *db, struct arena *arena, int64_t id, struct content *ret_content)
{
	static const struct db_statement by_id = { "SELECT $cols FROM core_educationalcontent c WHERE c.status = 'published' AND c.id = $1",
		                                   &content_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_content);
}
