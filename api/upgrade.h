/*
 * A WebSocket request as the door finds it: read from its raw head, judged as far as HTTP goes, for whoever takes the socket.
 * Source: RFC 6455 section 4.2.1; realtime.md 7, Handshake 1 and 2. Pure; the door's thread.
 */
#ifndef API_UPGRADE_H
#define API_UPGRADE_H

#include "api/request.h"

enum upgrade_target { UPGRADE_CHAT, UPGRADE_POLL };

struct upgrade {
	int fd;
	size_t head_bytes; /* unread in the socket: the head, and not a byte more */
	enum upgrade_target target;
	int64_t id;                 /* of the thread or poll; 0: a number that no row can have */
	struct str path;            /* as the client asked for it */
	struct str key;             /* Sec-WebSocket-Key: 16 bytes in base64 */
	bool offers_v1;             /* the subprotocol egoejo.v1 */
	struct str token;           /* the first credential there is, unjudged; absent: none */
	struct str last_message_id; /* ?last_message_id=; absent: none */
	struct str client;          /* address of the client: client_address.h */
	struct str origin_prefix;   /* scheme://host of the request */
};

/* Whether it is the path of a socket: /ws/chat/12/ or /ws/polls/12, the last slash optional; id 0: a number that no row can have. */
bool upgrade_read_path(struct str path, enum upgrade_target *ret_target, int64_t *ret_id);

/*
 * Reads the head, which head_scan found whole and which is a GET of "/ws/…" with "Upgrade: websocket". 0, or the status of the
 * refusal with its detail (French): 404 no such socket, 400 (host, handshake, query), 426 another version, 403 a foreign origin,
 * 503 no memory. Texts are views of the head or live in the request's arena, as the request does.
 */
int upgrade_read(struct request *, struct str head, struct upgrade *ret_upgrade, const char **ret_detail);

#endif
