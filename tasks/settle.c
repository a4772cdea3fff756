/*
 * Durable rows stay until their result is known, because a Redis that comes back empty has lost its queue (resilience.md 2.4). A row
 * goes when egoejo_task_done has its id, or when its result is there and final. One that has waited for TASKS_RESEND_S without a result
 * is looked for in the lists of its queue and in `unacked`; if nobody knows it, it is new again, with the same id.
 *
 * The order of the looks matters. Lists are read from the end where messages come in, so that what comes meanwhile moves towards what
 * is still to be read; `unacked` is read after them, since messages go there; results last. What is put back meanwhile may be missed:
 * then the task is delivered twice, which its id makes harmless.
 *
 * Without a Redis (REDIS_URL was taken away) nobody is asked: what was sent so long ago and is not in egoejo_task_done is run here. Should
 * it be in a queue after all, one of the two finds the other's effects committed.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tasks/push.h"
#include "tasks/message.h"
#include "tasks/relay_impl.h"

#define PAGE        64    /* rows of one look for results */
#define PAGES       32    /* of one round */
#define LIST_STEP   100   /* messages of one LRANGE or HSCAN */
#define LIST_MAX    50000 /* messages; a list so long was not lost, and reading it all would be a load of its own */
#define MISSING_MAX (PAGE * PAGES)
#define LOOKS       4 /* through the lists, in the time after which a task may be sent again */
#define ID_KEY_SIZE 80

struct missing {
	int64_t id;
	char task_id[UUID_TEXT_SIZE];
	bool known;
};

struct round {
	struct relay *relay;
	struct missing *missing;
	size_t n;
	char queue[PUSH_KEY_SIZE]; /* of the missing ones; "": of several */
	struct outbox_place at;
	struct buf settled, others; /* ids of those whose result is final, and of the other ones */
	int64_t seen, n_settled, n_done;
	bool looks; /* it is time to look for what has no result */
};

static void dashed(struct str task_id, char ret_text[UUID_TEXT_SIZE])
{
	char hex[UUID_HEX_SIZE] = "00000000000000000000000000000000";
	size_t n = 0;

	for (size_t i = 0; i < task_id.len && n < UUID_HEX_SIZE - 1; i++)
		if (task_id.s[i] != '-')
			hex[n++] = task_id.s[i];
	uuid_add_dashes(hex, ret_text);
}

/* ---- results ---- */

static bool is_final(const struct redis_reply *reply)
{
	struct str text = redis_reply_text(reply), status;
	json_t *result;
	bool final;

	if (!text.s)
		return false;
	result = json_loadb(text.s, text.len, 0, NULL);
	status = message_text(result, "status");
	final = str_is(status, "SUCCESS") || str_is(status, "FAILURE") || str_is(status, "REVOKED");
	json_decref(result);
	return final;
}

/* Results of n ids: what the reply says of each goes to known (any result) and final. Negative: Redis did not say. */
static int ask_results(struct relay *r, const struct missing *ids, size_t n, bool *ret_known, bool *ret_final)
{
	char keys[PAGE][ID_KEY_SIZE];
	struct str words[PAGE + 1] = { STR("MGET") };
	const struct redis_command command = { words, n + 1 };
	struct redis_reply *reply;
	int result;

	memset(ret_known, 0, n * sizeof(*ret_known));
	memset(ret_final, 0, n * sizeof(*ret_final));
	if (!relay_has_redis(r))
		return 0;
	for (size_t i = 0; i < n; i++) {
		snprintf(keys[i], sizeof(keys[i]), "celery-task-meta-%s", ids[i].task_id);
		words[i + 1] = str_of(keys[i]);
	}
	result = redis_call(r->config.services->redis, REDIS_TASKS, NULL, "mget", &command, 1, &reply);
	if (result < 0)
		return result;
	for (size_t i = 0; i < n; i++) {
		ret_known[i] = redis_reply_text(redis_reply_at(reply, i)).s != NULL;
		ret_final[i] = is_final(redis_reply_at(reply, i));
	}
	redis_replies_free(&reply, 1);
	return 0;
}

/* ---- queue and unacked ---- */

static int compare_missing(const void *a, const void *b)
{
	return strcmp(((const struct missing *)a)->task_id, ((const struct missing *)b)->task_id);
}

