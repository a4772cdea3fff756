/*
 * ClamAV's daemon: one file looked at, streamed to it in pieces (INSTREAM), by TCP or a socket of this machine. Source: tasks.md 1.
 * No more of the file is in memory than one piece. Any thread; waits for the network.
 */
#ifndef TASKS_CLAMD_H
#define TASKS_CLAMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CLAMD_TEXT_SIZE 256

struct clamd {
	const char *host; /* tried first, all its addresses */
	int64_t port;
	const char *const *sockets; /* then these; ends with NULL */
	int64_t deadline_us;        /* monotonic, of the whole */
	bool (*stop)(void *arg);    /* asked while it waits; NULL: nobody */
	void *arg;
};

/* The sockets of Debian's package and of Red Hat's. Ends with NULL. */
extern const char *const clamd_sockets[];

enum clamd_verdict {
	CLAMD_CLEAN,
	CLAMD_INFECTED, /* text: the name of what it found */
	CLAMD_REFUSED,  /* text: why it did not look, as it says */
};

struct clamd_answer {
	enum clamd_verdict verdict;
	char text[CLAMD_TEXT_SIZE]; /* "" when clean */
};

/*
 * Has the file looked at, from where fd stands to its end. ERR_UNAVAILABLE: nobody listens; ERR_CORRUPT: the connection ended, or
 * said something else, before there was an answer; ERR_TIMEOUT: the deadline, or stop; ERR_IO: the file cannot be read. *err tells.
 */
int clamd_scan(const struct clamd *, int fd, struct clamd_answer *ret_answer, struct error *err);

/* An answer of clamd, without its end mark, taken apart; false: it is none. */
bool clamd_read_answer(const char *text, struct clamd_answer *ret_answer);

#endif
