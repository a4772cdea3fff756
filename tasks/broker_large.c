/* What is too large for one command goes to Redis in parts: all that is lost with a process in between is what one kill may lose anyhow. */
#include <stdio.h>

#include "tasks/broker_impl.h"

#define PART         ((size_t)1 << 20)
#define UNFINISHED_S "3600" /* what a process left behind that ended in between */

static int ask(struct redis *redis, const struct redis_command *command, int64_t *ret_n)
{
	struct redis_reply *reply;
	int r = redis_call(redis, REDIS_TASKS, NULL, "task_keep", command, 1, &reply);

	if (r < 0)
		return r;
	r = call_check("task_keep", reply);
	*ret_n = redis_reply_int(reply);
	redis_replies_free(&reply, 1);
	return r;
}

static int expire(struct redis *redis, struct str key, const char *seconds)
{
	int64_t n;

	return ask(redis, &REDIS_COMMAND(STR("EXPIRE"), key, str_of(seconds)), &n);
}

int broker_keep_large(struct redis *redis, struct str item, char ret_key[BROKER_LARGE_SIZE])
{
	struct str key;
	int64_t n = 0;
	int r = ask(redis, &REDIS_COMMAND(STR("INCR"), STR(BROKER_DEAD ":large")), &n);

	snprintf(ret_key, BROKER_LARGE_SIZE, BROKER_DEAD ":large:%lld", (long long)n);
	key = str_of(ret_key);
	for (size_t at = 0; at < item.len && r == 0; at += PART) {
		struct str part = { item.s + at, item.len - at < PART ? item.len - at : PART };

		r = ask(redis, &REDIS_COMMAND(STR("APPEND"), key, part), &n);
		if (r == 0 && at == 0)
			r = expire(redis, key, UNFINISHED_S);
	}
	return r < 0 ? r : expire(redis, key, LUA_NUMBER(BROKER_LARGE_KEPT_S));
}
