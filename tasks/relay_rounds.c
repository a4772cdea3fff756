/*
 * What a turn of the relay does. It looks before it claims: a read costs nothing, an empty claim would be a transaction each second
 * in each process. A push that fails keeps what is behind it from going first: the rest of the batch is given back. The next push
 * then waits, longer each time, unless the breaker has opened: that one knows better when to try again.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tasks/push.h"
#include "tasks/relay_impl.h"

#define BATCH           512               /* rows of one claim */
#define PUSH_BYTES      ((size_t)1 << 20) /* of one push, unless one row is larger */
#define RENEW_US        (OUTBOX_LEASE_US / 3)
#define FIGURES_US      (5 * US_PER_S)
#define FIGURES_SHARE   100 /* at most the hundredth part of the time goes into figures */
#define SETTLE_US       (2 * US_PER_S)
#define FIRST_PAUSE_US  (200 * US_PER_MS)
#define LONGEST_PAUSE_S 30
#define TAKE_OVER       3 /* pushes that failed in a row, although the breaker is closed: then tasks are run here */

/* ---- claiming and giving back ---- */

struct claim {
	struct relay *relay;
	struct outbox_wanted wanted;
	int64_t limit;
	struct db_rows rows;
};

static int claim_rows(struct db_conn *db, void *arg)
{
	struct claim *c = arg;

	arena_reset(&c->relay->arena);
	return outbox_claim(db, c->wanted, str_of(c->relay->owner), c->limit, &c->relay->arena, &c->rows);
}

/*
 * The rows, none when there are none or the database is away. Large ones may not fit into memory together: then fewer are taken.
 * *ret_more: as many as could be, so there may be more.
 */
static struct db_rows claim(struct relay *r, struct outbox_wanted wanted, int64_t limit, bool *ret_more)
{
	struct claim c = { .relay = r, .wanted = wanted, .limit = limit };
	int result = outbox_any_due(r->db, wanted);

	*ret_more = false;
	if (result <= 0)
		return (struct db_rows){ NULL, 0 };
	result = db_write(r->db, claim_rows, &c);
	while ((result == ERR_LIMIT || result == ERR_NOMEM) && c.limit > 1) {
		c.limit = (c.limit + 7) / 8;
		result = db_write(r->db, claim_rows, &c);
	}
	if (result < 0)
		return (struct db_rows){ NULL, 0 };
	*ret_more = (int64_t)c.rows.n == c.limit;
	return c.rows;
}

struct giving {
	struct str owner, ids, error;
};

static int give_back(struct db_conn *db, void *arg)
{
	const struct giving *g = arg;

	return outbox_give_back(db, g->owner, g->ids, g->error);
}

void relay_give_back(struct relay *r, struct buf *ids, const char *error)
{
	struct giving g = { str_of(r->owner), { NULL, 0 }, str_of(error) };
	int result;

	if (!ids->len || ids->failed)
		return;
	g.ids = outbox_ids(ids);
	result = db_write(r->db, give_back, &g);
	if (result < 0)
		log_write(LOG_WARNING, "tasks", "relay.not_given_back", LOG_FIELDS(LOG_STR("error", error_name(result))),
		          "rows could not be given back: their leases end by themselves");
	buf_clear(ids);
}

static int renew(struct db_conn *db, void *arg)
{
	const struct giving *g = arg;

	return outbox_renew(db, g->owner, g->ids);
}

void relay_renew(struct relay *r)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;
	struct giving g = { .owner = str_of(r->owner) };

	if (clock_monotonic_us() < r->renew_at_us)
		return;
	crew_held(r->crew, &ids);
	if (ids.len && !ids.failed) {
		g.ids = outbox_ids(&ids);
		if (db_write(r->db, renew, &g) < 0)
			return; /* with the next turn */
	}
	r->renew_at_us = clock_monotonic_us() + RENEW_US;
}

/* ---- pushing ---- */

static int mark_sent(struct db_conn *db, void *arg)
{
	const struct giving *g = arg;

	return outbox_sent(db, g->ids);
}

