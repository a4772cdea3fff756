#include "api/client_address.h"

#include "tests/unit/api/node.h"

#define SECRET "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"

static int open_node(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", NULL });
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

static void assert_client(struct node *node, const char *peer, const char *forwarded, const char *expected)
{
	char peer_text[80], header[300];
	struct request *req;

	snprintf(peer_text, sizeof(peer_text), "peer: %s", peer);
	snprintf(header, sizeof(header), "x-forwarded-for: %s", forwarded ? forwarded : "");
	req = node_request(node, "GET", "/api/", (const char *const[]){ peer_text, forwarded ? header : NULL, NULL });
	req->peer_trusted = site_trusts(node->site, &req->peer);
	assert_text(client_address(req), expected);
	assert_ptr_equal(client_address(req).s, client_address(req).s); /* once */
}

static void test_client_address__the_peer(void **state)
{
	assert_client(*state, "203.0.113.5", NULL, "203.0.113.5");
	assert_client(*state, "127.0.0.1", NULL, "127.0.0.1");
	assert_client(*state, "0.9.10.255", NULL, "0.9.10.255");
	assert_client(*state, "100.99.199.200", NULL, "100.99.199.200");
	assert_client(*state, "::ffff:203.0.113.5", NULL, "203.0.113.5");
	assert_client(*state, "2001:db8:0:0::1", NULL, "2001:db8::1");
}

static void test_client_address__nobody_but_a_trusted_proxy_is_believed(void **state)
{
	assert_client(*state, "203.0.113.5", "198.51.100.1", "203.0.113.5");
	assert_client(*state, "127.0.0.1", "198.51.100.1", "198.51.100.1");
	assert_client(*state, "::1", " 2001:DB8::1 ", "2001:db8::1");
	assert_client(*state, "10.0.0.3", "::ffff:198.51.100.1", "198.51.100.1");
}

static void test_client_address__the_right_most_that_is_no_proxy(void **state)
{
	assert_client(*state, "127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1");
	assert_client(*state, "127.0.0.1", "6.6.6.6,198.51.100.1 , 10.0.0.2,192.168.1.1", "198.51.100.1");
	assert_client(*state, "127.0.0.1", "nonsense, 198.51.100.1, 10.0.0.2", "198.51.100.1");
}

static void test_client_address__what_is_no_address_says_nothing(void **state)
{
	static const char *const wrong[] = { "",
		                             ",",
		                             "unknown",
		                             "198.51.100.1:80",
		                             "[2001:db8::1]",
		                             "198.51.100.1, nonsense",
		                             "198.51.100.1,",
		                             "198.51.100.1, nonsense, 10.0.0.2",
		                             "198.51.100",
		                             "198.51.100.1.1",
		                             "1234567890123456789012345678901234567890123456789012345678901234567890",
		                             "10.0.0.2",
		                             "10.0.0.2, 192.168.1.1" };

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		assert_client(*state, "127.0.0.1", wrong[i], "127.0.0.1");
}

static void test_client_address__a_peer_without_one(void **state)
{
	struct node *node = *state;
	struct request *req = node_request(node, "GET", "/api/", NULL);

	req->peer = (struct sockaddr_storage){ .ss_family = AF_UNIX };
	assert_text(client_address(req), "unknown");
	req = node_request(node, "GET", "/api/", NULL);
	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	arena_finish(&req->arena);
	arena_init(&req->arena, 1 << 20);
	assert_text(client_address(req), "unknown");
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_address__the_peer),
		cmocka_unit_test(test_client_address__nobody_but_a_trusted_proxy_is_believed),
		cmocka_unit_test(test_client_address__the_right_most_that_is_no_proxy),
		cmocka_unit_test(test_client_address__what_is_no_address_says_nothing),
		cmocka_unit_test(test_client_address__a_peer_without_one),
	};

	return cmocka_run_group_tests(tests, open_node, close_node);
}
