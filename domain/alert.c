#include "domain/alert.h"

#include "base/buf.h"
#include "base/json_out.h"
#include "db/outbox.h"

int alert_ask(struct db_conn *db, const struct alert *alert)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	struct outbox_task task = { .name = ALERT_TASK, .queue = "local", .durable = true };

	buf_add_char(&args, '[');
	json_add_str(&args, alert->title);
	buf_add_text(&args, ", ");
	json_add_json(&args, alert->payload);
	buf_add_text(&args, ", ");
	json_add_str(&args, alert->dedupe_key);
	buf_add_char(&args, ']');
	if (args.failed)
		return ERR_NOMEM;
	task.args.text = buf_view(&args);
	return outbox_put(db, &task);
}
