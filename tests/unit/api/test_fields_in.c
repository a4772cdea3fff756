/*
 * Each case reads a body of one or a few fields by a table that has every kind. `accept` reads a body into the fixture's
 * row and fails when it is refused; `refused` says which fields it was refused for, as "name name …" in the table's order.
 */
#include "api/fields.h"
#include "api/json_in.h"
#include "base/fault.h"
#include "tests/unit/api/fixture.h"

struct option {
	struct str label;
	int64_t rank;
};

struct place {
	struct str street;
	int64_t number;
};

struct thing {
	bool open;
	int64_t count, small, owner, known;
	double rate;
	struct decimal price, wide;
	struct instant seen, day;
	struct str title, note, maybe, slug, choice, mood, email, url, file, status;
	struct json_text extra;
	struct db_rows options, people;
	struct place place;
};

static const struct field option_list[] = {
	FIELD(struct option, "label", label, TEXT, .flags = FIELD_REQUIRED, .max_chars = 5),
	FIELD(struct option, "rank", rank, INT),
};
static const struct fields option_fields = FIELDS(struct option, option_list);

static const struct field place_list[] = {
	FIELD(struct place, "street", street, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct place, "number", number, INT, .flags = FIELD_NULLABLE),
};
static const struct fields place_fields = FIELDS(struct place, place_list);

static const char *const moods[] = { "good", "bad", "1", "2.5", NULL };

static int only_seven(struct db_conn *db, int64_t id)
{
	(void)db;
	return id == 7 ? 0 : id == 500 ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
}

/* The first fields by number. */
enum { F_STATUS, F_TITLE, F_NOTE, F_MAYBE, F_OPEN, F_COUNT, F_SMALL };

static const struct field thing_list[] = {
	FIELD(struct thing, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct thing, "title", title, TEXT, .max_chars = 5),
	FIELD(struct thing, "note", note, TEXT, .flags = FIELD_BLANK),
	FIELD(struct thing, "maybe", maybe, TEXT, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "open", open, BOOL),
	FIELD(struct thing, "count", count, INT, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "small", small, INT, .min = -5, .max = 10),
	FIELD(struct thing, "rate", rate, FLOAT, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "price", price, DECIMAL, .flags = FIELD_NULLABLE, .digits = 6, .min = 0, .max = 500000),
	FIELD(struct thing, "wide", wide, DECIMAL),
	FIELD(struct thing, "seen", seen, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "day", day, DATE),
	FIELD(struct thing, "slug", slug, SLUG),
	FIELD(struct thing, "choice", choice, CHOICE, .choices = moods),
	FIELD(struct thing, "mood", mood, CHOICE, .choices = moods, .flags = FIELD_BLANK | FIELD_NULLABLE),
	FIELD(struct thing, "email", email, EMAIL),
	FIELD(struct thing, "url", url, URL, .flags = FIELD_BLANK, .max_chars = 30),
	FIELD(struct thing, "file", file, FILE, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "owner", owner, REFERENCE, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "known", known, REFERENCE, .known = only_seven),
	FIELD(struct thing, "extra", extra, JSON, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "options", options, ROWS, .of = &option_fields, .min = 1, .max = 3),
	{ .name = "place", .kind = FIELD_OBJECT, .offset = offsetof(struct thing, place), .of = &place_fields },
	FIELD(struct thing, "people", people, REFERENCES, .max = 4),
	FIELD_CONSTANT("meta", "{}"),
};
static const struct fields thing_fields = FIELDS(struct thing, thing_list);

static const struct field strict_list[] = {
	FIELD(struct thing, "title", title, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct thing, "count", count, INT, .flags = FIELD_REQUIRED),
	FIELD(struct thing, "open", open, BOOL, .flags = FIELD_REQUIRED),
	FIELD(struct thing, "status", status, TEXT, .flags = FIELD_REQUIRED | FIELD_READ_ONLY),
};
static const struct fields strict_fields = FIELDS(struct thing, strict_list);

static const struct field strict_json_list[] = { FIELD(struct thing, "extra", extra, JSON) };
static const struct fields strict_json_fields = FIELDS(struct thing, strict_json_list);

struct fixture {
	struct arena arena;
	struct thing thing;
	uint64_t present;
	struct buf errors;
	bool partial;
	bool is_form;
	bool staff;
};

/* Stands for a connection: only_seven does not look at it. */
static char connection;

static int read_into(struct fixture *f, const struct fields *fields, const char *type, struct str bytes)
{
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct fields_input in = { .body = &body, .arena = &f->arena, .db = (struct db_conn *)&connection, .partial = f->partial };
	const char *why;
	int r = body_read(str_of(type), bytes, &f->arena, &body, &why);

	assert_int_equal(r, 0);
	return fields_read(fields, &in, &f->thing, &f->errors, &f->present);
}

static int read_body(struct fixture *f, const struct fields *fields, struct str bytes)
{
	return read_into(f, fields, f->is_form ? "application/x-www-form-urlencoded" : "application/json", bytes);
}

