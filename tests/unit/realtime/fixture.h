/*
 * What the tests of realtime/ share: the hub without its threads, as a struct that a test fills and looks into; and a whole hub over
 * a database, with peers at the other ends of its sockets.
 */
#ifndef TESTS_UNIT_REALTIME_FIXTURE_H
#define TESTS_UNIT_REALTIME_FIXTURE_H

#include <arpa/inet.h>
#include <sys/socket.h>

#include "domain/token.h"
#include "realtime/hub_impl.h"
#include "tests/lib/wait.h"
#include "tests/unit/domain/chats.h"

#define SECRET "0123456789012345678901234567890123456789012345678901"

/* NAME=value texts, NULL at the end, as a source of settings. */
static inline const char *setting_from_list(const char *variable, void *arg)
{
	const char *const *list = arg;
	size_t n = strlen(variable);

	for (; *list; list++)
		if (strncmp(*list, variable, n) == 0 && (*list)[n] == '=')
			return *list + n + 1;
	return NULL;
}

static inline struct settings *load_settings(const char *const *list)
{
	struct settings *settings = NULL;
	struct error err = { 0 };
	union {
		const char *const *list;
		void *arg;
	} source = { list };

	if (settings_load(setting_from_list, source.arg, false, &settings, &err) < 0)
		fail_msg("%s", err.text);
	return settings;
}

/* ---- a hub without threads ---- */

struct still {
	struct settings *settings;
	struct hub hub;
};

static inline int open_still(void **state)
{
	struct still *t = calloc(1, sizeof(*t));

	t->settings = load_settings((const char *const[]){ "DJANGO_SECRET_KEY=" SECRET, "REALTIME_QUEUE_FRAMES=8", NULL });
	t->hub.settings = t->settings;
	t->hub.inbox_end = &t->hub.inbox;
	t->hub.loop = ev_loop_new(EVFLAG_NOINOTIFY);
	pthread_mutex_init(&t->hub.lock, NULL);
	figures_init(&t->hub);
	*state = t;
	return 0;
}

static inline int close_still(void **state)
{
	struct still *t = *state;

	holds_tick(&t->hub, INT64_MAX);
	groups_free(&t->hub);
	memories_free(&t->hub);
	while (t->hub.inbox) {
		struct news *next = t->hub.inbox->next;

		news_free(t->hub.inbox);
		t->hub.inbox = next;
	}
	ev_loop_destroy(t->hub.loop);
	pthread_mutex_destroy(&t->hub.lock);
	settings_destroy(t->settings);
	free(t);
	return 0;
}

#define STILL(name) cmocka_unit_test_setup_teardown(name, open_still, close_still)

/* A session that is open in a chat, as far as anybody without a socket can be. */
static inline struct session *still_session(struct still *t, int64_t thread, int64_t user)
{
	struct session *s = calloc(1, sizeof(*s));

	s->hub = &t->hub;
	s->fd = -1;
	s->user = user;
	s->state = SESSION_OPEN;
	s->handshake.target = HUB_CHAT;
	s->handshake.id = thread;
	group_join(group_get(&t->hub, HUB_CHAT, thread), s);
	return s;
}

static inline void still_session_free(struct session *s)
{
	group_leave(s->group, s);
	while (s->parcels) {
		struct parcel *p = s->parcels;

		s->parcels = p->next;
		blob_unref(p->bytes);
		free(p);
	}
	free(s);
}

/* ---- a whole hub ---- */

struct house {
	struct fixture *f;
	struct settings *settings;
	struct redis *redis;
	struct hub *hub;
};

static inline void write_message(const struct chat_message *m, struct str origin_prefix, struct buf *b)
{
	buf_addf(b, "{\"id\":%lld,\"from\":\"database\"}", (long long)m->id);
}

static inline void write_poll(const struct poll *poll, struct buf *b)
{
	buf_add_text(b, "{}");
}

/* Over the fixture's database; more settings as NAME=value, NULL at the end. */
static inline void open_house_(struct house *t, struct fixture *f, const char *const *list)
{
	static const struct redis_config none = {
		.connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1
	};
	struct error err = { 0 };

	*t = (struct house){ .f = f, .settings = load_settings(list), .redis = redis_create(&none) };
	if (hub_create(&(struct hub_config){ .settings = t->settings,
	                                     .db = f->db,
	                                     .redis = t->redis,
	                                     .render_message = write_message,
	                                     .render_poll = write_poll },
	               &t->hub, &err) < 0 ||
	    hub_start(t->hub, &err) < 0)
		fail_msg("%s", err.text);
}
#define open_house(t, f, ...) open_house_(t, f, (const char *const[]){ ("DJANGO_SECRET_KEY=" SECRET), __VA_ARGS__, NULL })

