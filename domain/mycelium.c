/*
 * The first reading adds every vector to the components, the second asks where each of them lies. Rows that come or change
 * between the two are placed as well as those are that come after the second.
 */
#include "domain/mycelium.h"

#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/mem.h"

#define PART_ROWS  64
#define PART_BYTES ((size_t)64 * 1024 * 1024)

/* What is longer than this many characters is not looked at: 4096 numbers take 100 KB. */
#define SHORT(text) "CASE WHEN LENGTH(" text ") <= 262144 THEN embedding END"

struct vector_row {
	int64_t id;
	struct json_text embedding; /* null: too long */
};

#define VECTOR_COLUMNS(text) DB_COLUMN(struct vector_row, id, INT, "id"), DB_COLUMN(struct vector_row, embedding, JSON, SHORT(text))

static const struct db_column vector_columns[] = { VECTOR_COLUMNS("CAST(embedding AS text)") };
static const struct db_row vector_row = DB_ROW(struct vector_row, vector_columns);

/* ---- reading ---- */

struct reading {
	struct db_conn *db;
	bool (*late)(void *arg);
	void *arg;
	struct components *components;
	struct mycelium *mycelium;
	/* of one row */
	int (*use)(struct reading *, unsigned kind, int64_t id, struct semantic_vector);
};

static int select_part(struct db_conn *db, unsigned kind, int64_t after, struct arena *arena, struct db_rows *ret_rows)
{
	static const struct db_statement projects = {
		"SELECT $cols FROM core_projet WHERE embedding IS NOT NULL AND id > $1 ORDER BY id LIMIT $2", &vector_row
	};
	static const struct db_statement contents = { "SELECT $cols FROM core_educationalcontent WHERE status = 'published' AND embedding "
		                                      "IS NOT NULL AND id > $1 ORDER BY id LIMIT $2",
		                                      &vector_row };

	return db_select(db, kind == SEMANTIC_PROJECTS ? &projects : &contents, DB_PARAMS(DB_INT(after), DB_INT(PART_ROWS)), arena,
	                 ret_rows);
}

static int use_part(struct reading *reading, unsigned kind, struct arena *arena, const struct db_rows *part)
{
	const struct vector_row *rows = part->items;
	int r = 0;

	for (size_t i = 0; r == 0 && i < part->n; i++) {
		struct semantic_vector vector;

		r = embedding_vector(arena, rows[i].embedding, &vector);
		if (r == 0 && components_takes(vector.values, vector.n))
			r = reading->use(reading, kind, rows[i].id, vector);
		else
			reading->mycelium->left_out++;
	}
	return r;
}

static int read_kind(struct reading *reading, unsigned kind, struct arena *arena)
{
	int64_t last = -INT64_MAX;
	struct db_rows part = { NULL, 1 };
	int r = 0;

	while (r == 0 && part.n) {
		if (reading->late(reading->arg))
			return ERR_TIMEOUT;
		arena_reset(arena);
		part.n = 0;
		r = select_part(reading->db, kind, last, arena, &part);
		if (r == 0 && part.n)
			last = ((const struct vector_row *)part.items)[part.n - 1].id;
		if (r == 0)
			r = use_part(reading, kind, arena, &part);
	}
	return r;
}

static int read_all(struct reading *reading, unsigned kinds)
{
	struct arena arena;
	int r = 0;

	arena_init(&arena, PART_BYTES);
	reading->mycelium->left_out = 0;
	if (kinds & SEMANTIC_PROJECTS)
		r = read_kind(reading, SEMANTIC_PROJECTS, &arena);
	if (r == 0 && kinds & SEMANTIC_CONTENTS)
		r = read_kind(reading, SEMANTIC_CONTENTS, &arena);
	arena_finish(&arena);
	return r;
}

/* ---- placing ---- */

static int add(struct reading *reading, unsigned kind, int64_t id, struct semantic_vector vector)
{
	return components_add(reading->components, vector.values, vector.n);
}

static int make_room(struct mycelium *m)
{
	size_t room = m->room ? m->room * 2 : 256;
	struct mycelium_place *places;

	if (m->n < m->room)
		return 0;
	places = mem_realloc(m->places, room * sizeof(*places));
	if (!places)
		return ERR_NOMEM;
	m->places = places;
	m->room = room;
	return 0;
}

static int place(struct reading *reading, unsigned kind, int64_t id, struct semantic_vector vector)
{
	struct mycelium *m = reading->mycelium;

	if (make_room(m) < 0)
		return ERR_NOMEM;
	m->places[m->n++] = (struct mycelium_place){ kind, id, components_place(reading->components, vector.values, vector.n) };
	return 0;
}

static void scale(struct mycelium *m)
{
	double farthest = 0;

	for (size_t i = 0; i < m->n; i++)
		farthest = fmax(farthest, place3_farthest(m->places[i].place));
	for (size_t i = 0; i < m->n; i++)
		m->places[i].place = place3_scaled(m->places[i].place, farthest);
}

int mycelium_work_out(struct db_conn *db, unsigned kinds, bool (*late)(void *arg), void *arg, struct mycelium *ret_mycelium)
{
	CLEANUP(components_destroyp) struct components *components = components_create();
	struct reading reading = { db, late, arg, components, ret_mycelium, add };
	int r;

	*ret_mycelium = (struct mycelium){ NULL, 0, 0, 0 };
	if (!components)
		return ERR_NOMEM;
	r = read_all(&reading, kinds);
	if (r == 0)
		r = components_find(components, late, arg);
	reading.use = place;
	if (r == 0)
		r = read_all(&reading, kinds);
	if (r == 0)
		scale(ret_mycelium);
	return r;
}

void mycelium_finish(struct mycelium *m)
{
	free(m->places);
	*m = (struct mycelium){ NULL, 0, 0, 0 };
}

/* ---- writing ---- */

#define STORE(table)                                                                                                                     \
	{                                                                                                                                \
		.sqlite = "UPDATE " table " SET embedding = JSON_SET(embedding, '$.coordinates_3d', JSON($2)) WHERE id = $1 AND "        \
		          "JSON_TYPE(embedding) = 'object'",                                                                             \
		.postgresql = "UPDATE " table " SET embedding = JSONB_SET(embedding, '{coordinates_3d}', CAST($2 AS jsonb)) WHERE id = " \
		              "$1 AND jsonb_typeof(embedding) = 'object'",                                                               \
	}

static int store(struct db_conn *db, const struct mycelium_place *p)
{
	static const struct db_statement project = STORE("core_projet"), content = STORE("core_educationalcontent");
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (size_t k = 0; k < COMPONENTS; k++) {
		buf_addf(&b, "%s\"%c\": ", k ? ", " : "{", "xyz"[k]);
		json_add_float(&b, p->place.at[k]);
	}
	buf_add_char(&b, '}');
	if (b.failed)
		return ERR_NOMEM;
	return db_execute(db, p->kind == SEMANTIC_PROJECTS ? &project : &content,
	                  DB_PARAMS(DB_INT(p->id), DB_JSON((struct json_text){ buf_view(&b) })), NULL);
}

static int store_part(struct db_conn *db, void *arg)
{
	const struct mycelium *part = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < part->n; i++)
		r = store(db, &part->places[i]);
	return r;
}

int mycelium_store(struct db_conn *db, const struct mycelium *m, bool (*late)(void *arg), void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i += PART_ROWS) {
		struct mycelium part = { .places = m->places + i, .n = m->n - i < PART_ROWS ? m->n - i : PART_ROWS };

		r = late(arg) ? ERR_TIMEOUT : db_write(db, store_part, &part);
	}
	return r;
}