static void accept_(struct fixture *f, const char *body, const char *file, int line)
{
	if (read_body(f, &thing_fields, str_of(body)) == 0)
		return;
	print_error("%s was refused: %.*s\n", body, STR_ARG(buf_view(&f->errors)));
	_fail(file, line);
}
#define accept(body) accept_(f, body, __FILE__, __LINE__)

/* The names of the fields with an error, in order; each must have one text. */
static const char *error_names(struct fixture *f)
{
	json_t *errors CLEANUP(json_decrefp) = parse(buf_view(&f->errors));
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	const char *name;
	json_t *list;

	json_object_foreach(errors, name, list)
	{
		assert_int_equal(json_array_size(list), 1);
		assert_true(json_string_length(json_array_get(list, 0)) > 10);
		buf_addf(&b, "%s%s", b.len ? " " : "", name);
	}
	return arena_strndup(&f->arena, b.data, b.len);
}

static void refused_(struct fixture *f, const struct fields *fields, struct str body, const char *names, const char *file, int line)
{
	int r = read_body(f, fields, body);

	if (r == ERR_INVALID && strcmp(error_names(f), names) == 0)
		return;
	print_error("%.*s: result %d, errors %.*s\n", STR_ARG(body), r, STR_ARG(buf_view(&f->errors)));
	_fail(file, line);
}
#define refused(body, names) refused_(f, &thing_fields, str_of(body), names, __FILE__, __LINE__)

/* Each value, put for the name, is refused for it. */
static void refuse_values(struct fixture *f, const char *name, const char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		refused_(f, &thing_fields, str_of(arena_printf(&f->arena, "{\"%s\": %s}", name, values[i])), name, __FILE__, __LINE__);
}
#define REFUSE_VALUES(name, ...) \
	refuse_values(f, name, (const char *const[]){ __VA_ARGS__ }, N_ELEMENTS(((const char *const[]){ __VA_ARGS__ })))

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	arena_init(&f->arena, 64 * 1024 * 1024);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_finish(&f->errors);
	arena_finish(&f->arena);
	free(f);
	return 0;
}

/* ---- the walk ---- */

static void test_fields_in__an_empty_body_is_an_empty_object(void **state)
{
	struct fixture *f = *state;

	accept("");
	assert_int_equal(f->present, 0);
	accept("{}");
	assert_int_equal(f->present, 0);
	refused_(f, &strict_fields, TEXT(""), "title count open", __FILE__, __LINE__);
	assert_int_equal(read_into(f, &thing_fields, "text/plain", TEXT("")), 0);
	assert_int_equal(read_into(f, &thing_fields, NULL, TEXT("")), 0);
}

static void test_fields_in__absent_fields_stay_as_they_are(void **state)
{
	struct fixture *f = *state;

	f->thing = (struct thing){ .count = 42, .open = true, .title = TEXT("before") };
	accept("{\"note\": \"x\"}");
	assert_int_equal(f->thing.count, 42);
	assert_true(f->thing.open);
	assert_text(f->thing.title, "before");
	assert_text(f->thing.note, "x");
}

static void test_fields_in__present_tells_what_was_there(void **state)
{
	struct fixture *f = *state;

	accept("{\"note\": \"x\", \"count\": null, \"status\": \"x\", \"unknown\": 1}");
	assert_int_equal(f->present, UINT64_C(1) << F_NOTE | UINT64_C(1) << F_COUNT);
}

static void test_fields_in__unknown_and_read_only_fields_are_ignored(void **state)
{
	struct fixture *f = *state;

	accept("{\"status\": 5, \"meta\": [], \"no-such\": {\"a\": [1e999]}, \"\": 1}");
	assert_null(f->thing.status.s);
	assert_int_equal(f->present, 0);
}

struct ranked {
	struct str title;
	int64_t rank;
	double rate;
};

static const struct field ranked_list[] = {
	FIELD(struct ranked, "title", title, TEXT),
	FIELD(struct ranked, "rank", rank, INT, .flags = FIELD_STAFF | FIELD_REQUIRED, .max = 9),
	FIELD(struct ranked, "rate", rate, FLOAT),
};
static const struct fields ranked_fields = FIELDS(struct ranked, ranked_list);

static int read_ranked(struct fixture *f, const char *text, struct ranked *row)
{
	struct body_value body CLEANUP(body_finish) = { .root = NULL };
	struct fields_input in = { .body = &body, .arena = &f->arena, .staff = f->staff };
	const char *why;

	assert_int_equal(body_read(str_of("application/json"), str_of(text), &f->arena, &body, &why), 0);
	return fields_read(&ranked_fields, &in, row, &f->errors, &f->present);
}

