/*
 * The producer's side, and the ends of a message: finished, put back, buried. Taking is broker_take.c, the sweep
 * broker_restore.c.
 */
#include "tasks/broker.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "tasks/broker_impl.h"
#include "tasks/message.h"

/* KEYS: list, binding, its twin. ARGV: member, envelope. */
static const char push_script[] = "redis.call('SADD', KEYS[2], ARGV[1]) redis.call('SADD', KEYS[3], ARGV[1]) "
                                  "return redis.call('LPUSH', KEYS[1], ARGV[2])";

/*
 * KEYS: unacked, unacked_index, result, dead letters, then list, binding and twin of each follower. ARGV: tag, result, seconds, then
 * member and envelope of each. A result that is ours already with nothing held: this very call has been done before. 4: a follower
 * went to the dead letters.
 */
static const char finish_script[] =
        LUA_STORED LUA_ADD "local held = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 "
                           "local old = stored(KEYS[3]) "
                           "if old and not held and old == ARGV[2] then return 2 end "
                           "local done, dead = false, 0 "
                           "if old then "
                           "  local ok, meta = pcall(cjson.decode, old) "
                           "  done = ok and type(meta) == 'table' and meta.status == 'SUCCESS' "
                           "end "
                           "if not done then "
                           "  local k = 5 "
                           "  for a = 4, #ARGV, 2 do "
                           "    redis.pcall('SADD', KEYS[k + 1], ARGV[a]) redis.pcall('SADD', KEYS[k + 2], ARGV[a]) "
                           "    local r = add('LPUSH', KEYS[k], ARGV[a + 1], KEYS[4]) "
                           "    if type(r) == 'table' then return r end "
                           "    k, dead = k + 3, dead + r "
                           "  end "
                           "  if ARGV[2] ~= '' then "
                           "    redis.call('SETEX', KEYS[3], ARGV[3], ARGV[2]) redis.call('PUBLISH', KEYS[3], ARGV[2]) "
                           "  end "
                           "end "
                           "redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('HDEL', KEYS[1], ARGV[1]) "
                           "return done and 3 or dead > 0 and 4 or 1";
#define FINISHED_WITH_DEAD 4

/* KEYS: result. ARGV: result, seconds. */
static const char store_script[] =
        LUA_STORED "local old = stored(KEYS[1]) "
                   "if old then "
                   "  local ok, meta = pcall(cjson.decode, old) "
                   "  if ok and type(meta) == 'table' and (meta.status == 'SUCCESS' or meta.status == 'FAILURE') then return 0 end "
                   "end "
                   "redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1]) redis.call('PUBLISH', KEYS[1], ARGV[1]) "
                   "return 1";

/* KEYS: unacked, unacked_index, result, dead letters, list. ARGV: tag, envelope, end of the list. 2: it went to the dead letters. */
static const char put_back_script[] = LUA_ADD "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('EXISTS', KEYS[3]) == 1 then "
                                              "  redis.call('ZREM', KEYS[2], ARGV[1]) "
                                              "  return 0 "
                                              "end "
                                              "local r = add(ARGV[3], KEYS[5], ARGV[2], KEYS[4]) "
                                              "if type(r) == 'table' then return r end "
                                              "redis.call('ZREM', KEYS[2], ARGV[1]) redis.call('HDEL', KEYS[1], ARGV[1]) "
                                              "return 1 + r";
#define PUT_BACK_DEAD 2

/* KEYS: dead letters, unacked, unacked_index. ARGV: entry, tag. */
static const char bury_script[] = "redis.call('LPUSH', KEYS[1], ARGV[1]) " LUA_TRIM(
        "KEYS[1]") "if ARGV[2] ~= '' then redis.call('ZREM', KEYS[3], ARGV[2]) redis.call('HDEL', KEYS[2], ARGV[2]) end "
                   "return 1";

int broker_check(struct str envelope)
{
	struct error why = { 0 };
	struct message m;
	int r = message_parse(envelope, &m, &why);

	if (r == 0)
		message_finish(&m);
	else
		log_write(LOG_ERROR, "tasks.broker", "broker.not_pushed", LOG_NO_FIELDS, "a message of ours is not one: %s", why.text);
	return r;
}

int broker_push(struct redis *redis, struct redis_budget *budget, const char *queue, int priority, struct str envelope)
{
	struct call c;
	int64_t n;
	int r = broker_check(envelope);

	if (r < 0)
		return r;
	call_begin(&c);
	call_add_list(&c, str_of(queue), priority);
	call_add_bindings(&c, str_of(queue));
	call_add_member(&c, str_of(queue));
	call_add(&c, envelope);
	r = call_script_int(&c, redis, budget, "task_push", push_script, &n);
	call_finish(&c);
	return r;
}

int broker_declare(struct redis *redis, const struct broker_queues *queues)
{
	static const char script[] = "for i = 1, #ARGV do redis.call('SADD', KEYS[2 * i - 1], ARGV[i]) "
	                             "redis.call('SADD', KEYS[2 * i], ARGV[i]) end return 1";
	struct call c;
	int64_t n;
	int r;

	call_begin(&c);
	for (size_t i = 0; i < queues->n; i++)
		call_add_bindings(&c, str_of(queues->names[i]));
	for (size_t i = 0; i < queues->n; i++)
		call_add_member(&c, str_of(queues->names[i]));
	r = call_script_int(&c, redis, NULL, "task_declare", script, &n);
	call_finish(&c);
	return r;
}

