/* The door's way for WebSockets: the request is judged as far as HTTP goes, then the socket is the hub's. */
#include <unistd.h>

#include "api/transport_impl.h"
#include "api/upgrade.h"

#define UPGRADE_ARENA_BYTES 4096 /* what reading a handshake takes beside the head */

/*
 * The record is given up before the socket changes hands: from then on the hub may close it, and its number may be
 * anybody's. Who is refused after all gets a record again.
 */
static int offer(struct server *s, struct connection **c, const struct upgrade *upgrade)
{
	struct sockaddr_storage peer = (*c)->peer;
	int status;

	server_release(s, *c);
	status = s->upgrade(s->upgrade_arg, upgrade);
	if (status == 0)
		return 0;
	*c = server_claim(s, upgrade->fd);
	if (*c) {
		(*c)->peer = peer;
		atomic_fetch_add(&s->open, 1);
	}
	return status;
}

void door_hand_to_hub(struct server *s, struct connection *c, const char *bytes)
{
	struct worker worker = { .context = s->context };
	struct request req = { .worker = &worker, .peer = c->peer, .method = METHOD_GET };
	const char *detail = "Temps réel indisponible.";
	struct upgrade upgrade;
	int status = 503, fd = c->fd;

	arena_init(&req.arena, UPGRADE_ARENA_BYTES);
	if (s->upgrade)
		status = upgrade_read(&req, (struct str){ bytes, c->stream.head.at }, &upgrade, &detail);
	upgrade.fd = fd;
	if (status == 0)
		status = offer(s, &c, &upgrade);
	if (status == 429)
		detail = "Trop de tentatives refusées ; réessayez dans une minute.";
	arena_finish(&req.arena);
	if (status && c)
		door_refuse(s, c, status, detail);
	else if (status)
		close(fd);
}
