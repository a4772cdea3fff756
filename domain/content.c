/*
 * Reading is one statement a question: who looks and what he filters by are its parameters, so that counting and listing
 * cannot disagree. A proposal is made harmless before its transaction, and is one row, one audit entry and its tasks.
 */
#include "domain/content.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "db/outbox.h"
#include "domain/audit.h"
#include "domain/file.h"
#include "domain/saka.h"
#include "domain/sanitize.h"

/* ---- reading ---- */

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

/* What the viewer may see: $1 is an editor, $2 his id or null. */
#define VISIBLE "FROM core_educationalcontent c WHERE (c.status = 'published' OR $1 OR c.author_id = $2) "

/* Narrowed by $3 (status) and $4 (category). */
#define FILTERED                                           \
	VISIBLE                                            \
	"AND (CAST($3 AS text) IS NULL OR c.status = $3) " \
	"AND (CAST($4 AS text) IS NULL OR c.category = $4) "

#define NEWEST_FIRST "ORDER BY c.created_at DESC, c.id DESC "

static struct db_param is_editor(const struct account *viewer)
{
	return DB_BOOL(viewer && viewer->is_editor);
}

static struct db_param id_of(const struct account *viewer)
{
	return DB_INT(viewer ? viewer->id : NULL_INT);
}

int content_count(struct db_conn *db, const struct account *viewer, const struct content_filter *filter, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " FILTERED,
	                     DB_PARAMS(is_editor(viewer), id_of(viewer), DB_TEXT(filter->status), DB_TEXT(filter->category)), ret_count);
}

int content_list(struct db_conn *db, struct arena *arena, const struct account *viewer, const struct content_filter *filter, int64_t limit,
                 int64_t offset, struct db_rows *ret_contents)
{
	static const struct db_statement newest_first = { "SELECT $cols " FILTERED NEWEST_FIRST "LIMIT $5 OFFSET $6", &content_row };

	return db_select(db, &newest_first,
	                 DB_PARAMS(is_editor(viewer), id_of(viewer), DB_TEXT(filter->status), DB_TEXT(filter->category),
	                           DB_INT(limit < 0 ? INT64_MAX : limit), DB_INT(offset)),
	                 arena, ret_contents);
}

int content_find(struct db_conn *db, struct arena *arena, const struct account *viewer, int64_t id, struct content *ret_content)
{
	static const struct db_statement by_id = { "SELECT $cols " VISIBLE "AND c.id = $3", &content_row };

	return db_select_one(db, &by_id, DB_PARAMS(is_editor(viewer), id_of(viewer), DB_INT(id)), arena, ret_content);
}

/* ---- proposing ---- */

int content_clean_title(struct arena *arena, struct str title, struct str *ret_title)
{
	struct str clean;
	int r = sanitize_text(arena, title, SANITIZE_LINE, CONTENT_TITLE_CHARS, &clean);

	if (r < 0)
		return r;
	if (!clean.len)
		return ERR_INVALID;
	*ret_title = clean;
	return 0;
}

int content_slug_exists(struct db_conn *db, struct str slug, bool *ret_exists)
{
	int64_t n;
	int r = db_select_int(db, "SELECT count(*) FROM core_educationalcontent WHERE slug = $1", DB_PARAMS(DB_TEXT(slug)), &n);

	if (r == 0)
		*ret_exists = n > 0;
	return r;
}

struct proposal {
	const struct account *author;
	struct content content; /* harmless */
};

static int insert(struct db_conn *db, struct proposal *p)
{
	static const char by_slug[] = "INSERT INTO core_educationalcontent (title, slug, type, status, description, external_url, file, "
	                              "created_at, updated_at, author_id, anonymous_display_name, category, tags, audio_source_hash, "
	                              "embedding_source_hash) "
	                              "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, '', 'autres', '[]', '', '') "
	                              "ON CONFLICT (slug) DO NOTHING RETURNING id";
	const struct content *c = &p->content;
	int r = db_select_int(db, by_slug,
	                      DB_PARAMS(DB_TEXT(c->title), DB_TEXT(c->slug), DB_TEXT(c->type), DB_TEXT(c->status), DB_TEXT(c->description),
	                                DB_TEXT(c->external_url), DB_TEXT(c->file), DB_TIME(c->created_at), DB_INT(p->author->id)),
	                      &p->content.id);

	return r == ERR_NOT_FOUND ? ERR_CONFLICT : r;
}

static int note(struct db_conn *db, const struct proposal *p)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, "{\"title\":");
	json_add_str(&b, p->content.title);
	buf_add_text(&b, ",\"type\":");
	json_add_str(&b, p->content.type);
	buf_add_text(&b, ",\"status\":");
	json_add_str(&b, p->content.status);
	buf_add_text(&b, ",\"author_id\":");
	json_add_int(&b, p->author->id);
	buf_add_char(&b, '}');
	if (b.failed)
		return ERR_NOMEM;
	return audit_write(db, p->author->id, "content_create", "educational_content", p->content.id, (struct json_text){ buf_view(&b) });
}

/* A task whose arguments are the text of a JSON array. */
static int put(struct db_conn *db, const char *name, const struct buf *args)
{
	const struct outbox_task task = { .name = name, .args = { buf_view(args) }, .durable = true };

	return args->failed ? ERR_NOMEM : outbox_put(db, &task);
}

