/*
 * Vectors of projects and contents: of one by the model that is named, or of all that have none. A model that is not there is
 * no failure of the task: it says so, and stores nothing. Source: tasks.md 1; content.md 6.
 */
#include "base/json_out.h"
#include "domain/hash_embedding.h"
#include "tasks/jobs_impl.h"
#include "tasks/provider.h"

struct storing {
	struct task_run *run;
	struct embedding_source source;
	const char *model;
	struct semantic_vector vector;
};

/* ---- making a vector ---- */

static enum task_outcome embed_by_openai(struct storing *s)
{
	struct provider_failure failure;
	const struct provider provider = { .settings = s->run->services->settings, .stop = s->run->stop, .failure = &failure };

	s->model = OPENAI_MODEL;
	if (openai_embed(&provider, s->source.text, s->run->arena, &s->vector) < 0)
		return provider_failed(s->run, &failure);
	return TASK_SUCCEEDED;
}

static enum task_outcome embed_here(struct storing *s)
{
	double *values = arena_alloc(s->run->arena, HASH_EMBEDDING_DIMENSIONS * sizeof(*values));
	int r;

	if (!s->run->services->settings->embeddings_local)
		return task_answer_error(s->run,
		                         "there is no model sentence-transformers here; EMBEDDINGS_LOCAL=true offers vectors without one");
	r = values ? hash_embedding(s->source.text, values) : ERR_NOMEM;
	if (r == ERR_NOMEM)
		return task_retry(s->run, "MemoryError", "out of memory");
	if (r < 0)
		return task_answer_error(s->run, "there is no word in the text");
	s->model = HASH_EMBEDDING_MODEL;
	s->vector = (struct semantic_vector){ values, HASH_EMBEDDING_DIMENSIONS };
	return TASK_SUCCEEDED;
}

/* The vector, or with TASK_SUCCEEDED and without one the result that says why there is none. */
static enum task_outcome embed(struct storing *s, struct str model_name)
{
	if (str_is(model_name, "openai"))
		return embed_by_openai(s);
	if (str_is(model_name, "sentence-transformers"))
		return embed_here(s);
	return task_answer_error(s->run, "unknown model: openai or sentence-transformers");
}

/* ---- storing it ---- */

static int store(struct db_conn *db, void *arg)
{
	struct storing *s = arg;
	int r = embedding_store(db, &s->source, s->model, s->vector);

	if (r == ERR_NOT_FOUND) {
		task_answer_error(s->run, "it has been deleted meanwhile");
		return 0;
	}
	buf_addf(&s->run->result, "{\"success\": true, \"content_id\": %lld, \"dimension\": %zu}", (long long)s->source.id, s->vector.n);
	return r;
}

static enum task_outcome commit(struct storing *s)
{
	int r = task_commit(s->run, store, s, NULL);

	if (r < 0)
		return task_database_error(s->run, r);
	if (s->source.kind == SEMANTIC_PROJECTS) /* a content's representation does not show it */
		task_stale(s->run, CHANGE_PROJECT, s->source.id);
	return TASK_SUCCEEDED;
}

enum task_outcome generate_embedding_task(struct task_run *run)
{
	unsigned kind = embedding_kind(task_text(run, "content_type"));
	struct storing s = { .run = run };
	enum task_outcome outcome;
	int r;

	if (!kind)
		return task_answer_error(run, "unknown content_type: projet or educational_content");
	r = embedding_find_source(run->db, run->arena, kind, task_int(run, "content_id"), &s.source);
	if (r == ERR_NOT_FOUND)
		return task_answer_error(run, "there is no such %s", kind == SEMANTIC_PROJECTS ? "project" : "content");
	if (r < 0)
		return task_database_error(run, r);
	if (s.source.unchanged) {
		buf_add_text(&run->result, "{\"success\": true, \"skipped\": true, \"reason\": \"hash_unchanged\"}");
		return TASK_SUCCEEDED;
	}
	outcome = embed(&s, task_text(run, "model_name"));
	return outcome == TASK_SUCCEEDED && s.vector.n ? commit(&s) : outcome;
}

/* ---- all that have none ---- */

struct asking {
	struct task_run *run;
	unsigned kind;
};

static int ask_missing(struct db_conn *db, void *arg)
{
	const struct asking *a = arg;
	int64_t count;
	int r = embedding_ask_missing(db, a->kind, task_text(a->run, "model_name"), &count);

	if (r < 0)
		return r;
	buf_addf(&a->run->result, "{\"success\": true, \"count\": %lld, \"content_type\": ", (long long)count);
	json_add_str(&a->run->result, task_text(a->run, "content_type"));
	buf_add_char(&a->run->result, '}');
	return 0;
}

enum task_outcome batch_generate_embeddings(struct task_run *run)
{
	struct asking a = { run, embedding_kind(task_text(run, "content_type")) };
	int r = a.kind ? task_commit(run, ask_missing, &a, NULL) : 0;

	if (!a.kind)
		return task_answer_error(run, "unknown content_type: projet or educational_content");
	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}
