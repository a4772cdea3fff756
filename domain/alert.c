#include "domain/alert.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "db/outbox.h"

#define EVENT_TYPE_CHARS  100
#define FINGERPRINT_CHARS 255

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
	buf_add_text(&args, ", ");
	json_add_time(&args, clock_now());
	buf_add_char(&args, ']');
	if (args.failed)
		return ERR_NOMEM;
	task.args.text = buf_view(&args);
	return outbox_put(db, &task);
}

static struct str first_chars(struct str text, size_t max)
{
	size_t n = 0;

	for (; max && n < text.len; max--)
		do
			n++;
		while (n < text.len && ((unsigned char)text.s[n] & 0xc0) == 0x80);
	return (struct str){ text.s, n };
}

int alert_note(struct db_conn *db, const struct alert_event *event)
{
	static const struct db_statement insert = {
		"INSERT INTO core_criticalalertevent (created_at, severity, event_type, channel, fingerprint, payload_excerpt) VALUES "
		"($1, 'critical', $2, $3, $4, $5)"
	};

	return db_execute(db, &insert,
	                  DB_PARAMS(DB_TIME(clock_now()), DB_TEXT(first_chars(event->title, EVENT_TYPE_CHARS)),
	                            DB_TEXT(str_of(event->channel)), DB_TEXT(first_chars(event->fingerprint, FINGERPRINT_CHARS)),
	                            DB_JSON(event->excerpt)),
	                  NULL);
}
