/*
 * Taking. The script pops and registers in one step; what it cannot register, because it has no delivery tag, it gives to the
 * dead letters at once. Its time of delivery is the caller's: by it the caller finds again what was taken by a call whose
 * reply got lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "tasks/broker_impl.h"

#define LUA_LIMITS                                                                                                                 \
	"local most_bytes, shown_bytes, kept_s = " LUA_NUMBER(BROKER_ITEM_MAX) ", " LUA_NUMBER(BROKER_ITEM_SHOWN) ", " LUA_NUMBER( \
	        BROKER_LARGE_KEPT_S) " "

/*
 * KEYS: unacked, unacked_index, dead letters, then the lists, all queues of a step before the next step. ARGV: time, most, number
 * of queues, and an item that is in hand already with the number of its list. The reply has three elements for each item: the
 * number of its queue, its tag when it is registered, the item; of one that is too large the beginning, as its letter has it. One
 * reply is not longer than the largest message and one more item.
 */
const char broker_take_script[] = LUA_LIMITS LUA_BURY
        "local out, n, nq = {}, 0, tonumber(ARGV[3]) "
        "local function refuse(key, item, why) "
        "  bury(KEYS[3], why, key, item, ARGV[1]) "
        "  return '' "
        "end "
        "local function too_large(key, item) "
        "  local large, shown = KEYS[3] .. ':large', string.sub(item, 1, shown_bytes) "
        "  local kept = large .. ':' .. redis.call('INCR', large) "
        "  redis.call('SET', kept, item, 'EX', kept_s) "
        "  return refuse(key, shown, 'too large: ' .. #item .. ' bytes, all of them are in ' .. kept), shown "
        "end "
        "local function hold(key, item) "
        "  local ok, m = pcall(cjson.decode, item) "
        "  if not ok or type(m) ~= 'table' then return refuse(key, item, 'item is not JSON') end "
        "  local p = m.properties "
        "  local tag, info = type(p) == 'table' and p.delivery_tag, type(p) == 'table' and p.delivery_info "
        "  if type(tag) ~= 'string' or tag == '' or #tag > 255 then return refuse(key, item, 'no properties.delivery_tag') end "
        "  if type(info) ~= 'table' then return refuse(key, item, 'no properties.delivery_info') end "
        "  local ex, rk = info.exchange, info.routing_key "
        "  if type(ex) ~= 'string' then ex = '' end "
        "  if type(rk) ~= 'string' then rk = key end "
        "  redis.call('ZADD', KEYS[2], ARGV[1], tag) "
        "  redis.call('HSET', KEYS[1], tag, '[' .. item .. ', ' .. cjson.encode(ex) .. ', ' .. cjson.encode(rk) .. ']') "
        "  return tag "
        "end "
        "local bytes = 0 "
        "local function add(i, item) "
        "  local key, tag = KEYS[3 + i] "
        "  if #item > most_bytes then tag, item = too_large(key, item) else tag = hold(key, item) end "
        "  n, bytes = n + 1, bytes + #item "
        "  out[n * 3 - 2], out[n * 3 - 1], out[n * 3] = (i - 1) % nq, tag, item "
        "end "
        "if ARGV[4] then add(tonumber(ARGV[5]), ARGV[4]) end "
        "local order = {} "
        "for q = 1, nq do order[q] = q end "
        "for step = 0, 3 do "
        "  local misses = 0 "
        "  while n < tonumber(ARGV[2]) and bytes < most_bytes and misses < nq do "
        "    local q = table.remove(order, 1) "
        "    table.insert(order, q) "
        "    local item = redis.pcall('RPOP', KEYS[3 + step * nq + q]) "
        "    if type(item) == 'string' then misses = 0 add(step * nq + q, item) else misses = misses + 1 end "
        "  end "
        "end "
        "return out";

static void add_lists(struct call *c, const struct broker_queues *queues)
{
	for (int step = 0; step < BROKER_STEPS; step++)
		for (size_t i = 0; i < queues->n; i++)
			call_add_list(c, str_of(queues->names[i]), step * 3);
}

/* Whoever was served goes to the end. */
static void rotate(struct broker_queues *queues, size_t served)
{
	char name[BROKER_QUEUE_SIZE];

	memcpy(name, queues->names[served], sizeof(name));
	memmove(queues->names[served], queues->names[served + 1], (queues->n - served - 1) * sizeof(queues->names[0]));
	memcpy(queues->names[queues->n - 1], name, sizeof(name));
}

