/*
 * The echo that Autobahn's WebSocket test suite wants, in the place of realtime/inbound.c: what comes goes back. Only this program
 * of the tests has it; all else is the hub as it is.
 */
#include "realtime/hub_impl.h"

bool inbound_takes(enum frame_opcode opcode)
{
	(void)opcode;
	return true;
}

void inbound_message(struct session *s, enum frame_opcode opcode, struct str message)
{
	session_push(s, frame_create(opcode, message));
}

void inbound_tell_typing(struct session *s, bool typing)
{
	(void)s, (void)typing;
}
