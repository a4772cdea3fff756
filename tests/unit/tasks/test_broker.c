/* The queues on a real Redis: taken in the order of priority and in turn, held, finished, put back, buried; nothing in between. */
#include "tasks/broker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/task_message.h"
#include "tasks/message.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

struct fixture {
	struct test_redis server;
	struct redis *redis;
	struct broker_queues queues;
	struct broker_batch batch;
	int64_t now;
};

static int open_broker(void **state)
{
	struct redis_config config = {
		.connect_timeout_us = US_PER_S, .command_timeout_us = US_PER_S, .retry_us = US_PER_S, .pool_size = 2
	};
	struct fixture *f = calloc(1, sizeof(*f));
	char url[64], warning[200];

	assert_non_null(f);
	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	test_redis_start(&f->server, 0, NULL, NULL);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", f->server.port);
	assert_int_equal(redis_config_from_urls(url, NULL, NULL, NULL, &config, warning, NULL), 0);
	f->redis = redis_create(&config);
	assert_int_equal(redis_start(f->redis, NULL), 0);
	f->queues = (struct broker_queues){ .names = { "celery", "mail" }, .n = 2 };
	f->now = clock_now().us;
	*state = f;
	return 0;
}

static int close_broker(void **state)
{
	struct fixture *f = *state;

	redis_destroy(f->redis);
	test_redis_stop(&f->server);
	free(f);
	return 0;
}

/* One command; its answer as a number: an integer, the length of a text, the size of a list. */
static int64_t ask(struct fixture *f, const struct redis_command *command)
{
	struct redis_reply *reply;
	int64_t n;

	assert_int_equal(redis_call(f->redis, REDIS_TASKS, NULL, "test", command, 1, &reply), 0);
	n = redis_reply_int(reply) + (int64_t)redis_reply_text(reply).len + (int64_t)redis_reply_size(reply);
	redis_replies_free(&reply, 1);
	return n;
}
#define ASK(f, ...) ask(f, &REDIS_COMMAND(__VA_ARGS__))

static int64_t held(struct fixture *f)
{
	int64_t n = ASK(f, STR("HLEN"), STR("unacked"));

	assert_int_equal(ASK(f, STR("ZCARD"), STR("unacked_index")), n);
	return n;
}

static void push(struct fixture *f, const char *name, const char *queue, int priority)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;

	assert_int_equal(task_message_write(&envelope, &TASK_MESSAGE(.name = str_of(name), .id = str_of(name), .queue = str_of(queue),
	                                                             .priority = priority)),
	                 0);
	assert_int_equal(broker_push(f->redis, NULL, queue, priority, buf_view(&envelope)), 0);
}

static void take(struct fixture *f, size_t most)
{
	broker_batch_finish(&f->batch);
	assert_int_equal(broker_take(f->redis, &f->queues, most, ++f->now, &f->batch), 0);
}

static struct message item(struct fixture *f, size_t i)
{
	struct message m = { 0 };

	assert_int_equal(message_parse((struct str){ f->batch.items[i].bytes, f->batch.items[i].len }, &m, NULL), 0);
	assert_true(str_is(m.tag, f->batch.items[i].tag));
	return m;
}

static void assert_taken(struct fixture *f, size_t i, const char *id)
{
	struct message m = item(f, i);

	assert_true(str_is(m.id, id));
	message_finish(&m);
}

static void test_broker__order(void **state)
{
	struct fixture *f = *state;

	push(f, "c9", "celery", 9);
	push(f, "c0", "celery", 0);
	push(f, "c1", "celery", 1);
	push(f, "m0", "mail", 0);
	push(f, "m5", "mail", 5);
	assert_int_equal(ASK(f, STR("LLEN"),
	                     STR("mail\x06\x16"
	                         "3")),
	                 1);
	assert_int_equal(ASK(f, STR("SISMEMBER"), STR("_kombu.binding.mail"), STR("mail\x06\x16\x06\x16mail")), 1);
	take(f, 4);
	assert_int_equal(f->batch.n, 4);
	assert_taken(f, 0, "c0");
	assert_taken(f, 1, "m0");
	assert_taken(f, 2, "c1");
	assert_taken(f, 3, "m5");
	assert_string_equal(f->queues.names[0], "celery"); /* mail was served last */
	assert_int_equal(held(f), 4);
	take(f, 4);
	assert_int_equal(f->batch.n, 1);
	assert_taken(f, 0, "c9");
	take(f, 4);
	assert_int_equal(f->batch.n, 0);
}

