#include "domain/mail.h"

#include "tests/unit/domain/accounts.h"

/* The addresses of a value of ADMINS, one after the other. */
static const char *addresses_of(struct fixture *f, const char *admins)
{
	static char shown[400];
	const struct settings settings = { .admins = admins };
	const struct str *list;
	struct db_rows rows;
	size_t n = 0;

	shown[0] = '\0';
	assert_ok(mail_admins(&settings, &f->arena, &rows));
	list = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		n += (size_t)snprintf(shown + n, sizeof(shown) - n, "%s%.*s", i ? " " : "", STR_ARG(list[i]));
	return shown;
}

static void test_mail__both_forms_of_admins(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(addresses_of(f, "[[\"Ana\",\"ana@example.org\"],[\"Élie\", \"elie@example.org\"]]"),
	                    "ana@example.org elie@example.org");
	assert_string_equal(addresses_of(f, "Ana,ana@example.org;Élie, elie@example.org "), "ana@example.org elie@example.org");
	assert_string_equal(addresses_of(f, "Ana,ana@example.org"), "ana@example.org");
}

static void test_mail__what_is_no_address_is_left_out(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(addresses_of(f, NULL), "");
	assert_string_equal(addresses_of(f, ""), "");
	assert_string_equal(addresses_of(f, "ana@example.org"), ""); /* no pair */
	assert_string_equal(addresses_of(f, "[]"), "");
	assert_string_equal(addresses_of(f, "[\"ana@example.org\", 3, [], [\"Ana\"], [\"Ana\", 3], [\"Ana\", \"a@b\"]]"), "a@b");
	assert_string_equal(addresses_of(f, "[[\"x\",\"a@b\\nBcc: c@d\"],[\"x\",\"@b\"],[\"x\",\"a@\"],[\"x\",\"a b@c\"],[\"x\",\"\"]]"),
	                    "");
	assert_string_equal(addresses_of(f, "{\"Ana\": \"ana@example.org\"}"), "");
	assert_string_equal(addresses_of(f, ";;,;a,;,b@c;"), "b@c");
}

static void assert_warnings(struct settings settings, const char *expected)
{
	struct mail_warnings found;
	char text[600] = "";
	size_t n = 0;

	if (!settings.alert_webhook_type)
		settings.alert_webhook_type = "generic";
	mail_check_settings(&settings, &found);
	for (size_t i = 0; i < found.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", found.text[i]);
	assert_string_equal(text, expected);
}

static void test_mail__settings_that_cannot_be_meant_so_are_told(void **state)
{
	assert_warnings((struct settings){ 0 }, "");
	assert_warnings((struct settings){ .admins = "[[\"Ana\",\"ana@example.org\"]]",
	                                   .default_from_email = "E <e@x.org>",
	                                   .notify_email = "a@b.c" },
	                "");
	assert_warnings((struct settings){ .admins = "Ana,ana@example.org;" }, "");
	assert_warnings((struct settings){ .admins = "Ana,ana@example.org;eli@example.org" },
	                "ADMINS: 1 of 2 entries are no name and address, and get no mail\n");
	assert_warnings((struct settings){ .admins = "[\"a@b.c\", [\"x\", \"y\"]]" },
	                "ADMINS: 2 of 2 entries are no name and address, and get no mail\n");
	assert_warnings((struct settings){ .admins = "[[\"Ana\"" }, "ADMINS: 1 of 1 entries are no name and address, and get no mail\n");
	assert_warnings((struct settings){ .default_from_email = "Egoejo", .notify_email = "a@b.c, d@e.f" },
	                "DEFAULT_FROM_EMAIL is no address: mails with it cannot be sent\nNOTIFY_EMAIL is no address: mails with it cannot "
	                "be sent\n");
	assert_warnings((struct settings){ .alert_webhook_enabled = true, .alert_webhook_url = "ftp://s3cret" },
	                "ALERT_WEBHOOK_ENABLED without an http or https address in ALERT_WEBHOOK_URL: alerts are not posted\n");
	assert_warnings(
	        (struct settings){ .alert_webhook_enabled = true, .alert_webhook_url = "https://h/x", .alert_webhook_type = "slack" }, "");
	assert_warnings((struct settings){ .alert_webhook_type = "Slack" },
	                "ALERT_WEBHOOK_TYPE is neither generic nor slack: alerts are posted in the generic form\n");
}

static void test_mail__is_configured_by_one_of_two_ways(void **state)
{
	assert_false(mail_is_configured(&(struct settings){ .resend_api_key = NULL }));
	assert_false(mail_is_configured(&(struct settings){ .resend_api_key = "", .email_host = "" }));
	assert_true(mail_is_configured(&(struct settings){ .resend_api_key = "re_x" }));
	assert_true(mail_is_configured(&(struct settings){ .email_host = "smtp.example.org" }));
}

struct order {
	struct db_rows addresses;
	int result; /* of the closure, after the tasks */
};

static int put(struct db_conn *db, void *arg)
{
	const struct order *o = arg;
	int r = mail_put(db, &o->addresses, (struct str)STR("Objet"), (struct str)STR("<p>é</p>"), (struct str)STR("\"é\"\n"));

	return r < 0 ? r : o->result;
}

static void test_mail__a_task_for_each_address(void **state)
{
	struct fixture *f = *state;
	struct str two[] = { STR("a@b.org"), STR("c@d.org") };
	struct order o = { .addresses = { .items = two, .n = 2 } };

	assert_ok(db_write(f->conn, put, &o));
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks.send_email_task'"), 2);
	o.addresses.n = 0;
	assert_ok(db_write(f->conn, put, &o));
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_outbox"), 2);
}

static void test_mail__goes_with_its_transaction(void **state)
{
	struct fixture *f = *state;
	struct str one[] = { STR("a@b.org") };
	struct order o = { .addresses = { .items = one, .n = 1 }, .result = ERR_INVALID };

	assert_int_equal(db_write(f->conn, put, &o), ERR_INVALID);
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_outbox"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_mail__both_forms_of_admins),
		CASE(test_mail__what_is_no_address_is_left_out),
		CASE(test_mail__settings_that_cannot_be_meant_so_are_told),
		CASE(test_mail__is_configured_by_one_of_two_ways),
		CASE(test_mail__a_task_for_each_address),
		CASE(test_mail__goes_with_its_transaction),
	};

	return RUN_ON_BOTH(tests);
}
