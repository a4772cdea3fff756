/*
 * Any bytes as a body: the first says how it is sent (JSON, form, partial, charset), the rest is the body. Whatever comes:
 * errors are valid JSON of the promised shape, and a row that was accepted keeps every limit of its table.
 */
#include <jansson.h>
#include <string.h>

#include "api/fields.h"
#include "api/json_in.h"
#include "api/text_form.h"
#include "tests/fuzz/fuzz.h"

struct option {
	struct str label;
	int64_t rank;
};

struct thing {
	bool open;
	int64_t count, small, owner;
	double rate;
	struct decimal price, wide;
	struct instant seen, day;
	struct str title, note, slug, mood, email, url, file;
	struct json_text extra;
	struct db_rows options;
	struct option one;
};

static const char *const moods[] = { "good", "bad", "1", NULL };

static const struct field option_list[] = {
	FIELD(struct option, "label", label, TEXT, .flags = FIELD_REQUIRED, .max_chars = 5),
	FIELD(struct option, "rank", rank, INT, .min = 0, .max = 9),
};
static const struct fields option_fields = FIELDS(struct option, option_list);

static const struct field thing_list[] = {
	FIELD(struct thing, "open", open, BOOL),
	FIELD(struct thing, "count", count, INT, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "small", small, INT, .min = -5, .max = 10),
	FIELD(struct thing, "rate", rate, FLOAT),
	FIELD(struct thing, "price", price, DECIMAL, .digits = 6, .min = 0, .max = 500000),
	FIELD(struct thing, "wide", wide, DECIMAL),
	FIELD(struct thing, "seen", seen, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "day", day, DATE),
	FIELD(struct thing, "title", title, TEXT, .max_chars = 5),
	FIELD(struct thing, "note", note, TEXT, .flags = FIELD_BLANK | FIELD_NULLABLE),
	FIELD(struct thing, "slug", slug, SLUG, .max_chars = 10),
	FIELD(struct thing, "mood", mood, CHOICE, .choices = moods),
	FIELD(struct thing, "email", email, EMAIL),
	FIELD(struct thing, "url", url, URL, .max_chars = 40),
	FIELD(struct thing, "file", file, FILE, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "owner", owner, REFERENCE, .flags = FIELD_NULLABLE),
	FIELD(struct thing, "extra", extra, JSON),
	FIELD(struct thing, "options", options, ROWS, .of = &option_fields, .max = 4),
	{ .name = "one", .kind = FIELD_OBJECT, .offset = offsetof(struct thing, one), .of = &option_fields },
};
static const struct fields thing_fields = FIELDS(struct thing, thing_list);

/* What stands in a member before the reading: within every limit. */
static const struct thing within = {
	.day = { 0 },
	.title = STR("t"),
	.slug = STR("s"),
	.mood = STR("good"),
	.email = STR("a@b.co"),
	.url = STR("http://a.org"),
	.extra = { STR("[]") },
	.one = { STR("l"), 0 },
};

static bool is_text(struct str s, size_t max_chars)
{
	return s.s && str_valid_utf8(s) && str_find(s, '\0') < 0 && str_count_chars(s) <= max_chars && str_equal(s, str_trim_unicode(s));
}

static void check_json(struct str text)
{
	json_t *json = json_loadb(text.s, text.len, JSON_DECODE_ANY, NULL);

	FUZZ_CHECK(json != NULL && !json_has_nul(json));
	json_decref(json);
}

static void check_option(const struct option *o)
{
	FUZZ_CHECK(is_text(o->label, 5) && o->label.len > 0);
	FUZZ_CHECK(o->rank >= 0 && o->rank <= 9);
}

