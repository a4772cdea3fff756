/*
 * Polls: what they are, how they are read and managed. Voting: domain/poll_vote.h. Source: realtime.md 5 and 10; database.md
 * core_poll, core_polloption, core_pollballot. Functions run on the caller's connection, texts and rows live in the arena.
 *
 * Reading is for everybody, drafts included. Managing is for whom poll_is_managed_by says; each call is one transaction for the
 * rows and the audit entry, in which the poll's row is locked first, as it is for a vote: what is done to one poll is done one
 * after the other. Errors are those of db_select and db_write besides those named.
 */
#ifndef DOMAIN_POLL_H
#define DOMAIN_POLL_H

#include "domain/account.h"
#include "domain/person.h"

/* An option with the number of its ballots. */
struct poll_option {
	int64_t poll_id, id;
	struct str label;
	int64_t position, votes;
};

struct poll {
	int64_t id;
	struct str title, question, description;
	struct str status; /* draft, open or closed */
	bool is_anonymous, allow_multiple;
	int64_t quorum;                     /* may be null */
	struct instant opens_at, closes_at; /* may be null */
	int64_t project_id;                 /* may be null */
	struct person creator;              /* nobody: the account is gone */
	struct instant created_at, updated_at;
	struct str voting_method; /* binary, quadratic or majority */
	int64_t max_points;       /* of a quadratic vote; null or 0: POLL_POINTS */
	struct db_rows options;   /* of struct poll_option, by position and id */
	int64_t total_votes;      /* ballots of the poll */
};

#define POLL_POINTS       100
#define POLL_OPTIONS_MAX  500 /* that one call may name: each is a row of one transaction, and a part of every frame */
#define POLL_OPTION_CHARS 255
#define POLL_OPTION_NEW   0 /* the id of none */

/* ---- reading ---- */

/* Which polls: what is absent is no condition. */
struct poll_filter {
	struct str status;  /* exact */
	int64_t project_id; /* NULL_INT: any */
};

int poll_count(struct db_conn *, const struct poll_filter *, int64_t *ret_count);

/* Polls, newest first, each with its options and counts: two statements, however many they are. */
int poll_list(struct db_conn *, struct arena *, const struct poll_filter *, int64_t limit, int64_t offset, struct db_rows *ret_polls);

/* One poll with its options and counts. ERR_NOT_FOUND. */
int poll_find(struct db_conn *, struct arena *, int64_t id, struct poll *ret_poll);

/* Whether there is such a poll: 1, 0, or an error. */
int poll_exists(struct db_conn *, int64_t id);

/* ---- managing ---- */

/* Who may change, delete, open and close it: its creator, and staff. */
static inline bool poll_is_managed_by(const struct poll *p, const struct account *a)
{
	return a->is_staff || p->creator.id == a->id;
}

/* An option as it is wanted. */
struct poll_option_in {
	int64_t id; /* of an option of this poll: that one is kept, and changed; any other, POLL_OPTION_NEW: a new one */
	struct str label;
	int64_t position;
};

/* The complete new set of options; NULL .list: they stay as they are. At most POLL_OPTIONS_MAX, no id twice. */
struct poll_options_in {
	const struct poll_option_in *list;
	size_t n;
};

/*
 * Inserts a poll of the creator's: of *poll everything from title to project_id, voting_method and max_points are read.
 * *ret_poll is the row as it stands afterwards.
 */
int poll_create(struct db_conn *, struct arena *, const struct account *creator, const struct poll *poll, const struct poll_options_in *,
                struct poll *ret_poll);

/* What is to be changed: called on the present row, locked; perhaps more than once, on another thread. */
struct poll_edit {
	void (*apply)(const void *arg, struct poll *);
	const void *arg;
};

/*
 * Changes a poll and, when they are given, its options: those that are not named go, with their ballots. *ret_poll is the row
 * as it stands afterwards. ERR_NOT_FOUND.
 */
int poll_update(struct db_conn *, struct arena *, const struct account *, int64_t id, const struct poll_edit *,
                const struct poll_options_in *, struct poll *ret_poll);

/* Deletes a poll with its options and ballots. ERR_NOT_FOUND. */
int poll_delete(struct db_conn *, struct arena *, const struct account *, int64_t id);

/*
 * Opens or closes a poll, whatever its status. Opening sets opens_at when there is none, and takes away a closes_at that is not
 * in the future; closing sets closes_at. updated_at stays. ERR_NOT_FOUND.
 */
int poll_open(struct db_conn *, struct arena *, const struct account *, int64_t id, struct poll *ret_poll);
int poll_close(struct db_conn *, struct arena *, const struct account *, int64_t id, struct poll *ret_poll);

#endif
