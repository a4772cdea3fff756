#include "resilience/subscription.h"

#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "resilience/redis_conn.h"
#include "tests/unit/resilience/core.h"

#define MANY 5000

struct fixture {
	struct test_redis server;
	struct redis_config config;
	struct redis *redis;
	struct subscription *sub;
	/* What the callbacks saw */
	atomic_int messages, lives, losses, joins;
	pthread_mutex_t lock;
	char last[64], last_joined[64];
	atomic_int channels_when_live; /* how many of ours Redis knew of when it was told */
	const char *leave_when_joined;
};

/* How many channels of ours somebody is subscribed to, asked on a connection of its own. */
static int known_channels(const struct redis_config *config)
{
	const struct redis_command command = REDIS_COMMAND(STR("PUBSUB"), STR("CHANNELS"), STR("egoejo:ws:*"));
	struct redis_address *address = redis_address_resolve(&config->url[REDIS_CHANNELS], NULL);
	struct redis_conn *conn = NULL;
	struct redis_reply *reply = NULL;
	int n = -1;

	if (redis_conn_open(&config->url[REDIS_CHANNELS], address, clock_monotonic_us() + US_PER_S, &conn, NULL, NULL) == 0 &&
	    redis_conn_call(conn, &command, 1, clock_monotonic_us() + US_PER_S, &reply, NULL, NULL) == 0)
		n = (int)redis_reply_size(reply);
	redis_replies_free(&reply, 1);
	redis_conn_destroy(conn);
	redis_address_destroy(address);
	return n;
}

static void on_message(struct str channel, const struct redis_reply *payload, void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	snprintf(f->last, sizeof(f->last), "%.*s=%.*s", STR_ARG(channel), STR_ARG(redis_reply_text(payload)));
	pthread_mutex_unlock(&f->lock);
	atomic_fetch_add(&f->messages, 1);
}

static void on_state(bool live, int64_t client_id, void *arg)
{
	struct fixture *f = arg;

	if (live)
		atomic_store(&f->channels_when_live, known_channels(&f->config));
	atomic_fetch_add(live ? &f->lives : &f->losses, 1);
}

static void on_joined(struct str channel, void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	snprintf(f->last_joined, sizeof(f->last_joined), "%.*s", STR_ARG(channel));
	pthread_mutex_unlock(&f->lock);
	if (f->leave_when_joined)
		subscription_leave(f->sub, f->leave_when_joined);
	atomic_fetch_add(&f->joins, 1);
}

static void create(struct fixture *f)
{
	static const char *const fixed[] = { "egoejo:ws:fixed" };
	const struct subscription_config config = {
		.usage = REDIS_CHANNELS,
		.name = "test-bus",
		.channels = fixed,
		.n_channels = 1,
		.canary_opens_breaker = true,
		.on_message = on_message,
		.on_state = on_state,
		.on_joined = on_joined,
		.arg = f,
	};

	f->sub = subscription_create(f->redis, &config);
	assert_non_null(f->sub);
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->redis = core_start(&f->config);
	create(f);
	assert_true(WAIT_FOR(ENOUGH_MS, f->lives == 1));
}

static void end(struct fixture *f)
{
	subscription_destroy(f->sub);
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
	pthread_mutex_destroy(&f->lock);
}

static bool last_is(struct fixture *f, const char *expected)
{
	bool is;

	pthread_mutex_lock(&f->lock);
	is = strcmp(f->last, expected) == 0;
	pthread_mutex_unlock(&f->lock);
	return is;
}

/* Publishes; how many got it, or -1. */
static int publish(struct fixture *f, const char *channel, const char *text)
{
	const struct redis_command command = REDIS_COMMAND(STR("PUBLISH"), str_of(channel), str_of(text));
	struct redis_reply *reply;
	int n = -1;

	if (redis_call(f->redis, REDIS_CHANNELS, NULL, "test", &command, 1, &reply) == 0)
		n = (int)redis_reply_int(reply);
	redis_replies_free(&reply, 1);
	return n;
}

static const char *name_of(int i)
{
	static _Thread_local char name[40];

	snprintf(name, sizeof(name), "egoejo:ws:chat_thread_%d", i);
	return name;
}

static void join_many(struct fixture *f)
{
	for (int i = 0; i < MANY; i++)
		assert_int_equal(subscription_join(f->sub, name_of(i)), 0);
}

/* ---- joining and leaving ---- */

