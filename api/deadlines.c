/*
 * The sweep: libmicrohttpd's own timeout starts anew with every byte, so a client who sends one now and then would stay
 * for ever. Here each phase has an end that no byte moves, but the body's, which moves with the rate.
 *
 * What an http thread owns is taken from it first (connection.h); only then is the socket touched. It is shut down, not
 * closed: libmicrohttpd sees that and closes it on its own thread.
 */
#include <sys/socket.h>

#include "api/transport_impl.h"

/* A connection of an http thread is late. Nothing of an answer has been written before PHASE_SENDING, so one can be. */
static bool cut(struct connection *c, uint64_t word)
{
	enum phase phase = connection_phase(word);

	if (!connection_take(c, word))
		return false; /* its owner has just moved on */
	if (phase == PHASE_HEAD || phase == PHASE_BODY)
		respond_raw(c->fd, 408, "La requête est arrivée trop lentement.");
	else if (phase == PHASE_HANDLING)
		respond_raw(c->fd, 503, "La réponse a pris trop de temps.");
	shutdown(c->fd, SHUT_RDWR);
	connection_give_back(c);
	return true;
}

/*
 * libmicrohttpd takes a read that brings less than it asked for as the last one, and then waits for an event; an end of
 * the connection that came together with what was read has had its event already. So a connection that waits for its
 * client is looked at once: what ends later makes an event.
 */
static bool has_left(struct connection *c, uint64_t word)
{
	char byte;
	bool left;

	if (c->looked == word || !connection_borrow(c, word))
		return false;
	left = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
	connection_return(c, word);
	c->looked = word;
	return left;
}

/* Reads what a refused client still sends; true when he has closed. */
static bool is_done(int fd)
{
	char waste[4096];
	ssize_t n;

	do {
		n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
	} while (n > 0);
	return n == 0;
}

static void sweep_door(struct server *s, struct connection *c, enum phase phase, bool late)
{
	if (phase == PHASE_LINGER) {
		if (late || is_done(c->fd))
			door_close(s, c);
	} else if (late && phase == PHASE_PEEKING) {
		door_refuse(s, c, 408, "La requête est arrivée trop lentement.");
	} else if (late) {
		door_close(s, c);
	}
}

/* A request is on its way in or out. */
static void sweep_request(struct server *s, struct connection *c, uint64_t word, bool late)
{
	if (atomic_load(&s->cutting) && cut(c, word))
		atomic_fetch_add(&s->cut, 1);
	else if (late)
		cut(c, word);
}

static void sweep_one(struct server *s, struct connection *c, int64_t now_us)
{
	uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);
	enum phase phase = connection_phase(word);
	bool late = connection_is_late(word, now_us);

	switch (phase) {
	case PHASE_NONE:
	case PHASE_CUTTING:
	case PHASE_LOOKING:
	case PHASE_CUT:
		return;
	case PHASE_SILENT:
	case PHASE_PEEKING:
	case PHASE_LINGER:
		sweep_door(s, c, phase, late || atomic_load(&s->cutting));
		return;
	case PHASE_IDLE:
		if (late || atomic_load(&s->draining) || has_left(c, word))
			cut(c, word);
		return;
	case PHASE_BODY:
		sweep_request(s, c, word, late || has_left(c, word));
		return;
	default:
		sweep_request(s, c, word, late);
	}
}

void deadlines_sweep(struct server *s, int64_t now_us)
{
	int highest = atomic_load(&s->highest);

	for (int fd = 0; fd <= highest; fd++)
		sweep_one(s, &s->connections[fd], now_us);
}
