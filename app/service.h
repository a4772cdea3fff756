/*
 * What serves: all parts of the program, made in order, wired together, and taken down in the reverse order. Main thread,
 * except for service_ready and service_alive, which the server's threads call.
 */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/settings.h"

struct service;

/* Makes and starts everything; serves when it returns 0. Takes the settings, also on failure. Errors are those of the part that failed. */
int service_create(struct settings *take_settings, struct service **ret_service, struct error *err);

/* The address it serves, for people: http://host:port/ */
void service_address(const struct service *, char ret_text[300]);

/* From now on /readyz answers 503; nothing else changes. */
void service_drain(struct service *);

/* Stops accepting, waits for what runs until deadline_us (monotonic), cuts the rest; returns how many answers were cut. */
int service_stop(struct service *, int64_t deadline_us);

/* Whether every thread that must turn has turned lately. */
bool service_alive(struct service *);

/*
 * Frees everything, threads joined; after service_stop. Takes a half-made one too; NULL is fine. False: a background task runs that
 * cannot be ended; what it uses is left as it is, and nothing may follow but _exit.
 */
bool service_destroy(struct service *);

#endif