/* Tells the table what Redis has. False: it does not know it yet, so nothing new may be claimed; it would only be pushed twice. */
static bool mark_pushed(struct relay *r)
{
	struct giving g = { .owner = str_of(r->owner) };

	if (!r->pushed.len)
		return true;
	if (r->pushed.data[r->pushed.len - 1] != ']')
		outbox_ids(&r->pushed);
	g.ids = buf_view(&r->pushed);
	if (!r->pushed.failed && db_write(r->db, mark_sent, &g) < 0 && clock_monotonic_us() - r->pushed_at_us < OUTBOX_LEASE_US)
		return false;
	buf_clear(&r->pushed);
	return true;
}

/* A delivery tag for each delivery: two that share one would take each other's entry out of `unacked`. */
static struct str with_new_tag(struct relay *r, struct str envelope)
{
	static const char name[] = "\"delivery_tag\": \"";
	char hex[UUID_HEX_SIZE], tag[UUID_TEXT_SIZE];
	char *copy = arena_strndup(&r->arena, envelope.s, envelope.len), *at = NULL;

	for (char *p = copy; p && (p = memmem(p, envelope.len - (size_t)(p - copy), name, sizeof(name) - 1)); p++)
		at = p + sizeof(name) - 1;
	if (!at || strcspn(at, "\"") != UUID_TEXT_SIZE - 1 || random_uuid_hex(hex) < 0)
		return envelope;
	uuid_add_dashes(hex, tag);
	memcpy(at, tag, UUID_TEXT_SIZE - 1);
	return (struct str){ copy, envelope.len };
}

/* How many of the rows from the first go in one push: same list, and not too many bytes. */
static size_t group_size(const struct outbox_row *rows, size_t n)
{
	size_t bytes = rows[0].envelope.len, i = 1;

	while (i < n && rows[i].priority == rows[0].priority && str_equal(rows[i].queue, rows[0].queue) &&
	       bytes + rows[i].envelope.len <= PUSH_BYTES)
		bytes += rows[i++].envelope.len;
	return i;
}

static int push_group(struct relay *r, const struct outbox_row *rows, size_t n)
{
	struct str envelopes[BATCH];
	char queue[PUSH_KEY_SIZE];
	int result;

	snprintf(queue, sizeof(queue), "%.*s", STR_ARG(rows[0].queue));
	for (size_t i = 0; i < n; i++)
		envelopes[i] = with_new_tag(r, rows[i].envelope);
	result = push_envelopes(r->config.services->redis, NULL, queue, (int)rows[0].priority, envelopes, n);
	for (size_t i = 0; i < n && result == 0; i++)
		outbox_add_id(&r->pushed, rows[i].id);
	if (result == 0)
		metric_add(r->to_redis, (int64_t)n);
	return result;
}

static int64_t pause_after(int failures)
{
	int64_t pause_us = failures < 10 ? FIRST_PAUSE_US << failures : LONGEST_PAUSE_S * US_PER_S;

	return pause_us < LONGEST_PAUSE_S * US_PER_S ? pause_us : LONGEST_PAUSE_S * US_PER_S;
}

static void note_failure(struct relay *r, int error)
{
	int64_t suppressed;

	metric_add(r->push_errors, 1);
	if (!redis_usable(r->config.services->redis, REDIS_TASKS)) {
		r->push_failures = 0; /* the breaker has opened: from here on it decides */
		r->push_not_before_us = 0;
		return;
	}
	r->push_not_before_us = clock_monotonic_us() + pause_after(r->push_failures++);
	if (log_limit_pass(&r->push_log, 10 * US_PER_S, &suppressed))
		log_write(LOG_WARNING, "tasks", "relay.push_failed",
		          LOG_FIELDS(LOG_STR("error", error_name(error)), LOG_INT("failures", r->push_failures),
		                     LOG_INT("suppressed", suppressed)),
		          "a push to the broker failed: the tasks stay in the outbox");
}

static void push_rows(struct relay *r, const struct outbox_row *rows, size_t n)
{
	CLEANUP(buf_finish) struct buf rest = BUF_EMPTY;
	int result = 0;
	size_t i = 0;

	r->pushed_at_us = clock_monotonic_us();
	while (i < n && result == 0) {
		size_t many = group_size(rows + i, n - i);

		result = push_group(r, rows + i, many);
		i += result == 0 ? many : 0;
	}
	mark_pushed(r);
	if (result == 0) {
		r->push_failures = 0;
		return;
	}
	for (; i < n; i++)
		outbox_add_id(&rest, rows[i].id);
	relay_give_back(r, &rest, error_name(result));
	note_failure(r, result);
}

