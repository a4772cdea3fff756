#include "domain/embedding.h"

#include "domain/semantic.h"
#include "tests/unit/domain/messages.h"
#include "tests/unit/domain/vectors.h"

static struct embedding_source source_of(struct fixture *f, unsigned kind, int64_t id)
{
	struct embedding_source source;

	assert_ok(embedding_find_source(f->conn, &f->arena, kind, id, &source));
	return source;
}

struct storing {
	const struct embedding_source *source;
	struct semantic_vector vector;
};

static int store(struct db_conn *db, void *arg)
{
	const struct storing *s = arg;

	return embedding_store(db, s->source, "a-model", s->vector);
}

static int store_in(struct fixture *f, const struct embedding_source *source, const double *values, size_t n)
{
	return db_write(f->conn, store, &(struct storing){ source, { values, n } });
}

static void test_embedding__kinds_by_name(void **state)
{
	assert_int_equal(embedding_kind(TEXT("projet")), SEMANTIC_PROJECTS);
	assert_int_equal(embedding_kind(TEXT("educational_content")), SEMANTIC_CONTENTS);
	assert_int_equal(embedding_kind(TEXT("both")), 0);
	assert_int_equal(embedding_kind(NOTHING), 0);
}

/* printf 'Le sol\nvivant' | sha256sum */
static void test_embedding__hash(void **state)
{
	char hash[SOURCE_HASH_SIZE];

	assert_int_equal(embedding_hash(TEXT("Le sol"), TEXT("vivant"), hash), 0);
	assert_string_equal(hash, "aa7e7777b07a4621706f715cb3b8e91be71a167486340a5549a0a19575af38cb");
	assert_int_equal(embedding_hash(TEXT("Le sol"), NOTHING, hash), 0);
	fault_arm(FAULT_ALLOC, 1, true);
	assert_int_equal(embedding_hash(TEXT("Le sol"), TEXT("vivant"), hash), ERR_NOMEM);
}

/* Model, dimension and numbers of a row. */
static void assert_embedding(struct fixture *f, unsigned kind, int64_t id, const double *values, size_t n)
{
	json_t *embedding = embedding_in(f, kind, id);
	const json_t *vector = json_object_get(embedding, "vector");

	assert_int_equal(json_object_size(embedding), 3);
	assert_string_equal(json_string_value(json_object_get(embedding, "model")), "a-model");
	assert_true(json_number_value(json_object_get(embedding, "dimension")) == (double)n);
	assert_int_equal(json_array_size(vector), n);
	for (size_t i = 0; i < n; i++)
		assert_true(json_number_value(json_array_get(vector, i)) == values[i]);
	json_decref(embedding);
}

static const double numbers[] = { 0.5, -1, 3e-7, 0.1 };

static void test_embedding__of_a_project(void **state)
{
	struct fixture *f = *state;
	struct embedding_source source;

	add_project(f, 7, "Le sol &amp; l''eau", "vivant", "'{\"vector\": [1], \"coordinates_3d\": {\"x\": 1}}'");
	write_rows(f, "UPDATE core_projet SET saka_score = 5 WHERE id = 7");
	source = source_of(f, SEMANTIC_PROJECTS, 7);
	assert_text(source.text, "Le sol &amp; l'eau vivant"); /* projects are stored as they were written */
	assert_false(source.unchanged);
	assert_ok(store_in(f, &source, numbers, 4));
	assert_embedding(f, SEMANTIC_PROJECTS, 7, numbers, 4);
	assert_false(source_of(f, SEMANTIC_PROJECTS, 7).unchanged); /* no hash of it is kept */
	assert_int_equal(count_of(f, "SELECT saka_score FROM core_projet WHERE id = 7"), 5);
	assert_int_equal(embedding_find_source(f->conn, &f->arena, SEMANTIC_PROJECTS, 8, &source), ERR_NOT_FOUND);
	assert_int_equal(embedding_find_source(f->conn, &f->arena, SEMANTIC_CONTENTS, 7, &source), ERR_NOT_FOUND);
	write_rows(f, "DELETE FROM core_projet WHERE id = 7");
	assert_int_equal(store_in(f, &source, numbers, 4), ERR_NOT_FOUND);
}

