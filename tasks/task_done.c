/* Effects once for an id: tasks.md 1.2. */
#include "base/clock.h"
#include "db/outbox.h"
#include "db/task_done.h"
#include "tasks/task.h"

struct commit {
	struct task_run *run;
	db_write_fn fn;
	void *arg;
	struct task_done done;
	bool was_done;
	struct str stored;
};

static int note_done(struct db_conn *db, const struct commit *c)
{
	const struct buf *result = &c->run->result;

	if (result->failed)
		return ERR_NOMEM;
	return task_done_put(db, &c->done, result->len ? buf_view(result) : (struct str)STR("null"));
}

static int commit_once(struct db_conn *db, void *arg)
{
	struct commit *c = arg;
	struct task_run *run = c->run;
	int r;

	buf_clear(&run->result);
	r = task_done_find(db, run->arena, &c->done, &c->stored);
	c->was_done = r == 0;
	if (r == ERR_NOT_FOUND) {
		r = c->fn(db, c->arg);
		if (r >= 0)
			r = note_done(db, c);
	}
	if (r >= 0 && run->given_up && atomic_load(run->given_up))
		return ERR_TIMEOUT; /* it has been told as failed */
	if (r < 0 || run->outbox_id == NULL_INT)
		return r;
	return outbox_delete(db, run->outbox_id); /* it goes with the effects, so that they cannot be had twice */
}

int task_commit(struct task_run *run, db_write_fn fn, void *arg, const char *period)
{
	struct commit c = { .run = run, .fn = fn, .arg = arg, .done = { str_of(run->id), str_of(run->policy->name), str_of(period) } };
	int r = db_write(run->db, commit_once, &c);

	if (r < 0)
		return r;
	run->outbox_done = run->outbox_id != NULL_INT;
	if (!c.was_done)
		return 0;
	buf_clear(&run->result);
	buf_add_str(&run->result, c.stored);
	return 1;
}

int task_was_done(struct task_run *run)
{
	const struct task_done done = { .id = str_of(run->id), .name = str_of(run->policy->name) };
	struct str stored;
	int r = task_done_find(run->db, run->arena, &done, &stored);

	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	buf_clear(&run->result);
	buf_add_str(&run->result, stored);
	return 1;
}
