/*
 * Contents (articles, podcasts …): reading what a caller may see, proposing one, exporting, reading to the end. What editors
 * do with them: domain/content_workflow.h. Source: content.md 1, 9, 11; database.md core_educationalcontent. Errors are
 * those of db_select and db_write besides those named; texts live in the arena. The connection's thread, not inside db_write.
 */
#ifndef DOMAIN_CONTENT_H
#define DOMAIN_CONTENT_H

#include "base/settings.h"
#include "db/db.h"
#include "domain/account.h"

struct content {
	int64_t id;
	struct str title, slug, type, status, description, external_url;
	struct str file; /* path under the media root; null or empty: none */
	struct instant created_at;
	int64_t likes_count, comments_count;
};

/* Which contents: every absent text is no condition. */
struct content_filter {
	struct str status;   /* exact */
	struct str category; /* exact */
};

/*
 * What the viewer sees: nobody signed in (NULL), the published ones; editors, all; anybody else, the published ones and his own.
 */

/* The number of visible contents. */
int content_count(struct db_conn *, const struct account *viewer, const struct content_filter *, int64_t *ret_count);

/* Visible contents, newest first, from row offset; limit < 0 = all. */
int content_list(struct db_conn *, struct arena *, const struct account *viewer, const struct content_filter *, int64_t limit,
                 int64_t offset, struct db_rows *ret_contents);

/* One visible content; ERR_NOT_FOUND. */
int content_find(struct db_conn *, struct arena *, const struct account *viewer, int64_t id, struct content *ret_content);

#define CONTENT_TITLE_CHARS 255

/* A title as it would be stored; ERR_INVALID when nothing is left of it. */
int content_clean_title(struct arena *, struct str title, struct str *ret_title);

/* Whether a content has this slug already. */
int content_slug_exists(struct db_conn *, struct str slug, bool *ret_exists);

/*
 * Stores what the author proposes, title and description made harmless, with status "pending", an audit entry, and the
 * tasks that look at its file and its text, all in one transaction. The members title, slug, type, description,
 * external_url and file are read; *ret_content is the row. ERR_INVALID (title), ERR_CONFLICT (the slug exists).
 */
int content_create(struct db_conn *, struct arena *, const struct account *author, const struct content *proposed,
                   struct content *ret_content);

/*
 * The reader has come to the end of a published content (progress, JSON of a number, is noted): rewarded with grains as
 * saka_harvest rewards, which may be not at all. ERR_NOT_FOUND: not published.
 */
int content_consume(struct db_conn *, const struct settings *, const struct account *reader, int64_t id, struct json_text progress);

/* A content with everything that an export tells of it. */
struct content_export {
	int64_t id;
	struct str title, slug, type, status, category, description;
	int64_t author_id;          /* may be null */
	struct str author_username; /* null: no author */
	struct str anonymous_display_name, external_url;
	struct instant created_at, updated_at, published_at; /* the last may be null */
	int64_t published_by_id;                             /* may be null */
	struct json_text tags;
	int64_t project_id; /* may be null */
};

/* Contents of this exact status, newest first. */
int content_export_list(struct db_conn *, struct arena *, struct str status, int64_t limit, int64_t offset, struct db_rows *ret_exports);

#endif