static void test_embedding__of_a_content_until_its_text_changes(void **state)
{
	struct fixture *f = *state;
	struct embedding_source source;

	add_content(f, 3, "pending", "L&#x27;eau &amp; le sol", "NULL");
	source = source_of(f, SEMANTIC_CONTENTS, 3);
	assert_text(source.text, "L'eau & le sol texte");
	assert_false(source.unchanged);
	assert_ok(store_in(f, &source, numbers, 4));
	assert_embedding(f, SEMANTIC_CONTENTS, 3, numbers, 4);
	assert_true(source_of(f, SEMANTIC_CONTENTS, 3).unchanged);
	write_rows(f, "UPDATE core_educationalcontent SET description = 'autre'");
	assert_false(source_of(f, SEMANTIC_CONTENTS, 3).unchanged);
	write_rows(f, "UPDATE core_educationalcontent SET description = 'texte', embedding = NULL");
	assert_false(source_of(f, SEMANTIC_CONTENTS, 3).unchanged); /* its vector is gone */
}

static void test_embedding__vectors_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const char *const none[] = { "null",
		                            "[1, 2]",
		                            "{}",
		                            "{\"vector\": []}",
		                            "{\"vector\": [1, \"2\"]}",
		                            "{\"vector\": {\"0\": 1}}",
		                            "{\"vector\": [1e999]}",
		                            "{\"vector\": [1",
		                            "" };
	struct semantic_vector vector;

	for (size_t i = 0; i < N_ELEMENTS(none); i++) {
		assert_int_equal(embedding_vector(&f->arena, (struct json_text){ str_of(none[i]) }, &vector), 0);
		assert_int_equal(vector.n, 0);
	}
	assert_int_equal(embedding_vector(&f->arena, (struct json_text){ NOTHING }, &vector), 0);
	assert_int_equal(vector.n, 0);
	assert_int_equal(embedding_vector(&f->arena, (struct json_text){ TEXT("{\"vector\": [1, 2.5]}") }, &vector), 0);
	assert_true(vector.n == 2 && vector.values[0] == 1 && vector.values[1] == 2.5);
}

struct asking {
	unsigned kind;
	int64_t count;
};

static int ask(struct db_conn *db, void *arg)
{
	struct asking *a = arg;

	return embedding_ask_missing(db, a->kind, TEXT("openai"), &a->count);
}

/* More rows than are read at a time. */
static void test_embedding__asks_for_each_that_has_none(void **state)
{
	struct fixture *f = *state;
	struct asking projects = { .kind = SEMANTIC_PROJECTS }, contents = { .kind = SEMANTIC_CONTENTS };

	assert_ok(db_write(f->conn, ask, &projects));
	assert_int_equal(projects.count, 0);
	add_project(f, 2, "a", "", EMBEDDING("[1, 0]"));
	add_project(f, 5, "b", "", "NULL");
	for (int i = 0; i < 10; i++)
		write_rows(
		        f,
		        "INSERT INTO core_projet (titre, description, created_at, saka_score, saka_supporters_count, active_oracles, "
		        "funding_type, donation_goal, investment_goal, id) SELECT titre, description, created_at, 0, 0, '[]', 'DONATION', "
		        "0, 0, id + (SELECT MAX(id) FROM core_projet) FROM core_projet WHERE embedding IS NULL");
	add_content(f, 4, "draft", "c", "NULL");
	assert_ok(db_write(f->conn, ask, &projects));
	assert_int_equal(projects.count, 1024);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = '" EMBEDDING_TASK "' AND durable"), 1024);
	assert_text(args_of_message(f, 1023), "[\"openai\", 5, \"projet\"]");
	assert_ok(db_write(f->conn, ask, &contents));
	assert_int_equal(contents.count, 1);
	assert_text(args_of_message(f, 0), "[\"openai\", 4, \"educational_content\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_embedding__kinds_by_name),         CASE(test_embedding__hash),
		CASE(test_embedding__of_a_project),          CASE(test_embedding__of_a_content_until_its_text_changes),
		CASE(test_embedding__vectors_that_are_none), CASE(test_embedding__asks_for_each_that_has_none),
	};

	return RUN_ON_BOTH(tests);
}
