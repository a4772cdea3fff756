#include <sys/wait.h>

#include "api/fields.h"
#include "tests/unit/api/fixture.h"

struct tag {
	int64_t id;
	struct str label;
};

struct thing {
	bool open;
	int64_t count, owner;
	double rate;
	struct decimal price;
	struct instant seen, day;
	struct str title, slug, choice, email, url, file;
	struct json_text extra;
	struct db_rows tags;
	struct tag inner;
};

static const struct field tag_list[] = {
	FIELD(struct tag, "id", id, INT),
	FIELD(struct tag, "label", label, TEXT),
};
static const struct fields tag_fields = FIELDS(struct tag, tag_list);

static const struct field part_list[] = {
	FIELD(struct thing, "count", count, INT),
	FIELD_CONSTANT("meta", "{\"unit\":\"€\"}"),
};
static const struct fields part_fields = FIELDS(struct thing, part_list);

static const struct field thing_list[] = {
	FIELD(struct thing, "open", open, BOOL),
	FIELD(struct thing, "count", count, INT),
	FIELD(struct thing, "rate", rate, FLOAT),
	FIELD(struct thing, "price", price, DECIMAL),
	FIELD(struct thing, "seen", seen, TIME),
	FIELD(struct thing, "day", day, DATE),
	FIELD(struct thing, "title", title, TEXT),
	FIELD(struct thing, "slug", slug, SLUG),
	FIELD(struct thing, "extra", extra, JSON),
	FIELD(struct thing, "choice", choice, CHOICE),
	FIELD(struct thing, "email", email, EMAIL),
	FIELD(struct thing, "url", url, URL),
	FIELD(struct thing, "file", file, FILE),
	FIELD(struct thing, "owner", owner, REFERENCE),
	FIELD(struct thing, "tags", tags, ROWS, .of = &tag_fields),
	FIELD_PART("part", &part_fields),
};
static const struct fields thing_fields = FIELDS(struct thing, thing_list);

static const struct thing null_thing = {
	.count = NULL_INT,
	.owner = NULL_INT,
	.rate = __builtin_nan(""),
	.price = { INT64_MIN },
	.seen = { INT64_MIN },
	.day = { INT64_MIN },
};

static void test_fields_out__every_kind(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct tag tags[] = { { 1, TEXT("a") }, { 2, TEXT("\"b\"") } };
	struct thing thing = {
		.open = true,
		.count = -3,
		.owner = 9,
		.rate = 5,
		.price = { -2505 },
		.seen = { 1767603600000001 },
		.day = { 1767571200000000 },
		.title = TEXT("Été\n"),
		.slug = TEXT("a-b"),
		.choice = TEXT("x"),
		.email = TEXT("a@b.co"),
		.url = TEXT("http://a.org"),
		.file = TEXT("dir/a b.pdf"),
		.extra = { TEXT("[1,{\"a\":null}]") },
		.tags = { tags, 2 },
	};

	(void)state;
	fields_write(&b, &thing_fields, &thing, TEXT("https://h.org"));
	assert_text(buf_view(&b),
	            "{\"open\":true,\"count\":-3,\"rate\":5.0,\"price\":\"-25.05\",\"seen\":\"2026-01-05T09:00:00.000001+00:00\","
	            "\"day\":\"2026-01-05\",\"title\":\"Été\\n\",\"slug\":\"a-b\",\"extra\":[1,{\"a\":null}],\"choice\":\"x\","
	            "\"email\":\"a@b.co\",\"url\":\"http://a.org\",\"file\":\"https://h.org/media/dir/a%20b.pdf\",\"owner\":9,"
	            "\"tags\":[{\"id\":1,\"label\":\"a\"},{\"id\":2,\"label\":\"\\\"b\\\"\"}],"
	            "\"part\":{\"count\":-3,\"meta\":{\"unit\":\"€\"}}}");
}

