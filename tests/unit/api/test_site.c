#include "api/site.h"

#include <arpa/inet.h>

#include "base/fault.h"
#include "tests/unit/api/fixture.h"

/* Settings and the site made of them. */
struct fixture {
	struct settings *settings;
	struct site *site;
};

/* NAME=value pairs, NULL at the end. */
static const char *from_list(const char *variable, void *arg)
{
	const char *const *list = arg;
	size_t n = strlen(variable);

	for (; *list; list++)
		if (strncmp(*list, variable, n) == 0 && (*list)[n] == '=')
			return *list + n + 1;
	return NULL;
}

static void open_site(struct fixture *f, const char *const *list)
{
	struct error err = { 0 };
	union {
		const char *const *list;
		void *arg;
	} source = { list };

	assert_int_equal(settings_load(from_list, source.arg, false, &f->settings, &err), 0);
	assert_int_equal(site_create(f->settings, &f->site, &err), 0);
}
#define OPEN(...)         \
	open_site(*state, \
	          (const char *const[]){ "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901", __VA_ARGS__, NULL })

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	site_destroy(f->site);
	settings_destroy(f->settings);
	free(f);
	return 0;
}

static bool allows(void **state, const char *host)
{
	return site_allows_host(((struct fixture *)*state)->site, str_of(host));
}

static const char *origin(void **state, const char *header)
{
	return site_allowed_origin(((struct fixture *)*state)->site, str_of(header));
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage peer = { .ss_family = AF_INET };

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&peer)->sin_addr) == 1)
		return peer;
	peer.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&peer)->sin6_addr), 1);
	return peer;
}

static bool trusts(void **state, const char *text)
{
	struct sockaddr_storage peer = address(text);

	return site_trusts(((struct fixture *)*state)->site, &peer);
}

/* ---- hosts ---- */

static void test_site__exact_hosts(void **state)
{
	OPEN("ALLOWED_HOSTS=api.example.org,[::2],Example.COM.");
	assert_true(allows(state, "api.example.org"));
	assert_true(allows(state, "API.Example.Org:8000"));
	assert_true(allows(state, "api.example.org."));
	assert_true(allows(state, "api.example.org.:443"));
	assert_true(allows(state, "[::2]"));
	assert_true(allows(state, "[::2]:80"));
	assert_true(allows(state, "example.com"));
	assert_false(allows(state, "example.org"));
	assert_false(allows(state, "x.api.example.org"));
	assert_false(allows(state, "[::1]"));
	assert_false(allows(state, "localhost"));
}

static void test_site__a_domain_with_its_subdomains(void **state)
{
	OPEN("ALLOWED_HOSTS=.example.org");
	assert_true(allows(state, "example.org"));
	assert_true(allows(state, "a.b.EXAMPLE.org:1"));
	assert_false(allows(state, "badexample.org"));
	assert_false(allows(state, "example.org.evil.com"));
	assert_false(allows(state, "org"));
}

static void test_site__a_star_allows_what_is_well_formed(void **state)
{
	OPEN("ALLOWED_HOSTS=*");
	assert_true(allows(state, "anything"));
	assert_true(allows(state, "192.0.2.1:65535"));
	assert_false(allows(state, "a b"));
	assert_false(allows(state, "a/b"));
	assert_false(allows(state, "user@host"));
	assert_false(allows(state, "host:65536"));
	assert_false(allows(state, "host:x"));
	assert_false(allows(state, "host:"));
	assert_false(allows(state, "host:80:80"));
	assert_false(allows(state, ":80"));
	assert_false(allows(state, ""));
	assert_false(allows(state, NULL));
	assert_false(allows(state, "[::1"));
	assert_false(allows(state, "[]"));
	assert_false(allows(state, "[::g]"));
	assert_false(allows(state, "[::1]x"));
	assert_false(allows(state, "exa_mple.org"));
	assert_false(allows(state, "h\xc3\xa9"));
	assert_false(site_allows_host(((struct fixture *)*state)->site, TEXT("a\0b")));
	assert_false(site_allows_host(((struct fixture *)*state)->site, TEXT("[\0\0]")));
}

static void test_site__development_allows_local_names(void **state)
{
	OPEN("DEBUG=1");
	assert_true(allows(state, "localhost"));
	assert_true(allows(state, "LOCALHOST:8000"));
	assert_true(allows(state, "app.localhost"));
	assert_true(allows(state, "127.0.0.1:8000"));
	assert_true(allows(state, "[::1]:8000"));
	assert_false(allows(state, "127.0.0.2"));
	assert_false(allows(state, "notlocalhost"));
	assert_false(allows(state, "example.org"));
}

