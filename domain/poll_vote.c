/*
 * The handler judges a vote on the poll as it reads it, so that errors come in the order of the contract; the transaction judges
 * it once more on the poll as it is then. The methods differ in which ballots of the voter stay, and in what a ballot says.
 */
#include "domain/poll_vote.h"

#include <math.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "domain/audit.h"
#include "domain/poll_impl.h"
#include "domain/saka.h"

#define MINUTE_US (60 * US_PER_S)

int poll_voter_hash(const char *secret_key, int64_t poll_id, int64_t user_id, char ret_hash[POLL_HASH_SIZE])
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	buf_add_text(&b, secret_key);
	buf_addf(&b, ":%lld:user:%lld", (long long)poll_id, (long long)user_id);
	if (b.failed)
		return ERR_NOMEM;
	SHA256((const unsigned char *)b.data, b.len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret_hash + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* ---- judging ---- */

enum poll_method poll_method(const struct poll *poll)
{
	if (str_is(poll->voting_method, "quadratic"))
		return POLL_QUADRATIC;
	return str_is(poll->voting_method, "majority") ? POLL_MAJORITY : POLL_BINARY;
}

enum poll_refusal poll_judge_time(const struct poll *poll, struct instant now)
{
	if (!str_is(poll->status, "open"))
		return POLL_IS_NOT_OPEN;
	if (poll->opens_at.us > now.us)
		return POLL_OPENS_LATER;
	return poll->closes_at.us != NULL_TIME.us && poll->closes_at.us < now.us ? POLL_HAS_CLOSED : POLL_ACCEPTS;
}

static bool has_option(const struct poll *poll, int64_t id)
{
	const struct poll_option *options = poll->options.items;

	for (size_t i = 0; i < poll->options.n; i++)
		if (options[i].id == id)
			return true;
	return false;
}

static int64_t nth(const int64_t *first, size_t i, size_t step)
{
	return *(const int64_t *)(const void *)((const char *)first + i * step);
}

/* Whether ids that are `step` bytes from one another are options of the poll, none of them twice. */
static bool are_its_options(const struct poll *poll, const int64_t *first, size_t n, size_t step)
{
	if (n > poll->options.n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!has_option(poll, nth(first, i, step)))
			return false;
		for (size_t k = 0; k < i; k++)
			if (nth(first, k, step) == nth(first, i, step))
				return false;
	}
	return true;
}

enum poll_refusal poll_judge_options(const struct poll *poll, const struct poll_vote *vote)
{
	if (!vote->options)
		return POLL_ACCEPTS;
	if (!are_its_options(poll, vote->options, vote->n_options, sizeof(*vote->options)))
		return POLL_CHOICE_IS_NONE;
	return vote->n_options > 1 && !poll->allow_multiple ? POLL_CHOICE_IS_SINGLE : POLL_ACCEPTS;
}

static enum poll_refusal judge_points(const struct poll *poll, const struct poll_vote *vote)
{
	int64_t max = poll->max_points > 0 ? poll->max_points : POLL_POINTS;
	int64_t left = max;

	for (size_t i = 0; i < vote->n_marks; i++) {
		if (vote->marks[i].value > left)
			return POLL_MARKS_HAVE_TOO_MUCH;
		left -= vote->marks[i].value;
	}
	return left == max ? POLL_MARKS_HAVE_NONE : POLL_ACCEPTS;
}

enum poll_refusal poll_judge_marks(const struct poll *poll, const struct poll_vote *vote)
{
	enum poll_method method = poll_method(poll);
	enum poll_refusal refusal = method == POLL_QUADRATIC ? judge_points(poll, vote) : POLL_ACCEPTS;

	if (method == POLL_BINARY || refusal == POLL_MARKS_HAVE_TOO_MUCH)
		return refusal;
	if (!vote->n_marks || !are_its_options(poll, &vote->marks->option_id, vote->n_marks, sizeof(*vote->marks)))
		return POLL_MARKS_ARE_NONE;
	return refusal;
}

static enum poll_refusal judge(const struct poll *poll, const struct poll_vote *vote, struct instant now)
{
	enum poll_refusal refusal = poll_judge_time(poll, now);

	if (refusal == POLL_ACCEPTS)
		refusal = poll_judge_options(poll, vote);
	return refusal == POLL_ACCEPTS ? poll_judge_marks(poll, vote) : refusal;
}

/* ---- taking ---- */

struct casting {
	struct arena *arena;
	const struct settings *settings;
	const struct account *voter;
	int64_t poll_id;
	enum poll_method method;
	const struct poll_vote *vote;
	char hash[POLL_HASH_SIZE];
	struct instant now;

	struct poll poll; /* as it is when it is locked, with the ids of its options */
	enum poll_refusal refusal;
	struct poll_voted voted;
};

