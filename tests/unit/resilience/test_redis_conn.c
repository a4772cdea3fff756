#include "resilience/redis_conn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "resilience/redis_conn_impl.h"
#include "tests/lib/fake_redis.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

#define SOON_US  (100 * US_PER_MS)
#define LATER_US (5 * US_PER_S)

static struct redis_url url_of(const char *format, ...)
{
	struct redis_url url;
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert_int_equal(redis_url_parse(text, &url, NULL), 0);
	return url;
}

static int64_t in_us(int64_t us)
{
	return clock_monotonic_us() + us;
}

/* What opening or calling came to. */
struct outcome {
	int result;
	enum redis_failure failure;
	struct error err;
	int64_t took_us;
};

static struct outcome open_url(const struct redis_url *url, int64_t limit_us, struct redis_conn **ret_conn)
{
	struct outcome o = { 0 };
	struct redis_address *address = redis_address_resolve(url, &o.err);
	int64_t start = clock_monotonic_us();

	*ret_conn = NULL;
	assert_non_null(address);
	o.result = redis_conn_open(url, address, in_us(limit_us), ret_conn, &o.failure, &o.err);
	o.took_us = clock_monotonic_us() - start;
	redis_address_destroy(address);
	assert_int_equal(*ret_conn == NULL, o.result < 0);
	return o;
}

static struct redis_conn *must_open(int port)
{
	struct redis_url url = url_of("redis://127.0.0.1:%d", port);
	struct redis_conn *c;
	struct outcome o = open_url(&url, LATER_US, &c);

	if (o.result < 0)
		fail_msg("%s", o.err.text);
	return c;
}

static struct outcome call(struct redis_conn *c, const struct redis_command *commands, size_t n, int64_t limit_us,
                           struct redis_reply **replies)
{
	struct outcome o = { 0 };
	int64_t start = clock_monotonic_us();

	o.result = redis_conn_call(c, commands, n, in_us(limit_us), replies, &o.failure, &o.err);
	o.took_us = clock_monotonic_us() - start;
	for (size_t i = 0; o.result < 0 && i < n; i++)
		assert_null(replies[i]);
	return o;
}

/* One GET that must fail, on a connection of its own. */
static struct outcome failing_get(int port)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("key"));
	struct redis_reply *reply;
	struct redis_conn *c = must_open(port);
	struct outcome o = call(c, &get, 1, SOON_US, &reply), again;

	assert_true(o.result < 0);
	assert_true(o.took_us < SOON_US * 3);
	again = call(c, &get, 1, SOON_US, &reply); /* what has failed stays failed, for the same reason */
	assert_int_equal(again.result, o.result);
	assert_int_equal(again.failure, o.failure);
	assert_string_equal(again.err.text, o.err.text);
	assert_false(redis_conn_idle_ok(c));
	redis_conn_destroy(c);
	return o;
}

static void assert_failed(const struct outcome *o, int result, enum redis_failure failure, const char *text)
{
	if (o->result != result || o->failure != failure || !strstr(o->err.text, text))
		fail_msg("%d %s: %s", o->result, redis_failure_name(o->failure), o->err.text);
}

/* ---- against a real server ---- */

static void test_redis_conn__calls_a_real_server(void **state)
{
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("SET"), STR("k"), STR("a\0\r\nb")), REDIS_COMMAND(STR("GET"), STR("k")),
		REDIS_COMMAND(STR("LPUSH"), STR("k"), STR("x")),      REDIS_COMMAND(STR("GET"), STR("absent")),
		REDIS_COMMAND(STR("MGET"), STR("k"), STR("absent")),
	};
	struct redis_reply *replies[5];
	struct test_redis server;
	struct redis_conn *c;

	test_redis_start(&server, 0, NULL, NULL);
	c = must_open(server.port);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call(c, commands, 5, LATER_US, replies).result, 0);
		assert_true(str_is(redis_reply_text(replies[0]), "OK"));
		assert_true(str_equal(redis_reply_text(replies[1]), (struct str)STR("a\0\r\nb")));
		assert_int_equal(redis_reply_type(replies[2]), REDIS_REPLY_IS_ERROR); /* WRONGTYPE is an answer */
		assert_int_equal(redis_reply_type(replies[3]), REDIS_REPLY_IS_NIL);
		assert_int_equal(redis_reply_size(replies[4]), 2);
		redis_replies_free(replies, 5);
		assert_true(redis_conn_idle_ok(c));
	}
	test_redis_stop(&server);
	assert_false(redis_conn_idle_ok(c));
	redis_conn_destroy(c);
}