static void test_broker__a_lost_reply(void **state)
{
	struct fixture *f = *state;

	push(f, "a", "celery", 0);
	push(f, "b", "celery", 0);
	take(f, 2);
	broker_batch_finish(&f->batch);
	assert_int_equal(broker_recall(f->redis, f->now, &f->batch), 0);
	assert_int_equal(f->batch.n, 2);
	for (size_t i = 0; i < 2; i++) {
		struct message m = item(f, i); /* with the tag it is registered by */

		message_finish(&m);
	}
	broker_batch_finish(&f->batch);
	assert_int_equal(broker_recall(f->redis, f->now + 1, &f->batch), 0);
	assert_int_equal(f->batch.n, 0);
}

static void finish(struct fixture *f, const struct message *m, const char *result, const struct broker_message *follower)
{
	const struct broker_end end = { .tag = m->tag,
		                        .id = m->id,
		                        .result = str_of(result),
		                        .expires_s = 100,
		                        .followers = follower,
		                        .n_followers = follower ? 1 : 0 };

	assert_int_equal(broker_finish(f->redis, &end), 0);
}

static void test_broker__finished_once(void **state)
{
	const struct broker_message follower = { STR("celery"), 0, STR("{}") };
	struct fixture *f = *state;
	struct message m;

	push(f, "a", "celery", 0);
	take(f, 1);
	m = item(f, 0);
	for (int i = 0; i < 3; i++)
		finish(f, &m, "{\"status\": \"RETRY\"}", &follower); /* its reply was lost, twice */
	assert_int_equal(ASK(f, STR("LLEN"), STR("celery")), 1);
	assert_int_equal(held(f), 0);
	assert_true(ASK(f, STR("TTL"), STR("celery-task-meta-a")) > 90);
	finish(f, &m, "{\"status\": \"SUCCESS\", \"result\": 1}", NULL);
	finish(f, &m, "{\"status\": \"FAILURE\"}", &follower); /* a second delivery, which ended otherwise */
	assert_int_equal(ASK(f, STR("LLEN"), STR("celery")), 1);
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-a")), strlen("{\"status\": \"SUCCESS\", \"result\": 1}"));
	message_finish(&m);
}

static struct broker_end end_of(const struct message *m, const char *result)
{
	return (struct broker_end){ .tag = m->tag, .id = m->id, .result = str_of(result), .expires_s = 100 };
}

static void go_round(struct fixture *f, const struct broker_end *ends, size_t n, size_t most)
{
	const struct broker_round round = { ends, n, &f->queues, most, ++f->now };
	bool ended = false;

	broker_batch_finish(&f->batch);
	assert_int_equal(broker_round(f->redis, &round, &f->batch, &ended), 0);
	assert_int_equal(ended, n > 0);
}

static void test_broker__a_round(void **state)
{
	static const char success[] = "{\"status\": \"SUCCESS\", \"result\": 1}", failure[] = "{\"status\": \"FAILURE\"}";
	struct fixture *f = *state;
	struct broker_end ends[3];
	struct message m[3];

	push(f, "a", "celery", 0);
	push(f, "b", "celery", 0);
	push(f, "c", "celery", 0);
	push(f, "d", "celery", 0);
	go_round(f, NULL, 0, 3);
	for (size_t i = 0; i < 3; i++)
		m[i] = item(f, i);
	ends[0] = end_of(&m[0], success);
	ends[1] = end_of(&m[1], failure);
	ends[2] = end_of(&m[2], NULL); /* nobody wants its result */
	go_round(f, ends, 3, 3);
	assert_int_equal(f->batch.n, 1);
	assert_taken(f, 0, "d");
	assert_int_equal(held(f), 1);
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-a")), strlen(success));
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-b")), strlen(failure));
	assert_true(ASK(f, STR("TTL"), STR("celery-task-meta-b")) > 90);
	assert_int_equal(ASK(f, STR("EXISTS"), STR("celery-task-meta-c")), 0);
	ends[0] = end_of(&m[0], failure); /* second deliveries, which ended otherwise */
	ends[1] = end_of(&m[1], success);
	go_round(f, ends, 3, 0);
	assert_int_equal(f->batch.n, 0);
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-a")), strlen(success));
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-b")), strlen(success));
	assert_int_equal(held(f), 1);
	for (size_t i = 0; i < 3; i++)
		message_finish(&m[i]);
}

