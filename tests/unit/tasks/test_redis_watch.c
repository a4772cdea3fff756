#include "tasks/redis_watch.h"

#include "tests/unit/domain/messages.h"
#include "tests/unit/tasks/relays.h"

#define AFTER_US  (60 * US_PER_S)
#define EVERY_US  (3600 * US_PER_S)
#define ALERTS    "SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'egoejo.critical_alert' AND queue = 'local'"
#define OPEN_ROWS "SELECT COUNT(*) FROM egoejo_alert WHERE closed_at IS NULL"

/* Two processes: each with its own view of Redis, both on one database. */
struct observer {
	struct fake_redis fake;
	struct task_services services;
	struct redis_watch *watch;
};

static struct observer first, second;
static struct settings settings = { .alert_email_enabled = true };
static int sent_directly;
static int64_t moved_us;

static void send_directly(const struct task_services *services, const struct alert *alert, const atomic_bool *stop)
{
	assert_true(str_is(alert->title, "REDIS UNAVAILABLE"));
	sent_directly++;
}

static void start_watch(struct observer *o)
{
	const struct redis_watch_config config = { .services = &o->services, AFTER_US, EVERY_US, send_directly };
	struct error err = { 0 };

	if (redis_watch_create(&config, &o->watch, &err) < 0)
		fail_msg("%s", err.text);
}

static bool all_are(const struct observer *o, bool usable)
{
	for (int i = 0; i < REDIS_USAGES; i++)
		if (redis_usable(o->services.redis, (enum redis_usage)i) != usable)
			return false;
	return true;
}

/* All three usages. */
static struct redis *start_redis(int port)
{
	struct redis_config config = {
		.connect_timeout_us = US_PER_S, .command_timeout_us = US_PER_S, .retry_us = 20 * US_PER_MS, .pool_size = 2
	};
	char url[64], warning[200];
	struct redis *redis;

	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", port);
	assert_int_equal(redis_config_from_urls(url, NULL, NULL, NULL, &config, warning, NULL), 0);
	redis = redis_create(&config);
	assert_non_null(redis);
	assert_int_equal(redis_start(redis, NULL), 0);
	return redis;
}

static void start_observer(struct observer *o, struct fixture *f)
{
	fake_redis_start(&o->fake);
	o->services = (struct task_services){ .settings = &settings, .db = f->db, .redis = start_redis(o->fake.port) };
	assert_true(WAIT_FOR(ENOUGH_MS, all_are(o, true)));
	start_watch(o);
}

static void stop_observer(struct observer *o)
{
	redis_watch_destroy(TAKE(o->watch));
	redis_destroy(o->services.redis);
	fake_redis_stop(&o->fake);
}

static int set_up(void **state)
{
	begin(state);
	forget_runs();
	sent_directly = 0;
	start_observer(&first, *state);
	start_observer(&second, *state);
	return 0;
}

static int tear_down(void **state)
{
	fault_disarm_all();
	stop_observer(&first);
	stop_observer(&second);
	clock_advance_for_tests(-moved_us);
	moved_us = 0;
	return end(state);
}

static void move(int64_t us)
{
	clock_advance_for_tests(us);
	moved_us += us;
}

static void go(struct observer *o, bool up)
{
	fake_redis_set(&o->fake, up ? FAKE_ANSWERS : FAKE_CLOSES);
	assert_true(WAIT_FOR(ENOUGH_MS, all_are(o, up)));
}

static void both_look(void)
{
	redis_watch_look(first.watch);
	redis_watch_look(second.watch);
}

/* Both processes have seen Redis go, that long ago. */
static void be_down_for(int64_t us)
{
	both_look();
	go(&first, false);
	go(&second, false);
	both_look();
	move(us);
	both_look();
}

static void test_redis_watch__a_short_outage_is_the_logs_alone(void **state)
{
	struct fixture *f = *state;

	be_down_for(AFTER_US - 5 * US_PER_S);
	go(&first, true);
	both_look();
	assert_int_equal(number(f, ALERTS), 0);
}

static void test_redis_watch__people_are_told_once_by_all_processes(void **state)
{
	struct fixture *f = *state;
	json_t *args, *payload;

	be_down_for(AFTER_US);
	for (int i = 0; i < 3; i++) {
		move(US_PER_S);
		both_look();
	}
	assert_int_equal(number(f, ALERTS), REDIS_USAGES);
	assert_int_equal(number(f, OPEN_ROWS " AND sent = 1"), REDIS_USAGES + 1);
	args = json_loads(args_of_last_message(f).s, 0, NULL);
	payload = json_array_get(args, 1);
	assert_string_equal(json_string_value(json_array_get(args, 0)), "REDIS UNAVAILABLE");
	assert_string_equal(json_string_value(json_array_get(args, 2)), "redis_down:tasks");
	assert_int_equal(json_object_size(payload), 5);
	assert_string_equal(json_string_value(json_object_get(payload, "usage")), "tasks");
	assert_string_equal(json_string_value(json_object_get(payload, "backend")), "RedisBroker");
	assert_string_equal(json_string_value(json_object_get(payload, "fallback")), "InProcess");
	assert_true(*json_string_value(json_object_get(payload, "error")) && json_object_get(payload, "since"));
	json_decref(args);
}

