#include "tasks/query_embedder.h"

#include "domain/hash_embedding.h"
#include "tests/unit/tasks/services.h"

#define REFUSED "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"

static char *one_vector(void)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\": [{\"embedding\": [0.5");
	for (size_t i = 1; i < OPENAI_DIMENSIONS; i++)
		buf_add_text(&b, ", 0.25");
	buf_add_text(&b, "]}]}");
	return buf_detach(&b, NULL);
}

static struct semantic_vector vector_of(struct fixture *f, struct query_embedder *q, const char *text)
{
	struct redis_budget budget = { US_PER_S };

	return q->embedder.embed(q->embedder.arg, &budget, str_of(text), &f->arena);
}

static void test_query_embedder__without_a_model_there_is_none(void **state)
{
	struct settings settings = { 0 };
	struct query_embedder q;
	double values[HASH_EMBEDDING_DIMENSIONS];
	struct semantic_vector vector;

	query_embedder_init(&q, &settings, NULL);
	assert_int_equal(vector_of(*state, &q, "le sol").n, 0);
	settings.embeddings_local = true;
	vector = vector_of(*state, &q, "le sol");
	assert_int_equal(hash_embedding(TEXT("le sol"), values), 0);
	assert_int_equal(vector.n, HASH_EMBEDDING_DIMENSIONS);
	assert_memory_equal(vector.values, values, sizeof(values));
	assert_int_equal(vector_of(*state, &q, "...").n, 0);
}

/* OpenAI is asked once for a text; another process' cache would have it too. */
static void test_query_embedder__keeps_what_openai_says(void **state)
{
	struct fixture *f = *state;
	struct cache *cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100 });
	char *answer = one_vector();
	struct query_embedder q;
	struct outside o;

	outside_start(&o, f, str_of(answer));
	query_embedder_init(&q, &o.settings, cache);
	for (int i = 0; i < 3; i++) {
		struct semantic_vector vector = vector_of(f, &q, "le sol");

		assert_int_equal(vector.n, OPENAI_DIMENSIONS);
		assert_true(vector.values[0] == 0.5 && vector.values[OPENAI_DIMENSIONS - 1] == 0.25);
	}
	assert_int_equal(vector_of(f, &q, "l'eau").n, OPENAI_DIMENSIONS);
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 2);
	outside_finish(&o);
	cache_destroy(cache);
	free(answer);
}

static void test_query_embedder__leaves_a_service_alone_that_fails(void **state)
{
	struct fixture *f = *state;
	struct query_embedder q;
	struct outside o;

	outside_start(&o, f, TEXT(REFUSED));
	query_embedder_init(&q, &o.settings, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vector_of(f, &q, "le sol").n, 0);
	assert_int_equal(atomic_load(&o.answerer.requests), 1);
	atomic_store(&q.paused_until_us, clock_monotonic_us());
	assert_int_equal(vector_of(f, &q, "le sol").n, 0);
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 2);
	outside_finish(&o);
}

/* Nobody is asked about a text that no search is as long as, nor while enough are being asked about. */
static void test_query_embedder__bounds_what_it_asks(void **state)
{
	struct fixture *f = *state;
	char text[QUERY_MAX_CHARS + 2];
	struct query_embedder q;
	struct outside o;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	outside_start(&o, f, TEXT(REFUSED));
	query_embedder_init(&q, &o.settings, NULL);
	assert_int_equal(vector_of(f, &q, text).n, 0);
	atomic_store(&q.asking, QUERIES_AT_ONCE);
	assert_int_equal(vector_of(f, &q, "le sol").n, 0);
	assert_int_equal(atomic_load(&q.asking), QUERIES_AT_ONCE);
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 0);
	outside_finish(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_query_embedder__without_a_model_there_is_none),
		CASE(test_query_embedder__keeps_what_openai_says),
		CASE(test_query_embedder__leaves_a_service_alone_that_fails),
		CASE(test_query_embedder__bounds_what_it_asks),
	};

	return cmocka_run_group_tests_name("query_embedder", tests, start_sqlite, stop);
}