static void note_known(struct round *round, const json_t *envelope)
{
	struct str id = message_text(json_object_get(envelope, "headers"), "id");
	struct missing key, *found;

	if (id.len != UUID_TEXT_SIZE - 1)
		return;
	snprintf(key.task_id, sizeof(key.task_id), "%.*s", STR_ARG(id));
	found = bsearch(&key, round->missing, round->n, sizeof(key), compare_missing);
	if (found)
		found->known = true;
}

static void note_item(struct round *round, const struct redis_reply *item, bool in_unacked)
{
	struct str text = redis_reply_text(item);
	json_t *json = text.s ? json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL) : NULL;

	note_known(round, in_unacked ? json_array_get(json, 0) : json);
	json_decref(json);
}

static int read_list(struct round *round, const char *list)
{
	struct redis *redis = round->relay->config.services->redis;
	struct redis_reply *reply;
	char from[24], to[24];
	size_t got = LIST_STEP;

	for (int64_t at = 0; got == LIST_STEP; at += LIST_STEP) {
		snprintf(from, sizeof(from), "%lld", (long long)at);
		snprintf(to, sizeof(to), "%lld", (long long)at + LIST_STEP - 1);
		const struct redis_command command = REDIS_COMMAND(STR("LRANGE"), str_of(list), str_of(from), str_of(to));
		int r = at < LIST_MAX ? redis_call(redis, REDIS_TASKS, NULL, "lrange", &command, 1, &reply) : ERR_LIMIT;

		if (r < 0)
			return r;
		got = redis_reply_size(reply);
		for (size_t i = 0; i < got; i++)
			note_item(round, redis_reply_at(reply, i), false);
		redis_replies_free(&reply, 1);
	}
	return 0;
}

static int read_unacked(struct round *round)
{
	struct redis *redis = round->relay->config.services->redis;
	char cursor[24] = "0";

	do {
		const struct redis_command command = REDIS_COMMAND(STR("HSCAN"), STR("unacked"), str_of(cursor), STR("COUNT"), STR("100"));
		const struct redis_reply *items;
		struct redis_reply *reply;
		int r = redis_call(redis, REDIS_TASKS, NULL, "hscan", &command, 1, &reply);

		if (r < 0)
			return r;
		items = redis_reply_at(reply, 1);
		for (size_t i = 1; i < redis_reply_size(items); i += 2)
			note_item(round, redis_reply_at(items, i), true);
		snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(redis_reply_text(redis_reply_at(reply, 0))));
		redis_replies_free(&reply, 1);
	} while (strcmp(cursor, "0") != 0 && cursor[0]);
	return 0;
}

static int look_for(struct round *round)
{
	char list[PUSH_KEY_SIZE];
	int r = 0;

	if (!relay_has_redis(round->relay))
		return 0;
	qsort(round->missing, round->n, sizeof(*round->missing), compare_missing);
	for (int priority = 0; priority < 10 && r == 0; priority += 3)
		r = push_list_name(round->queue, priority, list) < 0 ? ERR_INVALID : read_list(round, list);
	if (r == 0)
		r = read_unacked(round);
	for (size_t i = 0; i < round->n && r == 0; i += PAGE) {
		size_t n = round->n - i < PAGE ? round->n - i : PAGE;
		bool known[PAGE], final[PAGE];

		r = ask_results(round->relay, round->missing + i, n, known, final);
		for (size_t k = 0; k < n && r == 0; k++)
			round->missing[i + k].known |= known[k];
	}
	return r;
}

/* ---- what comes of it ---- */

static int settle(struct db_conn *db, void *arg)
{
	struct round *round = arg;
	int64_t n = 0;
	int r = round->others.len ? outbox_settle_done(db, buf_view(&round->others), &n) : 0;

	round->n_done = n;
	return r < 0 || !round->settled.len ? r : outbox_settle(db, buf_view(&round->settled));
}

/* How many went. */
static int64_t settle_seen(struct round *round)
{
	if (round->settled.len)
		outbox_ids(&round->settled);
	if (round->others.len)
		outbox_ids(&round->others);
	if (round->settled.failed || round->others.failed || db_write(round->relay->db, settle, round) < 0)
		return 0;
	return round->n_settled + round->n_done;
}

