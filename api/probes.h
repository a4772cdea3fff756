/*
 * The probes of a process that serves nothing else (`worker`, `beat`): /livez, /readyz and /metrics on PROBE_PORT of HOST, by a small
 * server of one thread. As those of `serve` (resilience.md 2.6, 2.9), metrics with the same check of who asks. Main thread.
 */
#ifndef API_PROBES_H
#define API_PROBES_H

#include "base/buf.h"
#include "base/settings.h"

struct probes;

struct probes_config {
	const struct settings *settings; /* borrowed */
	/* Called by the probes' thread; verbose may be NULL, else gets "[+]name ok" lines. */
	bool (*alive)(void *arg, struct buf *verbose);
	bool (*ready)(void *arg, struct buf *verbose);
	void *arg;
};

/* Listens and answers when it returns 0. ERR_CONFIG: the address or the port cannot be had; ERR_NOMEM, ERR_IO. */
int probes_create(const struct probes_config *, struct probes **ret_probes, struct error *err);

/* The port it listens on. */
int probes_port(const struct probes *);

/* Stops, frees. NULL is fine. */
void probes_destroy(struct probes *);

#endif