static void test_fields_in__fields_of_staff_are_ignored_from_others(void **state)
{
	struct fixture *f = *state;
	struct ranked row = { .rank = 3 };

	assert_int_equal(read_ranked(f, "{\"rank\": 7, \"title\": \"a\"}", &row), 0);
	assert_int_equal(row.rank, 3);
	assert_int_equal(f->present, 1);
	assert_int_equal(read_ranked(f, "{\"rank\": \"nonsense\"}", &row), 0);
	f->staff = true;
	assert_int_equal(read_ranked(f, "{\"rank\": 7}", &row), 0);
	assert_int_equal(row.rank, 7);
	assert_int_equal(f->present, 2);
	assert_int_equal(read_ranked(f, "{\"rank\": 10}", &row), ERR_INVALID);
	assert_int_equal(read_ranked(f, "{}", &row), ERR_INVALID);
}

static void test_fields_in__a_merge_copies_what_was_present(void **state)
{
	const struct ranked from = { TEXT("new"), 8, 0.5 };
	struct ranked to = { TEXT("old"), 1, 0.25 };

	fields_merge(&ranked_fields, 0, &to, &from);
	assert_true(str_is(to.title, "old") && to.rank == 1 && to.rate == 0.25);
	fields_merge(&ranked_fields, 5, &to, &from);
	assert_true(str_is(to.title, "new") && to.rank == 1 && to.rate == 0.5);
	fields_merge(&ranked_fields, 2, &to, &from);
	assert_int_equal(to.rank, 8);
}

static void test_fields_in__required_fields(void **state)
{
	struct fixture *f = *state;

	refused_(f, &strict_fields, TEXT("{\"count\": 1}"), "title open", __FILE__, __LINE__);
	refused_(f, &strict_fields, TEXT("{\"title\": null, \"count\": \"x\", \"open\": 1}"), "title count", __FILE__, __LINE__);
	assert_int_equal(read_body(f, &strict_fields, TEXT("{\"title\": \"t\", \"count\": 1, \"open\": false}")), 0);
}

static void test_fields_in__a_partial_body_lacks_nothing(void **state)
{
	struct fixture *f = *state;

	f->partial = true;
	assert_int_equal(read_body(f, &strict_fields, TEXT("{\"count\": 2}")), 0);
	assert_int_equal(f->present, 2);
	assert_int_equal(read_body(f, &strict_fields, TEXT("{}")), 0);
	refused_(f, &strict_fields, TEXT("{\"title\": null}"), "title", __FILE__, __LINE__);
	accept("{\"place\": {}}");
	assert_int_equal(read_body(f, &thing_fields, TEXT("{\"options\": [{}]}")), ERR_INVALID); /* a new element is whole */
}

static void test_fields_in__all_errors_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	refused("{\"title\": \"too long\", \"open\": \"perhaps\", \"count\": 1.5, \"note\": \"fine\", \"small\": 11, \"day\": 1, "
	        "\"email\": \"x\"}",
	        "title open count small day email");
}

static void test_fields_in__a_body_that_is_no_object(void **state)
{
	struct fixture *f = *state;

	refused("[]", "non_field_errors");
	refused("null", "non_field_errors");
	refused("1", "non_field_errors");
	refused("\"a\"", "non_field_errors");
	refused("[{\"title\": \"a\"}]", "non_field_errors");
}

static void test_fields_in__null_where_it_is_not_allowed(void **state)
{
	struct fixture *f = *state;

	refused("{\"title\":null,\"note\":null,\"open\":null,\"small\":null,\"day\":null,\"choice\":null,\"email\":null,\"known\":null,"
	        "\"options\":null,"
	        "\"place\":null}",
	        "title note open small day choice email known options place");
}

static void test_fields_in__null_where_it_is_allowed(void **state)
{
	struct fixture *f = *state;

	f->thing.maybe = f->thing.mood = f->thing.file = f->thing.extra.text = TEXT("x");
	accept("{\"maybe\":null,\"count\":null,\"rate\":null,\"price\":null,\"seen\":null,\"mood\":null,\"file\":null,\"owner\":null,"
	       "\"extra\":null}");
	assert_null(f->thing.maybe.s);
	assert_null(f->thing.mood.s);
	assert_null(f->thing.file.s);
	assert_null(f->thing.extra.text.s);
	assert_true(f->thing.count == NULL_INT && f->thing.owner == NULL_INT);
	assert_true(isnan(f->thing.rate));
	assert_true(f->thing.price.cents == NULL_DECIMAL.cents && f->thing.seen.us == NULL_TIME.us);
}

/* ---- kinds ---- */

static void test_fields_in__text(void **state)
{
	struct fixture *f = *state;

	accept("{\"title\": \" \\u00a0\\u3000h\xc3\xa9llo\\n\\t \"}"); /* five characters of six bytes, between spaces of any kind */
	assert_text(f->thing.title, "héllo");
	accept("{\"title\": 12}");
	assert_text(f->thing.title, "12");
	accept("{\"note\": 7.0, \"maybe\": 99999999999999999999}");
	assert_text(f->thing.note, "7.0");
	assert_text(f->thing.maybe, "99999999999999999999");
	accept("{\"note\": \"  \"}");
	assert_text(f->thing.note, "");
	accept("{\"note\": \"\\ud83d\\ude00\"}");
	assert_text(f->thing.note, "😀");
	REFUSE_VALUES("title", "true", "false", "[]", "[\"a\"]", "{}", "\"\"", "\"  \\u2003\"", "\"a\\u0000\"", "\"\\ud800\"", "\"sixsix\"",
	              "123456");
}

