/*
 * A task's message as it came from a queue: read and checked once (tasks.md 7.2), and the forms in which it goes back: tried
 * again, or put back. What Celery's own worker would stop at is refused here with a reason. db/task_message.h writes new ones.
 * One thread at a time.
 */
#ifndef TASKS_MESSAGE_H
#define TASKS_MESSAGE_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/kinds.h"

#define MESSAGE_ID_MAX 255 /* bytes of an id; Celery's own have 36 */

/* Texts and JSON are borrowed from the message itself. */
struct message {
	json_t *envelope;            /* owned, as message_finish */
	json_t *body;                /* owned: [args, kwargs, embed] */
	const json_t *args, *kwargs; /* array, object */
	const json_t *embed;         /* object, perhaps empty */
	struct str task, id, tag;    /* never absent */
	struct str root_id;          /* the id when it names none */
	struct str parent_id, group; /* absent: none */
	struct str args_repr, kwargs_repr;
	struct str exchange, queue;           /* of delivery_info */
	struct instant eta, expires;          /* NULL_TIME: none */
	int retries, priority;                /* priority 0 to 9 */
	int64_t soft_limit_us, hard_limit_us; /* NULL_INT: as the task's policy says */
	bool ignore_result;
	bool redelivered;
	bool from_beat;   /* header celery_beat_task */
	int redeliveries; /* times that a worker of ours put it back without having been told to stop */
};

/*
 * Reads one list item. ERR_INVALID with the reason in *err, for people; ERR_NOMEM. On success the caller calls message_finish;
 * on failure nothing is left.
 */
int message_parse(struct str text, struct message *ret_message, struct error *err);

/* Frees; harmless on a zeroed one. */
void message_finish(struct message *);

/* Appends the message that tries it again at eta: retries one higher, parent_id its own id, a new delivery_tag. ERR_IO, ERR_NOMEM. */
int message_add_retry(struct buf *, const struct message *, struct instant eta);

/* Appends the message as it goes back to its list: redelivered, and counted in x-redeliveries when counted is set. ERR_NOMEM. */
int message_add_restored(struct buf *, const struct message *, bool counted);

/* A member that is a text, else absent. For anything that reads JSON of messages. */
struct str message_text(const json_t *object, const char *name);

/* Whether a member is what Python takes for true: its programs write 1 as well. No member is false. */
bool message_truth(const json_t *object, const char *name);

#endif