static void test_redis_watch__and_again_at_each_interval(void **state)
{
	struct fixture *f = *state;

	be_down_for(AFTER_US);
	for (int hour = 1; hour <= 2; hour++) {
		move(EVERY_US);
		both_look();
		both_look();
		assert_int_equal(number(f, ALERTS), (hour + 1) * REDIS_USAGES);
		assert_int_equal(number(f, "SELECT MIN(sent) + MAX(sent) FROM egoejo_alert"), 2 * (hour + 1));
	}
}

static void test_redis_watch__its_end_closes_the_rows_and_the_next_is_told_anew(void **state)
{
	struct fixture *f = *state;

	be_down_for(AFTER_US);
	go(&first, true);
	go(&second, true);
	both_look();
	assert_int_equal(number(f, OPEN_ROWS), 0);
	assert_int_equal(number(f, ALERTS), REDIS_USAGES);
	move(US_PER_S);
	be_down_for(AFTER_US);
	assert_int_equal(number(f, ALERTS), 2 * REDIS_USAGES);
	assert_int_equal(number(f, OPEN_ROWS " AND sent = 1"), REDIS_USAGES + 1);
}

static void test_redis_watch__who_is_still_cut_off_says_so(void **state)
{
	struct fixture *f = *state;

	be_down_for(AFTER_US);
	go(&first, true);
	both_look();
	assert_int_equal(number(f, OPEN_ROWS), 0);
	move(EVERY_US / 30); /* two minutes: more than AFTER_US */
	both_look();
	assert_int_equal(number(f, ALERTS), 2 * REDIS_USAGES);
	assert_int_equal(number(f, OPEN_ROWS), REDIS_USAGES + 1);
}

static void test_redis_watch__what_a_dead_process_has_left_open_is_closed(void **state)
{
	struct fixture *f = *state;

	be_down_for(AFTER_US);
	redis_watch_destroy(TAKE(first.watch));
	redis_watch_destroy(TAKE(second.watch));
	go(&first, true);
	go(&second, true);
	start_watch(&first);
	start_watch(&second);
	both_look();
	assert_int_equal(number(f, OPEN_ROWS), 0);
}

/* However short: it is the hourly check that found it (1.5). It has no alert. */
static void test_redis_watch__an_interval_that_ends_in_an_outage_is_enough_for_a_mail(void **state)
{
	struct fixture *f = *state;
	int64_t left_us = EVERY_US - clock_now().us % EVERY_US;

	if (left_us < AFTER_US / 2)
		move(AFTER_US);
	be_down_for(0);
	assert_int_equal(number(f, OPEN_ROWS), 0);
	move(EVERY_US - clock_now().us % EVERY_US);
	both_look();
	assert_true(number(f, OPEN_ROWS " AND key = 'redis_down'") == 1);
}

static void test_redis_watch__without_the_database_memory_serves(void **state)
{
	struct fixture *f = *state;

	both_look();
	go(&first, false);
	redis_watch_look(first.watch);
	move(AFTER_US);
	fault_arm(FAULT_SQL_STEP, 1, true);
	redis_watch_look(first.watch);
	redis_watch_look(first.watch);
	assert_int_equal(sent_directly, REDIS_USAGES);
	move(EVERY_US);
	redis_watch_look(first.watch);
	assert_int_equal(sent_directly, 2 * REDIS_USAGES);
	fault_disarm_all();
	move(EVERY_US);
	redis_watch_look(first.watch);
	assert_int_equal(sent_directly, 2 * REDIS_USAGES);
	assert_int_equal(number(f, ALERTS), REDIS_USAGES);
	assert_int_equal(number(f, OPEN_ROWS), REDIS_USAGES + 1);
}

static void test_redis_watch__others_told_is_told_when_the_database_goes(void **state)
{
	be_down_for(AFTER_US);
	fault_arm(FAULT_SQL_STEP, 1, true);
	move(EVERY_US / 2);
	both_look();
	assert_int_equal(sent_directly, 0);
}

static void test_redis_watch__no_redis_is_no_outage(void **state)
{
	struct fixture *f = *state;
	struct redis *redis = first.services.redis;

	first.services.redis = NULL;
	move(2 * EVERY_US);
	redis_watch_look(first.watch);
	first.services.redis = redis;
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_alert"), 0);
}

#define WATCH_CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WATCH_CASE(test_redis_watch__a_short_outage_is_the_logs_alone),
		WATCH_CASE(test_redis_watch__people_are_told_once_by_all_processes),
		WATCH_CASE(test_redis_watch__and_again_at_each_interval),
		WATCH_CASE(test_redis_watch__its_end_closes_the_rows_and_the_next_is_told_anew),
		WATCH_CASE(test_redis_watch__who_is_still_cut_off_says_so),
		WATCH_CASE(test_redis_watch__what_a_dead_process_has_left_open_is_closed),
		WATCH_CASE(test_redis_watch__an_interval_that_ends_in_an_outage_is_enough_for_a_mail),
		WATCH_CASE(test_redis_watch__without_the_database_memory_serves),
		WATCH_CASE(test_redis_watch__others_told_is_told_when_the_database_goes),
		WATCH_CASE(test_redis_watch__no_redis_is_no_outage),
	};

	return RUN_ON_BOTH(tests);
}
