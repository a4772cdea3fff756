/*
 * The restore sweep. Redis holds the messages, this program edits their marks: so each is read, edited, and exchanged for what
 * was read in one step, which does nothing when somebody else was faster.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/random.h"
#include "tasks/broker_impl.h"
#include "tasks/result.h"

#define MUTEX_MS "300000"

/* KEYS: unacked, unacked_index, dead letters, list. ARGV: tag, what was read, envelope. 2: it went to the dead letters. */
static const char exchange_script[] = LUA_ADD "if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end "
                                              "local r = add('RPUSH', KEYS[4], ARGV[3], KEYS[3]) "
                                              "if type(r) == 'table' then return r end "
                                              "redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('HDEL', KEYS[1], ARGV[1]) "
                                              "return 1 + r";

struct sweep {
	struct redis *redis;
	int64_t expires_s;
	size_t restored, buried;
};

/* KEYS: unacked_mutex. Deleted only by whoever took it. */
static int unlock(struct redis *redis, const char *token)
{
	static const char script[] = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
	struct call c;
	int64_t n;
	int r;

	call_begin(&c);
	call_add_key(&c, (struct str)STR(UNACKED_MUTEX));
	call_add(&c, str_of(token));
	r = call_script_int(&c, redis, NULL, "task_sweep", script, &n);
	call_finish(&c);
	return r;
}

/* 1: ours now; 0: another one sweeps. */
static int lock(struct redis *redis, char token[UUID_HEX_SIZE])
{
	struct redis_reply *reply = NULL;
	int r = random_uuid_hex(token);

	if (r == 0)
		r = redis_call(redis, REDIS_TASKS, NULL, "task_sweep",
		               &REDIS_COMMAND(STR("SET"), STR(UNACKED_MUTEX), str_of(token), STR("NX"), STR("PX"), STR(MUTEX_MS)), 1,
		               &reply);
	if (r < 0)
		return r;
	r = redis_reply_type(reply) == REDIS_REPLY_IS_STATUS;
	redis_replies_free(&reply, 1);
	return r;
}

/* ---- one message ---- */

static int bury(struct sweep *s, const struct message *m, struct str text)
{
	CLEANUP(buf_finish) struct buf json = BUF_EMPTY;
	struct task_error error = result_error("billiard.exceptions", "WorkerLostError", "redelivered %d times", BROKER_REDELIVERIES);
	struct result result = result_of(m, RESULT_FAILURE);
	int r;

	result.error = &error;
	result_write(&json, &result);
	if (json.failed)
		return ERR_NOMEM;
	r = m->ignore_result ? 0 : broker_store(s->redis, m->id, buf_view(&json), s->expires_s);
	if (r == 0)
		r = broker_bury(s->redis, m->tag, m->queue, text, error.message);
	s->buried += r == 0;
	return r;
}

static int exchange(struct sweep *s, const struct message *m, struct str tag, struct str entry)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	struct call c;
	int64_t n = 0;
	int r = message_add_restored(&envelope, m, true);

	if (r < 0)
		return r;
	call_begin(&c);
	call_add_key(&c, (struct str)STR(UNACKED));
	call_add_key(&c, (struct str)STR(UNACKED_INDEX));
	call_add_key(&c, (struct str)STR(BROKER_DEAD));
	call_add_list(&c, m->queue, m->priority);
	call_add(&c, tag);
	call_add(&c, entry);
	call_add(&c, buf_view(&envelope));
	r = call_script_int(&c, s->redis, NULL, "task_sweep", exchange_script, &n);
	call_finish(&c);
	s->restored += n == 1;
	s->buried += n == 2;
	return r;
}

/* What cannot be read is no message that anybody could run. */
static int restore_text(struct sweep *s, struct str tag, struct str entry, const char *text, const char *key)
{
	struct error why = { 0 };
	struct message m = { 0 };
	int r = text ? message_parse(str_of(text), &m, &why) : error_set(&why, ERR_INVALID, "not an entry of unacked");

	if (r == ERR_INVALID) {
		s->buried++;
		return broker_bury(s->redis, tag, str_of(key), entry, why.text);
	}
	if (r < 0)
		return r;
	if (!m.queue.len)
		m.queue = str_of(key);
	r = m.redeliveries >= BROKER_REDELIVERIES ? bury(s, &m, str_of(text)) : exchange(s, &m, tag, entry);
	message_finish(&m);
	return r;
}

/* An entry is [envelope, exchange, routing_key]. */
static int restore_entry(struct sweep *s, struct str tag, struct str entry)
{
	json_t *list = json_loadb(entry.s, entry.len, JSON_ALLOW_NUL, NULL);
	const char *key = json_string_value(json_array_get(list, 2));
	char *text = list ? json_dumps(json_array_get(list, 0), JSON_ENCODE_ANY) : NULL;
	int r = restore_text(s, tag, entry, text, key ? key : "");

	free(text);
	json_decref(list);
	return r;
}

static int restore_tag(struct sweep *s, struct str tag)
{
	struct redis_reply *replies[1];
	int r = redis_call(s->redis, REDIS_TASKS, NULL, "task_sweep", &REDIS_COMMAND(STR("HGET"), STR(UNACKED), tag), 1, replies);

	if (r < 0)
		return r;
	if (redis_reply_type(replies[0]) == REDIS_REPLY_IS_TEXT) {
		r = restore_entry(s, tag, redis_reply_text(replies[0]));
		redis_replies_free(replies, 1);
		return r;
	}
	redis_replies_free(replies, 1); /* acknowledged half: only the index knows it */
	r = redis_call(s->redis, REDIS_TASKS, NULL, "task_sweep", &REDIS_COMMAND(STR("ZREM"), STR(UNACKED_INDEX), tag), 1, replies);
	redis_replies_free(replies, 1);
	return r;
}

static int sweep(struct sweep *s, int64_t visibility_us)
{
	char limit[32];
	struct redis_reply *reply;
	int64_t before_us = clock_now().us - visibility_us;
	struct str until = { limit, (size_t)snprintf(limit, sizeof(limit), "%.6f", (double)before_us / (double)US_PER_S) };
	int r = redis_call(
	        s->redis, REDIS_TASKS, NULL, "task_sweep",
	        &REDIS_COMMAND(STR("ZRANGEBYSCORE"), STR(UNACKED_INDEX), STR("-inf"), until, STR("LIMIT"), STR("0"), STR("1000")), 1,
	        &reply);

	for (size_t i = 0; r == 0 && i < redis_reply_size(reply); i++)
		r = restore_tag(s, redis_reply_text(redis_reply_at(reply, i)));
	redis_replies_free(&reply, 1);
	return r;
}

int broker_restore(struct redis *redis, int64_t visibility_us, int64_t expires_s, size_t *ret_restored, size_t *ret_buried)
{
	struct sweep s = { .redis = redis, .expires_s = expires_s };
	char token[UUID_HEX_SIZE];
	int r = lock(redis, token);

	if (r <= 0)
		return r;
	r = sweep(&s, visibility_us);
	if (r == 0)
		r = unlock(redis, token);
	else
		unlock(redis, token);
	*ret_restored = s.restored;
	*ret_buried = s.buried;
	return r;
}
