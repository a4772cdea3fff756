#include "tasks/once.h"

#include <stdio.h>

#include "base/json_out.h"
#include "base/log.h"
#include "db/task_done.h"

#define NAME "once" /* of the rows, beside those of tasks */

struct note {
	struct task_done done;
	struct str text;
};

struct str once_key(const struct task_run *run, const char *what, size_t i, char text[ONCE_KEY_SIZE])
{
	return (struct str){ text, (size_t)snprintf(text, ONCE_KEY_SIZE, "%s:%s%zu", run->id, what, i) };
}

static int put(struct db_conn *db, void *arg)
{
	const struct note *note = arg;

	return task_done_put(db, &note->done, note->text);
}

void once_note(struct task_run *run, struct str key, const char *text)
{
	CLEANUP(buf_finish) struct buf json = BUF_EMPTY;
	struct note note = { .done = { .id = key, .name = STR(NAME) } };
	int r;

	json_add_text(&json, text);
	note.text = buf_view(&json);
	r = json.failed ? ERR_NOMEM : db_write(run->db, put, &note);
	if (r < 0)
		log_write(
		        LOG_WARNING, "tasks", "once.not_noted", LOG_FIELDS(LOG_VIEW("key", key), LOG_STR("error", error_name(r))),
		        "A mail or an alert was sent, and this could not be written down: should its task be run again, it is sent again");
}

int once_find(struct task_run *run, struct str key, char *ret_note)
{
	const struct task_done done = { .id = key, .name = STR(NAME) };
	json_t *note CLEANUP(json_decrefp) = NULL;
	struct str stored;
	int r = task_done_find(run->db, run->arena, &done, &stored);

	if (r < 0)
		return r;
	note = json_loadb(stored.s, stored.len, JSON_DECODE_ANY, NULL);
	snprintf(ret_note, ONCE_NOTE_SIZE, "%s", json_is_string(note) ? json_string_value(note) : "");
	return 0;
}

enum mail_outcome once_mail(struct task_run *run, enum mail_way way, const struct mail *mail, struct mail_report *ret)
{
	enum mail_outcome outcome;
	int r;

	*ret = (struct mail_report){ 0 };
	r = once_find(run, mail->idempotency_key, ret->id);
	if (r == 0)
		return MAIL_SENT;
	if (r != ERR_NOT_FOUND) {
		snprintf(ret->error, sizeof(ret->error), "the database does not say whether it was sent: %s", error_name(r));
		return MAIL_TRY_AGAIN;
	}
	outcome = mail_send(run->services, way, mail, run->stop, ret);
	if (outcome == MAIL_SENT)
		once_note(run, mail->idempotency_key, ret->id);
	return outcome;
}
