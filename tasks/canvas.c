/*
 * A signature is {task, args, kwargs, options, subtask_type, immutable}. Groups and chains among them are signatures too, whose
 * kwargs hold their tasks.
 */
#include "tasks/canvas.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "db/task_message.h"

#define DEPTH_MAX 8 /* groups in chains in groups */

/* Who causes it, and what it gets. */
struct cause {
	const struct message *message;
	const json_t *first; /* argument put in front */
	struct followers *followers;
};

void followers_finish(struct followers *f)
{
	for (size_t i = 0; i < f->n; i++)
		buf_finish(&f->all[i].envelope);
	f->n = 0;
}

struct follower *followers_add(struct followers *f)
{
	if (f->n == BROKER_FOLLOWERS_MAX)
		return NULL;
	f->all[f->n] = (struct follower){ .priority = 0 };
	return &f->all[f->n++];
}

static int leave_out(const struct cause *c, const char *what)
{
	log_write(LOG_WARNING, "tasks.worker", "task.follower_left_out", LOG_FIELDS(LOG_VIEW("id", c->message->id)),
	          "what should follow %.*s is left out: %s", STR_ARG(c->message->task), what);
	return 0;
}

/* ---- one signature ---- */

static json_t *arguments(const struct cause *c, const json_t *signature)
{
	const json_t *own = json_object_get(signature, "args");
	json_t *all = json_is_array(own) ? json_copy((json_t *)(uintptr_t)own) : json_array();

	if (!message_truth(signature, "immutable") && c->first)
		json_array_insert(all, 0, (json_t *)(uintptr_t)c->first);
	return all;
}

static const json_t *list_or_null(const json_t *options, const char *name)
{
	const json_t *value = json_object_get(options, name);

	return json_array_size(value) ? value : json_null();
}

/* What it carries on: its own links, and the rest of the chain. */
static char *embed(const json_t *options, const json_t *chain)
{
	json_t *all = json_object();
	char *text;

	json_object_set(all, "callbacks", (json_t *)(uintptr_t)list_or_null(options, "link"));
	json_object_set(all, "errbacks", (json_t *)(uintptr_t)list_or_null(options, "link_error"));
	json_object_set(all, "chain", json_array_size(chain) ? (json_t *)(uintptr_t)chain : json_null());
	json_object_set_new(all, "chord", json_null());
	text = json_dumps(all, 0);
	json_decref(all);
	return text;
}

static struct instant option_time(const json_t *options, const char *name)
{
	const json_t *value = json_object_get(options, name);
	struct instant at = NULL_TIME;

	if (json_is_number(value) && json_number_value(value) > -1e9 && json_number_value(value) < 1e9)
		at.us = clock_now().us + (int64_t)(json_number_value(value) * (double)US_PER_S);
	else if (json_is_string(value))
		clock_parse(message_text(options, name), &at);
	return at;
}

static struct str option_queue(const json_t *options)
{
	struct str queue = message_text(options, "queue");

	if (!queue.len)
		queue = message_text(options, "routing_key");
	return queue.len && queue.len < BROKER_QUEUE_SIZE ? queue : (struct str)STR(TASK_QUEUE);
}

static int option_priority(const struct cause *c, const json_t *options)
{
	const json_t *value = json_object_get(options, "priority");
	json_int_t priority = json_is_integer(value) ? json_integer_value(value) : c->message->priority;

	return priority < 0 ? 0 : priority > TASK_PRIORITY_MAX ? TASK_PRIORITY_MAX : (int)priority;
}

static int make_id(struct str given, char ret_id[MESSAGE_ID_MAX + 1])
{
	char hex[UUID_HEX_SIZE];
	int r = 0;

	if (given.len && given.len <= MESSAGE_ID_MAX) {
		snprintf(ret_id, MESSAGE_ID_MAX + 1, "%.*s", STR_ARG(given));
		return 0;
	}
	r = random_uuid_hex(hex);
	if (r == 0)
		uuid_add_dashes(hex, ret_id);
	return r;
}

