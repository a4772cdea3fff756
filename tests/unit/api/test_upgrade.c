#include "api/upgrade.h"

#include "tests/unit/api/node.h"

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ALL     UPGRADE KEY VERSION

static int open_node(void **state)
{
	*state = node_open((const char *const[]){ "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901", "DEBUG=1",
	                                          "CORS_ALLOWED_ORIGINS=https://egoejo.example",
	                                          "ALLOWED_HOSTS=localhost,[::1],chat.example", NULL });
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

struct asked {
	int status;
	const char *detail;
	struct upgrade upgrade;
	char *head;
};

/* The head of GET target with these fields, read; the caller frees head once it has looked. */
static struct asked ask(void **state, const char *target, const char *fields)
{
	struct node *node = *state;
	struct request *req = node_request(node, "GET", "", NULL);
	struct asked a = { .detail = NULL };
	size_t n = strlen(target) + strlen(fields) + 20;

	a.head = malloc(n);
	n = (size_t)snprintf(a.head, n, "GET %s HTTP/1.1\r\n%s\r\n", target, fields);
	req->headers = (struct request_headers){ 0 };
	a.status = upgrade_read(req, (struct str){ a.head, n }, &a.upgrade, &a.detail);
	assert_true(a.status == 0 || a.detail);
	assert_int_equal(a.upgrade.head_bytes, n);
	return a;
}

static void assert_status_(void **state, const char *target, const char *fields, int status, const char *file, int line)
{
	struct asked a = ask(state, target, fields);

	free(a.head);
	if (a.status == status)
		return;
	print_error("%d, not %d, for %s %s\n", a.status, status, target, fields);
	_fail(file, line);
}
#define assert_status(target, fields, status) assert_status_(state, target, fields, status, __FILE__, __LINE__)

#define assert_token(target, fields, expected)                \
	do {                                                  \
		struct asked a_ = ask(state, target, fields); \
		assert_int_equal(a_.status, 0);               \
		assert_text(a_.upgrade.token, expected);      \
		free(a_.head);                                \
	} while (0)

static void test_upgrade__a_handshake(void **state)
{
	struct asked a = ask(state, "/ws/chat/12/?token=a.b.c&last_message_id=7", ALL);

	assert_int_equal(a.status, 0);
	assert_int_equal(a.upgrade.target, UPGRADE_CHAT);
	assert_int_equal(a.upgrade.id, 12);
	assert_text(a.upgrade.path, "/ws/chat/12/");
	assert_text(a.upgrade.key, "dGhlIHNhbXBsZSBub25jZQ==");
	assert_text(a.upgrade.token, "a.b.c");
	assert_text(a.upgrade.last_message_id, "7");
	assert_text(a.upgrade.client, "127.0.0.1");
	assert_text(a.upgrade.origin_prefix, "http://localhost");
	assert_false(a.upgrade.offers_v1);
	free(a.head);
}

static void test_upgrade__paths(void **state)
{
	static const struct {
		const char *path;
		bool is_one;
		enum upgrade_target target;
		int64_t id;
	} paths[] = {
		{ "/ws/chat/12/", true, UPGRADE_CHAT, 12 },
		{ "/ws/chat/12", true, UPGRADE_CHAT, 12 },
		{ "/ws/polls/3/", true, UPGRADE_POLL, 3 },
		{ "/ws/polls/0", true, UPGRADE_POLL, 0 },
		{ "/ws/chat/007/", true, UPGRADE_CHAT, 7 },
		{ "/ws/chat/9223372036854775807/", true, UPGRADE_CHAT, INT64_MAX },
		{ "/ws/chat/9223372036854775808/", true, UPGRADE_CHAT, 0 },
		{ "/ws/chat/", false },
		{ "/ws/chat//", false },
		{ "/ws/chat/12//", false },
		{ "/ws/chat/-1/", false },
		{ "/ws/chat/1x/", false },
		{ "/ws/chat/1/2/", false },
		{ "/ws/poll/3/", false },
		{ "/ws/", false },
		{ "/WS/chat/1/", false },
	};

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		enum upgrade_target target = UPGRADE_CHAT;
		int64_t id = -1;

		if (upgrade_read_path(str_of(paths[i].path), &target, &id) != paths[i].is_one)
			fail_msg("%s", paths[i].path);
		assert_status(paths[i].path, ALL, paths[i].is_one ? 0 : 404);
		if (!paths[i].is_one)
			continue;
		assert_int_equal(target, paths[i].target);
		assert_int_equal(id, paths[i].id);
	}
	assert_status("/ws/chat/1/?a=%zz", ALL, 0); /* what is no escape is itself, as in any query */
	assert_status("/ws/chat/%ff/", ALL, 404);
}

