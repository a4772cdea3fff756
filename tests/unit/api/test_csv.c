#include "api/csv.h"

#include "base/clock.h"
#include "tests/unit/api/fixture.h"

struct row {
	int64_t id;
	struct str text;
	struct instant at;
	struct json_text tags;
	bool other;
};

static const struct field row_list[] = {
	FIELD(struct row, "id", id, INT),      FIELD(struct row, "text", text, TEXT),   FIELD(struct row, "at", at, TIME),
	FIELD(struct row, "tags", tags, JSON), FIELD(struct row, "other", other, BOOL),
};
static const struct fields row_fields = FIELDS(struct row, row_list);

static void assert_line(struct row row, const char *expected)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	csv_add_row(&b, &row_fields, &row);
	assert_false(b.failed);
	assert_string_equal(b.data, expected);
}

static void assert_cell(struct str text, const char *expected)
{
	char line[200];

	snprintf(line, sizeof(line), "1,%s,,,\r\n", expected);
	assert_line((struct row){ .id = 1, .text = text, .at = NULL_TIME }, line);
}
#define CELL(literal, expected) assert_cell((struct str)STR(literal), expected)

static void test_csv__names(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	csv_add_names(&b, &row_fields);
	assert_string_equal(b.data, "id,text,at,tags,other\r\n");
}

static void test_csv__values(void **state)
{
	assert_line((struct row){ .id = 26, .text = STR("Contenu 25"), .at = { 1767225600 * US_PER_S }, .tags = { STR("[\"terre\"]") } },
	            "26,Contenu 25,2026-01-01T00:00:00+00:00,terre,\r\n");
	assert_line((struct row){ .id = -1, .text = STR("é🌾"), .at = { 1 }, .tags = { STR("[\"a\", \"b\"]") } },
	            "-1,é🌾,1970-01-01T00:00:00.000001+00:00,\"a,b\",\r\n");
}

static void test_csv__nothing_is_empty(void **state)
{
	assert_line((struct row){ .id = NULL_INT, .text = { NULL, 0 }, .at = NULL_TIME }, ",,,,\r\n");
	CELL("", "");
	assert_line((struct row){ .id = 1, .at = NULL_TIME, .tags = { STR("[]") } }, "1,,,,\r\n");
	assert_line((struct row){ .id = 1, .at = NULL_TIME, .tags = { STR("[1,\"a\"]") } }, "1,,,\",a\",\r\n");
}

static void test_csv__quotes_where_they_must_be(void **state)
{
	CELL("a,b", "\"a,b\"");
	CELL("a\"b", "\"a\"\"b\"");
	CELL("a\nb", "\"a\nb\"");
	CELL("a\rb", "\"a\rb\"");
	CELL("a b; 'c'", "a b; 'c'");
}

static void test_csv__formulas_do_not_run(void **state)
{
	CELL("=1+1", "'=1+1");
	CELL("+1", "'+1");
	CELL("-1", "'-1");
	CELL("@x", "'@x");
	CELL("\tx", "'\tx");
	CELL("\r=x", "\"'\r=x\"");
	CELL("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
	CELL("a=1", "a=1");
	assert_line((struct row){ .id = 1, .at = NULL_TIME, .tags = { STR("[\"=x\"]") } }, "1,,,'=x,\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv__names),
		cmocka_unit_test(test_csv__values),
		cmocka_unit_test(test_csv__nothing_is_empty),
		cmocka_unit_test(test_csv__quotes_where_they_must_be),
		cmocka_unit_test(test_csv__formulas_do_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