/* Each refusal of `thing` under its own name, so many sentences. */
static void assert_sentences(struct fixture *f, const char *member, const char *value, size_t n)
{
	struct body_value body CLEANUP(
	        body_finish) = { .root = json_pack("{s:o}", member, json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)) };
	struct fields_input in = { .body = &body, .arena = &f->arena };
	json_t *errors;

	assert_int_equal(fields_read(&thing_fields, &in, &f->thing, &f->errors, NULL), ERR_INVALID);
	errors = json_loads(f->errors.data, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(errors, member)), n);
	json_decref(errors);
}

static void test_fields_in__limits_and_form_are_told_together(void **state)
{
	struct fixture *f = *state;

	assert_sentences(f, "title", "\"six\\u0000six\"", 2);
	assert_sentences(f, "url", "\"no url of less than thirty characters\"", 2);
	assert_sentences(f, "url", "\"no url of thirty\\u0000 characters and more\"", 3);
	assert_sentences(f, "url", "\"no url\"", 1);
	assert_sentences(f, "title", "\"\"", 1);
}

static void test_fields_in__text_outlives_its_body(void **state)
{
	struct fixture *f = *state;
	char *body = strdup("{\"note\":\"kept\",\"extra\":{\"a\":\"kept\"},\"slug\":\"kept\"}");

	accept(body);
	memset(body, 'x', strlen(body));
	free(body);
	assert_text(f->thing.note, "kept");
	assert_text(f->thing.slug, "kept");
	assert_text(f->thing.extra.text, "{\"a\":\"kept\"}");
}

static void test_fields_in__slug(void **state)
{
	struct fixture *f = *state;

	accept("{\"slug\": \" un-slug_2 \"}");
	assert_text(f->thing.slug, "un-slug_2");
	accept("{\"slug\": 12}");
	assert_text(f->thing.slug, "12");
	REFUSE_VALUES("slug", "\"a b\"", "\"é\"", "\"\"", "\"a/b\"", "1.5", "true");
}

static void test_fields_in__boolean(void **state)
{
	static const char *const yes[] = { "true",     "1",        "1.0",      "\"1\"", "\"t\"",   "\"T\"",
		                           "\"true\"", "\"True\"", "\"TRUE\"", "\"y\"", "\"Yes\"", "\"ON\"" };
	static const char *const no[] = { "false",     "0",         "0.0",       "\"0\"", "\"f\"",  "\"F\"",
		                          "\"false\"", "\"False\"", "\"FALSE\"", "\"n\"", "\"No\"", "\"off\"" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
		f->thing.open = false;
		accept(arena_printf(&f->arena, "{\"open\":%s}", yes[i]));
		assert_true(f->thing.open);
		accept(arena_printf(&f->arena, "{\"open\":%s}", no[i]));
		assert_false(f->thing.open);
	}
	REFUSE_VALUES("open", "2", "-1", "0.5", "\"\"", "\"maybe\"", "\"tRUE\"", "\"oN\"", "\"yeS\"", "\" true\"", "[]", "{}", "\"10\"",
	              "null");
}

static void test_fields_in__integer(void **state)
{
	struct fixture *f = *state;

	accept("{\"count\": -12}");
	assert_int_equal(f->thing.count, -12);
	accept("{\"count\": \" +7 \"}");
	assert_int_equal(f->thing.count, 7);
	accept("{\"count\": \"5.0\"}");
	assert_int_equal(f->thing.count, 5);
	accept("{\"count\": 6.0}");
	assert_int_equal(f->thing.count, 6);
	accept("{\"count\": \"8.\"}");
	assert_int_equal(f->thing.count, 8);
	accept("{\"count\": 9223372036854775807}");
	assert_true(f->thing.count == INT64_MAX);
	accept("{\"small\": -5}");
	accept("{\"small\": 10}");
	REFUSE_VALUES("count", "1.5", "\"1.5\"", "true", "\"\"", "\"x\"", "\"1 2\"", "\"--1\"", "\"+\"", "\".0\"", "[]", "{}", "1e22",
	              "1e999", "9223372036854775808", "-9223372036854775808", "\"99999999999999999999\"", "\"0x10\"", "\"1_0\"");
	REFUSE_VALUES("small", "-6", "11", "\"11\"", "9223372036854775808", "-9223372036854775809");
}

