/*
 * A server that speaks enough of Redis' protocol to be misbehaved: for tests of what a real redis-server cannot be made
 * to do on command. One thread serves all clients; its manners can be changed at any time.
 */
#ifndef TESTS_LIB_FAKE_REDIS_H
#define TESTS_LIB_FAKE_REDIS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum fake_manners {
	FAKE_ANSWERS, /* PING, AUTH, SELECT, CLIENT ID, SET, GET (what SET has set last), SUBSCRIBE, PUBLISH; OK to the rest */
	FAKE_SILENT,  /* reads, never answers */
	FAKE_RESETS,  /* begins a reply, then resets the connection */
	FAKE_CLOSES,  /* begins a reply, then closes the connection */
	FAKE_DRIPS,   /* begins a reply of 1000 bytes and sends one each 100 ms */
	FAKE_SAYS,    /* the text of fake_redis_say to every command, or to one */
	FAKE_DEAF     /* as FAKE_ANSWERS, but nothing that is published arrives */
};

struct fake_client;

struct fake_redis {
	int port;
	atomic_int connections;   /* accepted so far */
	atomic_int commands;      /* read so far */
	atomic_int subscriptions; /* SUBSCRIBE commands read so far */
	/* Private */
	pthread_t thread;
	int listen_fd;
	int stop_pipe[2];
	pthread_mutex_t lock; /* the next three */
	enum fake_manners manners;
	char *said;
	size_t said_len;
	char only[16];
	char stored[64];
	struct fake_client *clients;
};

/* Listens on a free port of 127.0.0.1, FAKE_ANSWERS. */
void fake_redis_start(struct fake_redis *);

/* From the next command on. */
void fake_redis_set(struct fake_redis *, enum fake_manners);

/* FAKE_SAYS: n bytes in answer to the command only (NULL: to every one); the others are answered. */
void fake_redis_say(struct fake_redis *, const char *only, const void *bytes, size_t n);

/* Ends the server and all its connections; harmless when stopped. */
void fake_redis_stop(struct fake_redis *);

#endif
