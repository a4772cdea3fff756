/*
 * Contents (articles, podcasts …): reading what a caller may see. Source: content.md 1, 11; database.md
 * core_educationalcontent. Errors are those of db_select; texts live in the arena.
 */
#ifndef DOMAIN_CONTENT_H
#define DOMAIN_CONTENT_H

#include "db/db.h"

struct content {
	int64_t id;
	struct str title, slug, type, status, description, external_url;
	struct str file; /* path under the media root; null or empty: none */
	struct instant created_at;
	int64_t likes_count, comments_count;
};

/* Which contents: every absent text is no condition. Anonymous callers see published ones only, whatever is asked. */
struct content_filter {
	struct str status;   /* exact */
	struct str category; /* exact */
};

/* The number of visible contents. */
int content_count(struct db_conn *, const struct content_filter *, int64_t *ret_count);

/* Visible contents, newest first, from row offset; limit < 0 = all. */
int content_list(struct db_conn *, struct arena *, const struct content_filter *, int64_t limit, int64_t offset,
                 struct db_rows *ret_contents);

/* One visible content; ERR_NOT_FOUND. */
int content_find(struct db_conn *, struct arena *, int64_t id, struct content *ret_content);

#endif