static int lock_poll(struct db_conn *db, struct casting *c)
{
	static const struct db_column columns[] = { DB_COLUMN(struct poll_option, id, INT, "id") };
	static const struct db_row row = DB_ROW(struct poll_option, columns);
	static const struct db_statement options = { "SELECT $cols FROM core_polloption WHERE poll_id = $1", &row };
	int r = poll_lock(db, c->arena, c->poll_id, &c->poll);

	return r < 0 ? r : db_select(db, &options, DB_PARAMS(DB_INT(c->poll_id)), c->arena, &c->poll.options);
}

/* ---- grains ---- */

/* Spends what the vote costs, when the wallet has it. */
static int spend(struct db_conn *db, struct casting *c, bool *ret_spent)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_addf(&metadata, "{\"poll_id\":%lld,\"intensity\":%lld}", (long long)c->poll_id, (long long)c->vote->intensity);
	if (metadata.failed)
		return ERR_NOMEM;
	return saka_spend(db, c->settings, c->voter->id, SAKA_POLL_BOOST, c->voted.saka_cost, (struct json_text){ buf_view(&metadata) },
	                  ret_spent);
}

/* sqrt(intensity), times what the grains add. */
static double weigh(const struct settings *s, int64_t intensity, int64_t spent)
{
	double factor = 1.0 + fmin(s->saka_vote_max_multiplier - 1.0, (double)spent / (double)s->saka_vote_scale);

	return sqrt((double)intensity) * factor;
}

static int boost(struct db_conn *db, struct casting *c)
{
	bool spent = false;
	int r = 0;

	c->voted.intensity = c->vote->intensity;
	c->voted.saka_cost = c->vote->intensity * c->settings->saka_vote_cost_per_intensity;
	if (c->settings->enable_saka && c->settings->saka_vote_enabled)
		r = spend(db, c, &spent);
	c->voted.saka_spent = spent ? c->voted.saka_cost : 0;
	c->voted.weight = weigh(c->settings, c->voted.intensity, c->voted.saka_spent);
	return r;
}

static int reward(struct db_conn *db, const struct casting *c)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;
	int64_t id;

	buf_addf(&metadata, "{\"poll_id\":%lld,\"voting_method\":", (long long)c->poll_id);
	json_add_str(&metadata, c->poll.voting_method);
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return saka_harvest(db, c->settings, c->voter->id, SAKA_POLL_VOTE, NULL_INT, (struct json_text){ buf_view(&metadata) }, &id);
}

/* ---- ballots ---- */

/* When the ballot was given, as far as it is kept: to the minute where nobody must tell from it who it was. */
static struct instant shown_time(const struct casting *c)
{
	return c->poll.is_anonymous ? (struct instant){ c->now.us - c->now.us % MINUTE_US } : c->now;
}

/* Microseconds always, as Python writes them with a format of its own. */
static void add_time(struct buf *b, struct instant t)
{
	char text[CLOCK_ISO_SIZE];

	clock_format_iso((struct instant){ t.us - t.us % US_PER_S }, text);
	buf_addf(b, "\"%.19s.%06d+00:00\"", text, (int)(t.us % US_PER_S));
}

/* mark is NULL in a binary poll. */
static void add_metadata(struct buf *b, const struct casting *c, const struct poll_mark *mark)
{
	buf_add_text(b, "{\"ts\":");
	add_time(b, shown_time(c));
	if (c->method == POLL_QUADRATIC)
		buf_addf(b, ",\"points\":%lld,\"intensity\":%lld", (long long)mark->value, (long long)c->vote->intensity);
	if (c->method == POLL_MAJORITY) {
		buf_add_text(b, ",\"ranking\":");
		json_add_int(b, mark->value);
	}
	if (!c->poll.is_anonymous)
		buf_addf(b, ",\"user_id\":%lld", (long long)c->voter->id);
	buf_add_char(b, '}');
}

/* One that is there already stays untouched. */
static int insert_ballot(struct db_conn *db, const struct casting *c, int64_t option_id, const struct poll_mark *mark)
{
	static const struct db_statement insert = {
		"INSERT INTO core_pollballot (voter_hash, metadata, submitted_at, option_id, poll_id, points, ranking, saka_spent, weight) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (poll_id, option_id, voter_hash) DO NOTHING"
	};
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;
	bool quadratic = c->method == POLL_QUADRATIC;

	add_metadata(&metadata, c, mark);
	if (metadata.failed)
		return ERR_NOMEM;
	return db_execute(db, &insert,
	                  DB_PARAMS(DB_TEXT(str_of(c->hash)), DB_JSON(((struct json_text){ buf_view(&metadata) })), DB_TIME(shown_time(c)),
	                            DB_INT(option_id), DB_INT(c->poll_id), DB_INT(quadratic ? mark->value : 1),
	                            DB_INT(c->method == POLL_MAJORITY ? mark->value : NULL_INT), DB_INT(c->voted.saka_spent),
	                            DB_FLOAT(quadratic ? c->voted.weight : NULL_FLOAT)),
	                  NULL);
}

