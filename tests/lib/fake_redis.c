#include "tests/lib/fake_redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/lib/test.h"

#define MAX_CLIENTS  64
#define MAX_ARGS     32
#define MAX_CHANNELS 8
#define DRIP_MS      100

struct fake_client {
	int fd; /* -1 = free */
	bool dripping;
	bool doomed; /* to be reset or closed after what has been sent */
	char in[16384];
	size_t len;
	char channels[MAX_CHANNELS][80];
	int n_channels;
};

static void put(const struct fake_client *c, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = send(c->fd, bytes, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		bytes += done;
		n -= (size_t)done;
	}
}

static void put_text(const struct fake_client *c, const char *text)
{
	put(c, text, strlen(text));
}

static void put_push(const struct fake_client *c, const char *kind, struct str channel, struct str payload)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", strlen(kind), kind, channel.len,
	                 STR_ARG(channel), payload.len, STR_ARG(payload));

	put(c, text, (size_t)n);
}

static void subscribe(struct fake_redis *f, struct fake_client *c, const struct str *args, int n)
{
	atomic_fetch_add(&f->subscriptions, 1);
	for (int i = 1; i < n && c->n_channels < MAX_CHANNELS; i++) {
		char text[256];
		int len =
		        snprintf(text, sizeof(text), "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%.*s\r\n:%d\r\n", args[i].len, STR_ARG(args[i]), i);

		snprintf(c->channels[c->n_channels++], sizeof(c->channels[0]), "%.*s", STR_ARG(args[i]));
		put(c, text, (size_t)len);
	}
}

static void publish(struct fake_redis *f, struct fake_client *c, const struct str *args, bool deaf)
{
	put_text(c, ":1\r\n");
	for (int i = 0; i < MAX_CLIENTS && !deaf; i++)
		for (int j = 0; f->clients[i].fd >= 0 && j < f->clients[i].n_channels; j++)
			if (str_is(args[1], f->clients[i].channels[j]))
				put_push(&f->clients[i], "message", args[1], args[2]);
}

static void answer(struct fake_redis *f, struct fake_client *c, const struct str *args, int n, bool deaf)
{
	char text[128];

	if (str_is(args[0], "PING")) {
		put_text(c, "+PONG\r\n");
	} else if (str_is(args[0], "CLIENT") && n == 2) {
		put_text(c, ":7\r\n");
	} else if (str_is(args[0], "GET")) {
		snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(f->stored), f->stored);
		put_text(c, text);
	} else if (str_is(args[0], "SUBSCRIBE")) {
		subscribe(f, c, args, n);
	} else if (str_is(args[0], "PUBLISH") && n == 3) {
		publish(f, c, args, deaf);
	} else {
		if (str_is(args[0], "SET") && n > 2)
			snprintf(f->stored, sizeof(f->stored), "%.*s", STR_ARG(args[2]));
		put_text(c, "+OK\r\n");
	}
}

/* With the lock. */
static void react(struct fake_redis *f, struct fake_client *c, const struct str *args, int n)
{
	switch (f->manners) {
	case FAKE_SILENT:
		return;
	case FAKE_RESETS:
	case FAKE_CLOSES:
		put_text(c, "$100\r\nabc");
		c->doomed = true;
		return;
	case FAKE_DRIPS:
		put_text(c, "$1000\r\n");
		c->dripping = true;
		return;
	case FAKE_SAYS:
		if (!*f->only || str_is(args[0], f->only)) {
			put(c, f->said, f->said_len);
			return;
		}
		break;
	default:
		break;
	}
	answer(f, c, args, n, f->manners == FAKE_DEAF);
}

/* "<mark><number>\r\n" at *p; -1 when it is not whole. */
static long take_number(char **p, const char *end, char mark)
{
	char *line = *p, *stop = memchr(line, '\n', (size_t)(end - line));

	if (!stop || *line != mark)
		return -1;
	*p = stop + 1;
	return strtol(line + 1, NULL, 10);
}

/* The arguments of the first command in the buffer and its length; 0 when it is not whole. */
static size_t parse(struct fake_client *c, struct str args[MAX_ARGS], int *ret_n)
{
	char *p = c->in;
	const char *end = c->in + c->len;
	long n = c->len ? take_number(&p, end, '*') : -1;

	if (n < 1 || n > MAX_ARGS)
		return 0;
	for (long i = 0; i < n; i++) {
		long len = p < end ? take_number(&p, end, '$') : -1;

		if (len < 0 || p + len + 2 > end)
			return 0;
		args[i] = (struct str){ p, (size_t)len };
		p += len + 2;
	}
	*ret_n = (int)n;
	return (size_t)(p - c->in);
}