static void test_upgrade__what_makes_a_handshake_whole(void **state)
{
	static const char host[] = "Host: localhost\r\nUpgrade: websocket\r\n";
	char fields[400];

	assert_status("/ws/chat/1/", UPGRADE KEY, 426); /* no version */
	assert_status("/ws/chat/1/", UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", 426);
	assert_status("/ws/chat/1/", UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n", 426);
	assert_status("/ws/chat/1/", UPGRADE VERSION, 400); /* no key */
	assert_status("/ws/chat/1/", UPGRADE VERSION "Sec-WebSocket-Key: dGhl\r\n", 400);
	assert_status("/ws/chat/1/", UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!\r\n", 400);
	assert_status("/ws/chat/1/", UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXMx\r\n", 400); /* 18 bytes */
	assert_status("/ws/chat/1/", UPGRADE VERSION KEY KEY, 400);
	for (int i = 0; i < 7; i++) {
		static const struct {
			const char *connection;
			int status;
		} cases[] = { { "Connection: keep-alive, Upgrade\r\n", 0 },
			      { "Connection: UPGRADE\r\n", 0 },
			      { "connection:upgrade\r\n", 0 },
			      { "Connection: keep-alive\r\n", 400 },
			      { "", 400 },
			      { "Connection: upgrades\r\n", 400 },
			      { "Connection: close\r\nConnection: upgrade\r\n", 0 } };

		snprintf(fields, sizeof(fields), "%s%s" KEY VERSION, host, cases[i].connection);
		assert_status("/ws/chat/1/", fields, cases[i].status);
	}
}

static void test_upgrade__hosts_and_origins(void **state)
{
	static const struct {
		const char *fields;
		int status;
	} cases[] = {
		{ "Host: evil.example\r\n", 400 },
		{ "Host: localhost\r\n", 0 },
		{ "Host: localhost:8000\r\nOrigin: http://localhost:8000\r\n", 0 },
		{ "Host: localhost:8000\r\nOrigin: HTTP://LocalHost:8000\r\n", 0 },
		{ "Host: chat.example\r\nOrigin: http://chat.example\r\n", 0 },
		{ "Host: chat.example\r\nOrigin: https://egoejo.example\r\n", 0 },
		{ "Host: localhost:8000\r\nOrigin: http://localhost:8001\r\n", 403 },
		{ "Host: chat.example\r\nOrigin: https://chat.example\r\n", 403 }, /* the request came without TLS */
		{ "Host: chat.example\r\nOrigin: http://chat.example.evil.example\r\n", 403 },
		{ "Host: chat.example\r\nOrigin: http://egoejo.example\r\n", 403 },
		{ "Host: chat.example\r\nOrigin: https://egoejo.example:444\r\n", 403 },
		{ "Host: chat.example\r\nOrigin: null\r\n", 403 },
		{ "Host: chat.example\r\nOrigin: \r\n", 403 },
	};
	char fields[600];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		snprintf(fields, sizeof(fields), "%sUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY VERSION, cases[i].fields);
		assert_status("/ws/chat/1/", fields, cases[i].status);
	}
}

static void test_upgrade__the_scheme_is_the_proxys_word(void **state)
{
	struct node *node = *state;
	struct asked a = ask(state, "/ws/chat/1/", ALL "X-Forwarded-Proto: https\r\nOrigin: https://localhost\r\n");

	assert_int_equal(a.status, 0);
	assert_text(a.upgrade.origin_prefix, "https://localhost");
	free(a.head);
	assert_true(node->req->secure);
}

static void test_upgrade__the_first_credential_counts(void **state)
{
	static const char bearer[] = ALL "Authorization: Bearer in.the.header\r\n", basic[] = ALL "Authorization: Basic YTpi\r\n";
	static const char protocol[] = ALL "Sec-WebSocket-Protocol: egoejo.v1, bearer.in.the.protocol\r\n";

	assert_token("/ws/chat/1/", ALL, NULL);
	assert_token("/ws/chat/1/?token=in.the.query", bearer, "in.the.header");
	assert_token("/ws/chat/1/?token=in.the.query", protocol, "in.the.protocol");
	assert_token("/ws/chat/1/?token=in.the.query", ALL, "in.the.query");
	assert_token("/ws/chat/1/?token=a%2Eb%2ec", ALL, "a.b.c");
	assert_token("/ws/chat/1/?token=", ALL, NULL);
	assert_token("/ws/chat/1/?token=in.the.query", basic, "in.the.query");
	assert_token("/ws/chat/1/", ALL "Authorization: bearer  low.er.case\r\n", "low.er.case");
	assert_token("/ws/chat/1/?token=in.the.query", ALL "Authorization: Bearer\r\n", "in.the.query");
	assert_token("/ws/chat/1/", ALL "Sec-WebSocket-Protocol: chat,bearer.a.b.c\r\nSec-WebSocket-Protocol: bearer.d.e.f\r\n", "a.b.c");
}

static void test_upgrade__the_subprotocol_is_offered_or_not(void **state)
{
	static const struct {
		const char *fields;
		bool offers;
	} cases[] = {
		{ ALL "Sec-WebSocket-Protocol: egoejo.v1\r\n", true },
		{ ALL "Sec-WebSocket-Protocol: bearer.x , egoejo.v1\r\n", true },
		{ ALL "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: egoejo.v1\r\n", true },
		{ ALL "Sec-WebSocket-Protocol: EGOEJO.V1\r\n", false },
		{ ALL "Sec-WebSocket-Protocol: egoejo.v1x\r\n", false },
		{ ALL "Sec-WebSocket-Protocol: bearer.egoejo.v1\r\n", false },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct asked a = ask(state, "/ws/chat/1/", cases[i].fields);

		assert_int_equal(a.status, 0);
		assert_int_equal(a.upgrade.offers_v1, cases[i].offers);
		free(a.head);
	}
}

static void test_upgrade__what_the_client_had_last(void **state)
{
	struct asked a = ask(state, "/ws/chat/1/", ALL);

	assert_null(a.upgrade.last_message_id.s);
	free(a.head);
	a = ask(state, "/ws/chat/1/?last_message_id=abc", ALL);
	assert_int_equal(a.status, 0);
	assert_text(a.upgrade.last_message_id, "abc"); /* what is no number is the hub's to see */
	free(a.head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upgrade__a_handshake),
		cmocka_unit_test(test_upgrade__paths),
		cmocka_unit_test(test_upgrade__what_makes_a_handshake_whole),
		cmocka_unit_test(test_upgrade__hosts_and_origins),
		cmocka_unit_test(test_upgrade__the_scheme_is_the_proxys_word),
		cmocka_unit_test(test_upgrade__the_first_credential_counts),
		cmocka_unit_test(test_upgrade__the_subprotocol_is_offered_or_not),
		cmocka_unit_test(test_upgrade__what_the_client_had_last),
	};

	return cmocka_run_group_tests(tests, open_node, close_node);
}