/* What is in the way of one end is in the way of those that go with it; none is half done, and what is taken stays taken. */
static void test_broker__a_round_that_redis_refuses(void **state)
{
	const struct broker_end end = { .tag = STR("t"), .id = STR("a"), .result = STR("{}"), .expires_s = 100 };
	struct fixture *f = *state;
	const struct broker_round round = { &end, 1, &f->queues, 1, f->now };
	bool ended = true;

	push(f, "b", "celery", 0);
	ASK(f, STR("ACL"), STR("SETUSER"), STR("default"), STR("-publish"));
	assert_int_equal(broker_round(f->redis, &round, &f->batch, &ended), 0);
	ASK(f, STR("ACL"), STR("SETUSER"), STR("default"), STR("+publish"));
	assert_false(ended);
	assert_taken(f, 0, "b");
}

/* Names that a message or somebody else has chosen: what lies under them is none of ours. */
static void test_broker__what_has_the_name_is_something_else(void **state)
{
	struct str success = STR("{\"status\": \"SUCCESS\"}");
	struct fixture *f = *state;
	const struct broker_message follower = { STR("no-list"), 0, STR("{}") };
	const struct broker_end end = {
		.tag = STR("a"), .id = STR("a"), .result = success, .expires_s = 100, .followers = &follower, .n_followers = 1
	};

	ASK(f, STR("SET"), STR("no-list"), STR("a text"));
	ASK(f, STR("LPUSH"), STR("celery-task-meta-a"), STR("no text"));
	assert_int_equal(broker_finish(f->redis, &end), 0);
	assert_int_equal(ASK(f, STR("GET"), STR("celery-task-meta-a")), success.len);
	assert_int_equal(ASK(f, STR("LLEN"), STR(BROKER_DEAD)), 1);
	assert_int_equal(broker_put_back(f->redis, (struct str)STR("b"), (struct str)STR("b"), (struct str)STR("no-list"), 0,
	                                 (struct str)STR("{}"), true),
	                 0);
	assert_int_equal(ASK(f, STR("LLEN"), STR(BROKER_DEAD)), 2);
}

static void test_broker__put_back(void **state)
{
	struct fixture *f = *state;
	struct message m;

	push(f, "a", "celery", 0);
	push(f, "b", "celery", 0);
	take(f, 1);
	m = item(f, 0);
	for (int next = 0; next < 2; next++) {
		CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

		assert_int_equal(message_add_restored(&text, &m, false), 0);
		assert_int_equal(broker_put_back(f->redis, m.tag, m.id, m.queue, m.priority, buf_view(&text), next), 0);
		assert_int_equal(held(f), 0);
		take(f, 2);
		assert_taken(f, next ? 0 : 1, "a");
		assert_int_equal(ASK(f, STR("DEL"), STR("unacked"), STR("unacked_index")), 2);
		push(f, "b", "celery", 0);
	}
	message_finish(&m);
}

