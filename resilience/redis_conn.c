/*
 * The protocol of a guarded connection. Every exchange is: format all, write all, read as many replies, with one deadline
 * for the whole of it. A reply that says "this server cannot serve" (LOADING, READONLY …) fails the exchange like a lost
 * connection does, because to the caller it is the same. The text of a refused AUTH is reduced to its first word: a
 * server that does not know the command quotes its arguments.
 */
#include "resilience/redis_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "resilience/redis_conn_impl.h"

#define READ_BYTES (16 * 1024)
#define FEW_ARGS   16 /* commands up to this many arguments are formatted without an allocation of ours */

static int injected(struct redis_conn *c)
{
	return fault_due(FAULT_REDIS) ? redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_RESET, "injected failure") : 0;
}

/* Tells the caller of a public function what redis_conn_fail noted. */
static int told(const struct redis_conn *c, int r, enum redis_failure *ret_failure, struct error *err)
{
	if (r >= 0)
		return r;
	if (ret_failure)
		*ret_failure = c->failure;
	if (err)
		*err = c->error;
	return r;
}

/* ---- writing ---- */

static int add_formatted(struct redis_conn *c, const char **argv, size_t *lengths, const struct redis_command *command)
{
	char *text = NULL;
	int n;

	for (size_t i = 0; i < command->n; i++) {
		argv[i] = command->args[i].s ? command->args[i].s : "";
		lengths[i] = command->args[i].len;
	}
	n = redisFormatCommandArgv(&text, (int)command->n, argv, lengths);
	if (n < 0)
		return redis_conn_fail(c, ERR_NOMEM, REDIS_OTHER, "%s", error_name(ERR_NOMEM));
	buf_add(&c->out, text, (size_t)n);
	redisFreeCommand(text);
	return 0;
}

static int add_command(struct redis_conn *c, const struct redis_command *command)
{
	const char *few_argv[FEW_ARGS];
	size_t few_lengths[FEW_ARGS];
	CLEANUP(cleanup_free) const char **argv = NULL;
	CLEANUP(cleanup_free) size_t *lengths = NULL;

	if (command->n <= FEW_ARGS)
		return add_formatted(c, few_argv, few_lengths, command);
	argv = mem_array(command->n, sizeof(*argv));
	lengths = mem_array(command->n, sizeof(*lengths));
	if (!argv || !lengths)
		return redis_conn_fail(c, ERR_NOMEM, REDIS_OTHER, "%s", error_name(ERR_NOMEM));
	return add_formatted(c, argv, lengths, command);
}

static int send_commands(struct redis_conn *c, const struct redis_command *commands, size_t n, int64_t deadline_us)
{
	int r = c->broken ? c->error.code : injected(c);

	buf_clear(&c->out);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_command(c, &commands[i]);
	if (r < 0)
		return r;
	if (c->out.failed)
		return redis_conn_fail(c, ERR_NOMEM, REDIS_OTHER, "%s", error_name(ERR_NOMEM));
	r = wire_write_all(c, c->out.data, c->out.len, deadline_us);
	if (c->out.cap > 4 * READ_BYTES)
		buf_finish(&c->out); /* a connection that sent one large value does not keep its memory */
	return r;
}

int redis_conn_send(struct redis_conn *c, const struct redis_command *commands, size_t n, int64_t deadline_us, struct error *err)
{
	return told(c, send_commands(c, commands, n, deadline_us), NULL, err);
}

/* ---- reading ---- */

static int fail_reader(struct redis_conn *c, int code, const struct error *why)
{
	return redis_conn_fail(c, code, REDIS_OTHER, "%s", why->text);
}

/* Reads what is there: 1 when something was, 0 when it would block. */
static int read_some(struct redis_conn *c)
{
	char bytes[READ_BYTES];
	struct error why;
	ssize_t n = wire_read(c, bytes, sizeof(bytes));
	int r;

	if (n <= 0)
		return (int)n;
	r = reply_reader_feed(&c->reader, bytes, (size_t)n, &why);
	return r < 0 ? fail_reader(c, r, &why) : 1;
}

