/*
 * The hub: WebSockets of chat threads and polls, their groups, and what other processes have to say. Source: realtime.md 7;
 * design.md 3, 4a, 9.20.
 *
 * One thread serves all sockets (a libev loop) and never waits; a second one reads the database for it. A
 * socket comes from the door, with its handshake judged as far as HTTP goes. Everything here may be called by any thread
 * and returns at once, but for create, start, drain and destroy.
 */
#ifndef REALTIME_HUB_H
#define REALTIME_HUB_H

#include "base/settings.h"
#include "db/db.h"
#include "domain/live.h"
#include "resilience/redis.h"

struct hub;
struct chat_message;
struct poll;

enum hub_target { HUB_CHAT, HUB_POLL };

/* A WebSocket request whose head is still unread in the socket. Texts are borrowed during hub_take. */
struct hub_handshake {
	int fd;
	size_t head_bytes;
	enum hub_target target;
	int64_t id;                 /* of the thread or poll; 0: none */
	struct str path;            /* with client: what refusals are counted by */
	struct str key;             /* Sec-WebSocket-Key, well formed */
	bool offers_v1;             /* the subprotocol egoejo.v1 */
	struct str token;           /* a credential, unjudged; absent: none */
	struct str last_message_id; /* text of the parameter; absent: none */
	struct str client;          /* address of the client */
	struct str origin_prefix;   /* scheme://host, for absolute URLs */
};

struct hub_config {
	const struct settings *settings;
	struct db *db;
	struct redis *redis;
	/* The JSON of a message and of a poll, as the API writes it; on the hub's database thread. */
	void (*render_message)(const struct chat_message *, struct str origin_prefix, struct buf *);
	void (*render_poll)(const struct poll *, struct buf *);
};

/* An idle hub; what config points to is borrowed. ERR_NOMEM, ERR_IO, ERR_INTERNAL; text in *err. */
int hub_create(const struct hub_config *, struct hub **ret_hub, struct error *err);

/* Starts the threads. ERR_INTERNAL; hub_destroy is still to be called. */
int hub_start(struct hub *, struct error *err);

/* Takes the socket (0), or says with which HTTP status it is to be refused: 429 (realtime.md 7, Handshake 4), 503. */
int hub_take(struct hub *, const struct hub_handshake *);

/*
 * The mission's function: tells the sockets of the event's group, here and in other processes, and says whether the others
 * were told (false: Redis is away or off; they find out from the database). Never fails, never waits.
 */
bool safe_group_send(struct hub *, const struct live_event *);

/* The answer of the request that announced is written: its caller's own sockets may hear of it. */
void hub_answered(struct hub *, uint64_t request);

/*
 * Takes nobody new and closes all with 1001, in waves over REALTIME_DRAIN_SECONDS; returns when all are gone or at deadline_us
 * (monotonic).
 */
void hub_drain(struct hub *, int64_t deadline_us);

/* Open sockets. */
int hub_connections(const struct hub *);

/* What /health shows of it. */
void hub_state(const struct hub *, struct live_state *ret_state);

/* Microseconds since the hub's loop last turned; for /livez. */
int64_t hub_pulse_age_us(const struct hub *);

/* Stops, joins, frees; sockets that are left are closed. NULL is fine. */
void hub_destroy(struct hub *);

#endif
