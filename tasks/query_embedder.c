#include "tasks/query_embedder.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/hash_embedding.h"
#include "tasks/provider.h"

#define LOGGER    "tasks.query_embedder"
#define KEY       "semantic_query:"
#define KEY_SIZE  (sizeof(KEY) + 2 * (size_t)SHA256_DIGEST_LENGTH)
#define KEPT_SIZE (OPENAI_DIMENSIONS * sizeof(double))

static void make_key(struct str text, char ret_key[KEY_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	int n = snprintf(ret_key, KEY_SIZE, KEY);

	SHA256((const unsigned char *)text.s, text.len, digest);
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(ret_key + n + 2 * i, 3, "%02x", digest[i]);
}

/* Whether the cache had it. What another architecture has left there is of another size, or is numbers all the same. */
static bool find_kept(const struct query_embedder *q, struct redis_budget *budget, const char *key, struct arena *arena,
                      struct semantic_vector *ret_vector)
{
	CLEANUP(blob_unrefp) struct blob *kept = q->cache ? safe_cache_get(q->cache, budget, key) : NULL;
	double *values = kept && kept->len == KEPT_SIZE ? arena_alloc(arena, KEPT_SIZE) : NULL;

	if (!values)
		return false;
	memcpy(values, kept->data, KEPT_SIZE);
	*ret_vector = (struct semantic_vector){ values, OPENAI_DIMENSIONS };
	return true;
}

/* One line for each pause: those who search in the meantime ask nobody. */
static void pause_after(struct query_embedder *q, const struct provider_failure *failure)
{
	int64_t pause_us = failure->retry_after_s * US_PER_S;

	atomic_store(&q->paused_until_us, clock_monotonic_us() + (pause_us > QUERY_PAUSE_US ? pause_us : QUERY_PAUSE_US));
	log_write(LOG_WARNING, LOGGER, "semantic.no_vector", LOG_FIELDS(LOG_STR("error", failure->text)),
	          "Searches go by their text alone for a while");
}

static int ask_openai(struct query_embedder *q, struct str text, struct arena *arena, struct semantic_vector *ret_vector)
{
	struct provider_failure failure = { 0 };
	const struct provider provider = { .settings = q->settings, .timeout_us = QUERY_TIMEOUT_US, .failure = &failure };
	int r = ERR_UNAVAILABLE;

	if (clock_monotonic_us() < atomic_load(&q->paused_until_us))
		return r;
	if (atomic_fetch_add(&q->asking, 1) < QUERIES_AT_ONCE) {
		r = openai_embed(&provider, text, arena, ret_vector);
		if (r < 0)
			pause_after(q, &failure);
	}
	atomic_fetch_sub(&q->asking, 1);
	return r;
}

static void embed_by_openai(struct query_embedder *q, struct redis_budget *budget, struct str text, struct arena *arena,
                            struct semantic_vector *ret_vector)
{
	char key[KEY_SIZE];

	make_key(text, key);
	if (find_kept(q, budget, key, arena, ret_vector) || ask_openai(q, text, arena, ret_vector) < 0)
		return;
	if (q->cache)
		safe_cache_set(q->cache, budget, key, ret_vector->values, KEPT_SIZE, QUERY_KEPT_S);
}

static void embed_here(struct str text, struct arena *arena, struct semantic_vector *ret_vector)
{
	double *values = arena_alloc(arena, HASH_EMBEDDING_DIMENSIONS * sizeof(*values));

	if (values && hash_embedding(text, values) == 0)
		*ret_vector = (struct semantic_vector){ values, HASH_EMBEDDING_DIMENSIONS };
}

static struct semantic_vector embed(void *arg, struct redis_budget *budget, struct str text, struct arena *arena)
{
	struct query_embedder *q = arg;
	struct semantic_vector vector = { NULL, 0 };

	if (str_count_chars(text) > QUERY_MAX_CHARS)
		return vector;
	if (q->settings->openai_api_key)
		embed_by_openai(q, budget, text, arena, &vector);
	else if (q->settings->embeddings_local)
		embed_here(text, arena, &vector);
	return vector;
}

void query_embedder_init(struct query_embedder *q, const struct settings *settings, struct cache *cache)
{
	*q = (struct query_embedder){ .embedder = { embed, q }, .settings = settings, .cache = cache };
}