bool relay_has_redis(const struct relay *r)
{
	return r->config.services->redis && redis_configured(r->config.services->redis, REDIS_TASKS);
}

static bool may_push(const struct relay *r)
{
	struct redis *redis = r->config.services->redis;

	return redis && redis_usable(redis, REDIS_TASKS) && clock_monotonic_us() >= r->push_not_before_us;
}

static bool push_round(struct relay *r)
{
	struct db_rows rows;
	bool more;

	if (!may_push(r))
		return false;
	rows = claim(r, (struct outbox_wanted){ .others = true }, BATCH, &more);
	if (rows.n)
		push_rows(r, rows.items, rows.n);
	return more && r->push_failures == 0;
}

/* ---- running here ---- */

/* Whether the broker is out of use, and the tasks meant for it are run here. */
static bool takes_over(const struct relay *r)
{
	struct redis *redis = r->config.services->redis;

	return !redis || !redis_usable(redis, REDIS_TASKS) || r->push_failures >= TAKE_OVER;
}

static bool local_round(struct relay *r)
{
	CLEANUP(buf_finish) struct buf refused = BUF_EMPTY;
	int64_t room = crew_room(r->crew);
	struct db_rows rows;
	bool more;

	if (!room)
		return false;
	rows = claim(r, (struct outbox_wanted){ .local = true, .others = takes_over(r) }, room < BATCH ? room : BATCH, &more);
	for (size_t i = 0; i < rows.n; i++) {
		const struct outbox_row *row = (const struct outbox_row *)rows.items + i;

		if (crew_give(r->crew, row) < 0)
			outbox_add_id(&refused, row->id);
	}
	metric_add(r->to_local, (int64_t)rows.n);
	relay_give_back(r, &refused, "out of memory");
	return more;
}

/* ---- figures ---- */

static void count_lists(struct relay *r)
{
	char names[4][PUSH_KEY_SIZE];
	struct str words[4][2];
	struct redis_command commands[5] = { [4] = REDIS_COMMAND(STR("HLEN"), STR("unacked")) };
	struct redis_reply *replies[5];
	int64_t n = 0;

	for (int i = 0; i < 4; i++) {
		push_list_name("celery", 3 * i, names[i]);
		words[i][0] = (struct str)STR("LLEN");
		words[i][1] = str_of(names[i]);
		commands[i] = (struct redis_command){ words[i], 2 };
	}
	if (redis_call(r->config.services->redis, REDIS_TASKS, NULL, "llen", commands, 5, replies) < 0)
		return;
	for (int i = 0; i < 4; i++)
		n += redis_reply_int(replies[i]);
	metric_set(r->unacked, redis_reply_int(replies[4]));
	redis_replies_free(replies, 5);
	metric_set(r->queue, n);
}

static int64_t age_us(struct instant since)
{
	return since.us == NULL_TIME.us ? 0 : clock_now().us - since.us;
}

static void tell_figures(struct relay *r)
{
	struct outbox_figures f;
	int64_t began_us = clock_monotonic_us(), pause_us;
	int result;

	if (began_us < r->figures_at_us)
		return;
	arena_reset(&r->arena);
	result = outbox_figures(r->db, &r->arena, &f);
	pause_us = (clock_monotonic_us() - began_us) * FIGURES_SHARE;
	r->figures_at_us = began_us + (pause_us > FIGURES_US ? pause_us : FIGURES_US);
	if (result < 0)
		return;
	metric_set(r->rows[0], f.waiting);
	metric_set(r->rows[1], f.sent);
	metric_set(r->rows[2], f.dead);
	metric_set(r->oldest, age_us(f.oldest_due));
	metric_set(r->oldest_sent, age_us(f.oldest_sent));
	if (may_push(r))
		count_lists(r);
}

bool relay_turn(struct relay *r)
{
	bool more;

	if (!db_available(r->config.services->db) || db_read_only(r->config.services->db))
		return false;
	crew_watch(r->crew, r->db);
	relay_renew(r);
	if (!mark_pushed(r))
		return false;
	more = push_round(r);
	more |= local_round(r);
	if ((may_push(r) || !relay_has_redis(r)) && clock_monotonic_us() >= r->settle_at_us) {
		r->settle_at_us = clock_monotonic_us() + SETTLE_US;
		if (relay_settle(r)) {
			r->settle_at_us = 0;
			more = true;
		}
	}
	tell_figures(r);
	return more;
}
