/*
 * The contents are read in pieces into an arena that is emptied after each, so that only what is reported is kept: a site
 * with many long texts takes no more memory than one with few.
 */
#include "domain/content_compliance.h"

#include "base/mem.h"

#define PIECE             100
#define PIECE_LIMIT_BYTES (512 * 1024 * 1024) /* a piece of the longest texts that a body can bring */

/* A list that grows outside of the arenas. */
struct found {
	struct content_violation *items;
	size_t n, capacity;
};

static void found_finish(struct found *found)
{
	free(found->items);
}

static int add(struct found *found, const struct content_violation *v)
{
	size_t capacity = found->capacity ? found->capacity * 2 : 16;
	void *items;

	if (found->n == found->capacity) {
		items = mem_realloc(found->items, capacity * sizeof(*found->items));
		if (!items)
			return ERR_NOMEM;
		found->items = items;
		found->capacity = capacity;
	}
	found->items[found->n++] = *v;
	return 0;
}

/* Moves what a violation points to into the arena that stays. */
static int keep(struct arena *arena, struct content_violation *v)
{
	struct charter_hit *hits = arena_alloc(arena, v->n_hits * sizeof(*hits) + 1);

	v->title = arena_str(arena, v->title);
	v->slug = arena_str(arena, v->slug);
	if (!hits || !v->title.s || !v->slug.s)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->n_hits; i++) {
		hits[i] = v->hits[i];
		hits[i].snippet = arena_str(arena, v->hits[i].snippet);
		if (!hits[i].snippet.s)
			return ERR_NOMEM;
	}
	v->hits = hits;
	return 0;
}

static int check(struct arena *arena, struct arena *piece, const struct content *c, struct found *found)
{
	const struct charter_subject subject = { .title = c->title, .description = c->description };
	struct content_violation v = { .id = c->id, .title = c->title, .slug = c->slug };
	int r = charter_financial_language(piece, &subject, &v.hits, &v.n_hits);

	v.missing_source = !c->external_url.len && !c->file.len;
	if (r < 0 || (!v.n_hits && !v.missing_source))
		return r;
	r = keep(arena, &v);
	return r < 0 ? r : add(found, &v);
}

/* *ret_n: how many contents the piece had. */
static int check_piece(struct db_conn *db, struct arena *arena, struct arena *piece, int64_t offset, struct found *found, size_t *ret_n)
{
	static const struct content_filter published = { .status = STR("published") };
	const struct content *contents;
	struct db_rows rows;
	int r = content_list(db, piece, NULL, &published, PIECE, offset, &rows);

	*ret_n = 0;
	if (r < 0)
		return r;
	contents = rows.items;
	*ret_n = rows.n;
	for (size_t i = 0; i < rows.n && r == 0; i++)
		r = check(arena, piece, &contents[i], found);
	return r;
}

int content_check_compliance(struct db_conn *db, struct arena *arena, struct content_compliance *ret_compliance)
{
	struct found found CLEANUP(found_finish) = { NULL, 0, 0 };
	struct content_compliance result = { 0 };
	struct arena piece;
	size_t n = PIECE;
	int r = 0;

	arena_init(&piece, PIECE_LIMIT_BYTES);
	while (r == 0 && n == PIECE) {
		r = check_piece(db, arena, &piece, result.published, &found, &n);
		result.published += (int64_t)n;
		arena_reset(&piece);
	}
	arena_finish(&piece);
	if (r < 0)
		return r;
	result.n_violations = found.n;
	result.violations = arena_alloc(arena, found.n * sizeof(*found.items) + 1);
	if (!result.violations)
		return ERR_NOMEM;
	if (found.n)
		memcpy(result.violations, found.items, found.n * sizeof(*found.items));
	*ret_compliance = result;
	return 0;
}