static int add_item(struct broker_batch *batch, struct str item, struct str tag)
{
	char *bytes = batch->n < BROKER_BATCH_MAX ? mem_strndup(item.s, item.len) : NULL;
	struct broker_item *to = &batch->items[batch->n];

	if (!bytes)
		return ERR_NOMEM;
	*to = (struct broker_item){ .bytes = bytes, .len = item.len };
	snprintf(to->tag, sizeof(to->tag), "%.*s", STR_ARG(tag));
	batch->n++;
	return 0;
}

/* Without memory for all, what is left stays registered, and comes back by the sweep. */
int broker_read_batch(struct broker_queues *queues, const struct redis_reply *reply, struct broker_batch *ret_batch)
{
	size_t n = redis_reply_size(reply) / 3, served = queues ? queues->n : 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct str tag = redis_reply_text(redis_reply_at(reply, i * 3 + 1));

		served = (size_t)redis_reply_int(redis_reply_at(reply, i * 3));
		r = add_item(ret_batch, redis_reply_text(redis_reply_at(reply, i * 3 + 2)), tag);
	}
	if (queues && served < queues->n)
		rotate(queues, served);
	return r;
}

void call_add_take(struct call *c, const struct broker_queues *queues, size_t most, int64_t taken_at_us)
{
	call_add_key(c, (struct str)STR(UNACKED));
	call_add_key(c, (struct str)STR(UNACKED_INDEX));
	call_add_key(c, (struct str)STR(BROKER_DEAD));
	add_lists(c, queues);
	call_add_time(c, taken_at_us);
	call_addf(c, "%zu", most < BROKER_BATCH_MAX ? most : (size_t)BROKER_BATCH_MAX);
	call_addf(c, "%zu", queues->n);
}

/* list: where the item that is in hand came from, 1 is the first; 0: none. */
static int take(struct redis *redis, struct broker_queues *queues, size_t most, int64_t taken_at_us, struct str item, size_t list,
                struct broker_batch *ret_batch)
{
	struct redis_reply *reply;
	struct call c;
	int r;

	ret_batch->n = 0;
	call_begin(&c);
	call_add_take(&c, queues, most, taken_at_us);
	if (list) {
		call_add(&c, item);
		call_addf(&c, "%zu", list);
	}
	r = call_script(&c, redis, NULL, "task_take", broker_take_script, &reply);
	call_finish(&c);
	if (r < 0)
		return r;
	r = broker_read_batch(queues, reply, ret_batch);
	redis_replies_free(&reply, 1);
	return r;
}

int broker_take(struct redis *redis, struct broker_queues *queues, size_t most, int64_t taken_at_us, struct broker_batch *ret_batch)
{
	return take(redis, queues, most, taken_at_us, (struct str){ NULL, 0 }, 0, ret_batch);
}

/* The number of a list among those of the queues, from 1; 0: none of them. */
static size_t number_of_list(const struct broker_queues *queues, struct str list)
{
	CLEANUP(buf_finish) struct buf key = BUF_EMPTY;

	for (size_t i = 0; i < BROKER_STEPS * queues->n; i++) {
		buf_clear(&key);
		broker_add_list(&key, str_of(queues->names[i % queues->n]), (int)(i / queues->n) * 3);
		if (str_equal(list, buf_view(&key)))
			return i + 1;
	}
	return 0;
}

int broker_register(struct redis *redis, struct broker_queues *queues, struct str list, struct str item, int64_t taken_at_us,
                    struct broker_batch *ret_batch)
{
	size_t number = number_of_list(queues, list);

	return take(redis, queues, 1, taken_at_us, item, number ? number : 1, ret_batch);
}

/* ---- after a lost reply ---- */

/* An entry of unacked is [envelope, exchange, routing_key]. */
static int add_entry(struct broker_batch *batch, struct str entry, struct str tag)
{
	json_t *list = entry.s ? json_loadb(entry.s, entry.len, JSON_ALLOW_NUL, NULL) : NULL;
	char *text = list ? json_dumps(json_array_get(list, 0), JSON_ENCODE_ANY) : NULL;
	int r = 0;

	if (text)
		r = add_item(batch, str_of(text), tag);
	free(text);
	json_decref(list);
	return r;
}