static void test_redis_conn__sends_many_arguments_and_large_values(void **state)
{
	enum { N = 20000, LARGE = 8 * 1024 * 1024 };
	struct str *args = calloc(N + 1, sizeof(*args));
	char *large = calloc(1, LARGE);
	const struct redis_command commands[] = { { args, N + 1 },
		                                  REDIS_COMMAND(STR("SET"), STR("l"), { large, LARGE }),
		                                  REDIS_COMMAND(STR("GET"), STR("l")) };
	struct redis_reply *replies[3];
	struct test_redis server;
	struct redis_conn *c;

	args[0] = (struct str)STR("DEL");
	for (int i = 1; i <= N; i++)
		args[i] = (struct str)STR("k");
	test_redis_start(&server, 0, NULL, NULL);
	c = must_open(server.port);
	assert_int_equal(call(c, commands, 3, LATER_US, replies).result, 0);
	assert_int_equal(redis_reply_int(replies[0]), 0);
	assert_int_equal(redis_reply_text(replies[2]).len, LARGE);
	redis_replies_free(replies, 3);
	redis_conn_destroy(c);
	test_redis_stop(&server);
	free(args);
	free(large);
}

static void test_redis_conn__authenticates_and_selects(void **state)
{
	const struct redis_command who = REDIS_COMMAND(STR("CLIENT"), STR("LIST"));
	struct redis_reply *reply;
	struct test_redis server;
	struct redis_conn *c;
	struct redis_url url;
	struct outcome o;

	test_redis_start(&server, 0, "hunter2", "--user", "worker", "on", ">pass/word", "~*", "&*", "+@all", NULL);
	url = url_of("redis://:hunter2@127.0.0.1:%d/3", server.port);
	assert_int_equal(open_url(&url, LATER_US, &c).result, 0);
	assert_int_equal(call(c, &who, 1, LATER_US, &reply).result, 0);
	assert_non_null(memmem(redis_reply_text(reply).s, redis_reply_text(reply).len, " db=3 ", 6));
	redis_replies_free(&reply, 1);
	redis_conn_destroy(c);
	url = url_of("redis://worker:pass%%2Fword@127.0.0.1:%d/15", server.port);
	assert_int_equal(open_url(&url, LATER_US, &c).result, 0);
	redis_conn_destroy(c);
	url = url_of("redis://:hunter3@127.0.0.1:%d", server.port);
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_AUTH, "authentication failed (WRONGPASS)");
	assert_null(strstr(o.err.text, "hunter"));
	url = url_of("redis://:hunter2@127.0.0.1:%d/16", server.port);
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_OTHER, "select database 16");
	url = url_of("redis://127.0.0.1:%d/1", server.port);
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_AUTH, "NOAUTH");
	o = failing_get(server.port);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_AUTH, "NOAUTH");
	test_redis_stop(&server);
}

