#include "db/task_done.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"

/* The id as the column holds it: 32 digits. What is no UUID, which a foreign producer may send, becomes one by its digest. */
static void column_id(struct str id, char ret_hex[UUID_HEX_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	size_t n = 0;

	for (size_t i = 0; i < id.len; i++)
		if (id.s[i] != '-' && n < UUID_HEX_SIZE - 1 && memchr("0123456789abcdef", id.s[i], 16))
			ret_hex[n++] = id.s[i];
	if (n != UUID_HEX_SIZE - 1 || id.len != UUID_TEXT_SIZE - 1) {
		SHA256((const unsigned char *)id.s, id.len, digest);
		for (n = 0; n < UUID_HEX_SIZE - 1; n += 2)
			snprintf(ret_hex + n, 3, "%02x", digest[n / 2]);
	}
	ret_hex[UUID_HEX_SIZE - 1] = '\0';
}

struct row {
	struct str result;
};

int task_done_find(struct db_conn *db, struct arena *arena, const struct task_done *task, struct str *ret_result)
{
	static const struct db_column columns[] = { DB_COLUMN(struct row, result, TEXT, "result") };
	static const struct db_row row = DB_ROW(struct row, columns);
	static const struct db_statement sql = { "SELECT $cols FROM egoejo_task_done WHERE task_id = $1 OR (name = $2 AND period = $3)",
		                                 &row, .replan = true };
	char id[UUID_HEX_SIZE];
	struct row found;
	int r;

	column_id(task->id, id);
	r = db_select_one(db, &sql, DB_PARAMS(DB_TEXT(str_of(id)), DB_TEXT(task->name), DB_TEXT(task->period)), arena, &found);
	if (r == 0)
		*ret_result = found.result;
	return r;
}

int task_done_put(struct db_conn *db, const struct task_done *task, struct str result)
{
	static const struct db_statement sql = {
		"INSERT INTO egoejo_task_done (task_id, name, period, result, finished_at) VALUES ($1, $2, $3, $4, $5)"
	};
	char id[UUID_HEX_SIZE];

	column_id(task->id, id);
	return db_execute(db, &sql,
	                  DB_PARAMS(DB_TEXT(str_of(id)), DB_TEXT(task->name), DB_TEXT(task->period), DB_TEXT(result), DB_TIME(clock_now())),
	                  NULL);
}

struct purge {
	struct instant before;
	int64_t limit, deleted;
};

static int purge_rows(struct db_conn *db, void *arg)
{
#define OLD_ROWS "SELECT task_id FROM egoejo_task_done WHERE period IS NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2"
	static const struct db_statement sql = {
		.sqlite = "DELETE FROM egoejo_task_done WHERE task_id IN (" OLD_ROWS ")",
		.postgresql = "DELETE FROM egoejo_task_done WHERE task_id = ANY (ARRAY(" OLD_ROWS "))",
		.replan = true,
	};
#undef OLD_ROWS
	struct purge *p = arg;

	return db_execute(db, &sql, DB_PARAMS(DB_TIME(p->before), DB_INT(p->limit)), &p->deleted);
}

int task_done_purge(struct db_conn *db, struct instant before, int64_t limit)
{
	struct purge p = { before, limit, 0 };
	int r = db_write(db, purge_rows, &p);

	return r < 0 ? r : (int)p.deleted;
}
