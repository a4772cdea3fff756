/* The tables of the protocol, messages.def and closes.def, as the hub uses them and as protocol.c describes them. */
#ifndef REALTIME_PROTOCOL_IMPL_H
#define REALTIME_PROTOCOL_IMPL_H

#include <stdint.h>

#include "realtime/hub.h"

/* Where a message is understood, or sent: bits by enum hub_target. */
#define ON_CHAT  (1u << HUB_CHAT)
#define ON_POLLS (1u << HUB_POLL)
#define ON_BOTH  (ON_CHAT | ON_POLLS)

enum sent {
#define RECEIVED(name, type, targets, function, fields, meaning)
#define SENT(name, type, targets, payload, meaning) SENT_##name,
#include "realtime/messages.def"
#undef RECEIVED
#undef SENT
};

enum close_cause {
	CLOSE_NONE,
#define CLOSE(name, code, reason, meaning) CLOSE_##name,
#include "realtime/closes.def"
#undef CLOSE
	CLOSES
};

struct close_row {
	uint16_t code;
	const char *reason, *meaning;
};

extern const struct close_row closes[CLOSES]; /* that of CLOSE_NONE is empty */

#endif