static void drop(struct fake_client *c, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

static void serve(struct fake_redis *f, struct fake_client *c)
{
	ssize_t got = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
	struct str args[MAX_ARGS];
	size_t used;
	int n;

	if (got <= 0) {
		drop(c, false);
		return;
	}
	c->len += (size_t)got;
	while (!c->doomed && (used = parse(c, args, &n)) > 0) {
		atomic_fetch_add(&f->commands, 1);
		react(f, c, args, n);
		memmove(c->in, c->in + used, c->len - used);
		c->len -= used;
	}
	if (c->len == sizeof(c->in))
		c->len = 0; /* a command larger than the buffer is of no interest */
	if (c->doomed)
		drop(c, f->manners == FAKE_RESETS);
}

static void welcome(struct fake_redis *f)
{
	int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	atomic_fetch_add(&f->connections, 1);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (f->clients[i].fd < 0) {
			f->clients[i].fd = fd;
			return;
		}
	}
	close(fd);
}

static bool drip(struct fake_redis *f)
{
	bool any = false;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (f->clients[i].fd >= 0 && f->clients[i].dripping) {
			put_text(&f->clients[i], "x");
			any = true;
		}
	}
	return any;
}

static void *run(void *arg)
{
	struct fake_redis *f = arg;
	struct pollfd p[MAX_CLIENTS + 2];
	bool dripping = false;

	for (;;) {
		p[0] = (struct pollfd){ .fd = f->stop_pipe[0], .events = POLLIN };
		p[1] = (struct pollfd){ .fd = f->listen_fd, .events = POLLIN };
		for (int i = 0; i < MAX_CLIENTS; i++)
			p[i + 2] = (struct pollfd){ .fd = f->clients[i].fd, .events = POLLIN };
		if (poll(p, MAX_CLIENTS + 2, dripping ? DRIP_MS : -1) < 0 && errno != EINTR)
			return NULL;
		if (p[0].revents)
			return NULL;
		pthread_mutex_lock(&f->lock);
		for (int i = 0; i < MAX_CLIENTS; i++)
			if (p[i + 2].revents)
				serve(f, &f->clients[i]);
		if (p[1].revents)
			welcome(f);
		dripping = drip(f);
		pthread_mutex_unlock(&f->lock);
	}
}

void fake_redis_start(struct fake_redis *f)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->clients = calloc(MAX_CLIENTS, sizeof(*f->clients));
	assert_non_null(f->clients);
	for (int i = 0; i < MAX_CLIENTS; i++)
		f->clients[i].fd = -1;
	f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(f->listen_fd, 64), 0);
	assert_int_equal(getsockname(f->listen_fd, (struct sockaddr *)&addr, &len), 0);
	f->port = ntohs(addr.sin_port);
	assert_int_equal(pipe(f->stop_pipe), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_redis_set(struct fake_redis *f, enum fake_manners manners)
{
	pthread_mutex_lock(&f->lock);
	f->manners = manners;
	pthread_mutex_unlock(&f->lock);
}

void fake_redis_say(struct fake_redis *f, const char *only, const void *bytes, size_t n)
{
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	pthread_mutex_lock(&f->lock);
	free(f->said);
	f->said = copy;
	f->said_len = n;
	snprintf(f->only, sizeof(f->only), "%s", only ? only : "");
	f->manners = FAKE_SAYS;
	pthread_mutex_unlock(&f->lock);
}

void fake_redis_stop(struct fake_redis *f)
{
	if (!f->clients)
		return;
	assert_int_equal(write(f->stop_pipe[1], "x", 1), 1);
	pthread_join(f->thread, NULL);
	for (int i = 0; i < MAX_CLIENTS; i++)
		if (f->clients[i].fd >= 0)
			close(f->clients[i].fd);
	close(f->listen_fd);
	close(f->stop_pipe[0]);
	close(f->stop_pipe[1]);
	free(f->clients);
	free(f->said);
	pthread_mutex_destroy(&f->lock);
	f->clients = NULL;
	f->said = NULL;
}