static void test_redis_conn__reaches_a_unix_socket(void **state)
{
	const struct redis_command ping = REDIS_COMMAND(STR("PING"));
	char folder[64], path[96];
	struct redis_reply *reply;
	struct test_redis server;
	struct redis_conn *c;
	struct redis_url url;
	struct outcome o;

	test_folder_make(folder);
	snprintf(path, sizeof(path), "%s/s", folder);
	test_redis_start(&server, 0, NULL, "--unixsocket", path, NULL);
	url = url_of("unix://%s?db=2", path);
	assert_int_equal(open_url(&url, LATER_US, &c).result, 0);
	assert_int_equal(call(c, &ping, 1, LATER_US, &reply).result, 0);
	assert_true(str_is(redis_reply_text(reply), "PONG"));
	redis_replies_free(&reply, 1);
	redis_conn_destroy(c);
	test_redis_stop(&server);
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_REFUSED, path);
	url = url_of("unix://%s/absent", folder);
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_REFUSED, "No such file");
	test_folder_remove(folder);
}

static void test_redis_conn__a_stopped_server_is_a_timeout(void **state)
{
	const struct redis_command ping = REDIS_COMMAND(STR("PING"));
	struct redis_reply *reply;
	struct test_redis server;
	struct redis_conn *c;
	struct redis_url url;
	struct outcome o;

	test_redis_start(&server, 0, NULL, NULL);
	c = must_open(server.port);
	test_redis_signal(&server, SIGSTOP);
	o = call(c, &ping, 1, SOON_US, &reply);
	assert_failed(&o, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout");
	assert_true(o.took_us >= SOON_US && o.took_us < 2 * SOON_US);
	redis_conn_destroy(c);
	url = url_of("redis://127.0.0.1:%d/1", server.port); /* the kernel accepts, SELECT is not answered */
	o = open_url(&url, SOON_US, &c);
	assert_failed(&o, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout");
	assert_true(o.took_us < 2 * SOON_US);
	test_redis_stop(&server);
}

static void test_redis_conn__a_killed_server_is_a_reset(void **state)
{
	const struct redis_command ping = REDIS_COMMAND(STR("PING"));
	struct redis_reply *reply;
	struct test_redis server;
	struct redis_conn *c;
	struct outcome o;

	test_redis_start(&server, 0, NULL, NULL);
	c = must_open(server.port);
	test_redis_signal(&server, SIGKILL);
	o = call(c, &ping, 1, SOON_US, &reply);
	assert_int_equal(o.result, ERR_UNAVAILABLE);
	assert_int_equal(o.failure, REDIS_RESET);
	redis_conn_destroy(c);
	test_redis_stop(&server);
}

/* ---- against servers that misbehave ---- */

static void test_redis_conn__nobody_listens(void **state)
{
	struct redis_url url = url_of("redis://127.0.0.1:%d", test_free_port());
	struct redis_conn *c;
	struct outcome o = open_url(&url, LATER_US, &c);

	assert_failed(&o, ERR_UNAVAILABLE, REDIS_REFUSED, "Connection refused");
	assert_true(o.took_us < US_PER_S);
}

static void test_redis_conn__a_name_without_address(void **state)
{
	struct redis_url url = url_of("redis://:hunter2@no-such-host.invalid");
	struct error err = { 0 };

	assert_null(redis_address_resolve(&url, &err));
	assert_non_null(strstr(err.text, "no-such-host.invalid"));
	assert_null(strstr(err.text, "hunter2"));
}

static void test_redis_conn__the_second_address_of_a_name_is_tried(void **state)
{
	struct redis_address *both;
	struct redis_conn *c = NULL;
	struct fake_redis fake;
	struct redis_url good, bad = url_of("redis://[::1]:%d", test_free_port());
	struct redis_address *second;
	struct error err = { 0 };

	fake_redis_start(&fake);
	good = url_of("redis://127.0.0.1:%d", fake.port);
	both = redis_address_resolve(&bad, NULL);
	second = redis_address_resolve(&good, NULL);
	assert_int_equal(both->n, 1);
	both->at[both->n++] = second->at[0];
	assert_int_equal(redis_conn_open(&good, both, in_us(LATER_US), &c, NULL, &err), 0);
	redis_conn_destroy(c);
	redis_address_destroy(both);
	redis_address_destroy(second);
	fake_redis_stop(&fake);
}

static void test_redis_conn__misbehaviour(void **state)
{
	static const struct {
		enum fake_manners manners;
		int result;
		enum redis_failure failure;
		const char *text;
	} kinds[] = {
		{ FAKE_SILENT, ERR_TIMEOUT, REDIS_TIMEOUT, "no reply" },
		{ FAKE_DRIPS, ERR_TIMEOUT, REDIS_TIMEOUT, "in the middle of a reply" },
		{ FAKE_RESETS, ERR_UNAVAILABLE, REDIS_RESET, "" },
		{ FAKE_CLOSES, ERR_UNAVAILABLE, REDIS_RESET, "closed by the server" },
	};
	struct fake_redis fake;

	fake_redis_start(&fake);
	for (int i = 0; i < 4; i++) {
		struct outcome o;

		fake_redis_set(&fake, kinds[i].manners);
		o = failing_get(fake.port);
		assert_failed(&o, kinds[i].result, kinds[i].failure, kinds[i].text);
	}
	fake_redis_stop(&fake);
}

static void test_redis_conn__a_drip_does_not_move_the_deadline(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("key"));
	struct redis_reply *reply;
	struct fake_redis fake;
	struct redis_conn *c;
	struct outcome o;

	fake_redis_start(&fake);
	fake_redis_set(&fake, FAKE_DRIPS);
	c = must_open(fake.port);
	o = call(c, &get, 1, 350 * US_PER_MS, &reply); /* a byte comes each 100 ms, within any limit of a single read */
	assert_failed(&o, ERR_TIMEOUT, REDIS_TIMEOUT, "in the middle");
	assert_in_range(o.took_us, 350 * US_PER_MS, 450 * US_PER_MS);
	redis_conn_destroy(c);
	fake_redis_stop(&fake);
}

static void test_redis_conn__replies_that_mean_an_outage(void **state)
{
	static const struct {
		const char *reply;
		int result;
		enum redis_failure failure;
	} replies[] = {
		{ "-LOADING Redis is loading the dataset in memory\r\n", ERR_UNAVAILABLE, REDIS_LOADING },
		{ "-MASTERDOWN Link with MASTER is down\r\n", ERR_UNAVAILABLE, REDIS_OTHER },
		{ "-READONLY You can't write against a read only replica.\r\n", ERR_UNAVAILABLE, REDIS_READONLY },
		{ "-NOAUTH Authentication required.\r\n", ERR_UNAVAILABLE, REDIS_AUTH },
		{ "-WRONGPASS invalid username-password pair\r\n", ERR_UNAVAILABLE, REDIS_AUTH },
		{ "-OOM command not allowed when used memory > 'maxmemory'.\r\n", ERR_UNAVAILABLE, REDIS_OOM },
		{ "-CLUSTERDOWN The cluster is down\r\n", ERR_UNAVAILABLE, REDIS_OTHER },
		{ "-MISCONF Redis is configured to save RDB snapshots\r\n", ERR_UNAVAILABLE, REDIS_OTHER },
		{ "-OOM\r\n", ERR_UNAVAILABLE, REDIS_OOM },
		{ "HTTP/1.1 400 Bad Request\r\n", ERR_CORRUPT, REDIS_OTHER },
		{ ":12x\r\n", ERR_CORRUPT, REDIS_OTHER },
		{ "$67108865\r\n", ERR_LIMIT, REDIS_OTHER },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", ERR_LIMIT, REDIS_OTHER },
		{ "*1048577\r\n", ERR_LIMIT, REDIS_OTHER },
	};
	struct fake_redis fake;

	fake_redis_start(&fake);
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		struct outcome o;

		fake_redis_say(&fake, NULL, replies[i].reply, strlen(replies[i].reply));
		o = failing_get(fake.port);
		assert_failed(&o, replies[i].result, replies[i].failure, "redis://127.0.0.1");
	}
	fake_redis_stop(&fake);
}

