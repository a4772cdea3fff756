/* Effects once for an id: egoejo_task_done, database.md's last section. */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "tasks/task.h"

/* The id as the column holds it: 32 digits. What is no UUID, which a foreign producer may send, becomes one by its digest. */
static void column_id(const char *id, char ret_hex[UUID_HEX_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	size_t n = 0, i;

	for (i = 0; id[i]; i++)
		if (id[i] != '-' && n < UUID_HEX_SIZE - 1 && strchr("0123456789abcdef", id[i]))
			ret_hex[n++] = id[i];
	if (n != UUID_HEX_SIZE - 1 || i != TASK_ID_SIZE - 1) {
		SHA256((const unsigned char *)id, i, digest);
		for (n = 0; n < UUID_HEX_SIZE - 1; n += 2)
			snprintf(ret_hex + n, 3, "%02x", digest[n / 2]);
	}
	ret_hex[UUID_HEX_SIZE - 1] = '\0';
}

struct commit {
	struct task_run *run;
	char id[UUID_HEX_SIZE];
	db_write_fn fn;
	void *arg;
	const char *period;
	bool was_done;
	struct str stored;
};

struct done {
	struct str result;
};

static int find_done(struct db_conn *db, struct commit *c)
{
	static const struct db_column columns[] = { DB_COLUMN(struct done, result, TEXT, "result") };
	static const struct db_row row = DB_ROW(struct done, columns);
	static const struct db_statement sql = { "SELECT $cols FROM egoejo_task_done WHERE task_id = $1 OR (name = $2 AND period = $3)",
		                                 &row };
	struct task_run *run = c->run;
	struct done done = { { NULL, 0 } };
	int r = db_select_one(db, &sql, DB_PARAMS(DB_TEXT(str_of(c->id)), DB_TEXT(str_of(run->policy->name)), DB_TEXT(str_of(c->period))),
	                      run->arena, &done);

	c->was_done = r == 0;
	c->stored = done.result;
	return r == ERR_NOT_FOUND ? 0 : r;
}

static int note_done(struct db_conn *db, const struct commit *c)
{
	static const struct db_statement sql = {
		"INSERT INTO egoejo_task_done (task_id, name, period, result, finished_at) VALUES ($1, $2, $3, $4, $5)"
	};
	const struct task_run *run = c->run;

	if (run->result.failed)
		return ERR_NOMEM;
	return db_execute(db, &sql,
	                  DB_PARAMS(DB_TEXT(str_of(c->id)), DB_TEXT(str_of(run->policy->name)), DB_TEXT(str_of(c->period)),
	                            DB_TEXT(run->result.len ? buf_view(&run->result) : (struct str)STR("null")), DB_TIME(clock_now())),
	                  NULL);
}

/* The local workers' row goes with the effects, so that they cannot be had twice. */
static int drop_outbox_row(struct db_conn *db, const struct task_run *run)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_outbox WHERE id = $1" };

	return run->outbox_id == NULL_INT ? 0 : db_execute(db, &sql, DB_PARAMS(DB_INT(run->outbox_id)), NULL);
}

static int commit_once(struct db_conn *db, void *arg)
{
	struct commit *c = arg;
	int r;

	buf_clear(&c->run->result);
	r = find_done(db, c);
	if (r == 0 && !c->was_done)
		r = c->fn(db, c->arg);
	if (r >= 0 && !c->was_done)
		r = note_done(db, c);
	return r < 0 ? r : drop_outbox_row(db, c->run);
}

int task_commit(struct task_run *run, db_write_fn fn, void *arg, const char *period)
{
	struct commit c = { .run = run, .fn = fn, .arg = arg, .period = period };
	int r;

	column_id(run->id, c.id);
	r = db_write(run->db, commit_once, &c);
	if (r < 0)
		return r;
	run->outbox_done = run->outbox_id != NULL_INT;
	if (!c.was_done)
		return 0;
	buf_clear(&run->result);
	buf_add_str(&run->result, c.stored);
	return 1;
}