static void test_fields_out__nulls(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	fields_write(&b, &thing_fields, &null_thing, TEXT(""));
	assert_json(buf_view(&b), "{\"open\":false,\"count\":null,\"rate\":null,\"price\":null,\"seen\":null,\"day\":null,\"title\":null,"
	                          "\"slug\":null,\"extra\":null,\"choice\":null,\"email\":null,\"url\":null,\"file\":null,\"owner\":null,"
	                          "\"tags\":[],\"part\":{\"count\":null,\"meta\":{\"unit\":\"€\"}}}");
}

static void test_fields_out__a_table_of_no_fields(void **state)
{
	static const struct fields none = { NULL, 0, 0 };
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	fields_write(&b, &none, NULL, TEXT(""));
	assert_text(buf_view(&b), "{}");
}

static void test_fields_out__rows(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct tag tags[] = { { 1, TEXT("a") }, { 2, NOTHING }, { 3, TEXT("c") } };

	(void)state;
	fields_write_rows(&b, &tag_fields, &(struct db_rows){ tags, 3 }, TEXT(""));
	assert_text(buf_view(&b), "[{\"id\":1,\"label\":\"a\"},{\"id\":2,\"label\":null},{\"id\":3,\"label\":\"c\"}]");
	buf_clear(&b);
	fields_write_rows(&b, &tag_fields, &(struct db_rows){ NULL, 0 }, TEXT(""));
	assert_text(buf_view(&b), "[]");
}

static void assert_file(struct str path, const char *expected)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	fields_write_file(&b, path, TEXT("http://h"));
	assert_text(buf_view(&b), expected);
}

static void test_fields_out__file_paths_are_encoded_as_django_does(void **state)
{
	(void)state;
	assert_file(TEXT("a/b-c_d.e~f!g*h'i(j)"), "\"http://h/media/a/b-c_d.e~f!g*h'i(j)\"");
	assert_file(TEXT("é\"<>?#%"), "\"http://h/media/%C3%A9%22%3C%3E%3F%23%25\"");
	assert_file(TEXT("a\\b"), "\"http://h/media/a/b\"");
	assert_file(TEXT("a\0\x01\x7f"), "\"http://h/media/a%00%01%7F\"");
	assert_file(TEXT(""), "null");
	assert_file(NOTHING, "null");
}

/* Whether the compiler takes a declaration of a field; the source folder is the working directory (meson.build). */
static bool compiles(const char *field)
{
	const char *compiler = getenv("CC");
	char command[200];
	FILE *in;

	snprintf(command, sizeof(command), "%s -std=c11 -D_GNU_SOURCE -I. -fsyntax-only -x c - 2>/dev/null", compiler ? compiler : "cc");
	in = popen(command, "w");
	assert_non_null(in);
	fprintf(in,
	        "#include \"api/fields.h\"\nstruct s { int64_t n; struct str t; struct instant i; bool b; };\n"
	        "static const struct field list[] = { FIELD(struct s, \"x\", %s) };\nextern const struct fields all;\n"
	        "const struct fields all = FIELDS(struct s, list);\n",
	        field);
	return pclose(in) == 0;
}

static void test_fields_out__a_kind_that_does_not_fit_its_member_does_not_compile(void **state)
{
	static const char *const good[] = { "n, INT", "n, REFERENCE", "t, TEXT", "t, URL, .max_chars = 3", "i, DATE", "b, BOOL" };
	static const char *const bad[] = { "n, TEXT", "t, INT",     "i, INT",   "b, INT", "n, BOOL",
		                           "t, JSON", "n, DECIMAL", "n, FLOAT", "t, ROWS" };

	(void)state;
	if (!compiles("n, INT"))
		skip(); /* no compiler here */
	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		assert_true(compiles(good[i]));
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(compiles(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_out__every_kind),
		cmocka_unit_test(test_fields_out__nulls),
		cmocka_unit_test(test_fields_out__a_table_of_no_fields),
		cmocka_unit_test(test_fields_out__rows),
		cmocka_unit_test(test_fields_out__file_paths_are_encoded_as_django_does),
		cmocka_unit_test(test_fields_out__a_kind_that_does_not_fit_its_member_does_not_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