int redis_conn_try(struct redis_conn *c, struct redis_reply **ret_reply)
{
	struct error why;
	int r = c->broken ? c->error.code : 1;

	while (r > 0) {
		r = reply_reader_next(&c->reader, ret_reply, &why);
		if (r != 0)
			return r < 0 ? fail_reader(c, r, &why) : r;
		r = read_some(c);
	}
	return r;
}

static int receive(struct redis_conn *c, int64_t deadline_us, struct redis_reply **ret_reply)
{
	for (;;) {
		int r = redis_conn_try(c, ret_reply);

		if (r != 0)
			return r < 0 ? r : 0;
		/* The deadline is looked at here too, so that a byte now and then does not move it. */
		if (clock_monotonic_us() < deadline_us && wire_wait(c, c->waits_for, deadline_us))
			continue;
		if (reply_reader_between(&c->reader))
			return ERR_TIMEOUT;
		return redis_conn_fail(c, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout in the middle of a reply");
	}
}

int redis_conn_receive(struct redis_conn *c, int64_t deadline_us, struct redis_reply **ret_reply, enum redis_failure *ret_failure,
                       struct error *err)
{
	int r = injected(c);

	if (r == 0)
		r = receive(c, deadline_us, ret_reply);
	if (r == ERR_TIMEOUT && !c->broken) {
		if (ret_failure)
			*ret_failure = REDIS_TIMEOUT;
		return error_set(err, r, "%.120s: nothing came", c->shown);
	}
	return told(c, r, ret_failure, err);
}

/* ---- exchanges ---- */

static int exchange(struct redis_conn *c, const struct redis_command *commands, size_t n, int64_t deadline_us,
                    struct redis_reply **ret_replies)
{
	int r = send_commands(c, commands, n, deadline_us);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = receive(c, deadline_us, &ret_replies[i]);
		if (r == ERR_TIMEOUT)
			redis_conn_fail(c, r, REDIS_TIMEOUT, "timeout: no reply");
	}
	return r;
}

static int refuse_outages(struct redis_conn *c, struct redis_reply *const *replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum redis_failure kind = redis_outage_of(replies[i]);

		if (kind == REDIS_FAILURE_NONE)
			continue;
		c->by_reply = true;
		return redis_conn_fail(c, ERR_UNAVAILABLE, kind, "%.*s", STR_ARG(redis_reply_text(replies[i])));
	}
	return 0;
}

int redis_conn_call(struct redis_conn *c, const struct redis_command *commands, size_t n, int64_t deadline_us,
                    struct redis_reply **ret_replies, enum redis_failure *ret_failure, struct error *err)
{
	int r;

	for (size_t i = 0; i < n; i++)
		ret_replies[i] = NULL;
	r = exchange(c, commands, n, deadline_us, ret_replies);
	if (r == 0)
		r = refuse_outages(c, ret_replies, n);
	if (r < 0)
		redis_replies_free(ret_replies, n);
	return told(c, r, ret_failure, err);
}

/* ---- opening ---- */

/* AUTH was refused: nothing of the answer but its first word, if that is a word of Redis' kind. */
static int fail_auth(struct redis_conn *c, const struct redis_reply *reply)
{
	struct str text = redis_reply_text(reply);
	size_t n = 0;

	while (n < text.len && n < 24 && text.s[n] >= 'A' && text.s[n] <= 'Z')
		n++;
	c->by_reply = true;
	return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_AUTH, "authentication failed (%.*s)", (int)n, n ? text.s : "");
}