static void test_fields_in__a_very_long_number_is_refused(void **state)
{
	struct fixture *f = *state;
	char digits[1100];

	memset(digits, '0', sizeof(digits));
	digits[1000] = '\0';
	accept(arena_printf(&f->arena, "{\"count\":\"%s\"}", digits)); /* a long zero is a zero */
	digits[1000] = '0', digits[1001] = '\0';
	REFUSE_VALUES("count", arena_printf(&f->arena, "\"%s\"", digits));
	REFUSE_VALUES("price", arena_printf(&f->arena, "\"%s\"", digits));
	REFUSE_VALUES("rate", arena_printf(&f->arena, "\"%s\"", digits));
}

static void test_fields_in__float(void **state)
{
	struct fixture *f = *state;

	accept("{\"rate\": 5}");
	assert_true(f->thing.rate == 5);
	accept("{\"rate\": \" -2.5e-3 \"}");
	assert_true(f->thing.rate == -0.0025);
	accept("{\"rate\": 99999999999999999999}");
	assert_true(f->thing.rate == 1e20);
	accept("{\"rate\": 0.1}");
	assert_true(f->thing.rate == 0.1);
	REFUSE_VALUES("rate", "1e999", "-1e999", "\"inf\"", "\"nan\"", "\"NaN\"", "\"Infinity\"", "\"\"", "\"x\"", "\"0x1p3\"", "true",
	              "[]", "{}");
}

static void test_fields_in__decimal(void **state)
{
	static const struct {
		const char *value;
		int64_t cents;
	} good[] = { { "12", 1200 },   { "12.5", 1250 },      { "\"12.50\"", 1250 }, { "\" 0012.5 \"", 1250 }, { "7.01", 701 },
		     { "0", 0 },       { "1234.56", 123456 }, { "\"1E2\"", 10000 },  { "1e2", 10000 },         { "\"-0.00\"", 0 },
		     { "\".5\"", 50 }, { "\"5.\"", 500 },     { "5000", 500000 },    { "\"125e-2\"", 125 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		accept(arena_printf(&f->arena, "{\"price\":%s}", good[i].value));
		assert_int_equal(f->thing.price.cents, good[i].cents);
	}
	REFUSE_VALUES("price", "7.015", "\"1.500\"", "12345", "\"12345.00\"", "1234567", "-1", "5000.01", "1e999", "\"nan\"", "\"sNaN\"",
	              "\"Infinity\"", "\"1,5\"", "true", "[]", "{}", "1e-3", "\"1e99999999999999999999\"", "\"1e-5000000\"",
	              "99999999999999999999", "0.1e5");
}

static void test_fields_in__a_blank_decimal_is_null_where_it_may_be(void **state)
{
	static const char *const blanks[] = { "", " ", "\\u00a0\\t" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(blanks); i++) {
		f->thing.price.cents = 1;
		accept(arena_printf(&f->arena, "{\"price\":\"%s\"}", blanks[i]));
		assert_true(f->thing.price.cents == NULL_DECIMAL.cents);
	}
	REFUSE_VALUES("wide", "\"\"", "\" \"");
}

static void test_fields_in__wide_decimals_keep_every_digit(void **state)
{
	struct fixture *f = *state;

	accept("{\"wide\": \"9999999999999999.99\"}");
	assert_true(f->thing.wide.cents == INT64_C(999999999999999999));
	accept("{\"wide\": \"-9999999999999999.99\"}");
	assert_true(f->thing.wide.cents == INT64_C(-999999999999999999));
	accept("{\"wide\": 9999999999999999}");
	assert_true(f->thing.wide.cents == INT64_C(999999999999999900));
	REFUSE_VALUES("wide", "10000000000000000", "\"10000000000000000.00\"", "\"1e17\"", "\"0.001\"");
}

static void test_fields_in__instant(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "2026-01-05T09:00:00Z", 1767603600000000 },       { "2026-01-05 09:00", 1767603600000000 },
		{ "2026-01-05T03:00:00-06:00", 1767603600000000 },  { "2026-01-05T09:00:00.5+00:00", 1767603600500000 },
		{ "2026-01-05T14:30:00+0530", 1767603600000000 },   { "2026-01-05", 1767571200000000 },
		{ "0001-01-01T00:00:00", -62135596800000000 },      { "9999-12-31T23:59:59.999999", 253402300799999999 },
		{ "2026-01-05T09:00:00.000001", 1767603600000001 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		accept(arena_printf(&f->arena, "{\"seen\":\"%s\"}", good[i].text));
		assert_true(f->thing.seen.us == good[i].us);
	}
	REFUSE_VALUES("seen", "\"\"", "1767603600", "\"1767603600\"", "\"2026-02-30\"", "\"2026-13-01T00:00\"", "\"05/01/2026\"",
	              "\"2026-01-05T25:00\"", "true", "[]", "\"0001-01-01T00:00:00+01:00\"", "\"9999-12-31T23:59:59-00:01\"",
	              "\"2026-01-05T09\"", "\"demain\"");
}

