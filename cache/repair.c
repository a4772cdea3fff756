/*
 * Telling Redis what it has missed (outage.c): key by key, the value deleted and the generation written anew, or, when too
 * many were missed or the server is not the one that acknowledged our deletions, all of egoejo:c1:* by SCAN and UNLINK.
 * It runs in the recovery hook, before the usage closes, and from the keeper for deletions that failed in between.
 */
#include "cache/repair_impl.h"

#include "base/clock.h"
#include "cache/level2_impl.h"
#include "cache/outage_impl.h"

#define WORD(literal) ((struct str)STR(literal))
#define SCAN_COUNT    "500"
#define UNLINK_MAX    100 /* names of one UNLINK */

/* ---- single keys ---- */

#define WORDS_SET    5
#define WORDS_UNLINK 2

/* The words of one key's two commands, kept as long as they are sent. */
struct told_key {
	struct level2_names names;
	char stamp[LEVEL2_GENERATION_SIZE];
	struct str set[WORDS_SET], unlink[WORDS_UNLINK];
};

static void prepare(struct cache *c, struct told_key *k, const char *key, struct redis_command ret_commands[2])
{
	level2_name(&k->names, str_of(key));
	k->set[0] = WORD("SET");
	k->set[1] = k->names.generation;
	k->set[2] = level2_stamp(c, k->stamp);
	k->set[3] = WORD("EX");
	k->set[4] = WORD(LEVEL2_GENERATION_TTL_S);
	k->unlink[0] = WORD("UNLINK");
	k->unlink[1] = k->names.value;
	ret_commands[0] = (struct redis_command){ k->set, WORDS_SET };
	ret_commands[1] = (struct redis_command){ k->unlink, WORDS_UNLINK };
}

static int tell_batch(struct cache *c, const struct repair_way *way, const struct outage_batch *batch)
{
	struct told_key told[OUTAGE_BATCH];
	struct redis_command commands[2 * OUTAGE_BATCH];
	struct redis_reply *replies[2 * OUTAGE_BATCH] = { NULL };
	int r;

	for (size_t i = 0; i < batch->n; i++)
		prepare(c, &told[i], batch->keys[i], &commands[2 * i]);
	r = way->call(way->arg, commands, 2 * batch->n, replies);
	for (size_t i = 0; i < 2 * batch->n && r == 0; i++)
		if (redis_reply_type(replies[i]) == REDIS_REPLY_IS_ERROR)
			r = ERR_UNAVAILABLE;
	redis_replies_free(replies, 2 * batch->n);
	return r;
}

static int tell_keys(struct cache *c, const struct repair_way *way)
{
	uint64_t up_to = outage_sequence(c->outage); /* what is remembered from now on is not waited for: an end is in sight */
	struct outage_batch batch;
	int r;

	while (outage_take(c->outage, up_to, &batch)) {
		r = tell_batch(c, way, &batch);
		if (r < 0)
			return r;
		outage_forget(c->outage, &batch);
	}
	return 0;
}

/* ---- everything ---- */

/* Unlinks the names of a list, from the i-th on, as many as go into one command. */
static int unlink_some(const struct repair_way *way, const struct redis_reply *names, size_t i)
{
	struct str words[1 + UNLINK_MAX] = { WORD("UNLINK") };
	struct redis_command command = { words, 1 };
	struct redis_reply *reply = NULL;
	int r;

	for (; i < redis_reply_size(names) && command.n <= UNLINK_MAX; i++)
		words[command.n++] = redis_reply_text(redis_reply_at(names, i));
	r = way->call(way->arg, &command, 1, &reply);
	if (r == 0 && redis_reply_type(reply) != REDIS_REPLY_IS_INT)
		r = ERR_UNAVAILABLE;
	redis_replies_free(&reply, 1);
	return r;
}

static int scan_step(struct cache *c, const struct repair_way *way, const char *cursor)
{
	const struct redis_command scan =
	        REDIS_COMMAND(WORD("SCAN"), str_of(cursor), WORD("MATCH"), WORD(LEVEL2_PREFIX "*"), WORD("COUNT"), WORD(SCAN_COUNT));
	struct redis_reply *reply = NULL;
	const struct redis_reply *names;
	int r = way->call(way->arg, &scan, 1, &reply);

	if (r == 0 && redis_reply_size(reply) != 2)
		r = ERR_UNAVAILABLE;
	names = r == 0 ? redis_reply_at(reply, 1) : NULL;
	for (size_t i = 0; r == 0 && i < redis_reply_size(names); i += UNLINK_MAX)
		r = unlink_some(way, names, i);
	if (r == 0)
		outage_scan_step(c->outage, redis_reply_text(redis_reply_at(reply, 0)));
	redis_replies_free(&reply, 1);
	return r;
}

/* Also the generations go: a missing one refuses every store (level2.c). */
static int tell_everything(struct cache *c, const struct repair_way *way)
{
	char cursor[24];
	int r = 0;

	while (r == 0 && outage_scan_begin(c->outage, cursor))
		r = scan_step(c, way, cursor);
	return r;
}

int repair_run(struct cache *c, const struct repair_way *way)
{
	int r = 0;

	pthread_mutex_lock(&c->repair_lock);
	if (outage_pending(c->outage))
		r = tell_everything(c, way);
	if (r == 0 && outage_pending(c->outage))
		r = tell_keys(c, way);
	pthread_mutex_unlock(&c->repair_lock);
	return r;
}

/* ---- recovery ---- */

struct conn_way {
	struct redis_conn *conn;
	int64_t deadline_us;
};

static int call_conn(void *arg, const struct redis_command *commands, size_t n, struct redis_reply **ret_replies)
{
	struct conn_way *way = arg;
	enum redis_failure failure;
	struct error err;

	return redis_conn_call(way->conn, commands, n, way->deadline_us, ret_replies, &failure, &err);
}

struct str repair_run_id(const struct redis_reply *info)
{
	struct str rest = redis_reply_type(info) == REDIS_REPLY_IS_TEXT ? redis_reply_text(info) : (struct str){ NULL, 0 }, line;

	while (str_split(&rest, '\n', &line))
		if (str_starts(line, "run_id:"))
			return str_trim((struct str){ line.s + strlen("run_id:"), line.len - strlen("run_id:") });
	return (struct str){ NULL, 0 };
}

int repair_on_recovery(struct redis_conn *conn, int64_t deadline_us, void *arg)
{
	struct cache *c = arg;
	struct conn_way conn_way = { conn, deadline_us };
	const struct repair_way way = { call_conn, &conn_way };
	const struct redis_command info = REDIS_COMMAND(WORD("INFO"), WORD("server"));
	struct redis_reply *reply = NULL;
	int r = call_conn(&conn_way, &info, 1, &reply);

	if (r < 0)
		return r;
	outage_note_server(c->outage, repair_run_id(reply));
	redis_replies_free(&reply, 1);
	r = repair_run(c, &way);
	local_empty(c->local);
	return r;
}
