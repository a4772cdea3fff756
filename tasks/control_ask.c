/* The asking side: a request is published, the answers are collected from a list of our own for a second. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "tasks/broker_impl.h"
#include "tasks/control_impl.h"

#define WAIT_US (1 * US_PER_S)
#define LOOK_US (50 * US_PER_MS)

struct asking {
	struct redis *redis;
	char oid[UUID_TEXT_SIZE];
	char list[UUID_TEXT_SIZE + sizeof("." REPLY_PIDBOX)];
	char member[2 * UUID_TEXT_SIZE + 64];
	int64_t listeners; /* whom the question has reached: workers that are connected */
};

static int call(struct asking *a, const struct redis_command *commands, size_t n, struct redis_reply **replies)
{
	return redis_call(a->redis, REDIS_TASKS, NULL, "control", commands, n, replies);
}

static int publish(struct asking *a, const char *method, struct error *err)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY, headers = BUF_EMPTY, envelope = BUF_EMPTY;
	char channel[64];
	struct redis_reply *replies[2];
	int r;

	snprintf(channel, sizeof(channel), "/%d." PIDBOX, redis_database(a->redis, REDIS_TASKS));
	buf_addf(&body,
	         "{\"method\": \"%s\", \"arguments\": {}, \"destination\": null, \"pattern\": null, \"matcher\": null, \"ticket\": \"%s\", "
	         "\"reply_to\": {\"exchange\": \"" REPLY_PIDBOX "\", \"routing_key\": \"%s\"}}",
	         method, a->oid, a->oid);
	buf_addf(&headers, "\"clock\": 1, \"expires\": %.6f", (double)(clock_now().us + WAIT_US) / (double)US_PER_S);
	if (body.failed || headers.failed)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = events_add_envelope(&envelope, buf_view(&body), buf_view(&headers), 2, PIDBOX, (struct str)STR(""));
	if (r < 0)
		return error_set(err, r, "%s", error_name(r));
	r = call(a,
	         (const struct redis_command[]){ REDIS_COMMAND(STR("SADD"), STR(BINDING REPLY_PIDBOX), str_of(a->member)),
	                                         REDIS_COMMAND(STR("PUBLISH"), str_of(channel), buf_view(&envelope)) },
	         2, replies);
	a->listeners = r < 0 ? 0 : redis_reply_int(replies[1]);
	redis_replies_free(replies, 2);
	return r < 0 ? error_set(err, r, "the broker does not answer") : 0;
}

/* The body of a reply is an object of one member: the worker's name. */
static int add_answer(struct str text, struct buf *b, size_t *io_n)
{
	json_t *envelope = json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL), *body = NULL;
	struct str encoded = message_text(envelope, "body");
	CLEANUP(cleanup_free) char *bytes = encoded.s ? mem_alloc(BASE64_DECODED_MAX(encoded.len)) : NULL;
	size_t n = 0;
	char *line = NULL;

	if (bytes && base64_decode(encoded, BASE64, bytes, &n))
		body = json_loadb(bytes, n, JSON_ALLOW_NUL, NULL);
	if (json_object_size(body))
		line = json_dumps(body, 0);
	if (line)
		buf_addf(b, "%s%.*s", (*io_n)++ ? ",\n " : "{", (int)strlen(line) - 2, line + 1);
	free(line);
	json_decref(body);
	json_decref(envelope);
	return b->failed ? ERR_NOMEM : 0;
}

/* Until a second has passed, or so many have answered. */
static int collect(struct asking *a, size_t enough, struct buf *b, size_t *ret_n)
{
	const struct redis_command pop = REDIS_COMMAND(STR("RPOP"), str_of(a->list));
	int64_t until_us = clock_monotonic_us() + WAIT_US;
	int r = 0;

	while (r == 0 && *ret_n < enough && clock_monotonic_us() < until_us) {
		struct redis_reply *reply;

		r = call(a, &pop, 1, &reply);
		if (r < 0)
			return r;
		if (redis_reply_type(reply) == REDIS_REPLY_IS_TEXT)
			r = add_answer(redis_reply_text(reply), b, ret_n);
		else
			usleep(LOOK_US);
		redis_replies_free(&reply, 1);
	}
	return r;
}

static void tidy(struct asking *a)
{
	struct redis_reply *replies[2];

	call(a,
	     (const struct redis_command[]){ REDIS_COMMAND(STR("SREM"), STR(BINDING REPLY_PIDBOX), str_of(a->member)),
	                                     REDIS_COMMAND(STR("DEL"), str_of(a->list)) },
	     2, replies);
	redis_replies_free(replies, 2);
}

/* Gives the question a mailbox for its answers, and asks. */
static int begin(struct asking *a, const char *method, struct error *err)
{
	char hex[UUID_HEX_SIZE];
	int r = random_uuid_hex(hex);

	if (r < 0)
		return error_set(err, r, "no random bytes");
	uuid_add_dashes(hex, a->oid);
	snprintf(a->list, sizeof(a->list), "%s." REPLY_PIDBOX, a->oid);
	snprintf(a->member, sizeof(a->member), "%s" SEPARATOR SEPARATOR "%s", a->oid, a->list);
	return publish(a, method, err);
}

int control_count_workers(struct redis *redis, int64_t *ret_n)
{
	CLEANUP(buf_finish) struct buf replies = BUF_EMPTY;
	struct asking a = { .redis = redis };
	size_t n = 0;
	int r = begin(&a, "ping", NULL);

	if (r < 0)
		return r;
	r = collect(&a, (size_t)a.listeners, &replies, &n);
	tidy(&a);
	*ret_n = (int64_t)n;
	return r;
}

int control_ask(struct redis *redis, const char *method, struct buf *ret_replies, size_t *ret_n, struct error *err)
{
	struct asking a = { .redis = redis };
	int r = begin(&a, method, err);

	*ret_n = 0;
	if (r < 0)
		return r;
	r = collect(&a, SIZE_MAX, ret_replies, ret_n);
	tidy(&a);
	buf_add_text(ret_replies, *ret_n ? "}\n" : "{}\n");
	return r < 0 ? error_set(err, r, "the broker does not answer") : 0;
}
