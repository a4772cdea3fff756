/*
 * Vectors of projects and contents, in their column embedding: {"model", "dimension", "vector"}, and "coordinates_3d" once the
 * mycelium has placed them (domain/mycelium.h). Which text a vector is of, storing and reading it; making it is for tasks.
 * Source: tasks.md 1; content.md 6. Texts live in the arena; errors are those of db_select and db_execute besides those named.
 */
#ifndef DOMAIN_EMBEDDING_H
#define DOMAIN_EMBEDDING_H

#include <jansson.h>

#include "db/db.h"

enum semantic_kind { SEMANTIC_PROJECTS = 1, SEMANTIC_CONTENTS = 2 };

/* The kind that tasks call "projet" or "educational_content"; 0: there is none of that name. */
unsigned embedding_kind(struct str content_type);

/* Numbers of one text; n 0: none. */
struct semantic_vector {
	const double *values;
	size_t n;
};

/* ---- what is stored ---- */

/* The column as JSON, all its numbers reals; NULL when it is null, or no JSON. The caller's. */
json_t *embedding_parse(struct json_text embedding);

/* Its vector, in the arena; n 0: there is none, or no list of numbers. ERR_NOMEM. */
int embedding_vector(struct arena *, struct json_text embedding, struct semantic_vector *ret_vector);

/* ---- making one ---- */

#define SOURCE_HASH_SIZE 65

/* SHA-256 of title, line feed and description as they are stored, 64 hexadecimal digits: whether a text has changed. ERR_NOMEM. */
int embedding_hash(struct str title, struct str description, char ret_hash[SOURCE_HASH_SIZE]);

/* The text of a row. */
struct embedding_source {
	unsigned kind; /* of enum semantic_kind */
	int64_t id;
	struct str text; /* title, space, description, as they were written: a content's are stored as HTML */
	char hash[SOURCE_HASH_SIZE];
	bool unchanged; /* a content has the vector of this very text; of projects no hash is kept */
};

/* ERR_NOT_FOUND: there is no such row. */
int embedding_find_source(struct db_conn *, struct arena *, unsigned kind, int64_t id, struct embedding_source *ret_source);

/* In a closure: stores the vector that was made of the source; what was there goes. ERR_NOT_FOUND: the row is gone. */
int embedding_store(struct db_conn *, const struct embedding_source *, const char *model, struct semantic_vector vector);

#define EMBEDDING_TASK "core.tasks_embeddings.generate_embedding_task" /* model_name, content_id, content_type */

/* In a closure: asks for this task for each row that has no vector; *ret_count is how many. Errors of outbox_put. */
int embedding_ask_missing(struct db_conn *, unsigned kind, struct str model_name, int64_t *ret_count);

#endif
