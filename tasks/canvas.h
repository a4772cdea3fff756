/*
 * What follows a task (tasks.md 7.4, 10): the callbacks, errbacks and chain that travel in its message, made into messages of
 * their own. Any thread.
 */
#ifndef TASKS_CANVAS_H
#define TASKS_CANVAS_H

#include "tasks/broker.h"
#include "tasks/message.h"

struct follower {
	struct buf envelope;
	char queue[BROKER_QUEUE_SIZE];
	char id[MESSAGE_ID_MAX + 1];
	int priority;
};

struct followers {
	struct follower all[BROKER_FOLLOWERS_MAX];
	size_t n;
};

/* Frees what they own. */
void followers_finish(struct followers *);

/* One more, empty; NULL when there are too many. */
struct follower *followers_add(struct followers *);

/*
 * After success: the callbacks and the next of the chain, with the result (JSON) in front of their arguments; after failure: the
 * errbacks, with the id. What cannot be made, a chord above all, is left out with a WARNING. ERR_NOMEM, ERR_IO.
 */
int canvas_after_success(const struct message *, struct str result, struct followers *);
int canvas_after_failure(const struct message *, struct followers *);

/* Whether the message is part of a chord, which is not counted here. */
bool canvas_is_chord(const struct message *);

#endif