static void test_site__a_list_replaces_the_local_names(void **state)
{
	OPEN("DEBUG=1", "ALLOWED_HOSTS=example.org");
	assert_true(allows(state, "example.org"));
	assert_false(allows(state, "localhost"));
}

static void test_site__production_without_a_list_refuses_all(void **state)
{
	OPEN("ENABLE_SAKA=true");
	assert_false(allows(state, "localhost"));
	assert_false(allows(state, "127.0.0.1"));
}

/* ---- origins ---- */

static void test_site__origins(void **state)
{
	OPEN("CORS_ALLOWED_ORIGINS=https://app.example.org,http://localhost:3000");
	assert_string_equal(origin(state, "https://app.example.org"), "https://app.example.org");
	assert_string_equal(origin(state, "HTTPS://app.example.org"), "https://app.example.org");
	assert_string_equal(origin(state, "https://app.example.org/a/path"), "https://app.example.org");
	assert_string_equal(origin(state, "http://localhost:3000"), "http://localhost:3000");
	assert_null(origin(state, "https://App.example.org"));
	assert_null(origin(state, "http://app.example.org"));
	assert_null(origin(state, "https://app.example.org:443"));
	assert_null(origin(state, "https://app.example.org.evil.com"));
	assert_null(origin(state, "https://app.example.or"));
	assert_null(origin(state, "http://localhost:30000"));
	assert_null(origin(state, "null"));
	assert_null(origin(state, ""));
	assert_null(origin(state, NULL));
}

static void test_site__development_allows_local_origins(void **state)
{
	OPEN("DEBUG=1");
	assert_non_null(origin(state, "http://localhost:3000"));
	assert_non_null(origin(state, "http://127.0.0.1:5174"));
	assert_null(origin(state, "http://localhost:8080"));
	assert_null(origin(state, "https://localhost:3000"));
}

/* ---- proxies ---- */

static void test_site__the_default_proxies_are_private(void **state)
{
	OPEN("DEBUG=1");
	assert_true(trusts(state, "127.0.0.1"));
	assert_true(trusts(state, "127.255.255.255"));
	assert_true(trusts(state, "::1"));
	assert_true(trusts(state, "10.1.2.3"));
	assert_true(trusts(state, "172.16.0.1"));
	assert_true(trusts(state, "172.31.255.255"));
	assert_true(trusts(state, "192.168.1.1"));
	assert_true(trusts(state, "fd00::1"));
	assert_true(trusts(state, "fe80::1"));
	assert_true(trusts(state, "febf::1"));
	assert_true(trusts(state, "::ffff:10.0.0.1"));
	assert_false(trusts(state, "172.32.0.1"));
	assert_false(trusts(state, "172.15.255.255"));
	assert_false(trusts(state, "11.0.0.1"));
	assert_false(trusts(state, "8.8.8.8"));
	assert_false(trusts(state, "::2"));
	assert_false(trusts(state, "fec0::1"));
	assert_false(trusts(state, "2001:db8::1"));
	assert_false(trusts(state, "::ffff:8.8.8.8"));
}

static void test_site__prefixes_that_end_within_a_byte(void **state)
{
	OPEN("TRUSTED_PROXIES=192.0.2.128/25,2001:db8:8000::/33,198.51.100.7,203.0.113.0/31");
	assert_true(trusts(state, "192.0.2.128"));
	assert_true(trusts(state, "192.0.2.255"));
	assert_false(trusts(state, "192.0.2.127"));
	assert_true(trusts(state, "2001:db8:ffff::1"));
	assert_false(trusts(state, "2001:db8:7fff::1"));
	assert_true(trusts(state, "198.51.100.7"));
	assert_false(trusts(state, "198.51.100.6"));
	assert_true(trusts(state, "203.0.113.1"));
	assert_false(trusts(state, "203.0.113.2"));
	assert_false(trusts(state, "127.0.0.1"));
}

static void test_site__a_prefix_of_nothing_holds_all_of_its_family(void **state)
{
	OPEN("TRUSTED_PROXIES=0.0.0.0/0");
	assert_true(trusts(state, "8.8.8.8"));
	assert_true(trusts(state, "::ffff:8.8.8.8"));
	assert_false(trusts(state, "2001:db8::1"));
}