struct again {
	struct str ids, why;
};

static int send_again(struct db_conn *db, void *arg)
{
	const struct again *again = arg;

	return outbox_send_again(db, again->ids, again->why);
}

static void log_again(const struct relay *r, int64_t n)
{
	metric_add(r->resent, n);
	log_write(LOG_WARNING, "tasks", "relay.resent", LOG_FIELDS(LOG_INT("tasks", n)),
	          relay_has_redis(r) ? "%lld tasks are sent again: neither the queue nor a worker nor a result knows them"
	                             : "%lld tasks that were sent to a Redis are run here: none is configured any more",
	          (long long)n);
}

static void send_lost(struct round *round)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;
	struct again again = { .why = STR("Redis knew nothing of it any more") };
	int64_t n = 0;

	if (!round->n || look_for(round) < 0)
		return;
	for (size_t i = 0; i < round->n; i++) {
		if (!round->missing[i].known) {
			outbox_add_id(&ids, round->missing[i].id);
			n++;
		}
	}
	if (!relay_has_redis(round->relay))
		again.why = (struct str)STR("no Redis is configured any more");
	again.ids = outbox_ids(&ids);
	if (!n || ids.failed || db_write(round->relay->db, send_again, &again) < 0)
		return;
	log_again(round->relay, n);
	relay_wake(round->relay);
}

/* One page of rows; how many they were, or negative. */
static int64_t look_at_page(struct round *round)
{
	struct relay *r = round->relay;
	struct missing page[PAGE];
	bool known[PAGE], final[PAGE];
	struct db_rows rows;
	const struct outbox_sent_row *row;

	arena_reset(&r->arena);
	if (outbox_list_sent(r->db, round->at, PAGE, &r->arena, &rows) < 0)
		return -1;
	row = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		dashed(row[i].task_id, page[i].task_id);
	if (rows.n && ask_results(r, page, rows.n, known, final) < 0)
		return -1;
	for (size_t i = 0; i < rows.n; i++) {
		round->at = (struct outbox_place){ row[i].sent_at, row[i].id };
		outbox_add_id(final[i] ? &round->settled : &round->others, row[i].id);
		round->n_settled += final[i];
		if (!round->looks || known[i] || clock_now().us - row[i].sent_at.us < r->config.resend_us)
			continue;
		if (!round->n)
			snprintf(round->queue, sizeof(round->queue), "%.*s", STR_ARG(row[i].queue));
		if (!str_is(row[i].queue, round->queue))
			continue; /* its turn comes when the others are settled */
		page[i].id = row[i].id;
		page[i].known = false;
		round->missing[round->n++] = page[i];
	}
	round->seen += (int64_t)rows.n;
	return (int64_t)rows.n;
}

/*
 * Where there are more rows than a round looks at: the oldest are done first as a rule, so every other round begins with them; those
 * between go on where the last one ended.
 */
static void begin(struct round *round)
{
	struct relay *r = round->relay;

	r->settled_oldest = !r->settled_oldest;
	if (!r->settled_oldest)
		round->at = r->settle_after;
}

static void note_end(const struct round *round, bool all)
{
	struct relay *r = round->relay;

	if (all)
		r->settle_after = (struct outbox_place){ { 0 }, 0 }; /* the end was reached, or nothing was said: from the beginning */
	else if (!r->settled_oldest)
		r->settle_after = round->at;
}

bool relay_settle(struct relay *r)
{
	CLEANUP(cleanup_free) struct missing *missing = mem_array(MISSING_MAX, sizeof(*missing));
	struct round round = { .relay = r, .missing = missing, .looks = clock_monotonic_us() >= r->look_at_us };
	int64_t n = PAGE, gone = 0;

	if (!missing)
		return false;
	begin(&round);
	for (int i = 0; i < PAGES && n == PAGE; i++)
		n = look_at_page(&round);
	note_end(&round, n < PAGE);
	if (n >= 0 && round.seen) {
		gone = settle_seen(&round);
		send_lost(&round);
		if (round.n)
			r->look_at_us = clock_monotonic_us() + r->config.resend_us / LOOKS;
	}
	buf_finish(&round.settled);
	buf_finish(&round.others);
	return n == PAGE && gone * 2 >= round.seen;
}
