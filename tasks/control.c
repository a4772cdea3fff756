/*
 * The mailbox: requests are published on a channel of the broker's database, and heard by a subscription, whose thread must not wait;
 * so they are queued for a thread that answers. Replies are pushed to the list that the request's reply_to is bound to.
 */
#include "tasks/control.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "resilience/subscription.h"
#include "tasks/broker_impl.h"
#include "tasks/control_impl.h"

#define QUEUED_MAX     1000
#define REPLY_EXPIRE_S "60"
#define BIND_AGAIN_US  (200 * US_PER_MS)

struct letter {
	STAILQ_ENTRY(letter) next;
	char *text; /* owned */
	size_t len;
};
STAILQ_HEAD(letters, letter);

struct control {
	struct worker *worker;
	char channel[64];
	char member[WORKER_NAME_SIZE + 32];
	struct subscription *subscription;
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t changed;
	struct letters letters;
	size_t n;
	bool bind, stopping;
	bool live; /* has been heard to listen */
};

#define FIRST_LIVE_US (2 * US_PER_S)

/* ---- the binding ---- */

/* 0, or negative: Redis is away. */
static int call_binding(struct control *c, const char *command)
{
	const struct redis_command commands[] = {
		REDIS_COMMAND(str_of(command), STR(BINDING PIDBOX), str_of(c->member)),
		REDIS_COMMAND(str_of(command), STR(BINDING_TWIN PIDBOX), str_of(c->member)),
	};
	struct redis_reply *replies[2];
	int r = redis_call(c->worker->redis, REDIS_TASKS, NULL, "control", commands, 2, replies);

	redis_replies_free(replies, 2);
	return r;
}

/* ---- requests ---- */

static json_t *open_body(const json_t *envelope)
{
	struct str text = message_text(envelope, "body");
	CLEANUP(cleanup_free) char *bytes = text.s ? mem_alloc(BASE64_DECODED_MAX(text.len)) : NULL;
	size_t n = 0;

	if (!bytes)
		return NULL;
	if (!str_is(message_text(json_object_get(envelope, "properties"), "body_encoding"), "base64"))
		return json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL);
	return base64_decode(text, BASE64, bytes, &n) ? json_loadb(bytes, n, JSON_ALLOW_NUL, NULL) : NULL;
}

static bool in_list(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *one = json_string_value(json_array_get(list, i));

		if (one && strcmp(one, name) == 0)
			return true;
	}
	return false;
}

/* Celery's matcher is Perl's; what people write in it are mostly extended expressions of POSIX. */
static bool matches(struct str pattern, const char *name)
{
	regex_t compiled;
	bool found;

	if (regcomp(&compiled, pattern.s, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	found = regexec(&compiled, name, 0, NULL, 0) == 0;
	regfree(&compiled);
	return found;
}

/* For all, for a list with our name, or for a pattern that matches it: glob, or a regular expression. */
static bool is_for_us(const struct control *c, const json_t *request)
{
	const json_t *destination = json_object_get(request, "destination");
	struct str pattern = message_text(request, "pattern"), matcher = message_text(request, "matcher");
	const char *name = c->worker->name;

	if (pattern.len)
		return matcher.s && !str_is(matcher, "glob") ? matches(pattern, name) : fnmatch(pattern.s, name, 0) == 0;
	if (json_is_string(destination))
		return str_is(message_text(request, "destination"), name);
	return !json_array_size(destination) || in_list(destination, name);
}

static bool is_expired(const json_t *headers)
{
	const json_t *expires = json_object_get(headers, "expires");

	return json_number_value(expires) > 0 && json_number_value(expires) < (double)clock_now().us / (double)US_PER_S;
}

/* ---- replies ---- */

static void push_reply(struct control *c, struct str list, const struct buf *envelope)
{
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("LPUSH"), list, buf_view(envelope)),
		REDIS_COMMAND(STR("EXPIRE"), list, STR(REPLY_EXPIRE_S)),
	};
	struct redis_reply *replies[2];

	redis_call(c->worker->redis, REDIS_TASKS, NULL, "control", commands, 2, replies);
	redis_replies_free(replies, 2);
}

/* A binding is routing key, pattern and queue, with separators in between. */
static struct str bound_list(struct str member, struct str routing_key)
{
	const size_t between = 2 * (sizeof(SEPARATOR) - 1);

	if (member.len <= routing_key.len + between || memcmp(member.s, routing_key.s, routing_key.len) != 0 ||
	    memcmp(member.s + routing_key.len, SEPARATOR SEPARATOR, between) != 0)
		return (struct str){ NULL, 0 };
	return (struct str){ member.s + routing_key.len + between, member.len - routing_key.len - between };
}

static void send_reply(struct control *c, struct str routing_key, const struct buf *envelope)
{
	const struct redis_command command = REDIS_COMMAND(STR("SMEMBERS"), STR(BINDING REPLY_PIDBOX));
	struct redis_reply *reply;

	if (redis_call(c->worker->redis, REDIS_TASKS, NULL, "control", &command, 1, &reply) < 0)
		return;
	for (size_t i = 0; i < redis_reply_size(reply); i++) {
		struct str list = bound_list(redis_reply_text(redis_reply_at(reply, i)), routing_key);

		if (list.s)
			push_reply(c, list, envelope);
	}
	redis_replies_free(&reply, 1);
}