/* settings_load refuses these too; what reaches a site otherwise must not be half understood. */
static void test_site__a_proxy_that_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = { "proxy.local", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "10.0.0", "", "::1::" };
	struct fixture *f = *state;
	struct error err;

	OPEN("DEBUG=1");
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct settings settings = *f->settings;
		struct str items[] = { TEXT("127.0.0.1"), str_of(bad[i]) };
		struct site *site = NULL;

		settings.trusted_proxies = (struct setting_list){ items, 2 };
		assert_int_equal(site_create(&settings, &site, &err), ERR_CONFIG);
		assert_null(site);
		assert_non_null(strstr(err.text, "TRUSTED_PROXIES"));
	}
}

static void test_site__an_address_of_no_internet_family_is_nobody(void **state)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNIX };

	OPEN("TRUSTED_PROXIES=0.0.0.0/0,::/0");
	assert_false(site_trusts(((struct fixture *)*state)->site, &peer));
	assert_false(site_is_loopback(&peer));
}

static void test_site__loopback(void **state)
{
	static const char *const yes[] = { "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1" };
	static const char *const no[] = { "128.0.0.1", "10.0.0.1", "::", "::2", "::ffff:10.0.0.1" };
	struct sockaddr_storage peer;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
		peer = address(yes[i]);
		assert_true(site_is_loopback(&peer));
	}
	for (size_t i = 0; i < N_ELEMENTS(no); i++) {
		peer = address(no[i]);
		assert_false(site_is_loopback(&peer));
	}
}

/* ---- what is made at start ---- */

static void test_site__hsts(void **state)
{
	struct fixture *f = *state;

	OPEN("ALLOWED_HOSTS=x.org");
	assert_string_equal(f->site->hsts, "max-age=31536000; includeSubDomains; preload");
	teardown(state), setup(state), f = *state;
	OPEN("SECURE_HSTS_SECONDS=60", "SECURE_HSTS_INCLUDE_SUBDOMAINS=0", "SECURE_HSTS_PRELOAD=0");
	assert_string_equal(f->site->hsts, "max-age=60");
	teardown(state), setup(state), f = *state;
	OPEN("SECURE_HSTS_SECONDS=0");
	assert_string_equal(f->site->hsts, "");
	teardown(state), setup(state), f = *state;
	OPEN("DEBUG=1");
	assert_string_equal(f->site->hsts, "");
}

static void test_site__the_constant_answers(void **state)
{
	struct fixture *f = *state;
	json_t *root CLEANUP(json_decrefp) = NULL;

	OPEN("DEBUG=1", "ENABLE_SAKA=true", "FOUNDER_GROUP_NAME=Les \"amis\"", "EGOEJO_COMMISSION_RATE=0.1");
	assert_json(
	        blob_view(f->site->features->body),
	        "{\"investment_enabled\":false,\"commission_rate\":0.1,\"stripe_fee_estimate\":0.03,\"founder_group_name\":\"Les "
	        "\\\"amis\\\"\","
	        "\"saka_enabled\":true,\"saka_vote_enabled\":false,\"saka_project_boost_enabled\":false,\"saka_compost_enabled\":false}");
	root = parse(blob_view(f->site->root->body));
	assert_string_equal(json_string_value(json_object_get(root, "version")), "1.0.0");
	assert_int_equal(json_object_size(root), 5);
}

static void test_site__without_memory(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct site *site = NULL;
	int r = -1;

	OPEN("DEBUG=1");
	for (int n = 1; r < 0; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		r = site_create(f->settings, &site, &err);
		fault_disarm_all();
		assert_true(r == 0 || (r == ERR_NOMEM && !site));
		assert_true(n < 30);
	}
	site_destroy(site);
	site_destroy(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_site__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(exact_hosts),
		CASE(a_domain_with_its_subdomains),
		CASE(a_star_allows_what_is_well_formed),
		CASE(development_allows_local_names),
		CASE(a_list_replaces_the_local_names),
		CASE(production_without_a_list_refuses_all),
		CASE(origins),
		CASE(development_allows_local_origins),
		CASE(the_default_proxies_are_private),
		CASE(prefixes_that_end_within_a_byte),
		CASE(a_prefix_of_nothing_holds_all_of_its_family),
		CASE(a_proxy_that_is_no_address_is_refused),
		CASE(an_address_of_no_internet_family_is_nobody),
		CASE(loopback),
		CASE(hsts),
		CASE(the_constant_answers),
		CASE(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
