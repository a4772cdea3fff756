/*
 * Nearness of meaning: search, and what is near a project or a content, by the vectors that tasks store in the column embedding
 * ({"model", "dimension", "vector"}); and where these lie in space (mycelium). Source: projects.md 3, 4. Results live in the
 * arena, most similar first; errors are those of db_select.
 */
#ifndef DOMAIN_SEMANTIC_H
#define DOMAIN_SEMANTIC_H

#include "base/random.h"
#include "cache/cache.h"
#include "db/db.h"
#include "domain/account.h"
#include "domain/embedding.h"

/* One found thing. */
struct semantic_hit {
	bool is_content; /* else a project */
	int64_t id;
	struct str title;
	struct str description; /* its first 200 characters; absent among suggestions */
	struct str slug;        /* of a content */
	double similarity;
};

#define SEMANTIC_UNKNOWN 0.5 /* the similarity of what has no vector to compare */

/* Who gives a search its vector: somebody above who may ask an outside service (tasks/query_embedder.h). Any thread; n 0: none. */
struct semantic_embedder {
	struct semantic_vector (*embed)(void *arg, struct redis_budget *, struct str text, struct arena *);
	void *arg;
};

/*
 * Projects, and published contents, whose title or description holds the text: of each kind the newest ten. A hit with a vector
 * as long as the query's is as similar as their cosine says, any other SEMANTIC_UNKNOWN.
 */
int semantic_search(struct db_conn *, struct arena *, struct str text, unsigned kinds, struct semantic_vector query,
                    struct db_rows *ret_hits);

#define SEMANTIC_LIMIT_MAX 50

/* Published contents near a project, projects near a content that the viewer may see; none when it is unknown, or has no vector. */
int semantic_near_project(struct db_conn *, struct arena *, int64_t project_id, size_t limit, struct db_rows *ret_hits);
int semantic_near_content(struct db_conn *, struct arena *, const struct account *viewer, int64_t content_id, size_t limit,
                          struct db_rows *ret_hits);

/* A project or published content that has coordinates, newest first. */
struct semantic_point {
	int64_t id;
	struct str title, description; /* description: its first 200 characters */
	struct str type, slug;         /* of a content */
	double x, y, z;
};

int semantic_points(struct db_conn *, struct arena *, enum semantic_kind, struct db_rows *ret_points);

#define SEMANTIC_REDUCTION_TASK "core.tasks_mycelium.reduce_embeddings_to_3d" /* content_type, method */

/* In a closure: asks a task for new coordinates; ret_id gets its id. Errors of outbox_put. */
int semantic_put_reduction(struct db_conn *, struct str content_type, struct str method, char ret_id[UUID_TEXT_SIZE]);

/* The same in a transaction of its own. Errors of db_write. */
int semantic_ask_points(struct db_conn *, struct str content_type, struct str method, char ret_id[UUID_TEXT_SIZE]);

#endif
