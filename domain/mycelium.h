/*
 * Places of projects and published contents in three dimensions, by the principal components of their vectors, as
 * coordinates_3d in their column embedding. Source: projects.md 4; tasks.md 1. Everything is read twice, some rows at a time:
 * memory grows with the vectors' length, and by 40 bytes for each row. Errors are those of db_select besides those named.
 */
#ifndef DOMAIN_MYCELIUM_H
#define DOMAIN_MYCELIUM_H

#include "domain/components.h"
#include "domain/embedding.h"

struct mycelium_place {
	unsigned kind;
	int64_t id;
	struct place3 place;
};

struct mycelium {
	struct mycelium_place *places; /* projects first, each kind by id */
	size_t n, room;
	size_t left_out; /* rows whose embedding has no vector that components_takes, or is too long to be one */
};

/*
 * Works out the places of all rows of these kinds (bits of enum semantic_kind), -10 to 10. late(arg) is asked between steps: true ends
 * it with ERR_TIMEOUT. *ret_mycelium is to be freed with mycelium_finish, also after an error. ERR_NOMEM.
 */
int mycelium_work_out(struct db_conn *, unsigned kinds, bool (*late)(void *arg), void *arg, struct mycelium *ret_mycelium);

/*
 * Writes the places, some at a time, each time in a transaction of its own: nobody who changes a project waits long for it. What has
 * been written stays when it ends early, and is written again by the next one. A row that has lost its embedding meanwhile gets no
 * place; one whose vector has been replaced gets the place of the one before. late as above. Errors of db_write.
 */
int mycelium_store(struct db_conn *, const struct mycelium *, bool (*late)(void *arg), void *arg);

void mycelium_finish(struct mycelium *);

#endif
