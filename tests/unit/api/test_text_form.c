#include "api/text_form.h"

#include "tests/unit/api/fixture.h"

static void check_all(bool (*is_formed)(struct str), const char *const *texts, size_t n, bool expected)
{
	for (size_t i = 0; i < n; i++) {
		if (is_formed(str_of(texts[i])) == expected)
			continue;
		print_error("%s is %s\n", texts[i], expected ? "refused" : "accepted");
		fail();
	}
}

static void test_text_form__good_emails(void **state)
{
	static const char *const good[] = { "a@b.co",
		                            "first.last+tag@sub.example.org",
		                            "!#$%&'*+/=?^_`{}|~-0@x.fr",
		                            "\"quoted@local\"@example.com",
		                            "\"a\\ b\\\"\"@example.com",
		                            "a@localhost",
		                            "a@[127.0.0.1]",
		                            "a@[::1]",
		                            "a@exámple.fr",
		                            "a@xn--exmple-qta.fr",
		                            "a@1.fr",
		                            "a@b.XN--P1AI" };

	(void)state;
	check_all(is_email, good, N_ELEMENTS(good), true);
}

static void test_text_form__bad_emails(void **state)
{
	static const char *const bad[] = { "",         "a",           "@b.co",           "a@",           "a@b",          "a@b.c",
		                           ".a@b.co",  "a.@b.co",     "a..b@b.co",       "a b@b.co",     "a@b..co",      "a@-b.co",
		                           "a@b-.co",  "a@b.co-",     "a@[127.0.0.256]", "a@[x]",        "a@[]",         "a@b co.fr",
		                           "a@b.co\n", "\"a\"b@c.de", "\"a\"\"@c.de",    "\"a b\"@c.de", "\"a\\\"@c.de", "é@b.co",
		                           "a@b_c.de", "a@@b.co",     "a@1.22",          "a@b.c2",       "a@LOCALHOST" };

	(void)state;
	check_all(is_email, bad, N_ELEMENTS(bad), false);
}

static void test_text_form__email_length(void **state)
{
	char text[400];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 312, "@bc.defg", 8);
	assert_true(is_email((struct str){ text, 320 }));
	assert_false(is_email((struct str){ text, 321 }));
}

static void test_text_form__good_urls(void **state)
{
	static const char *const good[] = { "http://example.org",
		                            "https://example.org/",
		                            "HTTPS://Example.ORG:8080/a?b=c#d",
		                            "ftp://user:pass@example.org/x",
		                            "ftps://user@example.org",
		                            "http://user:@example.org",
		                            "http://localhost",
		                            "http://localhost:3000/x",
		                            "http://127.0.0.1:8000",
		                            "http://[::1]/",
		                            "http://[2001:db8::1]:80/x",
		                            "http://exámple.fr/é",
		                            "http://例子.测试",
		                            "http://xn--fsqu00a.xn--0zwm56d",
		                            "http://example.org?x",
		                            "http://example.org#x",
		                            "http://example.org./",
		                            "http://a.b--c.de" };

	(void)state;
	check_all(is_url, good, N_ELEMENTS(good), true);
}

static void test_text_form__bad_urls(void **state)
{
	static const char *const bad[] = { "",
		                           "example.org",
		                           "//example.org",
		                           "javascript:alert(1)",
		                           "data:text/plain,x",
		                           "gopher://example.org",
		                           "http://",
		                           "http:///x",
		                           "http://x",
		                           "http://x.y",
		                           "http://.org",
		                           "http://-a.org",
		                           "http://a-.org",
		                           "http://a..org",
		                           "http://a.org:123456",
		                           "http://a.org:x",
		                           "http://a.org:",
		                           "http://1.2.3",
		                           "http://1.2.3.256",
		                           "http://1.2.3.4.",
		                           "http://localhost.",
		                           "http://[::1",
		                           "http://[]",
		                           "http://[127.0.0.1]",
		                           "http://[::1]x",
		                           "http://evil.example\\@a.org/",
		                           "http://a.org/a b",
		                           "http://a.org/\xc2\xa0",
		                           "http://a.org/\t",
		                           " http://a.org",
		                           "http://@a.org",
		                           "http://u:p:q@a.org",
		                           "http://a@b@c.org",
		                           "http:/a.org",
		                           "http//a.org" };

	(void)state;
	check_all(is_url, bad, N_ELEMENTS(bad), false);
}

static void test_text_form__long_hosts(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	buf_add_text(&b, "http://");
	for (int i = 0; i < 63; i++)
		buf_add_char(&b, 'a');
	buf_add_text(&b, ".org");
	assert_true(is_url(buf_view(&b)));
	buf_clear(&b);
	buf_add_text(&b, "http://");
	for (int i = 0; i < 64; i++)
		buf_add_char(&b, 'a');
	buf_add_text(&b, ".org");
	assert_false(is_url(buf_view(&b)));
	buf_clear(&b);
	buf_add_text(&b, "http://");
	for (int i = 0; i < 126; i++)
		buf_add_text(&b, "a.");
	buf_add_text(&b, "org"); /* 255 bytes */
	assert_false(is_url(buf_view(&b)));
}

static void test_text_form__slugs(void **state)
{
	static const char *const good[] = { "a", "A-b_9", "-", "_" };
	static const char *const bad[] = { "", "é", "a b", "a.b", "a/b" };

	(void)state;
	check_all(is_slug, good, N_ELEMENTS(good), true);
	check_all(is_slug, bad, N_ELEMENTS(bad), false);
	assert_false(is_slug(TEXT("a\0b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_form__good_emails),  cmocka_unit_test(test_text_form__bad_emails),
		cmocka_unit_test(test_text_form__email_length), cmocka_unit_test(test_text_form__good_urls),
		cmocka_unit_test(test_text_form__bad_urls),     cmocka_unit_test(test_text_form__long_hosts),
		cmocka_unit_test(test_text_form__slugs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