static void test_fields_in__date(void **state)
{
	struct fixture *f = *state;

	accept("{\"day\": \"2024-02-29\"}");
	assert_true(f->thing.day.us == INT64_C(1709164800000000));
	REFUSE_VALUES("day", "\"2023-02-29\"", "\"2024-02-29T00:00\"", "\"2024-2-29\"", "\"\"", "20240229", "\"20240229\"",
	              "\"2024-02-29 \"");
}

static void test_fields_in__choice(void **state)
{
	struct fixture *f = *state;

	accept("{\"choice\": \"good\"}");
	assert_text(f->thing.choice, "good");
	accept("{\"choice\": 1}");
	assert_text(f->thing.choice, "1");
	accept("{\"choice\": 2.5, \"mood\": \"\"}");
	assert_text(f->thing.choice, "2.5");
	assert_text(f->thing.mood, "");
	REFUSE_VALUES("choice", "\"\"", "\"Good\"", "\" good\"", "\"other\"", "true", "[]", "[\"good\"]", "{}", "1.0", "\"good\\u0000\"");
	REFUSE_VALUES("mood", "\" \"");
}

static void test_fields_in__email_and_url(void **state)
{
	struct fixture *f = *state;

	accept("{\"email\": \" a@b.org \", \"url\": \"https://a.org/x\"}");
	assert_text(f->thing.email, "a@b.org");
	assert_text(f->thing.url, "https://a.org/x");
	accept("{\"url\": \" \"}");
	assert_text(f->thing.url, "");
	REFUSE_VALUES("email", "\"\"", "\"a\"", "1", "true");
	REFUSE_VALUES("url", "\"a.org\"", "\"javascript:alert(1)\"", "\"https://a.org/much-too-long-for-it\"", "1", "[]");
}

static void test_fields_in__file_takes_null_only(void **state)
{
	struct fixture *f = *state;

	REFUSE_VALUES("file", "\"a.pdf\"", "\"\"", "1", "{}");
}

static void test_fields_in__reference(void **state)
{
	struct fixture *f = *state;

	accept("{\"owner\": 5, \"known\": \"7\"}");
	assert_int_equal(f->thing.owner, 5);
	assert_int_equal(f->thing.known, 7);
	accept("{\"owner\": \"\"}");
	assert_true(f->thing.owner == NULL_INT);
	accept("{\"owner\": -3, \"known\": 7.0}"); /* without a look-up any number will do */
	REFUSE_VALUES("owner", "true", "[]", "{}", "\"x\"", "1.5", "\"1.0\"", "99999999999999999999", "\"99999999999999999999\"", "\" \"");
	REFUSE_VALUES("known", "8", "\"8\"", "-7", "\"\"", "99999999999999999999");
}

/* The ids that were read, "5 7". */
static const char *people_of(struct fixture *f)
{
	const int64_t *ids = f->thing.people.items;
	char *text = arena_zalloc(&f->arena, 200);

	assert_non_null(ids);
	for (size_t i = 0; i < f->thing.people.n; i++)
		snprintf(text + strlen(text), 200 - strlen(text), "%s%lld", i ? " " : "", (long long)ids[i]);
	return text;
}

static void test_fields_in__references(void **state)
{
	struct fixture *f = *state;

	accept("{\"people\": [5, \" 7 \", 7.0, 5]}");
	assert_string_equal(people_of(f), "5 7 7 5");
	accept("{\"people\": []}"); /* a list, if an empty one */
	assert_string_equal(people_of(f), "");
	REFUSE_VALUES("people", "null", "5", "\"5\"", "{}", "[true]", "[null]", "[[5]]", "[\"\"]", "[1.5]", "[5, 99999999999999999999]",
	              "[1,2,3,4,5]");
	f->is_form = true;
	accept("people=5&title=a&people=7");
	assert_string_equal(people_of(f), "5 7");
	f->thing.people.items = NULL;
	accept("title=a"); /* absent is absent, in a form too */
	assert_null(f->thing.people.items);
	refused("people=5&people=", "people");
	refused("people=5&people=x&people=7", "people");
}

static void test_fields_in__a_failed_look_up_is_no_error_of_the_body(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_body(f, &thing_fields, TEXT("{\"known\": 500, \"title\": true}")), ERR_UNAVAILABLE);
}

static void test_fields_in__json(void **state)
{
	struct fixture *f = *state;

	accept("{\"extra\": {\"b\": [1, 2.50, \"é\\n\", null, true], \"a\": 1e999}}");
	assert_text(f->thing.extra.text, "{\"b\":[1,2.5,\"é\\n\",null,true],\"a\":\"1e999\"}");
	accept("{\"extra\": \"text\"}");
	assert_text(f->thing.extra.text, "\"text\"");
	accept("{\"extra\": false}");
	assert_text(f->thing.extra.text, "false");
	REFUSE_VALUES("extra", "\"\\u0000\"", "[[\"\\ud800\"]]");
}

