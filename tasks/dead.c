/*
 * Letters are few (a thousand at most) and looked at by people: each look reads the list from its head. Who tries one again has it on
 * its queue first and takes it out then: a crash in between delivers it, and leaves a letter that can be purged.
 */
#include "tasks/dead.h"

#include <stdio.h>
#include <string.h>

#include "tasks/broker.h"
#include "tasks/message.h"

#define PAGE 5 /* letters of one LRANGE: a large one has megabytes, and all are to come in the time of one command */

static void add_names(json_t *letter)
{
	struct str item = message_text(letter, "item");
	json_t *envelope = item.s ? json_loadb(item.s, item.len, JSON_ALLOW_NUL, NULL) : NULL;
	json_t *headers = json_object_get(envelope, "headers");

	if (json_is_string(json_object_get(headers, "id")))
		json_object_set(letter, "id", json_object_get(headers, "id"));
	if (json_is_string(json_object_get(headers, "task")))
		json_object_set(letter, "task", json_object_get(headers, "task"));
	json_decref(envelope);
}

/* fn for each, with its text; until one says other than 0. */
static int each_letter(struct redis *redis, int (*fn)(struct redis *, struct str text, void *arg), void *arg)
{
	char from[24], to[24];
	size_t got = PAGE;
	int r = 0;

	for (int at = 0; got == PAGE && r == 0; at += PAGE) {
		struct redis_reply *reply;

		snprintf(from, sizeof(from), "%d", at);
		snprintf(to, sizeof(to), "%d", at + PAGE - 1);
		const struct redis_command command = REDIS_COMMAND(STR("LRANGE"), STR(BROKER_DEAD), str_of(from), str_of(to));
		r = redis_call(redis, REDIS_TASKS, NULL, "lrange", &command, 1, &reply);
		if (r < 0)
			return r;
		got = redis_reply_size(reply);
		for (size_t i = 0; i < got && r == 0; i++)
			r = fn(redis, redis_reply_text(redis_reply_at(reply, i)), arg);
		redis_replies_free(&reply, 1);
	}
	return r;
}

static int append(struct redis *redis, struct str text, void *letters)
{
	json_t *letter = text.s ? json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL) : NULL;

	if (!json_is_object(letter)) {
		json_decref(letter);
		letter = json_object();
		json_object_set_new(letter, "item", json_stringn_nocheck(text.s, text.len));
	}
	add_names(letter);
	return json_array_append_new(letters, letter) < 0 ? ERR_NOMEM : 0;
}

int dead_letters_read(struct redis *redis, json_t **ret_letters)
{
	json_t *letters = json_array();
	int r = letters ? each_letter(redis, append, letters) : ERR_NOMEM;

	if (r < 0) {
		json_decref(letters);
		return r;
	}
	*ret_letters = letters;
	return 0;
}

/* ---- sending again ---- */

struct sought {
	struct str id;
	struct error *err;
};

/* The envelope without what tells of its deliveries; NULL without memory. */
static char *fresh(const struct message *m)
{
	json_t *headers = json_object_get(m->envelope, "headers");
	json_t *info = json_object_get(json_object_get(m->envelope, "properties"), "delivery_info");

	json_object_del(headers, "x-redeliveries");
	json_object_del(headers, "redelivered");
	json_object_del(info, "redelivered");
	return json_dumps(m->envelope, 0);
}

static int push(struct redis *redis, struct str text, struct str item, const char *queue, struct error *err)
{
	const struct redis_command take_out = REDIS_COMMAND(STR("LREM"), STR(BROKER_DEAD), STR("1"), text);
	struct redis_reply *reply = NULL;
	struct message m;
	char *envelope;
	int r = message_parse(item, &m, err);

	if (r < 0)
		return r;
	envelope = fresh(&m);
	r = envelope ? broker_push(redis, NULL, queue, m.priority, str_of(envelope)) : ERR_NOMEM;
	if (r == 0)
		r = redis_call(redis, REDIS_TASKS, NULL, "lrem", &take_out, 1, &reply);
	redis_replies_free(&reply, 1);
	free(envelope);
	message_finish(&m);
	return r < 0 ? error_set(err, r, "Redis: %s", error_name(r)) : 1;
}

static int send_if_sought(struct redis *redis, struct str text, void *arg)
{
	const struct sought *s = arg;
	json_t *letter = json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL);
	char queue[BROKER_QUEUE_SIZE] = "";
	int r = 0;

	add_names(letter);
	snprintf(queue, sizeof(queue), "%.*s", STR_ARG(message_text(letter, "queue")));
	queue[strcspn(queue, "\x06")] = '\0'; /* it may be the name of the list */
	if (str_equal(message_text(letter, "id"), s->id))
		r = push(redis, text, message_text(letter, "item"), queue, s->err);
	json_decref(letter);
	return r;
}

int dead_letters_send_again(struct redis *redis, struct str id, struct error *err)
{
	struct sought sought = { id, err };
	int r = each_letter(redis, send_if_sought, &sought);

	return r > 0 ? 0 : r < 0 ? r : ERR_NOT_FOUND;
}

int dead_letters_purge(struct redis *redis, int64_t *ret_n)
{
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("MULTI")),
		REDIS_COMMAND(STR("LLEN"), STR(BROKER_DEAD)),
		REDIS_COMMAND(STR("DEL"), STR(BROKER_DEAD)),
		REDIS_COMMAND(STR("EXEC")),
	};
	struct redis_reply *replies[N_ELEMENTS(commands)];
	int r = redis_call(redis, REDIS_TASKS, NULL, "purge", commands, N_ELEMENTS(commands), replies);

	if (r < 0)
		return r;
	*ret_n = redis_reply_int(redis_reply_at(replies[3], 0));
	redis_replies_free(replies, N_ELEMENTS(commands));
	return 0;
}
