/*
 * Mean and covariance are kept up to date by Welford's method: it does not subtract large sums from each other, and equal
 * vectors have a covariance of exactly zero. Of the covariance, a symmetric matrix, the lower triangle is stored row after row,
 * so that one more dimension is one more row at the end; vectors that lacked it had zeros there, and so have mean and rows.
 *
 * A component is what a start vector becomes when it is multiplied by the matrix again and again, made orthogonal to the
 * components before it each time. Start vectors come from a generator with a fixed seed.
 */
#include "domain/components.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SEED       42
#define STEPS_MAX  1000
#define SETTLED    1e-24 /* how far, squared, the last step of an iteration may still turn its vector */
#define NOTHING    1e-12 /* a variance below this part of all is rounding */
#define ROUNDED_TO 1e6

struct components {
	size_t n;           /* vectors */
	size_t dimensions;  /* of the longest */
	size_t room;        /* dimensions that there is memory for */
	double *mean;       /* [room] */
	double *difference; /* [room]; of the vector that is being added */
	double *products;   /* lower triangle: row i begins at i (i + 1) / 2 */
	double *axes[COMPONENTS];
	struct place3 variances;
};

static size_t row_at(size_t i)
{
	return i * (i + 1) / 2;
}

struct components *components_create(void)
{
	return mem_alloc(sizeof(struct components));
}

static void forget_axes(struct components *c)
{
	for (size_t k = 0; k < COMPONENTS; k++) {
		free(c->axes[k]);
		c->axes[k] = NULL;
	}
}

void components_destroy(struct components *c)
{
	if (!c)
		return;
	forget_axes(c);
	free(c->mean);
	free(c->difference);
	free(c->products);
	free(c);
}

void components_destroyp(struct components **c)
{
	components_destroy(*c);
}

/* ---- adding ---- */

bool components_takes(const double *values, size_t n)
{
	if (n == 0 || n > COMPONENTS_DIMENSIONS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!(fabs(values[i]) <= COMPONENTS_VALUE_MAX))
			return false;
	return true;
}

/* The block grown from old to n numbers, the new ones 0. */
static bool grow(double **block, size_t old, size_t n)
{
	double *grown = mem_realloc(*block, n * sizeof(*grown));

	if (!grown)
		return false;
	memset(grown + old, 0, (n - old) * sizeof(*grown));
	*block = grown;
	return true;
}

static int widen(struct components *c, size_t dimensions)
{
	if (dimensions > c->room) {
		if (!grow(&c->mean, c->room, dimensions) || !grow(&c->difference, c->room, dimensions) ||
		    !grow(&c->products, row_at(c->room), row_at(dimensions)))
			return ERR_NOMEM;
		c->room = dimensions;
	}
	if (dimensions > c->dimensions)
		c->dimensions = dimensions;
	return 0;
}

int components_add(struct components *c, const double *values, size_t n)
{
	double weight;

	if (widen(c, n) < 0)
		return ERR_NOMEM;
	weight = (double)c->n / (double)(c->n + 1);
	c->n++;
	for (size_t i = 0; i < c->dimensions; i++) {
		c->difference[i] = (i < n ? values[i] : 0) - c->mean[i];
		c->mean[i] += c->difference[i] / (double)c->n;
	}
	for (size_t i = 0; i < c->dimensions; i++) {
		double *row = c->products + row_at(i), factor = weight * c->difference[i];

		for (size_t j = 0; factor != 0 && j <= i; j++)
			row[j] += factor * c->difference[j];
	}
	return 0;
}

size_t components_count(const struct components *c)
{
	return c->n;
}

/* ---- finding ---- */

/* A generator of our own (splitmix64), so that the places are the same on every system. -1 to 1. */
static double next_number(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) / 4503599627370496.0 - 1; /* 2^52 */
}