/* ---- ends ---- */

int broker_finish(struct redis *redis, const struct broker_end *end)
{
	struct call c;
	int64_t n;
	int r;

	call_begin(&c);
	call_add_key(&c, (struct str)STR(UNACKED));
	call_add_key(&c, (struct str)STR(UNACKED_INDEX));
	call_add_meta_key(&c, end->id);
	call_add_key(&c, (struct str)STR(BROKER_DEAD));
	for (size_t i = 0; i < end->n_followers; i++) {
		call_add_list(&c, end->followers[i].queue, end->followers[i].priority);
		call_add_bindings(&c, end->followers[i].queue);
	}
	call_add(&c, end->tag);
	call_add(&c, end->result);
	call_addf(&c, "%lld", (long long)end->expires_s);
	for (size_t i = 0; i < end->n_followers; i++) {
		call_add_member(&c, end->followers[i].queue);
		call_add(&c, end->followers[i].envelope);
	}
	r = call_script_int(&c, redis, NULL, "task_finish", finish_script, &n);
	call_finish(&c);
	if (r == 0 && n == FINISHED_WITH_DEAD)
		call_log_dead("task_finish", end->id);
	return r;
}

int broker_store(struct redis *redis, struct str id, struct str result, int64_t expires_s)
{
	struct call c;
	int64_t n;
	int r;

	call_begin(&c);
	call_add_meta_key(&c, id);
	call_add(&c, result);
	call_addf(&c, "%lld", (long long)expires_s);
	r = call_script_int(&c, redis, NULL, "task_store", store_script, &n);
	call_finish(&c);
	return r;
}

int broker_result(struct redis *redis, struct str id, struct buf *ret_result, bool *ret_found)
{
	char key[sizeof(META_PREFIX) + MESSAGE_ID_MAX];
	struct str name = { key, 0 };
	struct redis_reply *reply;
	int r;

	if (id.len > MESSAGE_ID_MAX)
		return ERR_INVALID;
	memcpy(key, META_PREFIX, sizeof(META_PREFIX) - 1);
	memcpy(key + sizeof(META_PREFIX) - 1, id.s, id.len);
	name.len = sizeof(META_PREFIX) - 1 + id.len;
	r = redis_call(redis, REDIS_TASKS, NULL, "task_result", &REDIS_COMMAND(STR("GET"), name), 1, &reply);
	if (r < 0)
		return r;
	*ret_found = redis_reply_type(reply) == REDIS_REPLY_IS_TEXT;
	if (*ret_found)
		buf_add_str(ret_result, redis_reply_text(reply));
	redis_replies_free(&reply, 1);
	return ret_result->failed ? ERR_NOMEM : 0;
}

int broker_put_back(struct redis *redis, struct str tag, struct str id, struct str queue, int priority, struct str envelope, bool next)
{
	struct call c;
	int64_t n;
	int r;

	call_begin(&c);
	call_add_key(&c, (struct str)STR(UNACKED));
	call_add_key(&c, (struct str)STR(UNACKED_INDEX));
	call_add_meta_key(&c, id);
	call_add_key(&c, (struct str)STR(BROKER_DEAD));
	call_add_list(&c, queue, priority);
	call_add(&c, tag);
	call_add(&c, envelope);
	call_add(&c, next ? (struct str)STR("RPUSH") : (struct str)STR("LPUSH"));
	r = call_script_int(&c, redis, NULL, "task_put_back", put_back_script, &n);
	call_finish(&c);
	if (r == 0 && n == PUT_BACK_DEAD)
		call_log_dead("task_put_back", id);
	return r;
}

int broker_bury(struct redis *redis, struct str tag, struct str queue, struct str item, const char *reason)
{
	CLEANUP(buf_finish) struct buf entry = BUF_EMPTY;
	struct call c;
	int64_t n;
	int r;

	buf_add_text(&entry, "{\"reason\": ");
	json_add_text(&entry, reason);
	buf_add_text(&entry, ", \"queue\": ");
	json_add_str(&entry, queue);
	buf_add_text(&entry, ", \"at\": ");
	json_add_time(&entry, clock_now());
	buf_add_text(&entry, ", \"item\": ");
	json_add_str(&entry, item);
	buf_add_char(&entry, '}');
	if (entry.failed)
		return ERR_NOMEM;
	call_begin(&c);
	call_add_key(&c, (struct str)STR(BROKER_DEAD));
	call_add_key(&c, (struct str)STR(UNACKED));
	call_add_key(&c, (struct str)STR(UNACKED_INDEX));
	call_add(&c, buf_view(&entry));
	call_add(&c, tag);
	r = call_script_int(&c, redis, NULL, "task_bury", bury_script, &n);
	call_finish(&c);
	return r;
}

int broker_renew(struct redis *redis, const struct str *tags, size_t n)
{
	static const char script[] = "for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[i]) end return 1";
	const size_t at_once = CALL_ARGS_MAX - 16;
	int r = 0;

	for (size_t from = 0; from < n && r == 0; from += at_once) {
		struct call c;
		int64_t done;

		call_begin(&c);
		call_add_key(&c, (struct str)STR(UNACKED_INDEX));
		call_add_time(&c, clock_now().us);
		for (size_t i = from; i < n && i < from + at_once; i++)
			call_add(&c, tags[i]);
		r = call_script_int(&c, redis, NULL, "task_renew", script, &done);
		call_finish(&c);
	}
	return r;
}