static void test_redis_conn__other_errors_are_answers(void **state)
{
	static const char *const replies[] = {
		"-WRONGTYPE Operation against a key\r\n", "-NOSCRIPT No matching script\r\n",         "-ERR unknown command\r\n",
		"-LOADINGX not the same word\r\n",        "-NOPERM this user has no permissions\r\n",
	};
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("key"));
	struct redis_reply *reply;
	struct fake_redis fake;
	struct redis_conn *c;

	fake_redis_start(&fake);
	c = must_open(fake.port);
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		fake_redis_say(&fake, NULL, replies[i], strlen(replies[i]));
		assert_int_equal(call(c, &get, 1, LATER_US, &reply).result, 0);
		assert_int_equal(redis_reply_type(reply), REDIS_REPLY_IS_ERROR);
		redis_replies_free(&reply, 1);
	}
	redis_conn_destroy(c);
	fake_redis_stop(&fake);
}

static void test_redis_conn__an_outage_in_the_middle_of_a_pipeline_fails_it_whole(void **state)
{
	const struct redis_command commands[] = { REDIS_COMMAND(STR("PING")), REDIS_COMMAND(STR("SET"), STR("a"), STR("b")),
		                                  REDIS_COMMAND(STR("PING")) };
	struct redis_reply *replies[3];
	struct fake_redis fake;
	struct redis_conn *c;
	struct outcome o;

	fake_redis_start(&fake);
	fake_redis_say(&fake, "SET", "-OOM no\r\n", 9);
	c = must_open(fake.port);
	o = call(c, commands, 3, LATER_US, replies);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_OOM, "OOM no");
	redis_conn_destroy(c);
	fake_redis_stop(&fake);
}

