/*
 * Where a Redis is: redis://[user:password@]host[:port][/db], rediss:// (TLS), unix://[user:password@]/path[?db=n].
 * Source: spec resilience.md 1.2. Only the path component ever names the database.
 */
#ifndef RESILIENCE_REDIS_URL_H
#define RESILIENCE_REDIS_URL_H

#include <stdbool.h>

#include "base/error.h"

enum redis_scheme { REDIS_TCP, REDIS_TLS, REDIS_UNIX };

struct redis_url {
	enum redis_scheme scheme;
	char host[256];     /* TCP, TLS: name or address, IPv6 without brackets */
	int port;           /* TCP, TLS: 1..65535, default 6379 */
	char path[108];     /* UNIX: the socket */
	char user[128];     /* percent-decoded; empty = none */
	char password[512]; /* percent-decoded; empty = none */
	int db;             /* 0..; -1 when the URL names none */
	char shown[400];    /* for logs: the URL with its credentials replaced by three stars */
};

/* Parses; ERR_CONFIG with the reason (never with the password) in *err. */
int redis_url_parse(const char *text, struct redis_url *ret_url, struct error *err);

/* The same URL with another database. */
void redis_url_set_db(struct redis_url *, int db);

/* Whether both name the same server with the same credentials, whatever the database. */
bool redis_url_same_server(const struct redis_url *, const struct redis_url *);

#endif