static int fail_select(struct redis_conn *c, const struct redis_reply *reply, int db)
{
	struct str text = redis_reply_text(reply);
	enum redis_failure kind = redis_error_is(reply, "NOPERM") ? REDIS_AUTH : redis_outage_of(reply);

	c->by_reply = true;
	return redis_conn_fail(c, ERR_UNAVAILABLE, kind ? kind : REDIS_OTHER, "select database %d: %.*s", db, STR_ARG(text));
}

static int check_hello(struct redis_conn *c, const struct redis_url *url, struct redis_reply *const *replies, bool auth, bool select)
{
	if (auth && redis_reply_type(replies[0]) == REDIS_REPLY_IS_ERROR)
		return redis_outage_of(replies[0]) == REDIS_LOADING ? refuse_outages(c, replies, 1) : fail_auth(c, replies[0]);
	if (select && redis_reply_type(replies[auth]) == REDIS_REPLY_IS_ERROR)
		return fail_select(c, replies[auth], url->db);
	return 0;
}

/* AUTH and SELECT, as far as the URL asks for them, in one exchange. */
static int say_hello(struct redis_conn *c, const struct redis_url *url, int64_t deadline_us)
{
	bool auth = *url->password, select = url->db > 0;
	struct redis_reply *replies[2] = { NULL, NULL };
	struct redis_command commands[2];
	char db[16];
	struct str auth_args[] = { STR("AUTH"), str_of(url->user), str_of(url->password) };
	struct str select_args[] = { STR("SELECT"), { db, (size_t)snprintf(db, sizeof(db), "%d", url->db) } };
	size_t n = 0;
	int r;

	if (auth && !*url->user)
		auth_args[1] = auth_args[2];
	if (auth)
		commands[n++] = (struct redis_command){ auth_args, *url->user ? 3 : 2 };
	if (select)
		commands[n++] = (struct redis_command){ select_args, 2 };
	if (n == 0)
		return 0;
	r = exchange(c, commands, n, deadline_us, replies);
	if (r == 0)
		r = check_hello(c, url, replies, auth, select);
	redis_replies_free(replies, n);
	return r;
}

static struct redis_conn *create(const struct redis_url *url)
{
	struct redis_conn *c = mem_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->fd = -1;
	c->waits_for = POLLIN;
	snprintf(c->shown, sizeof(c->shown), "%.*s", (int)sizeof(c->shown) - 1, url->shown);
	if (reply_reader_init(&c->reader) < 0) {
		redis_conn_destroy(c);
		return NULL;
	}
	return c;
}

int redis_conn_open(const struct redis_url *url, const struct redis_address *address, int64_t deadline_us, struct redis_conn **ret_conn,
                    enum redis_failure *ret_failure, struct error *err)
{
	struct redis_conn *c = create(url);
	int r;

	if (!c) {
		if (ret_failure)
			*ret_failure = REDIS_OTHER;
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	}
	r = injected(c);
	if (r == 0)
		r = wire_connect(c, address, deadline_us);
	if (r == 0 && url->scheme == REDIS_TLS)
		r = tls_start(c, url, deadline_us);
	if (r == 0)
		r = say_hello(c, url, deadline_us);
	told(c, r, ret_failure, err);
	if (r < 0) {
		redis_conn_destroy(c);
		return r;
	}
	c->last_used_us = clock_monotonic_us();
	*ret_conn = c;
	return 0;
}

bool redis_conn_settled(const struct redis_conn *c)
{
	return !c->broken && reply_reader_empty(&c->reader);
}

bool redis_conn_idle_ok(struct redis_conn *c)
{
	char byte;

	if (!redis_conn_settled(c))
		return false;
	if (c->ssl)
		return tls_idle_ok(c);
	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

int redis_conn_fd(const struct redis_conn *c)
{
	return c->fd;
}

void redis_conn_destroy(struct redis_conn *c)
{
	if (!c)
		return;
	tls_finish(c);
	if (c->fd >= 0)
		close(c->fd);
	reply_reader_finish(&c->reader);
	buf_finish(&c->out);
	free(c);
}