static void test_redis_conn__a_refused_password_is_never_repeated(void **state)
{
	static const char *const replies[] = {
		"-ERR unknown command `AUTH`, with args beginning with: `hunter2`, \r\n",
		"-hunter2\r\n",
		"-WRONGPASS hunter2\r\n",
	};
	struct fake_redis fake;
	struct redis_url url;

	fake_redis_start(&fake);
	url = url_of("redis://:hunter2@127.0.0.1:%d", fake.port);
	for (size_t i = 0; i < N_ELEMENTS(replies); i++) {
		struct redis_conn *c;
		struct outcome o;

		fake_redis_say(&fake, "AUTH", replies[i], strlen(replies[i]));
		o = open_url(&url, LATER_US, &c);
		assert_failed(&o, ERR_UNAVAILABLE, REDIS_AUTH, "authentication failed");
		assert_null(strstr(o.err.text, "hunter2"));
	}
	fake_redis_stop(&fake);
}

static void test_redis_conn__what_was_not_asked_for_spoils_an_idle_connection(void **state)
{
	static const char two[] = "+OK\r\n+AND MORE\r\n";
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("key"));
	struct redis_reply *reply;
	struct fake_redis fake;
	struct redis_conn *c;

	fake_redis_start(&fake);
	fake_redis_say(&fake, NULL, two, sizeof(two) - 1);
	c = must_open(fake.port);
	assert_int_equal(call(c, &get, 1, LATER_US, &reply).result, 0);
	redis_replies_free(&reply, 1);
	assert_false(redis_conn_idle_ok(c));
	redis_conn_destroy(c);
	fake_redis_stop(&fake);
}

/* ---- pushed messages ---- */