static void test_fields_in__rows(void **state)
{
	struct fixture *f = *state;
	const struct option *options;

	accept("{\"options\": [{\"label\": \"a\", \"rank\": 2}, {\"label\": \"b\"}]}");
	assert_int_equal(f->thing.options.n, 2);
	options = f->thing.options.items;
	assert_text(options[0].label, "a");
	assert_int_equal(options[0].rank, 2);
	assert_text(options[1].label, "b");
	assert_int_equal(options[1].rank, 0);
	REFUSE_VALUES("options", "{}", "\"a\"", "1", "[]", "[{},{},{},{}]");
}

static void test_fields_in__errors_of_rows_stand_at_their_place(void **state)
{
	struct fixture *f = *state;
	json_t *errors CLEANUP(json_decrefp) = NULL;
	json_t *list;

	assert_int_equal(read_body(f, &thing_fields, TEXT("{\"options\": [{\"label\": \"a\"}, {\"rank\": \"x\"}, 5]}")), ERR_INVALID);
	errors = parse(buf_view(&f->errors));
	list = json_object_get(errors, "options");
	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(json_object_size(json_array_get(list, 0)), 0);
	assert_int_equal(json_object_size(json_array_get(list, 1)), 2);
	assert_non_null(json_object_get(json_array_get(list, 1), "label"));
	assert_non_null(json_object_get(json_array_get(list, 1), "rank"));
	assert_non_null(json_object_get(json_array_get(list, 2), "non_field_errors"));
}

static void test_fields_in__object(void **state)
{
	struct fixture *f = *state;
	json_t *errors CLEANUP(json_decrefp) = NULL;

	accept("{\"place\": {\"street\": \" Rue \", \"number\": null}}");
	assert_text(f->thing.place.street, "Rue");
	assert_true(f->thing.place.number == NULL_INT);
	assert_int_equal(read_body(f, &thing_fields, TEXT("{\"place\": {\"number\": \"x\"}, \"title\": \"\"}")), ERR_INVALID);
	errors = parse(buf_view(&f->errors));
	assert_int_equal(json_object_size(errors), 2);
	assert_int_equal(json_object_size(json_object_get(errors, "place")), 2);
	assert_int_equal(read_body(f, &thing_fields, TEXT("{\"place\": []}")), ERR_INVALID);
	assert_non_null(strstr(f->errors.data, "{\"place\":{\"non_field_errors\":["));
}

/* ---- forms ---- */

static void test_fields_in__forms(void **state)
{
	struct fixture *f = *state;

	f->is_form = true;
	accept("title=a&title=+b+&count=5&rate=1.5&price=2.50&open=on&seen=2026-01-05&choice=bad&owner=3&known=7&extra=%7B%22a%22:%5B1%5D%"
	       "7D&slug=s");
	assert_text(f->thing.title, "b"); /* the last of a repeated field */
	assert_int_equal(f->thing.count, 5);
	assert_true(f->thing.rate == 1.5);
	assert_int_equal(f->thing.price.cents, 250);
	assert_true(f->thing.open);
	assert_text(f->thing.extra.text, "{\"a\":[1]}");
	refused("count=x&extra=%7B&open=maybe&options=a&title=%00", "title open count extra options");
}

static void test_fields_in__an_empty_text_in_a_form_stands_for_nothing(void **state)
{
	struct fixture *f = *state;

	f->is_form = true;
	f->thing.small = 3;
	accept("count=&small=&note=&mood=&file=&owner=&maybe=");
	assert_true(f->thing.count == NULL_INT); /* nullable */
	assert_int_equal(f->thing.small, 3);     /* neither: as if it were not there */
	assert_text(f->thing.note, "");          /* blank allowed */
	assert_text(f->thing.mood, "");          /* both: blank */
	assert_null(f->thing.maybe.s);
	assert_false(f->present & UINT64_C(1) << F_SMALL);
	refused_(f, &strict_fields, TEXT("title=&count=&open=1"), "title count", __FILE__, __LINE__);
}

static void test_fields_in__an_empty_text_in_a_form_is_no_json(void **state)
{
	struct fixture *f = *state;

	f->is_form = true;
	refused("extra=", "extra");
	refused_(f, &strict_json_fields, TEXT("extra=null"), "extra", __FILE__, __LINE__);
	accept("extra=null");
	assert_null(f->thing.extra.text.s);
}

static void test_fields_in__a_boolean_that_a_form_lacks_is_false(void **state)
{
	struct fixture *f = *state;

	f->is_form = true;
	f->thing.open = true;
	accept("title=a");
	assert_false(f->thing.open);
	assert_true(f->present & UINT64_C(1) << F_OPEN);
	f->thing.open = true;
	accept(""); /* an empty form is still a form */
	assert_false(f->thing.open);
	f->partial = true;
	f->thing.open = true;
	accept("title=a");
	assert_true(f->thing.open);
}

/* ---- failures ---- */

