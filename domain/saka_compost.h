/*
 * Compost: of wallets that have long been idle a part goes back to the common silo. Source: saka.md 5, 11 D5, D8; tasks.md 1, 8.
 *
 * A run has a row in core_sakacompostlog, written before the work and finished in the transaction of the work: a row without
 * finished_at tells of a run that failed, or that is still running. All wallets, their rows, the silo and the log row change in
 * one transaction, or nothing does. A wallet that was composted counts as active, so a second run at once finds nothing; two at
 * the same time come one after the other by the silo's lock.
 */
#ifndef DOMAIN_SAKA_COMPOST_H
#define DOMAIN_SAKA_COMPOST_H

#include "base/settings.h"
#include "db/db.h"

struct saka_compost {
	/* set by the caller */
	const struct settings *settings; /* SAKA_COMPOST_*; whether it is enabled at all is the caller's business */
	bool dry_run;                    /* writes its log row and nothing else */
	const char *source;              /* "celery", "admin", "admin_front" */
	/* set by saka_compost_begin */
	int64_t log_id;
	/* set by saka_compost_cycle */
	int64_t cycles; /* 1: grains went to the silo; else 0 */
	int64_t wallets_affected, total_composted;
};

/* Notes that a run begins, in a transaction of its own. Errors of db_write. */
int saka_compost_begin(struct db_conn *, struct saka_compost *);

/* In a closure: the run that has begun. ERR_LIMIT: the silo or the log would outgrow its 32 bits; errors of db_execute. */
int saka_compost_cycle(struct db_conn *, struct saka_compost *);

/* Takes the row of a run back that has begun but will not be made, in a transaction of its own. Errors of db_write. */
int saka_compost_forget(struct db_conn *, const struct saka_compost *);

/* Begin and cycle, each in its transaction. */
int saka_compost_run(struct db_conn *, struct saka_compost *);

/* ---- what is watched (tasks.md 1: check_celery_beat_health, check_compost_failures); errors of db_select ---- */

/* How many runs have begun since a time and were finished, dry ones not counted. */
int saka_compost_runs_since(struct db_conn *, struct instant since, int64_t *ret_runs);

/* How many runs have begun from one time on, before another, and were never finished: they failed, or died; dry ones too. */
int saka_compost_unfinished(struct db_conn *, struct instant from, struct instant before, int64_t *ret_runs);

/* How many wallets a run would take from now. */
int saka_compost_eligible(struct db_conn *, const struct settings *, int64_t *ret_wallets);

#endif
