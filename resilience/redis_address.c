#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "resilience/redis_conn_impl.h"

static struct redis_address *create(void)
{
	struct redis_address *a = mem_alloc(sizeof(*a));

	if (a)
		atomic_init(&a->refs, 1);
	return a;
}

static void add(struct redis_address *a, const void *addr, socklen_t len)
{
	if (a->n == REDIS_ADDRESSES_MAX || len > sizeof(a->at[0].addr))
		return;
	memcpy(&a->at[a->n].addr, addr, len);
	a->at[a->n++].len = len;
}

static void add_socket(struct redis_address *a, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	add(a, &un, sizeof(un));
}

static int add_host(struct redis_address *a, const struct redis_url *url, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%d", url->port);
	r = getaddrinfo(url->host, port, &hints, &found);
	if (r != 0)
		return error_set(err, ERR_UNAVAILABLE, "%.120s: resolve the name: %s", url->shown, gai_strerror(r));
	for (const struct addrinfo *i = found; i; i = i->ai_next)
		add(a, i->ai_addr, i->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

struct redis_address *redis_address_resolve(const struct redis_url *url, struct error *err)
{
	struct redis_address *a = create();

	if (!a) {
		error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
		return NULL;
	}
	if (url->scheme == REDIS_UNIX) {
		add_socket(a, url->path);
	} else if (add_host(a, url, err) < 0) {
		redis_address_destroy(a);
		return NULL;
	}
	return a;
}

struct redis_address *redis_address_ref(struct redis_address *a)
{
	if (a)
		atomic_fetch_add(&a->refs, 1);
	return a;
}

void redis_address_destroy(struct redis_address *a)
{
	if (a && atomic_fetch_sub(&a->refs, 1) == 1)
		free(a);
}