static void test_fields_in__without_memory(void **state)
{
	static const struct str body =
	        STR("{\"title\":true,\"options\":[{},{\"label\":1}],\"extra\":{\"a\":1},\"note\":\"x\",\"place\":{}}");
	struct fixture *f = *state;
	int r;

	for (int n = 1; n < 100; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		buf_finish(&f->errors);
		r = read_body(f, &thing_fields, body);
		fault_disarm_all();
		if (r == ERR_INVALID)
			break;
		assert_int_equal(r, ERR_NOMEM);
		assert_true(n < 90);
	}
	assert_int_equal(r, ERR_INVALID);
}

static void test_fields_in__a_full_arena(void **state)
{
	struct fixture *f = *state;
	struct body_value body CLEANUP(body_finish) = { .root = json_pack("{s:s}", "note", "a text of some length") };
	struct arena small;
	struct fields_input in = { .body = &body, .arena = &small };

	arena_init(&small, 8);
	assert_int_equal(fields_read(&thing_fields, &in, &f->thing, &f->errors, NULL), ERR_NOMEM);
	arena_finish(&small);
}

/* ---- a rule of the field's own ---- */

static int checks;

static const char *is_free(const struct fields_input *in, const void *member, int *ret_error)
{
	const struct str *text = member;

	checks++;
	if (str_is(*text, "away"))
		*ret_error = in->db ? ERR_INTERNAL : ERR_UNAVAILABLE;
	if (str_is(*text, "bad"))
		return "Trop court.\nTrop courant.";
	return str_is(*text, "taken") ? "Déjà pris." : NULL;
}

static const struct field checked_list[] = {
	FIELD(struct option, "label", label, TEXT, .flags = FIELD_NULLABLE, .max_chars = 5, .check = is_free),
	FIELD(struct option, "rank", rank, INT),
};
static const struct fields checked_fields = FIELDS(struct option, checked_list);

static int read_checked(struct fixture *f, const char *label, const char *expected_errors)
{
	struct body_value body CLEANUP(body_finish) = { .root = json_pack("{s:s?, s:s}", "label", label, "rank", "x") };
	struct fields_input in = { .body = &body, .arena = &f->arena };
	struct option option;
	int r;

	checks = 0;
	r = fields_read(&checked_fields, &in, &option, &f->errors, NULL);
	if (expected_errors)
		assert_string_equal(f->errors.data, expected_errors);
	return r;
}

static void test_fields_in__a_rule_of_the_fields_own(void **state)
{
	struct fixture *f = *state;
	const char *rank = "{\"rank\":[\"Un nombre entier valide est requis.\"]}";

	assert_int_equal(read_checked(f, "free", rank), ERR_INVALID);
	assert_int_equal(checks, 1);
	assert_int_equal(read_checked(f, "taken", "{\"label\":[\"Déjà pris.\"],\"rank\":[\"Un nombre entier valide est requis.\"]}"),
	                 ERR_INVALID);
	assert_int_equal(read_checked(f, "bad",
	                              "{\"label\":[\"Trop court.\",\"Trop courant.\"],\"rank\":[\"Un nombre entier valide est requis.\"]}"),
	                 ERR_INVALID);
	assert_int_equal(read_checked(f, NULL, rank), ERR_INVALID); /* null is not asked about, nor what is wrong already */
	assert_int_equal(checks, 0);
	assert_int_equal(read_checked(f, "too long", NULL), ERR_INVALID);
	assert_int_equal(checks, 0);
	assert_int_equal(read_checked(f, "away", NULL), ERR_UNAVAILABLE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_fields_in__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_empty_body_is_an_empty_object),
		CASE(absent_fields_stay_as_they_are),
		CASE(present_tells_what_was_there),
		CASE(unknown_and_read_only_fields_are_ignored),
		CASE(fields_of_staff_are_ignored_from_others),
		CASE(a_merge_copies_what_was_present),
		CASE(required_fields),
		CASE(a_partial_body_lacks_nothing),
		CASE(all_errors_are_told_at_once),
		CASE(a_body_that_is_no_object),
		CASE(null_where_it_is_not_allowed),
		CASE(null_where_it_is_allowed),
		CASE(text),
		CASE(limits_and_form_are_told_together),
		CASE(text_outlives_its_body),
		CASE(slug),
		CASE(boolean),
		CASE(integer),
		CASE(a_very_long_number_is_refused),
		CASE(float),
		CASE(decimal),
		CASE(a_blank_decimal_is_null_where_it_may_be),
		CASE(wide_decimals_keep_every_digit),
		CASE(instant),
		CASE(date),
		CASE(choice),
		CASE(email_and_url),
		CASE(file_takes_null_only),
		CASE(reference),
		CASE(references),
		CASE(a_failed_look_up_is_no_error_of_the_body),
		CASE(json),
		CASE(rows),
		CASE(errors_of_rows_stand_at_their_place),
		CASE(object),
		CASE(forms),
		CASE(an_empty_text_in_a_form_stands_for_nothing),
		CASE(an_empty_text_in_a_form_is_no_json),
		CASE(a_boolean_that_a_form_lacks_is_false),
		CASE(a_rule_of_the_fields_own),
		CASE(without_memory),
		CASE(a_full_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