static void reply(struct control *c, const json_t *request, json_t *take_answer)
{
	CLEANUP(buf_finish) struct buf headers = BUF_EMPTY, envelope = BUF_EMPTY;
	struct str routing_key = message_text(json_object_get(request, "reply_to"), "routing_key");
	json_t *body = json_object();
	char *text;

	json_object_set_new(body, c->worker->name, take_answer);
	text = json_dumps(body, 0);
	json_decref(body);
	buf_add_text(&headers, "\"ticket\": ");
	json_add_str(&headers, message_text(request, "ticket"));
	buf_addf(&headers, ", \"clock\": %lld", (long long)events_tick(c->worker->events));
	if (text && !headers.failed && events_add_envelope(&envelope, str_of(text), buf_view(&headers), 1, REPLY_PIDBOX, routing_key) == 0)
		send_reply(c, routing_key, &envelope);
	free(text);
}

static void serve(struct control *c, const json_t *request)
{
	const json_t *arguments = json_object_get(request, "arguments");
	const char *method = json_string_value(json_object_get(request, "method"));
	json_t *none = json_object(), *answer;

	answer = control_answer(c->worker, method ? method : "", json_is_object(arguments) ? arguments : none);
	if (answer && message_text(json_object_get(request, "reply_to"), "routing_key").len)
		reply(c, request, answer);
	else
		json_decref(answer);
	json_decref(none);
}

static void read_letter(struct control *c, const struct letter *letter)
{
	json_t *envelope = json_loadb(letter->text, letter->len, JSON_ALLOW_NUL, NULL);
	const json_t *headers = json_object_get(envelope, "headers");
	json_t *request = open_body(envelope);

	events_hear_clock(c->worker->events, json_integer_value(json_object_get(headers, "clock")));
	if (request && !is_expired(headers) && is_for_us(c, request))
		serve(c, request);
	json_decref(request);
	json_decref(envelope);
}

/* ---- the thread that answers ---- */

static void free_letter(struct letter *letter)
{
	free(letter->text);
	free(letter);
}

/*
 * With the lock: until there is something to do. A binding that could not be made is tried again: when the mailbox is heard again, the
 * usage is about to close, and not closed yet.
 */
static void await_work(struct control *c, bool binding_failed)
{
	struct timespec until = clock_wait_until(BIND_AGAIN_US);

	while (!c->stopping && STAILQ_EMPTY(&c->letters) && (!c->bind || binding_failed)) {
		if (!c->bind)
			pthread_cond_wait(&c->changed, &c->lock);
		else if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
			return;
	}
}

static struct letter *take_letter(struct control *c)
{
	struct letter *letter = STAILQ_FIRST(&c->letters);

	if (letter) {
		STAILQ_REMOVE_HEAD(&c->letters, next);
		c->n--;
	}
	return letter;
}

static void *run(void *arg)
{
	struct control *c = arg;
	bool binding_failed = false;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		struct letter *letter;
		bool bind;

		await_work(c, binding_failed);
		letter = take_letter(c);
		bind = c->bind;
		c->bind = false;
		pthread_mutex_unlock(&c->lock);
		binding_failed = bind && call_binding(c, "SADD") < 0;
		if (letter) {
			read_letter(c, letter);
			free_letter(letter);
		}
		pthread_mutex_lock(&c->lock);
		c->bind |= binding_failed;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void on_message(struct str channel, const struct redis_reply *payload, void *arg)
{
	struct control *c = arg;
	struct str text = redis_reply_text(payload);
	struct letter *letter = text.s ? mem_alloc(sizeof(*letter)) : NULL;

	(void)channel;
	if (!letter)
		return;
	letter->text = mem_strndup(text.s, text.len);
	letter->len = text.len;
	pthread_mutex_lock(&c->lock);
	if (letter->text && c->n < QUEUED_MAX) {
		STAILQ_INSERT_TAIL(&c->letters, letter, next);
		c->n++;
		letter = NULL;
		pthread_cond_signal(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	if (letter)
		free_letter(letter);
}

/* Subscribed again: Redis may have come back without our binding. */
static void on_state(bool live, int64_t client_id, void *arg)
{
	struct control *c = arg;

	(void)client_id;
	pthread_mutex_lock(&c->lock);
	c->bind |= live;
	c->live |= live;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* ---- life ---- */

/* Whoever has been told that the worker is ready may ask it something: it listens by then, if there is a Redis. */
static void await_live(struct control *c)
{
	struct timespec until = clock_wait_until(FIRST_LIVE_US);

	pthread_mutex_lock(&c->lock);
	while (!c->live && redis_usable(c->worker->redis, REDIS_TASKS))
		if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&c->lock);
}

struct control *control_create(struct worker *w)
{
	struct control *c = mem_alloc(sizeof(*c));
	pthread_condattr_t attributes;
	const char *channels[1];
	struct subscription_config config = { .usage = REDIS_TASKS,
		                              .name = "control",
		                              .channels = channels,
		                              .n_channels = 1,
		                              .on_message = on_message,
		                              .on_state = on_state,
		                              .arg = c };

	if (!c)
		return NULL;
	c->worker = w;
	STAILQ_INIT(&c->letters);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	snprintf(c->channel, sizeof(c->channel), "/%d." PIDBOX, redis_database(w->redis, REDIS_TASKS));
	snprintf(c->member, sizeof(c->member), SEPARATOR SEPARATOR "%s." PIDBOX, w->name);
	channels[0] = c->channel;
	c->runs = pthread_create(&c->thread, NULL, run, c) == 0;
	c->subscription = c->runs ? subscription_create(w->redis, &config) : NULL;
	if (c->subscription) {
		await_live(c);
		return c;
	}
	control_destroy(c);
	return NULL;
}

void control_destroy(struct control *c)
{
	struct letter *letter;

	if (!c)
		return;
	subscription_destroy(c->subscription);
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->runs)
		pthread_join(c->thread, NULL);
	call_binding(c, "SREM");
	while ((letter = STAILQ_FIRST(&c->letters))) {
		STAILQ_REMOVE_HEAD(&c->letters, next);
		free_letter(letter);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
