/* What mails look like, what is refused; servers that take them are in tests/e2e/test_mail.py. */
#include "tasks/mail.h"

#include <jansson.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "tasks/mail_impl.h"
#include "tests/lib/test.h"

#define KEY     "00000000-0000-4000-8000-000000000001:0"
#define WORD(s) ((struct str)STR(s))

static void assert_text(const struct buf *b, const char *expected)
{
	assert_false(b->failed);
	assert_string_equal(b->data, expected);
}

/* ---- addresses ---- */

static void test_mail__an_address_with_or_without_a_name(void **state)
{
	struct mailbox box;

	assert_true(mailbox_parse(WORD(" ana@example.org "), &box));
	assert_true(str_is(box.address, "ana@example.org"));
	assert_int_equal(box.name.len, 0);
	assert_true(mailbox_parse(WORD("Ana Née <ana@example.org>"), &box));
	assert_true(str_is(box.name, "Ana Née"));
	assert_true(str_is(box.address, "ana@example.org"));
	assert_true(mailbox_parse(WORD("\"Née, Ana\" <ana@example.org>"), &box));
	assert_true(str_is(box.name, "Née, Ana"));
	assert_true(mailbox_parse(WORD("<ana@example.org>"), &box));
	assert_int_equal(box.name.len, 0);
}

static void test_mail__what_is_no_address(void **state)
{
	static const struct str texts[] = {
		STR(""),
		STR("ana"),
		STR("@example.org"),
		STR("ana@"),
		STR("ana@example.org\n"),
		STR("ana@example.org\r\nBcc: eve@example.org"),
		STR("ana@example.org, eve@example.org"),
		STR("ana@example.org;eve@example.org"),
		STR("<a@b.c> <d@e.f>"),
		STR("a@b@c"),
		STR("ana@example.org> SIZE=1 <"),
		STR("Ana\n <ana@example.org>"),
		STR("ana@exa mple.org"),
		STR("ana\0@example.org"),
		STR("ana\xff@example.org"),
		STR("Ana <ana@example.org> x"),
		STR("\"ana b\"@example.org"),
		{ NULL, 0 },
	};
	struct mailbox box;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_false(mailbox_parse(texts[i], &box));
}

static void test_mail__the_sender(void **state)
{
	assert_true(
	        str_is(mail_sender(&(struct settings){ .default_from_email = "E <e@x.org>", .notify_email = "n@x.org" }), "E <e@x.org>"));
	assert_true(str_is(mail_sender(&(struct settings){ .notify_email = "n@x.org" }), "n@x.org"));
	assert_true(str_is(mail_sender(&(struct settings){ 0 }), "noreply@egoejo.org"));
}

/* ---- headers ---- */

static void assert_header(struct str value, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	mail_add_header(&b, value, 9);
	assert_text(&b, expected);
}

static void test_mail__ascii_headers_are_as_they_are(void **state)
{
	assert_header(WORD("Bonjour, Ana: 50 % !"), "Bonjour, Ana: 50 % !");
}

static void test_mail__other_headers_are_encoded(void **state)
{
	assert_header(WORD("Réussi"), "=?UTF-8?B?UsOpdXNzaQ==?=");
	assert_header(WORD("=?UTF-8?B?aGVsbG8=?="), "=?UTF-8?B?PT9VVEYtOD9CP2FHVnNiRzg9Pz0=?=");
}

/* 21 characters of two bytes fill a word; one letter before them moves each border into a character. */
static void test_mail__long_headers_are_folded_between_characters(void **state)
{
	struct str rest, line;
	CLEANUP(buf_finish) struct buf value = BUF_EMPTY, b = BUF_EMPTY, back = BUF_EMPTY;

	buf_add_char(&value, 'a');
	for (int i = 0; i < 300; i++)
		buf_add_text(&value, i % 2 ? "é" : "🌱");
	mail_add_header(&b, buf_view(&value), 9);
	rest = buf_view(&b);
	while (str_split(&rest, '\n', &line)) {
		unsigned char bytes[BASE64_DECODED_MAX(80)];
		size_t n;

		line = str_trim(line);
		assert_true(line.len <= 75 && str_starts(line, "=?UTF-8?B?"));
		assert_true(base64_decode((struct str){ line.s + 10, line.len - 12 }, BASE64, bytes, &n));
		assert_true(str_valid_utf8((struct str){ (char *)bytes, n }));
		buf_add(&back, bytes, n);
	}
	assert_string_equal(back.data, value.data);
}