static int put_file_tasks(struct db_conn *db, struct str file)
{
	struct buf validate CLEANUP(buf_finish) = BUF_EMPTY;
	int r = file_scan_ask(db, file);

	buf_add_char(&validate, '[');
	json_add_str(&validate, file);
	buf_add_text(&validate, ",[\"application/pdf\",\"audio/\",\"video/\",\"image/\"]]");
	return r < 0 ? r : put(db, "core.tasks_security.validate_file_type", &validate);
}

static int put_tasks(struct db_conn *db, const struct content *c)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	int r = c->file.len ? put_file_tasks(db, c->file) : 0;

	if (r < 0)
		return r;
	buf_add_text(&b, "[\"sentence-transformers\",");
	json_add_int(&b, c->id);
	buf_add_text(&b, ",\"educational_content\"]");
	return put(db, "core.tasks_embeddings.generate_embedding_task", &b);
}

static int propose(struct db_conn *db, void *arg)
{
	struct proposal *p = arg;
	int r = insert(db, p);

	if (r == 0)
		r = note(db, p);
	return r < 0 ? r : put_tasks(db, &p->content);
}

int content_create(struct db_conn *db, struct arena *arena, const struct account *author, const struct content *proposed,
                   struct content *ret_content)
{
	struct proposal p = { .author = author, .content = *proposed };
	int r = content_clean_title(arena, proposed->title, &p.content.title);

	if (r == 0)
		r = sanitize_text(arena, proposed->description, SANITIZE_TEXT, 0, &p.content.description);
	if (r < 0)
		return r;
	p.content.status = (struct str)STR("pending");
	p.content.created_at = clock_now();
	p.content.likes_count = p.content.comments_count = 0;
	r = db_write(db, propose, &p);
	if (r == 0)
		*ret_content = p.content;
	return r;
}

/* ---- reading to the end ---- */

struct consumption {
	const struct settings *settings;
	int64_t reader_id, content_id;
	struct json_text metadata;
};

static int consume(struct db_conn *db, void *arg)
{
	const struct consumption *c = arg;
	int64_t published, transaction;
	int r = db_select_int(db, "SELECT count(*) FROM core_educationalcontent WHERE id = $1 AND status = 'published'",
	                      DB_PARAMS(DB_INT(c->content_id)), &published);

	if (r < 0)
		return r;
	if (!published)
		return ERR_NOT_FOUND;
	return saka_harvest(db, c->settings, c->reader_id, SAKA_CONTENT_READ, NULL_INT, c->metadata, &transaction);
}

int content_consume(struct db_conn *db, const struct settings *settings, const struct account *reader, int64_t id,
                    struct json_text progress)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct consumption c = { settings, reader->id, id, { { NULL, 0 } } };

	buf_add_text(&b, "{\"content_id\":");
	json_add_int(&b, id);
	buf_add_text(&b, ",\"progress\":");
	json_add_json(&b, progress);
	buf_add_char(&b, '}');
	c.metadata.text = buf_view(&b);
	return b.failed ? ERR_NOMEM : db_write(db, consume, &c);
}

/* ---- exporting ---- */

static const struct db_column export_columns[] = {
	DB_COLUMN(struct content_export, id, INT, "c.id"),
	DB_COLUMN(struct content_export, title, TEXT, "c.title"),
	DB_COLUMN(struct content_export, slug, TEXT, "c.slug"),
	DB_COLUMN(struct content_export, type, TEXT, "c.type"),
	DB_COLUMN(struct content_export, status, TEXT, "c.status"),
	DB_COLUMN(struct content_export, category, TEXT, "c.category"),
	DB_COLUMN(struct content_export, description, TEXT, "c.description"),
	DB_COLUMN(struct content_export, author_id, INT, "c.author_id"),
	DB_COLUMN(struct content_export, author_username, TEXT, "u.username"),
	DB_COLUMN(struct content_export, anonymous_display_name, TEXT, "c.anonymous_display_name"),
	DB_COLUMN(struct content_export, external_url, TEXT, "c.external_url"),
	DB_COLUMN(struct content_export, created_at, TIME, "c.created_at"),
	DB_COLUMN(struct content_export, updated_at, TIME, "c.updated_at"),
	DB_COLUMN(struct content_export, published_at, TIME, "c.published_at"),
	DB_COLUMN(struct content_export, published_by_id, INT, "c.published_by_id"),
	DB_COLUMN(struct content_export, tags, JSON, "c.tags"),
	DB_COLUMN(struct content_export, project_id, INT, "c.project_id"),
};
static const struct db_row export_row = DB_ROW(struct content_export, export_columns);

int content_export_list(struct db_conn *db, struct arena *arena, struct str status, int64_t limit, int64_t offset,
                        struct db_rows *ret_exports)
{
	static const struct db_statement of_status = {
		"SELECT $cols FROM core_educationalcontent c LEFT JOIN auth_user u ON u.id = c.author_id WHERE c.status = $1 " NEWEST_FIRST
		"LIMIT $2 OFFSET $3",
		&export_row
	};

	return db_select(db, &of_status, DB_PARAMS(DB_TEXT(status), DB_INT(limit), DB_INT(offset)), arena, ret_exports);
}
