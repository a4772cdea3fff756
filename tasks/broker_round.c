/*
 * One trip for what a busy worker does all the time: the ends of several messages in one script, and the take behind it. Redis then
 * reads and writes its socket, and looks at a script, once for all of them.
 */
#include "base/mem.h"
#include "tasks/broker_impl.h"

/*
 * KEYS: unacked, unacked_index, then the result of each. ARGV: seconds, then tag and result of each. As finish_script of broker.c for a
 * message that nothing follows.
 */
static const char finish_all_script[] = LUA_STORED "local function is_done(key, tag, result, old) "
                                                   "  if old == result and redis.call('HEXISTS', KEYS[1], tag) == 0 then return true end "
                                                   "  local ok, meta = pcall(cjson.decode, old) "
                                                   "  return ok and type(meta) == 'table' and meta.status == 'SUCCESS' "
                                                   "end "
                                                   "for k = 3, #KEYS do "
                                                   "  local key, tag, result = KEYS[k], ARGV[2 * k - 4], ARGV[2 * k - 3] "
                                                   "  if result ~= '' then "
                                                   "    local old = stored(key) "
                                                   "    if not old or not is_done(key, tag, result, old) then "
                                                   "      redis.call('SETEX', key, ARGV[1], result) redis.call('PUBLISH', key, result) "
                                                   "    end "
                                                   "  end "
                                                   "  redis.call('ZREM', KEYS[2], tag) redis.call('HDEL', KEYS[1], tag) "
                                                   "end "
                                                   "return 1";

static void write_ends(struct call *c, const struct broker_end *ends, size_t n)
{
	call_add_key(c, (struct str)STR(UNACKED));
	call_add_key(c, (struct str)STR(UNACKED_INDEX));
	for (size_t i = 0; i < n; i++)
		call_add_meta_key(c, ends[i].id);
	call_addf(c, "%lld", (long long)ends[0].expires_s);
	for (size_t i = 0; i < n; i++) {
		call_add(c, ends[i].tag);
		call_add(c, ends[i].result);
	}
}

static int read_replies(const struct broker_round *round, struct redis_reply **replies, struct broker_batch *ret_batch, bool *ret_ended)
{
	size_t i = 0;
	int r = 0;

	if (round->n_ends)
		*ret_ended = call_check("task_finish", replies[i++]) == 0;
	if (round->most)
		r = call_check("task_take", replies[i]);
	if (round->most && r == 0)
		r = broker_read_batch(round->queues, replies[i], ret_batch);
	return r;
}

int broker_round(struct redis *redis, const struct broker_round *round, struct broker_batch *ret_batch, bool *ret_ended)
{
	CLEANUP(cleanup_free) struct call *calls = mem_array(2, sizeof(*calls));
	struct redis_command commands[2];
	struct redis_reply *replies[2];
	size_t n = 0;
	int r = calls ? 0 : ERR_NOMEM;

	ret_batch->n = 0;
	*ret_ended = false;
	if (r < 0)
		return r;
	call_begin(&calls[0]);
	call_begin(&calls[1]);
	if (round->n_ends) {
		write_ends(&calls[0], round->ends, round->n_ends);
		r = call_script_command(&calls[0], finish_all_script, &commands[n++]);
	}
	if (round->most && r == 0) {
		call_add_take(&calls[1], round->queues, round->most, round->taken_at_us);
		r = call_script_command(&calls[1], broker_take_script, &commands[n++]);
	}
	if (r == 0 && n)
		r = redis_call(redis, REDIS_TASKS, NULL, "task_round", commands, n, replies);
	if (r == 0 && n) {
		r = read_replies(round, replies, ret_batch, ret_ended);
		redis_replies_free(replies, n);
	}
	call_finish(&calls[0]);
	call_finish(&calls[1]);
	return r;
}