static void test_redis_conn__receives_what_is_pushed(void **state)
{
	const struct redis_command subscribe = REDIS_COMMAND(STR("SUBSCRIBE"), STR("c")),
	                           publish = REDIS_COMMAND(STR("PUBLISH"), STR("c"), STR("hello"));
	enum redis_failure failure;
	struct redis_reply *reply;
	struct fake_redis fake;
	struct redis_conn *c, *other;
	struct error err;

	fake_redis_start(&fake);
	c = must_open(fake.port);
	other = must_open(fake.port);
	assert_int_equal(redis_conn_send(c, &subscribe, 1, in_us(LATER_US), &err), 0);
	assert_int_equal(redis_conn_receive(c, in_us(LATER_US), &reply, &failure, &err), 0);
	redis_replies_free(&reply, 1);
	assert_int_equal(redis_conn_receive(c, in_us(20 * US_PER_MS), &reply, &failure, &err), ERR_TIMEOUT);
	assert_int_equal(failure, REDIS_TIMEOUT);
	assert_int_equal(call(other, &publish, 1, LATER_US, &reply).result, 0);
	redis_replies_free(&reply, 1);
	assert_int_equal(redis_conn_receive(c, in_us(LATER_US), &reply, &failure, &err), 0); /* the silence did no harm */
	assert_true(str_is(redis_reply_text(redis_reply_at(reply, 2)), "hello"));
	redis_replies_free(&reply, 1);
	assert_true(redis_conn_fd(c) >= 0);
	redis_conn_destroy(c);
	redis_conn_destroy(other);
	fake_redis_stop(&fake);
}

/* ---- TLS ---- */

struct tls_server {
	struct test_redis redis;
	char folder[64];
	int port;
};

/* A server with a certificate for localhost by an authority of its own, which the process is told to trust. */
static void start_tls(struct tls_server *t)
{
	char command[1024], port[16], cert[96], key[96];

	test_folder_make(t->folder);
	snprintf(cert, sizeof(cert), "%s/cert.pem", t->folder);
	snprintf(key, sizeof(key), "%s/key.pem", t->folder);
	snprintf(command, sizeof(command),
	         "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
	         "-keyout %s -out %s 2>/dev/null",
	         key, cert);
	assert_int_equal(system(command), 0);
	setenv("SSL_CERT_FILE", cert, 1); /* before the first use of TLS in this process */
	t->port = test_free_port();
	snprintf(port, sizeof(port), "%d", t->port);
	test_redis_start(&t->redis, 0, NULL, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
	                 "--tls-auth-clients", "no", NULL);
}

static void test_redis_conn__speaks_tls_and_checks_the_name(void **state)
{
	enum { LARGE = 1024 * 1024 };
	char *large = calloc(1, LARGE);
	const struct redis_command commands[] = { REDIS_COMMAND(STR("SET"), STR("l"), { large, LARGE }),
		                                  REDIS_COMMAND(STR("GET"), STR("l")) };
	struct redis_reply *replies[2];
	struct tls_server t;
	struct redis_conn *c;
	struct redis_url url;
	struct outcome o;

	start_tls(&t);
	url = url_of("rediss://localhost:%d/1", t.port);
	o = open_url(&url, LATER_US, &c);
	if (o.result < 0)
		fail_msg("%s", o.err.text);
	for (int i = 0; i < 3; i++) {
		o = call(c, commands, 2, LATER_US, replies);
		assert_int_equal(o.result, 0);
		assert_int_equal(redis_reply_text(replies[1]).len, LARGE);
		redis_replies_free(replies, 2);
		assert_true(redis_conn_idle_ok(c));
	}
	test_redis_signal(&t.redis, SIGSTOP);
	o = call(c, commands, 1, SOON_US, replies);
	assert_failed(&o, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout");
	redis_conn_destroy(c);
	o = open_url(&url, SOON_US, &c);
	assert_failed(&o, ERR_TIMEOUT, REDIS_TIMEOUT, "TLS handshake");
	test_redis_signal(&t.redis, SIGCONT);
	assert_int_equal(open_url(&url, LATER_US, &c).result, 0);
	test_redis_signal(&t.redis, SIGKILL);
	o = call(c, commands, 1, LATER_US, replies);
	assert_int_equal(o.result, ERR_UNAVAILABLE);
	assert_int_equal(o.failure, REDIS_RESET);
	redis_conn_destroy(c);
	test_redis_restart(&t.redis);
	url = url_of("rediss://127.0.0.1:%d/1", t.port); /* the certificate does not name it */
	o = open_url(&url, LATER_US, &c);
	assert_failed(&o, ERR_UNAVAILABLE, REDIS_AUTH, "certificate refused");
	url = url_of("rediss://localhost:%d/1", t.redis.port); /* a server without TLS */
	o = open_url(&url, LATER_US, &c);
	assert_true(o.result < 0);
	test_redis_stop(&t.redis);
	test_folder_remove(t.folder);
	free(large);
}

/* ---- injected faults ---- */

static void test_redis_conn__every_fault_is_clean(void **state)
{
	static const enum fault_point points[] = { FAULT_REDIS, FAULT_ALLOC };
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("key"));
	struct fake_redis fake;
	struct redis_url url;

	fake_redis_start(&fake);
	url = url_of("redis://u:p@127.0.0.1:%d/1", fake.port);
	for (int p = 0; p < 2; p++) {
		int failed = 0;

		for (int n = 1; n <= 12; n++) {
			struct redis_address *address = redis_address_resolve(&url, NULL);
			struct redis_conn *c = NULL;
			struct redis_reply *reply = NULL;
			struct error err = { 0 };
			int r;

			fault_arm(points[p], n, false);
			r = redis_conn_open(&url, address, in_us(LATER_US), &c, NULL, &err);
			if (r == 0)
				r = redis_conn_call(c, &get, 1, in_us(LATER_US), &reply, NULL, &err);
			fault_disarm_all();
			failed += r < 0;
			if (r < 0) {
				assert_int_equal(r, points[p] == FAULT_REDIS ? ERR_UNAVAILABLE : ERR_NOMEM);
				assert_true(*err.text);
				assert_null(reply);
			} else {
				redis_replies_free(&reply, 1);
			}
			redis_conn_destroy(c);
			redis_address_destroy(address);
		}
		assert_in_range(failed, 2, 11); /* some n hit something, the last ones nothing any more */
	}
	fake_redis_stop(&fake);
}

