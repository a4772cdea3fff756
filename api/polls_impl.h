/* /api/polls/: what reading (polls.c), managing (polls_write.c) and voting (poll_votes.c) share. */
#ifndef API_POLLS_IMPL_H
#define API_POLLS_IMPL_H

#include "api/request.h"
#include "domain/poll.h"

/* The poll that the path names, or 404. */
bool poll_or_reply(struct request *, struct poll *ret_poll);

/* Tells the poll's sockets how it is now. */
void poll_announce(struct request *, const struct poll *);

#endif