int broker_recall(struct redis *redis, int64_t taken_at_us, struct broker_batch *ret_batch)
{
	static const char script[] = "local out = {} "
	                             "for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], ARGV[1])) do "
	                             "  local entry = redis.call('HGET', KEYS[1], tag) "
	                             "  if entry then table.insert(out, tag) table.insert(out, entry) end "
	                             "end "
	                             "return out";
	struct redis_reply *reply;
	struct call c;
	int r;

	ret_batch->n = 0;
	call_begin(&c);
	call_add_key(&c, (struct str)STR(UNACKED));
	call_add_key(&c, (struct str)STR(UNACKED_INDEX));
	call_add_time(&c, taken_at_us);
	r = call_script(&c, redis, NULL, "task_recall", script, &reply);
	call_finish(&c);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < redis_reply_size(reply) && r == 0; i += 2)
		r = add_entry(ret_batch, redis_reply_text(redis_reply_at(reply, i + 1)), redis_reply_text(redis_reply_at(reply, i)));
	redis_replies_free(&reply, 1);
	return r;
}

void broker_batch_finish(struct broker_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		free(batch->items[i].bytes);
	batch->n = 0;
}

/* ---- waiting ---- */

int broker_wait_begin(const struct broker_queues *queues, struct broker_wait *ret_wait, struct redis_command *ret_command)
{
	size_t ends[BROKER_STEPS * BROKER_QUEUES_MAX], n = BROKER_STEPS * queues->n, from = 0;

	*ret_wait = (struct broker_wait){ 0 };
	for (size_t i = 0; i < n; i++) {
		broker_add_list(&ret_wait->keys, str_of(queues->names[i % queues->n]), (int)(i / queues->n) * 3);
		ends[i] = ret_wait->keys.len;
	}
	if (ret_wait->keys.failed)
		return ERR_NOMEM;
	ret_wait->args[0] = (struct str)STR("BRPOP");
	for (size_t i = 0; i < n; i++) {
		ret_wait->args[i + 1] = (struct str){ ret_wait->keys.data + from, ends[i] - from };
		from = ends[i];
	}
	ret_wait->args[n + 1] = (struct str)STR("1");
	*ret_command = (struct redis_command){ ret_wait->args, n + 2 };
	return 0;
}

void broker_wait_finish(struct broker_wait *wait)
{
	buf_finish(&wait->keys);
}

/* Adds the numbers up, and frees the replies. ERR_INTERNAL: one of them is no number. */
static int sum(struct redis_reply **replies, size_t n, int64_t *ret_sum)
{
	int r = 0;

	*ret_sum = 0;
	for (size_t i = 0; i < n; i++) {
		if (redis_reply_type(replies[i]) != REDIS_REPLY_IS_INT)
			r = ERR_INTERNAL;
		else
			*ret_sum += redis_reply_int(replies[i]);
	}
	redis_replies_free(replies, n);
	return r;
}

/* By commands and not by a script: who may not call those is to be noticed by this. */
int broker_waiting(struct redis *redis, const struct broker_queues *queues, int64_t *ret_n)
{
	struct str words[BROKER_STEPS * BROKER_QUEUES_MAX][2];
	struct redis_command commands[BROKER_STEPS * BROKER_QUEUES_MAX];
	struct redis_reply *replies[BROKER_STEPS * BROKER_QUEUES_MAX];
	size_t n = BROKER_STEPS * queues->n;
	struct call c;
	int r;

	call_begin(&c);
	add_lists(&c, queues);
	for (size_t i = 0; i < n; i++) {
		words[i][0] = (struct str)STR("LLEN");
		words[i][1] = c.args[c.n - n + i];
		commands[i] = (struct redis_command){ words[i], 2 };
	}
	r = c.failed ? ERR_NOMEM : redis_call(redis, REDIS_TASKS, NULL, "task_waiting", commands, n, replies);
	call_finish(&c);
	return r < 0 ? r : sum(replies, n, ret_n);
}

void broker_add_list(struct buf *b, struct str queue, int priority)
{
	int step = broker_step(priority);

	buf_add_str(b, queue);
	if (step)
		buf_addf(b, SEPARATOR "%d", step);
}
