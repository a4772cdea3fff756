#include "db/outbox.h"

#include "base/clock.h"
#include "base/random.h"
#include "db/task_message.h"

#define ARGS_MAX_BYTES (1024 * 1024)

static int insert(struct db_conn *db, const struct outbox_task *task, const char *hex, struct str envelope)
{
	static const struct db_statement put = {
		"INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, "
		"attempts, created_at) VALUES ($1, $2, '" TASK_QUEUE "', 0, $3, $4, 'new', $5, 0, $5)"
	};

	return db_execute(db, &put,
	                  DB_PARAMS(DB_TEXT(str_of(hex)), DB_TEXT(str_of(task->name)), DB_TEXT(envelope), DB_BOOL(task->durable),
	                            DB_TIME(clock_now())),
	                  NULL);
}

int outbox_put(struct db_conn *db, const struct outbox_task *task)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	char hex[UUID_HEX_SIZE], id[UUID_TEXT_SIZE];
	int r;

	if (task->args.text.len > ARGS_MAX_BYTES)
		return ERR_INVALID;
	r = random_uuid_hex(hex);
	if (r < 0)
		return r;
	uuid_add_dashes(hex, id);
	r = task_message_write(&envelope, &TASK_MESSAGE(.name = str_of(task->name), .id = str_of(id), .args = task->args.text));
	return r < 0 ? r : insert(db, task, hex, buf_view(&envelope));
}

int outbox_delete(struct db_conn *db, int64_t id)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_outbox WHERE id = $1" };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(id)), NULL);
}
