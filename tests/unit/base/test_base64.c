#include "base/base64.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

/* RFC 4648 section 10. */
static const struct {
	struct str plain, standard, url;
} vectors[] = {
	{ STR(""), STR(""), STR("") },
	{ STR("f"), STR("Zg=="), STR("Zg") },
	{ STR("fo"), STR("Zm8="), STR("Zm8") },
	{ STR("foo"), STR("Zm9v"), STR("Zm9v") },
	{ STR("foob"), STR("Zm9vYg=="), STR("Zm9vYg") },
	{ STR("fooba"), STR("Zm9vYmE="), STR("Zm9vYmE") },
	{ STR("foobar"), STR("Zm9vYmFy"), STR("Zm9vYmFy") },
	{ STR("\xff\xef\xbf\x00"), STR("/++/AA=="), STR("_--_AA") },
};

static void test_base64__writes_both_forms(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		CLEANUP(buf_finish) struct buf standard = BUF_EMPTY, url = BUF_EMPTY;

		buf_add_text(&standard, ">");
		buf_add_text(&url, ">");
		base64_add(&standard, BASE64, vectors[i].plain.s, vectors[i].plain.len);
		base64_add(&url, BASE64_URL, vectors[i].plain.s, vectors[i].plain.len);
		assert_string_equal(standard.data + 1, vectors[i].standard.s);
		assert_string_equal(url.data + 1, vectors[i].url.s);
	}
}

static void assert_decodes(struct str text, enum base64_form form, struct str plain)
{
	unsigned char bytes[64];
	size_t n = 99;

	assert_true(BASE64_DECODED_MAX(text.len) <= sizeof(bytes));
	if (!base64_decode(text, form, bytes, &n))
		fail_msg("%s is refused", text.s);
	assert_int_equal(n, plain.len);
	assert_memory_equal(bytes, plain.s, n);
}

static void test_base64__reads_what_it_writes(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		assert_decodes(vectors[i].standard, BASE64, vectors[i].plain);
		assert_decodes(vectors[i].url, BASE64_URL, vectors[i].plain);
	}
	assert_decodes((struct str)STR("Zm8="), BASE64_URL, (struct str)STR("fo")); /* padded rightly */
}

static void test_base64__every_byte_goes_through(void **state)
{
	unsigned char all[256], back[300];

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(all); n++) {
		CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
		size_t got;

		base64_add(&b, BASE64_URL, all, n);
		assert_true(base64_decode(n ? buf_view(&b) : (struct str)STR(""), BASE64_URL, back, &got));
		assert_int_equal(got, n);
		assert_memory_equal(back, all, n);
	}
}

static void test_base64__one_text_for_the_same_bytes(void **state)
{
	static const struct {
		struct str text;
		enum base64_form form;
	} wrong[] = {
		{ STR("Zg"), BASE64 },       { STR("Zg="), BASE64 },       { STR("Zg==="), BASE64 },    { STR("Zm9v=="), BASE64 },
		{ STR("Z"), BASE64_URL },    { STR("Zm9vY"), BASE64_URL }, { STR("Zg="), BASE64_URL },  { STR("="), BASE64_URL },
		{ STR("Zh"), BASE64_URL },   { STR("Zm9"), BASE64_URL },   { STR("Zh=="), BASE64 },     { STR("_--_"), BASE64 },
		{ STR("/++/"), BASE64_URL }, { STR("Zm 9"), BASE64 },      { STR("Zm9v\n"), BASE64 },   { STR("Z=g="), BASE64 },
		{ STR("Zm9\xc3"), BASE64 },  { STR("Zm\0v"), BASE64 },     { STR("Zm9v===="), BASE64 }, { STR("===="), BASE64 },
	};
	unsigned char bytes[64];
	size_t n = 99;

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++)
		if (base64_decode(wrong[i].text, wrong[i].form, bytes, &n))
			fail_msg("%.*s is read", STR_ARG(wrong[i].text));
	assert_false(base64_decode((struct str){ NULL, 0 }, BASE64, bytes, &n));
	assert_int_equal(n, 99);
}

static void test_base64__no_memory_sticks(void **state)
{
	struct buf b = BUF_EMPTY;

	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	base64_add(&b, BASE64, "abc", 3);
	fault_disarm_all();
	assert_true(b.failed);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64__writes_both_forms),       cmocka_unit_test(test_base64__reads_what_it_writes),
		cmocka_unit_test(test_base64__every_byte_goes_through), cmocka_unit_test(test_base64__one_text_for_the_same_bytes),
		cmocka_unit_test(test_base64__no_memory_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
