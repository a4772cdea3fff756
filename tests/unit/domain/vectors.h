/* Projects and contents with and without vectors. */
#ifndef TESTS_UNIT_DOMAIN_VECTORS_H
#define TESTS_UNIT_DOMAIN_VECTORS_H

#include "domain/embedding.h"
#include "tests/unit/domain/fixture.h"

#define EMBEDDING(vector) "'{\"model\": \"m\", \"dimension\": 2, \"vector\": " vector "}'"

/* A higher id is a later day of January. */
static inline void add_project(struct fixture *f, int id, const char *titre, const char *description, const char *embedding)
{
	char *sql;

	assert_true(
	        asprintf(&sql,
	                 "INSERT INTO core_projet (id, titre, description, created_at, embedding, saka_score, saka_supporters_count, "
	                 "active_oracles, funding_type, donation_goal, investment_goal) VALUES (%d, '%s', '%s', '2026-01-%02d 00:00:00', "
	                 "%s, 0, 0, '[]', 'DONATION', 0, 0)",
	                 id, titre, description, id, embedding) > 0);
	write_rows(f, sql);
	free(sql);
}

static inline void add_content(struct fixture *f, int id, const char *status, const char *title, const char *embedding)
{
	char *sql;

	assert_true(asprintf(&sql,
	                     "INSERT INTO core_educationalcontent (id, title, slug, type, status, anonymous_display_name, description, "
	                     "external_url, created_at, updated_at, category, tags, embedding, audio_source_hash, embedding_source_hash) "
	                     "VALUES (%d, '%s', 'slug-%d', 'article', '%s', '', 'texte', '', '2026-01-%02d 00:00:00', "
	                     "'2026-01-01 00:00:00', '', '[]', %s, '', '')",
	                     id, title, id, status, id, embedding) > 0);
	write_rows(f, sql);
	free(sql);
}

static inline int64_t count_of(struct fixture *f, const char *sql)
{
	int64_t n = 0;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

struct embedding_row {
	struct json_text embedding;
};

/* The column embedding of a row, parsed; the caller's. */
static inline json_t *embedding_in(struct fixture *f, unsigned kind, int64_t id)
{
	static const struct db_column columns[] = { DB_COLUMN(struct embedding_row, embedding, JSON, "embedding") };
	static const struct db_row row = DB_ROW(struct embedding_row, columns);
	static const struct db_statement project = { "SELECT $cols FROM core_projet WHERE id = $1", &row };
	static const struct db_statement content = { "SELECT $cols FROM core_educationalcontent WHERE id = $1", &row };
	struct embedding_row found;

	assert_ok(db_select_one(f->conn, kind == SEMANTIC_PROJECTS ? &project : &content, DB_PARAMS(DB_INT(id)), &f->arena, &found));
	return embedding_parse(found.embedding);
}

#endif