static inline void close_house(struct house *t)
{
	hub_destroy(t->hub);
	redis_destroy(t->redis);
	settings_destroy(t->settings);
}

/* The other end of a socket, blocking, with a deadline for each read. */
struct peer {
	int fd;
	char text[70000]; /* of the last frame */
	int code;         /* of the close; 0: not closed, -1: cut */
};

/* Two ends of one connection over TCP, as the door has them. */
static inline void connect_pair(int ret_fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	const struct timeval limit = { 10, 0 };

	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	ret_fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ret_fds[0], (struct sockaddr *)&address, size), 0);
	ret_fds[1] = accept(listener, NULL, NULL);
	assert_true(ret_fds[1] >= 0);
	setsockopt(ret_fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	close(listener);
}

static inline void read_exactly(struct peer *p, void *bytes, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = recv(p->fd, (char *)bytes + got, n - got, 0);

		if (r <= 0)
			fail_msg("the socket gave %zd after %zu of %zu bytes", r, got, n);
		got += (size_t)r;
	}
}

/* Asks for a socket as this user, without waiting for the answer. */
static inline struct peer *ask_at(struct house *t, enum hub_target target, int64_t id, int64_t user)
{
	static const char head[] = "GET /ws/ HTTP/1.1\r\n\r\n";
	struct hub_handshake handshake = { .head_bytes = sizeof(head) - 1,
		                           .target = target,
		                           .id = id,
		                           .path = STR("/ws/chat/1/"),
		                           .key = STR("dGhlIHNhbXBsZSBub25jZQ=="),
		                           .client = STR("203.0.113.5"),
		                           .origin_prefix = STR("http://here") };
	struct peer *p = calloc(1, sizeof(*p));
	struct token token;
	int fds[2];

	connect_pair(fds);
	p->fd = fds[0];
	handshake.fd = fds[1];
	assert_int_equal(send(p->fd, head, sizeof(head) - 1, MSG_NOSIGNAL), sizeof(head) - 1);
	assert_int_equal(token_issue(str_of(SECRET), TOKEN_ACCESS, user, clock_now(), 3600, &t->f->arena, &token), 0);
	handshake.token = token.text;
	assert_int_equal(hub_take(t->hub, &handshake), 0);
	return p;
}

static inline struct peer *ask_for_socket(struct house *t, int64_t thread, int64_t user)
{
	return ask_at(t, HUB_CHAT, thread, user);
}

static inline void await_welcome(struct peer *p)
{
	char head[1000];
	size_t n = 0;

	do
		read_exactly(p, head + n++, 1);
	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0);
	assert_memory_equal(head, "HTTP/1.1 101 ", 13);
}

static inline struct peer *open_peer(struct house *t, int64_t thread, int64_t user)
{
	struct peer *p = ask_for_socket(t, thread, user);

	await_welcome(p);
	return p;
}

static inline void close_peer(struct peer *p)
{
	close(p->fd);
	free(p);
}

/* The next frame: its text, or NULL when it was the close, whose code is in p->code. */
static inline const char *hear(struct peer *p)
{
	unsigned char head[4];
	size_t n;

	read_exactly(p, head, 2);
	n = head[1];
	assert_true(n <= 126);
	if (n == 126) {
		read_exactly(p, head + 2, 2);
		n = (size_t)head[2] << 8 | head[3];
	}
	read_exactly(p, p->text, n);
	p->text[n] = '\0';
	if (head[0] == 0x88) {
		p->code = (unsigned char)p->text[0] << 8 | (unsigned char)p->text[1];
		return NULL;
	}
	assert_int_equal(head[0], 0x81);
	return p->text;
}

static inline void assert_heard_(struct peer *p, const char *expected, const char *file, int line)
{
	const char *text = hear(p);

	if (text && strcmp(text, expected) == 0)
		return;
	print_error("heard %s (%d), wanted %s\n", text ? text : "the close", p->code, expected);
	_fail(file, line);
}
#define assert_heard(p, expected) assert_heard_(p, expected, __FILE__, __LINE__)

/* A text frame from the client. */
static inline void say(struct peer *p, const char *text)
{
	size_t n = strlen(text);
	unsigned char frame[200] = { 0x81, (unsigned char)(0x80 | n) }; /* masked with zeros */

	assert_true(n < 126);
	memcpy(frame + 6, text, n);
	assert_int_equal(send(p->fd, frame, n + 6, MSG_NOSIGNAL), n + 6);
}

/* Until all that was said to the hub before has been heard by it, as far as this peer goes; no frame may come meanwhile. */
static inline void assert_silence(struct peer *p)
{
	say(p, "{\"type\":\"ping\"}");
	assert_heard(p, "{\"type\":\"pong\"}");
}

#endif