/* ---- the message ---- */

static const struct settings settings = { .default_from_email = "Égoejo <noreply@egoejo.org>" };

static void assert_message(const struct mail *mail, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct mail_report report = { 0 };
	struct letter letter;

	assert_int_equal(letter_make(&settings, mail, &letter, &report), 0);
	mail_add_message(&b, &letter, (struct instant){ INT64_C(1764146096) * US_PER_S });
	assert_text(&b, expected);
}

/* The first 32 digits of the SHA-256 of the key; the boundary is made of the Message-ID in the same way. */
#define HEAD                                                                 \
	"From: =?UTF-8?B?w4lnb2Vqbw==?=\r\n <noreply@egoejo.org>\r\n"        \
	"To: Ana\r\n <ana@example.org>\r\nSubject: =?UTF-8?B?w4l0w6k=?=\r\n" \
	"Date: Wed, 26 Nov 2025 08:34:56 +0000\r\n"                          \
	"Message-ID: <9101ece056697b67bdb6a67b5506c15c@egoejo.org>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"

static void test_mail__two_forms_are_alternatives(void **state)
{
	const struct mail mail = { WORD("Ana <ana@example.org>"), WORD("Été"), WORD("<p>Été</p>"), WORD("Été\n.\n"), WORD(KEY) };

	assert_message(&mail, HEAD "Content-Type: multipart/alternative;\r\n boundary=\"=_3c59cf76e945f0f2e662891a86569264\"\r\n\r\n"
	                           "--=_3c59cf76e945f0f2e662891a86569264\r\nContent-Type: text/plain; "
	                           "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	                           "w4l0w6kKLgo=\r\n\r\n"
	                           "--=_3c59cf76e945f0f2e662891a86569264\r\nContent-Type: text/html; "
	                           "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	                           "PHA+w4l0w6k8L3A+\r\n\r\n--=_3c59cf76e945f0f2e662891a86569264--\r\n");
}

static void test_mail__one_form_stands_alone(void **state)
{
	struct mail mail = { WORD("Ana <ana@example.org>"), WORD("Été"), WORD("<p>Été</p>"), { NULL, 0 }, WORD(KEY) };

	assert_message(&mail,
	               HEAD "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+w4l0w6k8L3A+\r\n");
	mail.html = (struct str){ NULL, 0 };
	mail.text = WORD("A line that is longer than the 57 bytes of which base64 makes one");
	assert_message(&mail, HEAD "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	                           "QSBsaW5lIHRoYXQgaXMgbG9uZ2VyIHRoYW4gdGhlIDU3IGJ5dGVzIG9mIHdoaWNoIGJhc2U2NCBt\r\nYWtlcyBvbmU=\r\n");
}

static void test_mail__the_message_id_is_that_of_the_key(void **state)
{
	struct mail mail = { WORD("a@b.c"), WORD("s"), WORD("h"), { NULL, 0 }, WORD(KEY) };
	struct letter one, two;
	struct mail_report report = { 0 };

	assert_int_equal(letter_make(&settings, &mail, &one, &report), 0);
	assert_int_equal(letter_make(&settings, &mail, &two, &report), 0);
	assert_string_equal(one.message_id, two.message_id);
	assert_string_equal(one.key, KEY);
	mail.idempotency_key = WORD("00000000-0000-4000-8000-000000000001:1");
	assert_int_equal(letter_make(&settings, &mail, &two, &report), 0);
	assert_string_not_equal(one.message_id, two.message_id);
	mail.idempotency_key = (struct str){ NULL, 0 };
	assert_int_equal(letter_make(&settings, &mail, &one, &report), 0);
	assert_int_equal(letter_make(&settings, &mail, &two, &report), 0);
	assert_string_equal(one.key, "");
	assert_string_not_equal(one.message_id, two.message_id);
}

static void test_mail__a_key_that_is_no_header_is_its_digest(void **state)
{
	struct mail mail = { WORD("a@b.c"), WORD("s"), WORD("h"), { NULL, 0 }, WORD("id\r\nX-Evil: 1:0") };
	struct mail_report report = { 0 };
	struct letter letter;

	assert_int_equal(letter_make(&settings, &mail, &letter, &report), 0);
	assert_int_equal(strlen(letter.key), 64);
}

/* ---- Resend ---- */

static void test_mail__the_json_of_resend(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct mail mail = { WORD("ana@example.org"), WORD("Été \"\\"), WORD("<p>1</p>"), WORD("1\n2"), WORD(KEY) };
	struct mail_report report = { 0 };
	struct letter letter;

	assert_int_equal(letter_make(&settings, &mail, &letter, &report), 0);
	mail_add_resend(&b, &letter);
	assert_text(&b, "{\"from\": \"Égoejo <noreply@egoejo.org>\", \"to\": [\"ana@example.org\"], \"subject\": \"Été \\\"\\\\\", "
	                "\"html\": \"<p>1</p>\", \"text\": \"1\\n2\"}");
	buf_clear(&b);
	mail.text = (struct str){ NULL, 0 };
	mail_add_resend(&b, &letter);
	assert_text(&b, "{\"from\": \"Égoejo <noreply@egoejo.org>\", \"to\": [\"ana@example.org\"], \"subject\": \"Été \\\"\\\\\", "
	                "\"html\": \"<p>1</p>\"}");
}

/* ---- refused before anything is sent ---- */

static void assert_refused(const struct settings *with, const struct mail *mail, const char *error)
{
	const struct task_services services = { .settings = with };
	struct mail_report report;

	assert_int_equal(mail_send(&services, MAIL_ANY, mail, NULL, &report), MAIL_REFUSED);
	assert_string_equal(report.error, error);
}

static void test_mail__a_line_break_in_a_header_is_refused(void **state)
{
	const struct settings s = { .resend_api_key = "k", .resend_api_url = "http://127.0.0.1:1" };
	const struct settings bad = { .resend_api_key = "k",
		                      .resend_api_url = "http://127.0.0.1:1",
		                      .default_from_email = "a@b.c\nBcc: d@e.f" };
	struct mail mail = { WORD("a@b.c\r\nBcc: d@e.f"), WORD("s"), WORD("h"), { NULL, 0 }, WORD(KEY) };

	assert_refused(&s, &mail, "the recipient is no address");
	mail.to = WORD("a@b.c");
	mail.subject = WORD("s\nBcc: d@e.f");
	assert_refused(&s, &mail, "the subject is missing, too long, or has a line break");
	mail.subject = WORD("s");
	assert_refused(&bad, &mail, "the sender (DEFAULT_FROM_EMAIL, NOTIFY_EMAIL) is no address");
	mail.html.s = NULL;
	assert_refused(&s, &mail, "the mail has no text");
}

static void test_mail__without_a_way_it_says_so(void **state)
{
	const struct settings none = { 0 };
	const struct task_services services = { .settings = &none };
	struct mail_report report;

	assert_int_equal(mail_send(&services, MAIL_SMTP, &(struct mail){ WORD("a@b.c"), WORD("s"), WORD("h") }, NULL, &report),
	                 MAIL_NOT_CONFIGURED);
	assert_string_equal(report.error, "neither RESEND_API_KEY nor EMAIL_HOST is set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail__an_address_with_or_without_a_name),
		cmocka_unit_test(test_mail__what_is_no_address),
		cmocka_unit_test(test_mail__the_sender),
		cmocka_unit_test(test_mail__ascii_headers_are_as_they_are),
		cmocka_unit_test(test_mail__other_headers_are_encoded),
		cmocka_unit_test(test_mail__long_headers_are_folded_between_characters),
		cmocka_unit_test(test_mail__two_forms_are_alternatives),
		cmocka_unit_test(test_mail__one_form_stands_alone),
		cmocka_unit_test(test_mail__the_message_id_is_that_of_the_key),
		cmocka_unit_test(test_mail__a_key_that_is_no_header_is_its_digest),
		cmocka_unit_test(test_mail__the_json_of_resend),
		cmocka_unit_test(test_mail__a_line_break_in_a_header_is_refused),
		cmocka_unit_test(test_mail__without_a_way_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
