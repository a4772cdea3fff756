#include "db/outbox.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "db/outbox_lease.h"
#include "db/task_message.h"

#define ARGS_MAX_BYTES (1024 * 1024)

int outbox_put(struct db_conn *db, const struct outbox_task *task)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	struct outbox_row row = { .name = str_of(task->name),
		                  .durable = task->durable,
		                  .due_at = { clock_now().us + task->delay_s * US_PER_S } };
	char hex[UUID_HEX_SIZE], id[UUID_TEXT_SIZE];
	int r;

	if (task->args.text.len > ARGS_MAX_BYTES)
		return ERR_INVALID;
	r = random_uuid_hex(hex);
	if (r < 0)
		return r;
	uuid_add_dashes(hex, id);
	if (task->ret_id)
		memcpy(task->ret_id, id, sizeof(id));
	row.task_id = str_of(hex);
	row.queue = str_of(task->queue ? task->queue : TASK_QUEUE);
	r = task_message_write(&envelope, &TASK_MESSAGE(.name = row.name, .id = str_of(id), .args = task->args.text, .queue = row.queue,
	                                                .from_beat = task->from_beat, .retries = task->retries));
	row.envelope = buf_view(&envelope);
	return r < 0 ? r : outbox_put_row(db, &row);
}

int outbox_delete(struct db_conn *db, int64_t id)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_outbox WHERE id = $1", .replan = true };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(id)), NULL);
}