static int write_follower(const struct cause *c, const json_t *signature, const json_t *chain, struct follower *f)
{
	const json_t *options = json_object_get(signature, "options"), *kwargs = json_object_get(signature, "kwargs");
	json_t *args = arguments(c, signature);
	CLEANUP(cleanup_free) char *args_text = json_dumps(args, 0), *embed_text = embed(options, chain);
	CLEANUP(cleanup_free) char *kwargs_text = json_is_object(kwargs) ? json_dumps(kwargs, 0) : NULL;
	struct task_message m = TASK_MESSAGE(.name = message_text(signature, "task"), .args = str_of(args_text),
	                                     .kwargs = str_of(kwargs_text), .embed = str_of(embed_text), .root_id = c->message->root_id,
	                                     .parent_id = c->message->id, .group = message_text(options, "group_id"));
	struct instant countdown = option_time(options, "countdown");
	int r = make_id(message_text(options, "task_id"), f->id);

	json_decref(args);
	if (r < 0 || !args_text || !embed_text)
		return r < 0 ? r : ERR_NOMEM;
	snprintf(f->queue, sizeof(f->queue), "%.*s", STR_ARG(option_queue(options)));
	f->priority = m.priority = option_priority(c, options);
	m.id = str_of(f->id);
	m.queue = str_of(f->queue);
	m.eta = countdown.us != NULL_TIME.us ? countdown : option_time(options, "eta");
	m.expires = option_time(options, "expires");
	m.ignore_result = message_truth(options, "ignore_result");
	return task_message_write(&f->envelope, &m);
}

static int follow(const struct cause *c, const json_t *signature, const json_t *chain, int depth);

/* The tasks of a chain that is itself a callback: the first runs, the others travel with it, last one first. */
static int follow_chain(const struct cause *c, const json_t *tasks, int depth)
{
	json_t *rest = json_array();
	int r;

	for (size_t i = json_array_size(tasks); i-- > 1;)
		json_array_append(rest, json_array_get(tasks, i));
	r = follow(c, json_array_get(tasks, 0), rest, depth + 1);
	json_decref(rest);
	return r;
}

static int follow_each(const struct cause *c, const json_t *signatures, int depth)
{
	int r = 0;

	for (size_t i = 0; i < json_array_size(signatures) && r == 0; i++)
		r = follow(c, json_array_get(signatures, i), NULL, depth);
	return r;
}

static int follow(const struct cause *c, const json_t *signature, const json_t *chain, int depth)
{
	struct str task = message_text(signature, "task"), kind = message_text(signature, "subtask_type");
	const json_t *tasks = json_object_get(json_object_get(signature, "kwargs"), "tasks");
	struct follower *f;

	if (!task.len || task.len > MESSAGE_ID_MAX || depth > DEPTH_MAX)
		return leave_out(c, "not a signature");
	if (str_is(kind, "group") && !json_array_size(chain))
		return follow_each(c, tasks, depth + 1);
	if (str_is(kind, "chain") && !json_array_size(chain))
		return follow_chain(c, tasks, depth);
	if (kind.len)
		return leave_out(c, "a chord, or a group in the middle of a chain");
	f = followers_add(c->followers);
	return f ? write_follower(c, signature, chain, f) : leave_out(c, "too many");
}

/* ---- after a task ---- */

static int follow_success(const struct cause *c)
{
	const json_t *chain = json_object_get(c->message->embed, "chain");
	size_t n = json_array_size(chain);
	json_t *rest;
	int r = follow_each(c, json_object_get(c->message->embed, "callbacks"), 0);

	if (r < 0 || !n)
		return r;
	rest = json_copy((json_t *)(uintptr_t)chain);
	json_array_remove(rest, n - 1);
	r = follow(c, json_array_get(chain, n - 1), rest, 0);
	json_decref(rest);
	return r;
}

int canvas_after_success(const struct message *m, struct str result, struct followers *followers)
{
	struct cause c = { .message = m, .followers = followers };
	json_t *value;
	int r;

	if (!json_array_size(json_object_get(m->embed, "callbacks")) && !json_array_size(json_object_get(m->embed, "chain")))
		return 0;
	value = json_loadb(result.s, result.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	c.first = value;
	r = value ? follow_success(&c) : ERR_NOMEM;
	json_decref(value);
	return r;
}

int canvas_after_failure(const struct message *m, struct followers *followers)
{
	json_t *id = json_stringn(m->id.s, m->id.len);
	struct cause c = { .message = m, .followers = followers, .first = id };
	int r = follow_each(&c, json_object_get(m->embed, "errbacks"), 0);

	json_decref(id);
	return r;
}

bool canvas_is_chord(const struct message *m)
{
	const json_t *chord = json_object_get(m->embed, "chord");

	return chord && !json_is_null(chord);
}
