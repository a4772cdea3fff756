/*
 * Where projects and contents lie in the mycelium. Source: tasks.md 1; projects.md 4. The same vectors have the same places, so that
 * they need not be written all at once: a run that ends early leaves a mixture, which the next one makes good.
 */
#include "base/json_out.h"
#include "base/log.h"
#include "domain/mycelium.h"
#include "domain/semantic.h"
#include "tasks/jobs_impl.h"

#define LOGGER "tasks.mycelium"

struct reduction {
	struct task_run *run;
	unsigned kinds;
	struct mycelium mycelium;
};

static bool is_late(void *run)
{
	return task_is_late(run);
}

static int tell(struct db_conn *db, void *arg)
{
	const struct reduction *d = arg;
	struct task_run *run = d->run;

	buf_addf(&run->result, "{\"success\": true, \"count\": %zu, \"method\": ", d->mycelium.n);
	json_add_str(&run->result, task_text(run, "method"));
	buf_add_text(&run->result, ", \"content_type\": ");
	json_add_str(&run->result, task_text(run, "content_type"));
	buf_add_char(&run->result, '}');
	return 0;
}

static enum task_outcome keep(struct reduction *d)
{
	int r = mycelium_store(d->run->db, &d->mycelium, is_late, d->run);

	if (d->kinds & SEMANTIC_PROJECTS)                           /* also what was written before an error */
		task_stale(d->run, CHANGE_PROJECT_SCORE, NULL_INT); /* the list of projects shows their embeddings */
	if (r == 0)
		r = task_commit(d->run, tell, d, NULL);
	if (r < 0)
		return task_is_late(d->run) ? task_fail_late(d->run) : task_database_error(d->run, r);
	return TASK_SUCCEEDED;
}

static enum task_outcome reduce(struct reduction *d)
{
	struct task_run *run = d->run;
	int r = mycelium_work_out(run->db, d->kinds, is_late, run, &d->mycelium);

	if (r < 0)
		return task_is_late(run) ? task_fail_late(run) : task_database_error(run, r);
	if (d->mycelium.left_out)
		log_write(LOG_WARNING, LOGGER, "mycelium.left_out", LOG_FIELDS(LOG_INT("rows", (int64_t)d->mycelium.left_out)),
		          "Embeddings that are no vectors have no place in the mycelium");
	return d->mycelium.n ? keep(d) : task_answer_error(run, "there are no vectors to reduce");
}

static unsigned kinds_of(struct str content_type)
{
	return str_is(content_type, "both") ? SEMANTIC_PROJECTS | SEMANTIC_CONTENTS : embedding_kind(content_type);
}

enum task_outcome reduce_embeddings_to_3d(struct task_run *run)
{
	struct str method = task_text(run, "method");
	struct reduction d = { .run = run, .kinds = kinds_of(task_text(run, "content_type")) };
	enum task_outcome outcome;
	int r;

	if (!str_is(method, "umap") && !str_is(method, "tsne"))
		return task_answer_error(run, "unknown method: umap or tsne");
	if (!d.kinds)
		return task_answer_error(run, "unknown content_type: both, projet or educational_content");
	r = task_was_done(run);
	if (r != 0)
		return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
	outcome = reduce(&d);
	mycelium_finish(&d.mycelium);
	return outcome;
}

static int ask(struct db_conn *db, void *arg)
{
	struct task_run *run = arg;
	char id[UUID_TEXT_SIZE];
	int r = semantic_put_reduction(db, task_text(run, "content_type"), task_text(run, "method"), id);

	if (r == 0)
		buf_addf(&run->result, "{\"success\": true, \"task_id\": \"%s\"}", id);
	return r;
}

enum task_outcome batch_reduce_embeddings(struct task_run *run)
{
	int r = task_commit(run, ask, run, NULL);

	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}
