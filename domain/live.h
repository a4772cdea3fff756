/*
 * Live events: what sockets are told once a change is committed. api/ announces, realtime/ listens, app/ joins them; neither
 * knows the other. Source: realtime.md, "hub(G, T, P)" and section 7; design.md 9.20.
 */
#ifndef DOMAIN_LIVE_H
#define DOMAIN_LIVE_H

#include <stdint.h>

#include "base/kinds.h"
#include "base/str.h"

enum live_kind {
	LIVE_CHAT_MESSAGE,   /* a message of thread `id` was created, edited or deleted; payload: Message */
	LIVE_CHAT_TYPING,    /* somebody in thread `id` is writing, or no longer; payload: user_id, is_typing. From a socket */
	LIVE_POLL_UPDATE,    /* poll `id` was voted in, opened, closed or changed; payload: Poll */
	LIVE_THREAD_MEMBERS, /* who takes part in thread `id` has changed: sockets of those who left are closed (4403) */
	LIVE_THREAD_GONE,    /* thread `id` was deleted: its sockets are closed (4404) */
	LIVE_POLL_GONE,      /* poll `id` was deleted: its sockets are closed (4404) */
};

#define LIVE_NOT_NEW INT64_C(-1)

struct live_event {
	enum live_kind kind;
	int64_t id;
	int64_t message;    /* LIVE_CHAT_MESSAGE: its id */
	int64_t previous;   /* of a new message the highest smaller id of its thread at the commit, 0 for the first; else LIVE_NOT_NEW */
	int64_t members;    /* LIVE_CHAT_MESSAGE: chat_members_version of the thread at the commit; 0: not known */
	int64_t caller;     /* the account whose request made it; NULL_INT: nobody's */
	uint64_t request;   /* that request: his own sockets hear of it once its answer is written; 0: none */
	struct str payload; /* JSON; borrowed during the call */
};

/* How those are who listen, as of the last second at the latest; for /health. */
struct live_state {
	int64_t connections, groups;
	int64_t queue_frames, queue_bytes, queue_frames_max, queue_bytes_max;    /* max: of the connection that has most */
	int64_t sent, dropped_typing, dropped_superseded, dropped_slow_consumer; /* frames */
	const char *bus;                                                         /* to other processes: "off", "live", "degraded"; static */
};

/* A listener. All may be called by any thread, never wait and never fail outward. */
struct live {
	void (*announce)(void *arg, const struct live_event *);
	void (*answered)(void *arg, uint64_t request); /* its answer is written, or will never be */
	void (*state)(void *arg, struct live_state *ret_state);
	void *arg;
};

#endif
