/* What sockets are told of polls, by requests and without one. What callers are answered: tests/e2e/test_polls.py. */
#include "api/live_json.h"
#include "domain/live.h"
#include "domain/poll.h"
#include "domain/token.h"
#include "tests/unit/api/node.h"

#define SECRET "0123456789012345678901234567890123456789012345678901"

/* What a listener heard. */
static struct heard {
	int n, answered;
	enum live_kind kind;
	int64_t id, caller;
	uint64_t request;
	char payload[2000];
} heard;

static void hear(void *arg, const struct live_event *event)
{
	(void)arg;
	heard.n++;
	heard.kind = event->kind;
	heard.id = event->id;
	heard.caller = event->caller;
	heard.request = event->request;
	snprintf(heard.payload, sizeof(heard.payload), "%.*s", STR_ARG(event->payload));
}

static void hear_answer(void *arg, uint64_t request)
{
	(void)arg;
	heard.answered += request == heard.request;
}

static const struct live live = { .announce = hear, .answered = hear_answer };
static char authorization[600];

static int open_node(void **state)
{
	struct node *node = node_open((const char *const[]){ "DJANGO_SECRET_KEY=" SECRET, "DEBUG=1", NULL });
	struct arena arena;
	struct token token;

	node_write(node, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	                 "first_name) VALUES (1, '!', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', '');"
	                 "INSERT INTO core_poll (id, title, question, description, status, is_anonymous, allow_multiple, created_at, "
	                 "updated_at, voting_method, is_shareholder_vote, created_by_id) VALUES (7, 'Titre', 'q', '', 'open', true, false, "
	                 "'2026-01-05 00:00:00', '2026-01-05 00:00:00', 'quadratic', false, 1);"
	                 "INSERT INTO core_polloption (id, label, position, poll_id) VALUES (70, 'a', 0, 7), (71, 'b', 1, 7)");
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

/* The last answer's JSON is what was told. */
static void assert_told_as_answered(struct node *node)
{
	char body[2000];

	snprintf(body, sizeof(body), "%.*s", STR_ARG(answer(node->req)));
	assert_string_equal(heard.payload, body);
}

static void test_polls__changes_are_told(void **state)
{
	static const struct {
		const char *method, *target, *body;
	} acts[] = { { "PATCH", "/api/polls/7/", "{\"quorum\": 2}" },
		     { "PUT", "/api/polls/7/", "{\"title\": \"t\", \"question\": \"q\", \"options\": [{\"id\": 70, \"label\": \"c\"}]}" },
		     { "POST", "/api/polls/7/close/", "" },
		     { "POST", "/api/polls/7/open/", "" } };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(acts); i++) {
		ask(node, acts[i].method, acts[i].target, acts[i].body, 200);
		assert_int_equal(heard.n, i + 1);
		assert_int_equal(heard.kind, LIVE_POLL_UPDATE);
		assert_int_equal(heard.id, 7);
		assert_int_equal(heard.caller, 1);
		assert_true(heard.request != 0);
		assert_told_as_answered(node);
	}
}

/* The poll alone: what the vote weighs is the voter's own affair. */
static void test_polls__a_vote_is_told_without_its_grains(void **state)
{
	struct node *node = *state;
	char body[4000];

	ask(node, "POST", "/api/polls/7/vote/", "{\"votes\": [{\"option_id\": 71, \"points\": 3}]}", 200);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.kind, LIVE_POLL_UPDATE);
	snprintf(body, sizeof(body), "%.*s", STR_ARG(answer(node->req)));
	assert_non_null(strstr(body, "saka_info"));
	assert_null(strstr(heard.payload, "saka_info"));
	assert_non_null(strstr(heard.payload, "\"total_votes\":1"));
}

static void test_polls__what_changes_nothing_tells_nothing(void **state)
{
	struct node *node = *state;

	ask(node, "GET", "/api/polls/7/", "", 200);
	ask(node, "POST", "/api/polls/7/vote/", "{\"votes\": []}", 400);
	ask(node, "PATCH", "/api/polls/7/", "{\"title\": \"\"}", 400);
	ask(node, "POST", "/api/polls/8/open/", "", 404);
	ask(node, "POST", "/api/polls/", "{\"title\": \"t\", \"question\": \"q\"}", 201); /* nobody can be listening yet */
	fault_arm(FAULT_SQL_STEP, 12, /* repeat: */ true);
	node_ask(node, "POST", "/api/polls/7/close/", (const char *const[]){ authorization, NULL });
	fault_disarm_all();
	assert_true(node->req->reply.status >= 500);
	assert_int_equal(heard.n, 0);
}

static void test_polls__a_deletion_is_told(void **state)
{
	struct node *node = *state;

	ask(node, "DELETE", "/api/polls/7/", "", 204);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.kind, LIVE_POLL_GONE);
	assert_int_equal(heard.id, 7);
	assert_string_equal(heard.payload, "");
}

static void test_polls__rendered_as_answered(void **state)
{
	struct node *node = *state;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct arena arena;
	struct poll poll;

	arena_init(&arena, 1 << 20);
	assert_int_equal(poll_find(node->http.db, &arena, 7, &poll), 0);
	buf_add_text(&b, "<");
	poll_render(&poll, &b);
	ask(node, "GET", "/api/polls/7/", "", 200);
	assert_int_equal(b.len, answer(node->req).len + 1);
	assert_memory_equal(b.data + 1, answer(node->req).s, b.len - 1);
	arena_finish(&arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_polls__##name, open_node, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(changes_are_told),
		CASE(a_vote_is_told_without_its_grains),
		CASE(what_changes_nothing_tells_nothing),
		CASE(a_deletion_is_told),
		CASE(rendered_as_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
