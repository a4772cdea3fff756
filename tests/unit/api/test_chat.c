/* What sockets are told of chats, by requests and without one. What callers are answered: tests/e2e/test_chat.py. */
#include "api/live_json.h"
#include "base/log.h"
#include "domain/chat.h"
#include "domain/live.h"
#include "domain/token.h"
#include "tests/unit/api/node.h"

#define SECRET "0123456789012345678901234567890123456789012345678901"

/* What a listener heard. */
static struct heard {
	int n, answered;
	struct live_event last; /* its payload is in the next */
	char payload[2000];
} heard;

static void hear(void *arg, const struct live_event *event)
{
	(void)arg;
	heard.n++;
	heard.last = *event;
	snprintf(heard.payload, sizeof(heard.payload), "%.*s", STR_ARG(event->payload));
}

static void hear_answer(void *arg, uint64_t request)
{
	(void)arg;
	heard.answered += request == heard.last.request;
}

static const struct live live = { .announce = hear, .answered = hear_answer };
static char authorization[600];

/* Account 1 has made thread 7, in which 2 takes part as well; its messages are 70, of 1, and 71, of 2. */
static int open_node(void **state)
{
	struct node *node = node_open((const char *const[]){ "DJANGO_SECRET_KEY=" SECRET, "DEBUG=1", "CHAT_MAX_CONTENT=10", NULL });
	struct arena arena;
	struct token token;

	node_write(node,
	           "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	           "first_name) VALUES (1, '!', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', ''), "
	           "(2, '!', FALSE, FALSE, TRUE, 'bob', '', '', '2026-01-05 00:00:00', '');"
	           "INSERT INTO core_chatthread (id, title, is_private, created_at, updated_at, created_by_id, thread_type) VALUES "
	           "(7, 'Fil', true, '2026-01-05 00:00:00', '2026-01-05 00:00:00', 1, 'GENERAL');"
	           "INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) VALUES "
	           "('member', '2026-01-05 00:00:00', 7, 1), ('member', '2026-01-05 00:00:00', 7, 2);"
	           "INSERT INTO core_chatmessage (id, content, attachment, metadata, is_deleted, created_at, author_id, thread_id) VALUES "
	           "(70, 'a', 'chat_attachments/a b.txt', '{}', false, '2026-01-05 00:00:00', 1, 7), "
	           "(71, 'b', NULL, '{}', false, '2026-01-06 00:00:00', 2, 7)");
	arena_init(&arena, 1 << 20);
	assert_int_equal(token_issue((struct str)STR(SECRET), TOKEN_ACCESS, 1, clock_now(), 60, &arena, &token), 0);
	snprintf(authorization, sizeof(authorization), "authorization: Bearer %.*s", STR_ARG(token.text));
	arena_finish(&arena);
	heard = (struct heard){ .n = 0 };
	node->context.live = &live;
	*state = node;
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

static void ask(struct node *node, const char *method, const char *target, const char *body, int status)
{
	char given[500];
	struct request *req;

	snprintf(given, sizeof(given), "body: %s", body);
	req = ASK(method, target, authorization, "content-type: application/json", given);
	if (req->reply.status != status)
		fail_msg("%s %s: %d %.*s", method, target, req->reply.status, STR_ARG(answer(req)));
}

/* What was told last, of thread 7 by account 1. */
static void assert_told_(int n, enum live_kind kind, int64_t message, int64_t previous, const char *file, int line)
{
	const struct live_event *e = &heard.last;

	if (heard.n == n && e->kind == kind && e->id == 7 && e->message == message && e->previous == previous && e->caller == 1 &&
	    e->request)
		return;
	print_error("%d: kind %d, id %lld, message %lld, previous %lld\n", heard.n, (int)e->kind, (long long)e->id, (long long)e->message,
	            (long long)e->previous);
	_fail(file, line);
}
#define assert_told(n, kind, message, previous) assert_told_(n, kind, message, previous, __FILE__, __LINE__)

/* The last answer's JSON is what was told. */
static void assert_told_as_answered(struct node *node)
{
	char body[2000];

	snprintf(body, sizeof(body), "%.*s", STR_ARG(answer(node->req)));
	assert_string_equal(heard.payload, body);
}

static void test_chat__a_new_message_names_the_one_before(void **state)
{
	struct node *node = *state;

	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \"c\"}", 201);
	assert_told(1, LIVE_CHAT_MESSAGE, 72, 71);
	assert_told_as_answered(node);
	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \"d\"}", 201);
	assert_told(2, LIVE_CHAT_MESSAGE, 73, 72);
	node_write(node, "DELETE FROM core_chatmessage");
	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \"e\"}", 201);
	assert_told(3, LIVE_CHAT_MESSAGE, 74, 0);
}