static void test_subscription_channels__joined_while_live_it_is_heard_from_then_on(void **state)
{
	struct fixture f;

	begin(&f);
	assert_int_equal(f.channels_when_live, 1);
	assert_int_equal(publish(&f, name_of(7), "unheard"), 0);
	assert_int_equal(subscription_join(f.sub, name_of(7)), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 1));
	assert_string_equal(f.last_joined, name_of(7));
	assert_int_equal(publish(&f, name_of(7), "heard"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 1));
	assert_true(last_is(&f, "egoejo:ws:chat_thread_7=heard"));
	assert_int_equal(publish(&f, "egoejo:ws:fixed", "x"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 2));
	assert_true(subscription_live(f.sub));
	assert_int_equal(f.lives, 1); /* on the connection that there was */
	end(&f);
}

static void test_subscription_channels__left_it_is_heard_no_more(void **state)
{
	struct fixture f;

	begin(&f);
	assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
	assert_int_equal(subscription_join(f.sub, name_of(2)), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 2));
	subscription_leave(f.sub, name_of(1));
	subscription_leave(f.sub, "egoejo:ws:never joined");
	assert_true(WAIT_FOR(ENOUGH_MS, publish(&f, name_of(1), "x") == 0));
	f.messages = 0;
	assert_int_equal(publish(&f, name_of(2), "still"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 1));
	assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 3));
	assert_int_equal(publish(&f, name_of(1), "again"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, last_is(&f, "egoejo:ws:chat_thread_1=again")));
	end(&f);
}

static void test_subscription_channels__joining_twice_is_joining_once_and_the_last_word_counts(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
		assert_int_equal(subscription_join(f.sub, name_of(2)), 0);
		subscription_leave(f.sub, name_of(i % 2 ? 1 : 2));
		assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
		subscription_leave(f.sub, name_of(2));
	}
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins >= 1 && publish(&f, name_of(2), "x") == 0));
	assert_int_equal(publish(&f, name_of(1), "once"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, last_is(&f, "egoejo:ws:chat_thread_1=once")));
	f.joins = 0;
	assert_int_equal(subscription_join(f.sub, name_of(1)), 0); /* told again, though nothing was to be done */
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 1));
	assert_int_equal(known_channels(&f.config), 2);
	end(&f);
}

static void test_subscription_channels__a_callback_may_leave(void **state)
{
	struct fixture f;

	begin(&f);
	f.leave_when_joined = "egoejo:ws:chat_thread_3";
	assert_int_equal(subscription_join(f.sub, name_of(3)), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 1 && known_channels(&f.config) == 1));
	end(&f);
}

static void test_subscription_channels__no_memory_for_one_harms_none(void **state)
{
	struct fixture f;

	begin(&f);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(subscription_join(f.sub, name_of(1)), ERR_NOMEM);
	fault_disarm_all();
	subscription_leave(f.sub, name_of(1));
	assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == 1));
	end(&f);
}

/* ---- many, from many threads ---- */

struct joiner {
	struct fixture *f;
	pthread_t thread;
	int from;
};

static void *join_and_leave(void *arg)
{
	struct joiner *j = arg;

	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 50; i++) {
			subscription_join(j->f->sub, name_of(j->from + i));
			subscription_leave(j->f->sub, name_of(j->from + i + 25));
		}
	return NULL; /* joined: the first 26 of each, since 25 is left before it is joined for the last time */
}

static void test_subscription_channels__threads_join_and_leave_at_once(void **state)
{
	struct joiner joiners[8];
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 8; i++) {
		joiners[i] = (struct joiner){ .f = &f, .from = 1000 * i };
		assert_int_equal(pthread_create(&joiners[i].thread, NULL, join_and_leave, &joiners[i]), 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(joiners[i].thread, NULL);
	assert_true(WAIT_FOR(ENOUGH_MS, known_channels(&f.config) == 8 * 50 + 1));
	for (int i = 0; i < 8 * 50; i++)
		assert_int_equal(publish(&f, name_of(1000 * (i / 50) + i % 50), "x"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 8 * 50));
	end(&f);
}

static void test_subscription_channels__thousands_are_joined_and_joined_again(void **state)
{
	int64_t start;
	struct fixture f;

	begin(&f);
	start = clock_monotonic_us();
	join_many(&f);
	assert_true(clock_monotonic_us() - start < US_PER_S); /* of calls that wait for nothing; a tenth of it on a quiet machine */
	assert_true(WAIT_FOR(ENOUGH_MS, f.joins == MANY));
	assert_int_equal(known_channels(&f.config), MANY + 1);
	test_redis_signal(&f.server, SIGKILL);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f.redis)));
	for (int i = 0; i < MANY; i += 2)
		subscription_leave(f.sub, name_of(i)); /* meanwhile */
	assert_int_equal(subscription_join(f.sub, name_of(MANY)), 0);
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && f.lives == 2));
	assert_int_equal(f.channels_when_live, MANY / 2 + 2);
	assert_int_equal(f.joins, MANY); /* on_state speaks for them */
	assert_int_equal(publish(&f, name_of(MANY - 1), "back"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, last_is(&f, "egoejo:ws:chat_thread_4999=back")));
	for (int i = 0; i <= MANY; i++)
		subscription_leave(f.sub, name_of(i));
	assert_true(WAIT_FOR(ENOUGH_MS, known_channels(&f.config) == 1));
	end(&f);
}

