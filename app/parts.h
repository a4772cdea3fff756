/*
 * The parts that every process with background tasks has, whether or not it serves: database, Redis, cache, relay. For `worker` and
 * `beat`; `serve` has more of them and makes them itself (app/service.h). Main thread.
 */
#ifndef APP_PARTS_H
#define APP_PARTS_H

#include "app/background.h"

struct parts {
	struct settings *settings; /* owned; set by the caller */
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct task_services services;
	struct background *background;
};

/* Makes and starts them on zeroed memory with settings; what failed half-way is for parts_destroy. Errors are those of the part. */
int parts_start(struct parts *, struct error *err);

/* As background_drain and background_finish, when there is one. */
void parts_drain(struct parts *, int64_t deadline_us);
void parts_finish(struct parts *);

/* Frees all, settings too; half-made is fine. False: a task runs that cannot be ended: nothing may follow but _exit. */
bool parts_destroy(struct parts *);

#endif