static double product(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Takes the components before number k out of a vector; what is left. */
static double clear_axes(const struct components *c, size_t k, double *vector)
{
	for (size_t i = 0; i < k; i++) {
		double along = product(vector, c->axes[i], c->dimensions);

		for (size_t j = 0; j < c->dimensions; j++)
			vector[j] -= along * c->axes[i][j];
	}
	return sqrt(product(vector, vector, c->dimensions));
}

/* to = covariance × from. */
static void multiply(const struct components *c, const double *from, double *to)
{
	memset(to, 0, c->dimensions * sizeof(*to));
	for (size_t i = 0; i < c->dimensions; i++) {
		const double *row = c->products + row_at(i);
		double sum = row[i] * from[i];

		for (size_t j = 0; j < i; j++) {
			sum += row[j] * from[j];
			to[j] += row[j] * from[i];
		}
		to[i] += sum;
	}
}

/* The sum of all variances; 0: the vectors are equal. */
static double trace(const struct components *c)
{
	double sum = 0;

	for (size_t i = 0; i < c->dimensions; i++)
		sum += c->products[row_at(i) + i];
	return sum;
}

static void divide(double *vector, size_t n, double by)
{
	for (size_t i = 0; i < n; i++)
		vector[i] /= by;
}

static double distance(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

/* Its largest number is above 0: which of two opposite directions it is must not be chance. */
static void set_sign(double *vector, size_t n)
{
	size_t largest = 0;

	for (size_t i = 1; i < n; i++)
		if (fabs(vector[i]) > fabs(vector[largest]))
			largest = i;
	if (vector[largest] < 0)
		divide(vector, n, -1);
}

struct search {
	struct components *c;
	double all; /* trace */
	bool (*late)(void *arg);
	void *arg;
	uint64_t state;
	double *next; /* [dimensions] */
};

/* One step: axis × matrix, of length 1; how far it has turned. Negative: there is nothing in these directions. */
static double turn(struct search *s, size_t k, double *axis, double *ret_variance)
{
	size_t n = s->c->dimensions;
	double length, turned;

	multiply(s->c, axis, s->next);
	divide(s->next, n, s->all); /* so that its length does not overflow */
	length = clear_axes(s->c, k, s->next);
	if (!(length > NOTHING))
		return -1;
	divide(s->next, n, length);
	clear_axes(s->c, k, s->next); /* what rounding has left */
	turned = distance(axis, s->next, n);
	memcpy(axis, s->next, n * sizeof(*axis));
	*ret_variance = length;
	return turned;
}

/* Component number k, into axes[k], all 0 when there is none. */
static int find_axis(struct search *s, size_t k)
{
	struct components *c = s->c;
	double *axis = c->axes[k], variance = 0, turned = 1;

	for (size_t i = 0; i < c->dimensions; i++)
		axis[i] = next_number(&s->state);
	divide(axis, c->dimensions, clear_axes(c, k, axis));
	for (size_t i = 0; i < STEPS_MAX && turned > SETTLED; i++) {
		if (s->late && s->late(s->arg))
			return ERR_TIMEOUT;
		turned = turn(s, k, axis, &variance);
	}
	if (turned < 0)
		memset(axis, 0, c->dimensions * sizeof(*axis));
	else
		set_sign(axis, c->dimensions);
	c->variances.at[k] = turned < 0 ? 0 : variance * s->all / (double)c->n;
	return 0;
}

/* Two variances that are nearly the same may be found in the wrong order. */
static void sort_axes(struct components *c)
{
	for (size_t k = 1; k < COMPONENTS; k++)
		for (size_t i = k; i > 0 && c->variances.at[i - 1] < c->variances.at[i]; i--) {
			double variance = c->variances.at[i], *axis = c->axes[i];

			c->variances.at[i] = c->variances.at[i - 1];
			c->axes[i] = c->axes[i - 1];
			c->variances.at[i - 1] = variance;
			c->axes[i - 1] = axis;
		}
}

static int find_axes(struct search *s)
{
	struct components *c = s->c;
	size_t n = c->dimensions < COMPONENTS ? c->dimensions : COMPONENTS;
	int r = 0;

	for (size_t k = 0; k < COMPONENTS; k++)
		if (!(c->axes[k] = mem_array(c->dimensions + 1, sizeof(double))))
			return ERR_NOMEM;
	for (size_t k = 0; k < n && r == 0 && s->all > 0; k++)
		r = find_axis(s, k);
	sort_axes(c);
	return r;
}

int components_find(struct components *c, bool (*late)(void *arg), void *arg)
{
	struct search s = { .c = c, .all = trace(c), .late = late, .arg = arg, .state = SEED };
	int r = ERR_NOMEM;

	forget_axes(c);
	c->variances = (struct place3){ { 0 } };
	s.next = mem_array(c->dimensions + 1, sizeof(double));
	if (s.next)
		r = find_axes(&s);
	free(s.next);
	return r;
}

struct place3 components_variances(const struct components *c)
{
	return c->variances;
}

/* ---- placing ---- */

struct place3 components_place(const struct components *c, const double *values, size_t n)
{
	struct place3 place = { { 0 } };

	for (size_t k = 0; k < COMPONENTS; k++)
		for (size_t i = 0; i < c->dimensions; i++)
			place.at[k] += c->axes[k][i] * ((i < n ? values[i] : 0) - c->mean[i]);
	return place;
}

double place3_farthest(struct place3 place)
{
	return fmax(fabs(place.at[0]), fmax(fabs(place.at[1]), fabs(place.at[2])));
}

struct place3 place3_scaled(struct place3 place, double farthest)
{
	for (size_t k = 0; k < COMPONENTS; k++) {
		double part = farthest > 0 ? place.at[k] / farthest : 0;

		place.at[k] = round(part * COMPONENTS_EDGE * ROUNDED_TO) / ROUNDED_TO + 0.0; /* + 0.0: no negative zero */
	}
	return place;
}