/* ---- outages ---- */

static void test_subscription_channels__joined_before_redis_is_there(void **state)
{
	struct fixture f = { 0 };

	pthread_mutex_init(&f.lock, NULL);
	test_redis_start(&f.server, 0, NULL, NULL);
	f.config = core_config_port(f.server.port);
	test_redis_signal(&f.server, SIGKILL);
	f.redis = core_start(&f.config);
	create(&f);
	join_many(&f);
	for (int i = 0; i < MANY; i += 2)
		subscription_leave(f.sub, name_of(i));
	assert_false(subscription_live(f.sub));
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && f.lives == 1));
	assert_int_equal(f.channels_when_live, MANY / 2 + 1);
	assert_int_equal(publish(&f, name_of(1), "first"), 1);
	assert_true(WAIT_FOR(ENOUGH_MS, last_is(&f, "egoejo:ws:chat_thread_1=first")));
	end(&f);
}

static void test_subscription_channels__a_killed_connection_loses_none(void **state)
{
	const struct redis_command kill_sub = REDIS_COMMAND(STR("CLIENT"), STR("KILL"), STR("TYPE"), STR("pubsub"));
	struct fixture f;

	begin(&f);
	assert_int_equal(subscription_join(f.sub, name_of(1)), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(core_call(f.redis, REDIS_TASKS, NULL, &kill_sub, NULL), 0);
		assert_int_equal(subscription_join(f.sub, name_of(1 + i)), 0);
		assert_true(WAIT_FOR(ENOUGH_MS, f.lives == i + 1));
		assert_true(f.channels_when_live >= 1 + i);
		assert_true(WAIT_FOR(ENOUGH_MS, publish(&f, name_of(1 + i), "x") == 1));
		assert_int_equal(publish(&f, name_of(1), "x"), 1);
	}
	end(&f);
}

static void test_subscription_channels__joined_while_redis_hangs(void **state)
{
	struct fixture f;
	int64_t start;

	begin(&f);
	test_redis_signal(&f.server, SIGSTOP);
	start = clock_monotonic_us();
	join_many(&f);
	assert_true(clock_monotonic_us() - start < US_PER_S);
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(f.redis, REDIS_CHANNELS)));
	subscription_leave(f.sub, name_of(0));
	test_redis_signal(&f.server, SIGCONT);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && known_channels(&f.config) == MANY));
	assert_true(WAIT_FOR(ENOUGH_MS, publish(&f, name_of(MANY - 1), "x") == 1));
	assert_int_equal(publish(&f, name_of(0), "x"), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subscription_channels__joined_while_live_it_is_heard_from_then_on),
		cmocka_unit_test(test_subscription_channels__left_it_is_heard_no_more),
		cmocka_unit_test(test_subscription_channels__joining_twice_is_joining_once_and_the_last_word_counts),
		cmocka_unit_test(test_subscription_channels__a_callback_may_leave),
		cmocka_unit_test(test_subscription_channels__no_memory_for_one_harms_none),
		cmocka_unit_test(test_subscription_channels__threads_join_and_leave_at_once),
		cmocka_unit_test(test_subscription_channels__thousands_are_joined_and_joined_again),
		cmocka_unit_test(test_subscription_channels__joined_before_redis_is_there),
		cmocka_unit_test(test_subscription_channels__a_killed_connection_loses_none),
		cmocka_unit_test(test_subscription_channels__joined_while_redis_hangs),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