static void check_row(const struct thing *t)
{
	FUZZ_CHECK(t->small >= -5 && t->small <= 10);
	FUZZ_CHECK(isfinite(t->rate));
	FUZZ_CHECK(t->price.cents >= 0 && t->price.cents <= 500000);
	FUZZ_CHECK(t->wide.cents > -INT64_C(1000000000000000000) && t->wide.cents < INT64_C(1000000000000000000));
	FUZZ_CHECK(t->day.us % (INT64_C(86400) * 1000000) == 0);
	FUZZ_CHECK(is_text(t->title, 5) && t->title.len > 0);
	FUZZ_CHECK(!t->note.s || is_text(t->note, SIZE_MAX));
	FUZZ_CHECK(is_text(t->slug, 10) && is_slug(t->slug));
	FUZZ_CHECK(str_is(t->mood, "good") || str_is(t->mood, "bad") || str_is(t->mood, "1"));
	FUZZ_CHECK(is_text(t->email, 320) && is_email(t->email));
	FUZZ_CHECK(is_text(t->url, 40) && is_url(t->url));
	FUZZ_CHECK(!t->file.s);
	FUZZ_CHECK(t->options.n <= 4);
	for (size_t i = 0; i < t->options.n; i++)
		check_option((const struct option *)t->options.items + i);
	check_option(&t->one);
	check_json(t->extra.text);
}

/* Written out and read in again, a row is what it was; a read-only twin of the bounds above. */
static void check_round_trip(const struct thing *t)
{
	struct buf b = BUF_EMPTY;

	fields_write(&b, &thing_fields, t, (struct str)STR("http://h"));
	FUZZ_CHECK(!b.failed);
	check_json(buf_view(&b));
	buf_finish(&b);
}

/* {"name": errors, …}, errors a list of texts, an object of errors, or a list of such objects. */
static void check_errors(const json_t *errors)
{
	const char *name;
	json_t *value;

	FUZZ_CHECK(json_object_size(errors) > 0);
	json_object_foreach((json_t *)(uintptr_t)errors, name, value)
	{
		FUZZ_CHECK(json_is_object(value) || json_array_size(value) > 0);
		if (json_is_object(value))
			check_errors(value);
		for (size_t i = 0; i < json_array_size(value); i++) {
			const json_t *one = json_array_get(value, i);

			FUZZ_CHECK(json_string_length(one) > 0 || json_is_object(one));
			if (json_object_size(one))
				check_errors(one);
		}
	}
}

static void check_refusal(const struct buf *errors)
{
	json_t *json = json_loadb(errors->data, errors->len, 0, NULL);

	FUZZ_CHECK(json != NULL);
	check_errors(json);
	json_decref(json);
}

/* What jansson would say of the bytes alone: the pass before it must only ever let more through. */
static void check_pass(struct str bytes, bool accepted)
{
	json_t *plain = bytes.len ? json_loadb(bytes.s, bytes.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL) : NULL;
	struct buf space = BUF_EMPTY;
	const char *why = NULL;
	struct str text;

	if (plain && !accepted)
		FUZZ_CHECK(json_prepare(bytes, &space, &text, &why) == ERR_INVALID && why); /* a limit of ours */
	json_decref(plain);
	buf_finish(&space);
}

static const char *const types[] = { "application/json", "application/json; charset=utf-16", "application/json; charset=latin-1",
	                             "application/x-www-form-urlencoded" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned how = size ? data[0] : 0;
	struct str bytes = { (const char *)data + (size > 0), size - (size > 0) };
	struct body_value body = { .root = NULL };
	struct arena arena;
	struct fields_input in = { .body = &body, .arena = &arena, .partial = how & 4 };
	struct thing thing = within;
	struct buf errors = BUF_EMPTY;
	const char *why = NULL;
	int r;

	arena_init(&arena, 64 * 1024 * 1024);
	r = body_read(str_of(types[how % 4]), bytes, &arena, &body, &why);
	FUZZ_CHECK(r == 0 || (r == ERR_INVALID && why && !body.root));
	if (how % 4 == 0)
		check_pass(bytes, r == 0);
	if (r == 0)
		r = fields_read(&thing_fields, &in, &thing, &errors, NULL);
	if (errors.len)
		check_refusal(&errors);
	FUZZ_CHECK(r == 0 || r == ERR_INVALID);
	FUZZ_CHECK(r != 0 || errors.len == 0);
	if (r == 0) {
		check_row(&thing);
		check_round_trip(&thing);
	}
	buf_finish(&errors);
	body_finish(&body);
	arena_finish(&arena);
	return 0;
}
