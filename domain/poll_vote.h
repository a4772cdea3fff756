/*
 * Voting in a poll: judging a vote, and taking it with what it costs and earns. Source: realtime.md 5 and 10 (2, 3, 7, 13, 22),
 * saka.md 3 and 4.
 *
 * INVARIANTS: a ballot is one row for each option that a voter gave something to, so a voter has at most one row for an option, and
 * one row in all in a binary poll with a single choice. Who he is stands there as a hash alone, unless the poll is not anonymous.
 * A vote that is refused has changed nothing.
 */
#ifndef DOMAIN_POLL_VOTE_H
#define DOMAIN_POLL_VOTE_H

#include "base/settings.h"
#include "domain/poll.h"

enum poll_method { POLL_BINARY, POLL_QUADRATIC, POLL_MAJORITY };

/* How a poll is voted in; what the column does not name otherwise is binary. */
enum poll_method poll_method(const struct poll *);

/* What an option is given: points (quadratic), or a rank, 1 the best, which may be null (majority). */
struct poll_mark {
	int64_t option_id, value;
};

/* A vote as it was read. */
struct poll_vote {
	const int64_t *options; /* the ids of the list `options`; NULL: it was not sent */
	size_t n_options;
	const struct poll_mark *marks; /* `votes` or `rankings`, by the method */
	size_t n_marks;
	struct json_text received; /* that list as it was sent, for the journal of a poll that is not anonymous */
	int64_t intensity;         /* quadratic: POLL_INTENSITY_MIN to POLL_INTENSITY_MAX */
};

#define POLL_INTENSITY_MIN 1
#define POLL_INTENSITY_MAX 5

/* Why a vote is not taken, in the order in which it is looked at. */
enum poll_refusal {
	POLL_ACCEPTS,
	POLL_IS_NOT_OPEN,
	POLL_OPENS_LATER,
	POLL_HAS_CLOSED,
	POLL_CHOICE_IS_NONE,      /* of options: one is not of this poll, or is named twice */
	POLL_CHOICE_IS_SINGLE,    /* of options: several, where one is allowed */
	POLL_MARKS_HAVE_TOO_MUCH, /* quadratic: the sum of the points is too high, whatever they are given to */
	POLL_MARKS_ARE_NONE,      /* of marks: there are none; an option is not of this poll, or is named twice */
	POLL_MARKS_HAVE_NONE,     /* quadratic: no option has points */
	POLL_REFUSALS
};

/* Whether the poll takes votes now. */
enum poll_refusal poll_judge_time(const struct poll *, struct instant now);

/* Whether the list `options`, when there is one, is a choice that the poll (with its options) allows. */
enum poll_refusal poll_judge_options(const struct poll *, const struct poll_vote *);

/* Whether the marks are what the poll's method wants; POLL_ACCEPTS for a binary one. */
enum poll_refusal poll_judge_marks(const struct poll *, const struct poll_vote *);

/* A vote that was taken: the poll afterwards, and, of a quadratic one, what it weighs. */
struct poll_voted {
	struct poll poll;
	int64_t saka_spent, saka_cost, intensity;
	double weight;
};

/*
 * Takes the vote in one transaction: judges it again on the poll, locked; spends the grains of a quadratic one when the wallet has
 * them; replaces the voter's ballots; audit entry; reward. `method` is the one by which the vote was read. ERR_INVALID, with
 * *ret_refusal, when it is refused; ERR_CONFLICT when the poll's method is another by now; ERR_NOT_FOUND; errors of db_write.
 */
int poll_cast(struct db_conn *, struct arena *, const struct settings *, const struct account *voter, int64_t poll_id, enum poll_method,
              const struct poll_vote *, struct poll_voted *ret_voted, enum poll_refusal *ret_refusal);

#define POLL_HASH_SIZE 65

/*
 * Under which name a voter's ballots of a poll are kept: 64 hexadecimal digits, and a NUL. It never goes into a log, nor beside the
 * voter's id where the poll is anonymous. ERR_NOMEM.
 */
int poll_voter_hash(const char *secret_key, int64_t poll_id, int64_t user_id, char ret_hash[POLL_HASH_SIZE]);

#endif