static void test_redis_conn__no_memory_for_an_address(void **state)
{
	struct redis_url url = url_of("redis://127.0.0.1");
	struct error err = { 0 };

	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(redis_address_resolve(&url, &err));
	fault_disarm_all();
	assert_int_equal(err.code, ERR_NOMEM);
	redis_address_destroy(NULL);
	assert_null(redis_address_ref(NULL));
	redis_conn_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_conn__speaks_tls_and_checks_the_name),
		cmocka_unit_test(test_redis_conn__calls_a_real_server),
		cmocka_unit_test(test_redis_conn__sends_many_arguments_and_large_values),
		cmocka_unit_test(test_redis_conn__authenticates_and_selects),
		cmocka_unit_test(test_redis_conn__reaches_a_unix_socket),
		cmocka_unit_test(test_redis_conn__a_stopped_server_is_a_timeout),
		cmocka_unit_test(test_redis_conn__a_killed_server_is_a_reset),
		cmocka_unit_test(test_redis_conn__nobody_listens),
		cmocka_unit_test(test_redis_conn__a_name_without_address),
		cmocka_unit_test(test_redis_conn__the_second_address_of_a_name_is_tried),
		cmocka_unit_test(test_redis_conn__misbehaviour),
		cmocka_unit_test(test_redis_conn__a_drip_does_not_move_the_deadline),
		cmocka_unit_test(test_redis_conn__replies_that_mean_an_outage),
		cmocka_unit_test(test_redis_conn__other_errors_are_answers),
		cmocka_unit_test(test_redis_conn__an_outage_in_the_middle_of_a_pipeline_fails_it_whole),
		cmocka_unit_test(test_redis_conn__a_refused_password_is_never_repeated),
		cmocka_unit_test(test_redis_conn__what_was_not_asked_for_spoils_an_idle_connection),
		cmocka_unit_test(test_redis_conn__receives_what_is_pushed),
		cmocka_unit_test(test_redis_conn__every_fault_is_clean),
		cmocka_unit_test(test_redis_conn__no_memory_for_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
