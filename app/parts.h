/*
 * The parts that every process with background tasks has, whether or not it serves: database, Redis, cache, relay. For `worker` and
 * `beat`; `serve` has more of them and makes them itself (app/service.h). Main thread.
 */
#ifndef APP_PARTS_H
#define APP_PARTS_H

#include "api/probes.h"
#include "app/background.h"

struct parts {
	struct settings *settings; /* owned; set by the caller */
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct task_services services;
	struct background *background;
	struct probes *probes;                         /* NULL: none are wanted */
	bool (*alive)(void *arg, struct buf *verbose); /* of the command; of probes */
	void *alive_arg;
};

/* Makes and starts them on zeroed memory with settings; what failed half-way is for parts_destroy. Errors are those of the part. */
int parts_start(struct parts *, struct error *err);

/*
 * Answers probes on PROBE_PORT, if there is one, until parts_drain: alive (of the probes' thread, with arg; NULL is fine) says whether what
 * the command has besides the parts is well. Errors as probes_create.
 */
int parts_start_probes(struct parts *, bool (*alive)(void *arg, struct buf *verbose), void *arg, struct error *err);

/* As background_drain and background_finish, when there is one. */
void parts_drain(struct parts *, int64_t deadline_us);
void parts_finish(struct parts *);

/* Frees all, settings too; half-made is fine. False: a task runs that cannot be ended: nothing may follow but _exit. */
bool parts_destroy(struct parts *);

#endif