static void test_broker__what_cannot_be_held_is_kept(void **state)
{
	static const char *const bad[] = { "not json", "[]", "{}", "{\"properties\": {\"delivery_tag\": \"t\"}}", "\xff" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		ASK(f, STR("LPUSH"), STR("celery"), str_of(bad[i]));
	push(f, "a", "celery", 0);
	take(f, 10);
	assert_int_equal(f->batch.n, N_ELEMENTS(bad) + 1);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_string_equal(f->batch.items[i].tag, "");
	assert_taken(f, N_ELEMENTS(bad), "a");
	assert_int_equal(held(f), 1);
	assert_int_equal(ASK(f, STR("LLEN"), STR(BROKER_DEAD)), N_ELEMENTS(bad));
	for (int i = 0; i < BROKER_DEAD_MAX; i++)
		assert_int_equal(broker_bury(f->redis, (struct str){ NULL, 0 }, (struct str)STR("celery"), (struct str)STR("x"), "a test"),
		                 0);
	assert_int_equal(ASK(f, STR("LLEN"), STR(BROKER_DEAD)), BROKER_DEAD_MAX);
}

static void test_broker__registered_by_hand(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	const struct task_message a = TASK_MESSAGE(.name = STR("a"), .id = STR("a"), .queue = STR("mail"), .priority = 3);

	assert_int_equal(task_message_write(&envelope, &a), 0);
	for (int i = 0; i < 2; i++) {
		broker_batch_finish(&f->batch);
		assert_int_equal(broker_register(f->redis, &f->queues,
		                                 (struct str)STR("mail\x06\x16"
		                                                 "3"),
		                                 buf_view(&envelope), f->now, &f->batch),
		                 0);
		assert_int_equal(held(f), 1);
	}
	assert_taken(f, 0, "a");
}

static void test_broker__what_nobody_finished_comes_back(void **state)
{
	struct fixture *f = *state;
	size_t restored = 0, buried = 0;

	push(f, "a", "celery", 5);
	f->now -= 100 * US_PER_S;
	for (int i = 0; i <= BROKER_REDELIVERIES; i++) {
		take(f, 1);
		assert_int_equal(f->batch.n, 1);
		assert_int_equal(broker_restore(f->redis, 200 * US_PER_S, 10, &restored, &buried), 0);
		assert_true(restored == 0 && buried == 0);
		assert_int_equal(broker_restore(f->redis, 50 * US_PER_S, 10, &restored, &buried), 0);
		assert_int_equal(restored, i < BROKER_REDELIVERIES);
		assert_int_equal(held(f), 0);
	}
	assert_int_equal(buried, 1); /* it kills whoever takes it */
	assert_int_equal(ASK(f, STR("LLEN"), STR(BROKER_DEAD)), 1);
	assert_true(ASK(f, STR("GET"), STR("celery-task-meta-a")) > 0);
	assert_int_equal(ASK(f, STR("EXISTS"), STR("unacked_mutex")), 0);
}

static void test_broker__what_is_renewed_stays(void **state)
{
	struct fixture *f = *state;
	size_t restored = 0, buried = 0;
	struct message m;

	push(f, "a", "celery", 0);
	push(f, "b", "celery", 0);
	f->now -= 100 * US_PER_S;
	take(f, 2);
	m = item(f, 0);
	assert_int_equal(broker_renew(f->redis, (const struct str[]){ m.tag, STR("not held") }, 2), 0);
	assert_int_equal(held(f), 2);
	assert_int_equal(broker_restore(f->redis, 50 * US_PER_S, 10, &restored, &buried), 0);
	assert_int_equal(restored, 1);
	message_finish(&m);
}

static int finish_broker(void **state)
{
	struct fixture *f = *state;

	broker_batch_finish(&f->batch);
	return close_broker(state);
}

#define CASE_OF(name) cmocka_unit_test_setup_teardown(name, open_broker, finish_broker)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE_OF(test_broker__order),
		CASE_OF(test_broker__a_lost_reply),
		CASE_OF(test_broker__finished_once),
		CASE_OF(test_broker__a_round),
		CASE_OF(test_broker__a_round_that_redis_refuses),
		CASE_OF(test_broker__what_has_the_name_is_something_else),
		CASE_OF(test_broker__put_back),
		CASE_OF(test_broker__what_cannot_be_held_is_kept),
		CASE_OF(test_broker__registered_by_hand),
		CASE_OF(test_broker__what_nobody_finished_comes_back),
		CASE_OF(test_broker__what_is_renewed_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