#define DELETE_OTHERS "DELETE FROM core_pollballot WHERE poll_id = $1 AND voter_hash = $2 AND option_id NOT IN "

/* The voter's ballots go, but those for options that a binary vote chooses again. */
static int remove_ballots(struct db_conn *db, const struct casting *c)
{
	static const struct db_statement others = { .sqlite = DELETE_OTHERS IDS_SQLITE("$3"),
		                                    .postgresql = DELETE_OTHERS IDS_POSTGRESQL("$3") };
	struct buf staying CLEANUP(buf_finish) = BUF_EMPTY;
	size_t n = c->method == POLL_BINARY ? c->vote->n_options : 0;

	poll_add_ids(&staying, c->vote->options, n, sizeof(*c->vote->options));
	if (staying.failed)
		return ERR_NOMEM;
	return db_execute(db, &others,
	                  DB_PARAMS(DB_INT(c->poll_id), DB_TEXT(str_of(c->hash)), DB_JSON(((struct json_text){ buf_view(&staying) }))),
	                  NULL);
}

static int insert_choices(struct db_conn *db, const struct casting *c)
{
	int r = 0;

	for (size_t i = 0; i < c->vote->n_options && r == 0; i++)
		r = insert_ballot(db, c, c->vote->options[i], NULL);
	return r;
}

/* In a quadratic poll an option without points gets no ballot. */
static int insert_marks(struct db_conn *db, const struct casting *c)
{
	int r = 0;

	for (size_t i = 0; i < c->vote->n_marks && r == 0; i++) {
		const struct poll_mark *mark = &c->vote->marks[i];

		if (c->method == POLL_MAJORITY || mark->value > 0)
			r = insert_ballot(db, c, mark->option_id, mark);
	}
	return r;
}

static int replace_ballots(struct db_conn *db, const struct casting *c)
{
	int r = remove_ballots(db, c);

	if (r < 0)
		return r;
	return c->method == POLL_BINARY ? insert_choices(db, c) : insert_marks(db, c);
}

/* ---- journal ---- */

static void add_vote(struct buf *b, const struct casting *c)
{
	switch (c->method) {
	case POLL_BINARY:
		buf_add_text(b, ",\"options\":");
		poll_add_ids(b, c->vote->options, c->vote->n_options, sizeof(*c->vote->options));
		break;
	case POLL_QUADRATIC:
		buf_add_text(b, ",\"votes\":");
		buf_add_str(b, c->vote->received.text);
		break;
	case POLL_MAJORITY:
		buf_add_text(b, ",\"rankings\":");
		buf_add_str(b, c->vote->received.text);
		break;
	}
}

/* Of an anonymous poll the journal tells that somebody voted, and nothing that leads to his ballots. */
static int note(struct db_conn *db, const struct casting *c)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_char(&b, '{');
	if (!c->poll.is_anonymous) {
		buf_addf(&b, "\"hash\":\"%s\"", c->hash);
		add_vote(&b, c);
	}
	buf_add_char(&b, '}');
	if (b.failed)
		return ERR_NOMEM;
	return audit_write(db, c->voter->id, "poll_vote", POLL_TARGET, c->poll_id, (struct json_text){ buf_view(&b) });
}

/* ---- all together ---- */

static int take(struct db_conn *db, struct casting *c)
{
	int r = c->method == POLL_QUADRATIC ? boost(db, c) : 0;

	if (r == 0)
		r = replace_ballots(db, c);
	if (r == 0)
		r = note(db, c);
	return r < 0 ? r : reward(db, c);
}

static int cast(struct db_conn *db, void *arg)
{
	struct casting *c = arg;
	int r = lock_poll(db, c);

	c->now = clock_now();
	c->voted = (struct poll_voted){ .weight = 0 };
	c->refusal = POLL_ACCEPTS;
	if (r < 0)
		return r;
	if (poll_method(&c->poll) != c->method)
		return ERR_CONFLICT;
	c->refusal = judge(&c->poll, c->vote, c->now);
	if (c->refusal != POLL_ACCEPTS)
		return ERR_INVALID;
	r = take(db, c);
	return r < 0 ? r : poll_find(db, c->arena, c->poll_id, &c->voted.poll);
}

int poll_cast(struct db_conn *db, struct arena *arena, const struct settings *settings, const struct account *voter, int64_t poll_id,
              enum poll_method method, const struct poll_vote *vote, struct poll_voted *ret_voted, enum poll_refusal *ret_refusal)
{
	struct casting c = { .arena = arena, .settings = settings, .voter = voter, .poll_id = poll_id, .method = method, .vote = vote };
	int r = poll_voter_hash(settings->secret_key, poll_id, voter->id, c.hash);

	if (r == 0)
		r = db_write(db, cast, &c);
	if (r == 0)
		*ret_voted = c.voted;
	*ret_refusal = r == ERR_INVALID ? c.refusal : POLL_ACCEPTS;
	return r;
}
