/*
 * Backers of a project: who gave through an escrow contract that has been released to it. Source: tasks.md 1, 3.2; finance.md 7.
 */
#ifndef DOMAIN_BACKER_H
#define DOMAIN_BACKER_H

#include "db/db.h"

#define BACKERS_CONTRACTS_MAX 1000

struct backer {
	int64_t user_id;
	struct str username, email; /* the address may be empty */
	struct decimal amount;      /* of all his contracts that were read */
};

struct backers {
	struct str title;    /* of the project */
	int64_t contracts;   /* that were read */
	int64_t all;         /* that there are: more when they were too many */
	struct db_rows list; /* struct backer, one for each person, by user_id */
};

/* Reads the first BACKERS_CONTRACTS_MAX released contracts. ERR_NOT_FOUND: no such project; else as db_select. */
int backers_read(struct db_conn *, struct arena *, int64_t project_id, struct backers *ret);

#endif
