/*
 * Principal components of many vectors, three of them, found by power iteration: where vectors lie when they are looked at in
 * three dimensions. Vectors come one after the other and are not kept: memory is one number for each pair of dimensions, so
 * it does not grow with their number. The same vectors in the same order give the same places. One thread at a time.
 */
#ifndef DOMAIN_COMPONENTS_H
#define DOMAIN_COMPONENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define COMPONENTS                3
#define COMPONENTS_DIMENSIONS_MAX 4096  /* of a vector: 64 MiB of memory */
#define COMPONENTS_VALUE_MAX      1e100 /* of a number in it: products of two must stay numbers */
#define COMPONENTS_EDGE           10.0  /* places lie within ±this */

/* A place; also a vector's lengths along the components. */
struct place3 {
	double at[COMPONENTS];
};

struct components;

/* NULL without memory. */
struct components *components_create(void);
void components_destroy(struct components *); /* NULL is fine */
void components_destroyp(struct components **);

/* Whether numbers can be added: at least one, no more than the most, none beyond the largest, not a number or infinite. */
bool components_takes(const double *values, size_t n);

/*
 * Adds a vector that components_takes. One that is shorter than others is as one with zeros at its end, whichever came first.
 * ERR_NOMEM: it was not added.
 */
int components_add(struct components *, const double *values, size_t n);

size_t components_count(const struct components *); /* of the vectors added */

/*
 * Finds them, after the last addition. Directions in which the vectors do not differ are no components: along them all places
 * are 0. late (may be NULL) is asked between steps: true ends it with ERR_TIMEOUT. ERR_NOMEM.
 */
int components_find(struct components *, bool (*late)(void *arg), void *arg);

/* The variance along each component, largest first. After components_find. */
struct place3 components_variances(const struct components *);

/* Where a vector lies. One that is longer than all that were added is looked at as far as they went. After components_find. */
struct place3 components_place(const struct components *, const double *values, size_t n);

/* How far out it lies along an axis, at most. */
double place3_farthest(struct place3);

/* Stretched so that the one which lies this far out comes to lie at ±COMPONENTS_EDGE; six decimals. 0: they are all in the middle. */
struct place3 place3_scaled(struct place3, double farthest);

#endif
