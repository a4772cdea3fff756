/*
 * What is worked out once from the settings: who may ask (hosts, origins, proxies), and the answers that never change.
 * Immutable after site_create; any thread.
 */
#ifndef API_SITE_H
#define API_SITE_H

#include <sys/socket.h>

#include "api/ready.h"
#include "base/settings.h"

struct network {
	int family;                /* AF_INET, AF_INET6 */
	unsigned char address[16]; /* network order */
	unsigned bits;             /* length of the prefix */
};

struct site {
	const struct settings *settings; /* borrowed */
	struct network *proxies;
	size_t n_proxies;
	char hsts[80];          /* Strict-Transport-Security; "" = none */
	struct ready *root;     /* the answer of / */
	struct ready *features; /* the answer of /api/config/features/ */
};

/* ERR_CONFIG (a proxy that is no address), ERR_NOMEM. */
int site_create(const struct settings *, struct site **ret_site, struct error *err);
void site_destroy(struct site *);

/* Whether the Host value is well formed and allowed (http.md 1.3). */
bool site_allows_host(const struct site *, struct str host);

/* The allowed origin equal to this Origin header, as configured; NULL when it is not allowed (http.md 9). */
const char *site_allowed_origin(const struct site *, struct str origin);

/* Whether the address is in TRUSTED_PROXIES; a mapped IPv4 address counts as IPv4. */
bool site_trusts(const struct site *, const struct sockaddr_storage *peer);

/* The bytes of an address, a mapped IPv4 one as IPv4; its family (4 bytes for AF_INET, 16 for AF_INET6). */
int site_address_bytes(const struct sockaddr_storage *, const unsigned char **ret_bytes);

/* Whether the address is the machine's own (127.0.0.0/8, ::1). */
bool site_is_loopback(const struct sockaddr_storage *peer);

#endif
