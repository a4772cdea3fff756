/* A script and its arguments, put together and called. */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "tasks/broker_impl.h"

#define REFUSALS_US (10 * US_PER_S) /* between two lines about them */
#define HEAD        3               /* EVAL, the script, the number of keys */

void call_begin(struct call *c)
{
	c->n = HEAD;
	c->n_keys = 0;
	c->failed = false;
	arena_init(&c->arena, CALL_MEMORY);
}

void call_finish(struct call *c)
{
	arena_finish(&c->arena);
}

void call_add(struct call *c, struct str text)
{
	if (c->n == CALL_ARGS_MAX)
		c->failed = true;
	else
		c->args[c->n++] = text.s ? text : (struct str)STR("");
}

void call_addf(struct call *c, const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		c->failed = true;
	else
		call_add(c, (struct str){ arena_strndup(&c->arena, text, (size_t)n), (size_t)n });
}

void call_add_key(struct call *c, struct str key)
{
	call_add(c, key);
	c->n_keys++;
}

void call_add_time(struct call *c, int64_t at_us)
{
	call_addf(c, "%lld.%06lld", (long long)(at_us / US_PER_S), (long long)(at_us % US_PER_S));
}

int broker_step(int priority)
{
	return priority < 3 ? 0 : priority < 6 ? 3 : priority < 9 ? 6 : 9;
}

void call_add_list(struct call *c, struct str queue, int priority)
{
	int step = broker_step(priority);

	if (step)
		call_addf(c, "%.*s" SEPARATOR "%d", STR_ARG(queue), step);
	else
		call_add(c, queue);
	c->n_keys++;
}

void call_add_bindings(struct call *c, struct str queue)
{
	call_addf(c, BINDING "%.*s", STR_ARG(queue));
	call_addf(c, BINDING_TWIN "%.*s", STR_ARG(queue));
	c->n_keys += 2;
}

void call_add_member(struct call *c, struct str queue)
{
	call_addf(c, "%.*s" SEPARATOR SEPARATOR "%.*s", STR_ARG(queue), STR_ARG(queue));
}

void call_add_meta_key(struct call *c, struct str id)
{
	call_addf(c, META_PREFIX "%.*s", STR_ARG(id));
	c->n_keys++;
}

int call_script_command(struct call *c, const char *script, struct redis_command *ret_command)
{
	char keys[24];
	int n = snprintf(keys, sizeof(keys), "%zu", c->n_keys);

	c->args[0] = (struct str)STR("EVAL");
	c->args[1] = str_of(script);
	c->args[2] = (struct str){ arena_strndup(&c->arena, keys, (size_t)n), (size_t)n };
	*ret_command = (struct redis_command){ c->args, c->n };
	return c->failed || !c->args[2].s ? ERR_NOMEM : 0;
}

void call_log_dead(const char *op, struct str id)
{
	log_write(LOG_ERROR, "tasks.broker", "broker.dead_letter", LOG_FIELDS(LOG_STR("op", op), LOG_VIEW("id", id)),
	          "a message went to " BROKER_DEAD ": what has the name of its queue is no list");
}

int call_check(const char *op, const struct redis_reply *reply)
{
	static struct log_limit limit;
	int64_t suppressed;

	if (redis_reply_type(reply) != REDIS_REPLY_IS_ERROR)
		return 0;
	if (log_limit_pass(&limit, REFUSALS_US, &suppressed))
		log_write(LOG_ERROR, "tasks.broker", "broker.refused", LOG_FIELDS(LOG_STR("op", op), LOG_INT("suppressed", suppressed)),
		          "Redis refused %s: %.*s", op, STR_ARG(redis_reply_text(reply)));
	return ERR_INTERNAL;
}

int call_script(struct call *c, struct redis *redis, struct redis_budget *budget, const char *op, const char *script,
                struct redis_reply **ret_reply)
{
	struct redis_command command;
	struct redis_reply *reply;
	int r = call_script_command(c, script, &command);

	if (r == 0)
		r = redis_call(redis, REDIS_TASKS, budget, op, &command, 1, &reply);
	if (r < 0)
		return r;
	r = call_check(op, reply);
	if (r < 0)
		redis_replies_free(&reply, 1);
	else
		*ret_reply = reply;
	return r;
}

int call_script_int(struct call *c, struct redis *redis, struct redis_budget *budget, const char *op, const char *script, int64_t *ret_n)
{
	struct redis_reply *reply;
	int r = call_script(c, redis, budget, op, script, &reply);

	if (r < 0)
		return r;
	*ret_n = redis_reply_int(reply);
	redis_replies_free(&reply, 1);
	return 0;
}
