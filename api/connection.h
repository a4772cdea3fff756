/*
 * One open socket: whose it is, what it is doing, and until when. Private to the transport.
 *
 * Phase and deadline share one word, so that taking a late connection away from its owner is one compare-and-swap: it
 * fails when the owner has moved on meanwhile, and the owner's next move fails when it has been taken. Moving costs an
 * uncontended atomic operation; no lock is on the path of a request.
 */
#ifndef API_CONNECTION_H
#define API_CONNECTION_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/stream.h"

struct http_thread;

enum phase {
	PHASE_NONE,     /* the descriptor is not a client's */
	PHASE_SILENT,   /* door: accepted, nothing has come */
	PHASE_PEEKING,  /* door: the head is not whole */
	PHASE_LINGER,   /* door: refused; reading to the end so that the client gets the answer */
	PHASE_IDLE,     /* http: between requests */
	PHASE_HEAD,     /* http: a request line has come */
	PHASE_BODY,     /* http: the head is whole, the body is not */
	PHASE_HANDLING, /* http, executor: the answer is being made */
	PHASE_SENDING,  /* http: the answer has been queued */
	PHASE_CUTTING,  /* the sweep is closing it this moment: its descriptor must stay open */
	PHASE_LOOKING,  /* the sweep looks at the socket: its descriptor must stay open, the owner waits a moment */
	PHASE_CUT,      /* the sweep has shut it down: the owner cleans up */
};

struct connection {
	_Atomic uint64_t word; /* deadline (monotonic ms) and phase */
	uint64_t seen;         /* owner: what word was when it last moved */
	int fd;
	bool lingers; /* owner: refused with a body unread, so do not close at once */
	bool counted; /* in the addresses */
	struct sockaddr_storage peer;
	char peer_text[INET6_ADDRSTRLEN]; /* for the log */
	struct http_thread *thread;       /* http phases */
	uint64_t looked;                  /* sweep: the state in which it has looked at the socket */
	struct stream stream;             /* its head: door phases; the rest: http phases */
	uint64_t requests;                /* http: request lines that have come, the present one included */
};

static inline enum phase connection_phase(uint64_t word)
{
	return (enum phase)(word & 15);
}

/* Whether the deadline in the word has passed. */
static inline bool connection_is_late(uint64_t word, int64_t now_us)
{
	return (int64_t)(word >> 4) < now_us / 1000;
}

/* Sets phase and deadline without asking: for a record that nobody else can know yet, or whose sweep is the caller. */
void connection_set(struct connection *, enum phase, int64_t deadline_us);

/* The owner moves on; false when the sweep has taken the connection: stop using it. */
bool connection_move(struct connection *, enum phase, int64_t deadline_us);

/* The sweep takes the connection that was in this state; false when its owner was faster. */
bool connection_take(struct connection *, uint64_t seen);

/* The sweep is done with it: it is shut down. */
void connection_give_back(struct connection *);

/* The sweep borrows the connection that is in this state for one system call; false when its owner was faster. */
bool connection_borrow(struct connection *, uint64_t seen);

/* The owner has it back, in that state. */
void connection_return(struct connection *, uint64_t seen);

/* The owner is about to close: waits (microseconds) until no sweep is at work on the socket, and keeps them away. */
void connection_end(struct connection *);

/* The last thing that an owner does with the record; from here on the descriptor may come back as somebody else's. */
void connection_forget(struct connection *);

#endif