static void test_chat__changes_are_told_as_such(void **state)
{
	struct node *node = *state;

	ask(node, "PATCH", "/api/chat/messages/70/", "{\"content\": \"c\"}", 200);
	assert_told(1, LIVE_CHAT_MESSAGE, 70, LIVE_NOT_NEW);
	assert_told_as_answered(node);
	assert_non_null(strstr(heard.payload, "/media/chat_attachments/a%20b.txt\""));
	ask(node, "PUT", "/api/chat/messages/70/", "{\"thread\": 7, \"content\": \"d\"}", 200);
	assert_told(2, LIVE_CHAT_MESSAGE, 70, LIVE_NOT_NEW);
	ask(node, "DELETE", "/api/chat/messages/70/", "", 204);
	assert_told(3, LIVE_CHAT_MESSAGE, 70, LIVE_NOT_NEW);
	assert_non_null(strstr(heard.payload, "\"content\":\"\",\"attachment\":null,\"metadata\":{},\"is_deleted\":true"));
	ask(node, "DELETE", "/api/chat/messages/70/", "", 204);
	assert_told(4, LIVE_CHAT_MESSAGE, 70, LIVE_NOT_NEW); /* as at the first time */
}

static void test_chat__who_comes_and_goes(void **state)
{
	struct node *node = *state;

	ask(node, "PATCH", "/api/chat/threads/7/", "{\"title\": \"t\", \"participant_ids\": [2, 1]}", 200);
	assert_int_equal(heard.n, 0);
	ask(node, "PATCH", "/api/chat/threads/7/", "{\"participant_ids\": []}", 200);
	assert_told(1, LIVE_THREAD_MEMBERS, 0, 0);
	assert_string_equal(heard.payload, "");
	ask(node, "PUT", "/api/chat/threads/7/", "{\"participant_ids\": [2]}", 200);
	assert_told(2, LIVE_THREAD_MEMBERS, 0, 0);
	ask(node, "DELETE", "/api/chat/threads/7/", "", 204);
	assert_told(3, LIVE_THREAD_GONE, 0, 0);
}

static void test_chat__what_changes_nothing_tells_nothing(void **state)
{
	struct node *node = *state;

	ask(node, "GET", "/api/chat/messages/", "", 200);
	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \"\"}", 400);
	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 8, \"content\": \"x\"}", 400);
	ask(node, "PATCH", "/api/chat/messages/71/", "{\"content\": \"x\"}", 403);
	ask(node, "PATCH", "/api/chat/messages/70/", "{\"thread\": 8}", 400);
	ask(node, "PUT", "/api/chat/threads/7/", "{}", 200);
	ask(node, "POST", "/api/chat/threads/", "{\"participant_ids\": [2]}", 201); /* nobody can be listening yet */
	ask(node, "POST", "/api/chat/reports/", "{\"message\": 71}", 201);
	fault_arm(FAULT_SQL_STEP, 6, /* repeat: */ true);
	node_ask(node, "POST", "/api/chat/messages/",
	         (const char *const[]){ authorization, "content-type: application/json", "body: {\"thread\": 7, \"content\": \"x\"}",
	                                NULL });
	fault_disarm_all();
	assert_true(node->req->reply.status >= 500);
	assert_int_equal(heard.n, 0);
}

/* CHAT_MAX_CONTENT, in characters, after trimming. */
static void test_chat__how_long_a_message_may_be(void **state)
{
	struct node *node = *state;

	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \" éééééééééé \"}", 201);
	ask(node, "POST", "/api/chat/messages/", "{\"thread\": 7, \"content\": \"ééééééééééé\"}", 400);
	assert_json(answer(node->req), "{\"content\":[\"Assurez-vous que ce champ comporte au plus 10 caractères.\"]}");
	ask(node, "PATCH", "/api/chat/messages/70/", "{\"content\": \"ééééééééééé\"}", 400);
	assert_int_equal(heard.n, 1);
}

static void test_chat__rendered_as_answered(void **state)
{
	struct node *node = *state;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	const struct chat_message *messages;
	struct arena arena;
	struct db_rows rows;
	char body[2000];

	ask(node, "GET", "/api/chat/messages/70/", "", 200);
	snprintf(body, sizeof(body), "%.*s", STR_ARG(answer(node->req)));
	arena_init(&arena, 1 << 20);
	assert_int_equal(chat_messages_between(node->executor.db, &arena, 7, 0, 70, 5, &rows), 0);
	messages = rows.items;
	assert_int_equal(rows.n, 1);
	chat_message_render(&messages[0], node->req->origin_prefix, &b);
	assert_string_equal(b.data, body);
	arena_finish(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_chat__##name, open_node, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_message_names_the_one_before), CASE(changes_are_told_as_such),  CASE(who_comes_and_goes),
		CASE(what_changes_nothing_tells_nothing), CASE(how_long_a_message_may_be), CASE(rendered_as_answered),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
