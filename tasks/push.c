#include "tasks/push.h"

#include <stdio.h>

#include "base/mem.h"

#define SEPARATOR "\x06\x16"
#define STEP      3 /* of the priorities that have lists of their own */
#define HIGHEST   9

int push_list_name(const char *queue, int priority, char ret_key[PUSH_KEY_SIZE])
{
	int step = priority < 0 ? 0 : priority > HIGHEST ? HIGHEST : priority / STEP * STEP;
	int n = step ? snprintf(ret_key, PUSH_KEY_SIZE, "%s" SEPARATOR "%d", queue, step) : snprintf(ret_key, PUSH_KEY_SIZE, "%s", queue);

	return n < PUSH_KEY_SIZE ? 0 : ERR_INVALID;
}

/* The answers of the three commands; which error reply it is has been logged nowhere, so it goes to nobody but the caller. */
static int read_replies(struct redis_reply **replies, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (redis_reply_type(replies[i]) == REDIS_REPLY_IS_ERROR)
			r = ERR_INTERNAL;
	redis_replies_free(replies, n);
	return r;
}

int push_envelopes(struct redis *redis, struct redis_budget *budget, const char *queue, int priority, const struct str *envelopes, size_t n)
{
	char list[PUSH_KEY_SIZE], binding[PUSH_KEY_SIZE], permanent[PUSH_KEY_SIZE], member[2 * PUSH_KEY_SIZE];
	CLEANUP(cleanup_free) struct str *push = mem_array(n + 2, sizeof(*push));
	struct redis_reply *replies[3];
	int r = push_list_name(queue, priority, list);

	if (!push)
		return ERR_NOMEM;
	if (r < 0 || snprintf(permanent, sizeof(permanent), "_kombu.binding_permanent.%s", queue) >= PUSH_KEY_SIZE)
		return ERR_INVALID;
	snprintf(binding, sizeof(binding), "_kombu.binding.%s", queue);
	snprintf(member, sizeof(member), "%s" SEPARATOR SEPARATOR "%s", queue, queue);
	push[0] = (struct str)STR("LPUSH");
	push[1] = str_of(list);
	memcpy(push + 2, envelopes, n * sizeof(*push));
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("SADD"), str_of(binding), str_of(member)),
		REDIS_COMMAND(STR("SADD"), str_of(permanent), str_of(member)),
		{ push, n + 2 },
	};
	r = redis_call(redis, REDIS_TASKS, budget, "push", commands, N_ELEMENTS(commands), replies);
	return r < 0 ? r : read_replies(replies, N_ELEMENTS(replies));
}
