/*
 * Bodies are written with "|" for CRLF, so that they can be read here; the boundary is x unless a case says otherwise.
 */
#include "api/multipart.h"

#include "api/form_in.h"
#include "base/fault.h"
#include "tests/unit/api/fixture.h"

#define FIELD_HEAD(name)      "Content-Disposition: form-data; name=\"" name "\"|"
#define FILE_HEAD(name, file) "Content-Disposition: form-data; name=\"" name "\"; filename=\"" file "\"|"

struct fixture {
	struct arena arena;
	struct body_value body;
	const char *why;
};

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

	fault_disarm_all();
	body_finish(&f->body);
	arena_finish(&f->arena);
	free(f);
	return 0;
}

static struct str with_crlf(struct arena *a, struct str text)
{
	char *copy = arena_alloc(a, text.len * 2 + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '|')
			copy[n++] = '\r';
		copy[n++] = text.s[i] == '|' ? '\n' : text.s[i];
	}
	return (struct str){ copy, n };
}

static int read_as(struct fixture *f, const char *type, struct str text)
{
	body_finish(&f->body);
	f->body = (struct body_value){ .root = NULL };
	f->why = NULL;
	return multipart_read(str_of(type), with_crlf(&f->arena, text), &f->arena, &f->body, &f->why);
}

#define TYPE "multipart/form-data; boundary=x"

static void accept_(struct fixture *f, struct str text, const char *file, int line)
{
	int r = read_as(f, TYPE, text);

	if (r == 0)
		return;
	print_error("%d %s: %.*s\n", r, f->why, STR_ARG(text));
	_fail(file, line);
}
#define accept(text) accept_(f, TEXT(text), __FILE__, __LINE__)

static void refuse_(struct fixture *f, const char *type, struct str text, const char *file, int line)
{
	int r = read_as(f, type, text);

	if (r == ERR_INVALID && f->why && !f->body.root && !f->body.n_uploads)
		return;
	print_error("%d %s: %s %.*s\n", r, f->why, type, STR_ARG(text));
	_fail(file, line);
}
#define refuse_as(type, text) refuse_(f, type, TEXT(text), __FILE__, __LINE__)
#define refuse(text)          refuse_as(TYPE, text)

static void assert_root(struct fixture *f, const char *expected)
{
	char *text = json_dumps(f->body.root, JSON_COMPACT);

	assert_json(str_of(text), expected);
	free(text);
}

/* ---- what is accepted ---- */

static void test_multipart__texts(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "|1|--x|" FIELD_HEAD("b") "|deux|lignes|--x|" FIELD_HEAD("a") "||--x--|");
	assert_root(f, "{\"a\":[\"1\",\"\"],\"b\":[\"deux\\r\\nlignes\"]}");
	assert_true(f->body.is_form);
	assert_int_equal(f->body.n_uploads, 0);
}

static void test_multipart__a_file(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("t") "|v|--x|" FILE_HEAD("image", "a b.png") "Content-Type: image/png||\x89PNG\0\r\r\n\n--|--x--|");
	assert_int_equal(f->body.n_uploads, 1);
	assert_text(f->body.uploads[0].name, "image");
	assert_text(f->body.uploads[0].filename, "a b.png");
	assert_text(f->body.uploads[0].content_type, "image/png");
	assert_int_equal(f->body.uploads[0].bytes.len, 11);
	assert_memory_equal(f->body.uploads[0].bytes.s, "\x89PNG\0\r\r\n\n--", 11);
	assert_ptr_equal(body_last_upload(&f->body, "image"), &f->body.uploads[0]);
	assert_null(body_last_upload(&f->body, "t"));
	assert_null(body_last_upload(&f->body, "none"));
	assert_text(f->body.uploads[0].stored, NULL);
}

static void test_multipart__the_last_of_a_name_counts(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FILE_HEAD("f", "1.png") "|1|--x|" FILE_HEAD("f", "2.png") "|2|--x|" FILE_HEAD("g", "3.png") "|3|--x|" FIELD_HEAD(
	        "g") "|text|--x--");
	assert_int_equal(f->body.n_uploads, 3);
	assert_text(body_last_upload(&f->body, "f")->filename, "2.png");
	assert_null(body_last_upload(&f->body, "g"));
}

static void test_multipart__many_files_keep_their_places(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_EMPTY;

	for (int i = 0; i < 100; i++)
		buf_addf(&b, "--x|" FILE_HEAD("f%d", "%d.png") "|%d|", i, i, i);
	buf_add_text(&b, "--x--");
	assert_int_equal(read_as(f, TYPE, buf_view(&b)), 0);
	assert_int_equal(f->body.n_uploads, 100);
	assert_text(body_last_upload(&f->body, "f0")->bytes, "0");
	assert_text(body_last_upload(&f->body, "f63")->bytes, "63");
	buf_finish(&b);
}

static void test_multipart__no_parts_at_all(void **state)
{
	struct fixture *f = *state;

	accept("--x--");
	assert_root(f, "{}");
	accept("--x--|");
	accept("--x--  \t|epilogue");
}

static void test_multipart__what_stands_around_the_parts_is_ignored(void **state)
{
	struct fixture *f = *state;

	accept("preamble, even --x in a line|of it|--x \t|" FIELD_HEAD("a") "|1|--x-- |epilogue|--x|and more");
	assert_root(f, "{\"a\":[\"1\"]}");
	accept("|--x|" FIELD_HEAD("a") "|1|--x--");
	assert_root(f, "{\"a\":[\"1\"]}");
}

static void test_multipart__nearly_a_delimiter_is_content(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "|\n--x\r--x-x--|-x--| --x|--x--");
	assert_root(f, "{\"a\":[\"\\n--x\\r--x-x--\\r\\n-x--\\r\\n --x\"]}");
}

static void test_multipart__a_part_without_content(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "|--x|" FIELD_HEAD("b") "||--x--");
	assert_root(f, "{\"a\":[\"\"],\"b\":[\"\"]}");
}

static void test_multipart__a_file_that_was_not_chosen(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FILE_HEAD("f", "") "Content-Type: application/octet-stream|||--x--");
	assert_root(f, "{}");
	accept("--x|" FILE_HEAD("f", "") "|bytes|--x--"); /* is one without a name: its field will refuse it */
	assert_int_equal(f->body.n_uploads, 1);
	assert_text(f->body.uploads[0].filename, "");
	accept("--x|" FILE_HEAD("f", "empty.png") "||--x--");
	assert_int_equal(f->body.n_uploads, 1);
	assert_int_equal(f->body.uploads[0].bytes.len, 0);
}

static void test_multipart__boundaries(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_as(f, "Multipart/Form-Data; charset=utf-8; Boundary=\"a b'()+_,-./:=?\"",
	                         TEXT("--a b'()+_,-./:=?|" FIELD_HEAD("a") "|1|--a b'()+_,-./:=?--")),
	                 0);
	assert_root(f, "{\"a\":[\"1\"]}");
	assert_int_equal(read_as(f, "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
	                         TEXT("--0123456789012345678901234567890123456789012345678901234567890123456789--")),
	                 0);
}

static void test_multipart__file_names(void **state)
{
	static const struct {
		const char *parameter, *name;
	} cases[] = {
		{ "filename=plain.png", "plain.png" },
		{ "filename=\"a\\\"b\\\\c.png\"", "a\"b\\c.png" },
		{ "filename=\"C:\\dir\\c.png\"", "C:\\dir\\c.png" },
		{ "filename=\"%22.png\"", "%22.png" },
		{ "filename=\"d'\xc3\xa9t\xc3\xa9.png\"", "d'été.png" },
		{ "filename*=UTF-8''%C3%A9.png", "é.png" },
		{ "FileName*=utf-8'fr'%C3%A9.png", "é.png" },
		{ "filename=\"e.png\"; filename*=UTF-8''%C3%A9.png", "é.png" },
		{ "filename*=UTF-8''%C3%A9.png; filename=\"e.png\"", "é.png" },
		{ "size=3; filename=\"a;b.png\"", "a;b.png" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *text =
		        arena_printf(&f->arena, "--x|content-disposition:form-data ;name=f;%s|a: b||c|--x--", cases[i].parameter);

		assert_int_equal(read_as(f, TYPE, str_of(text)), 0);
		assert_text(f->body.uploads[0].filename, cases[i].name);
	}
}

static void test_multipart__charset_of_a_part(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "Content-Type: text/plain; charset=iso-8859-1||\xe9|--x--");
	assert_root(f, "{\"a\":[\"é\"]}");
	refuse("--x|" FIELD_HEAD("a") "|\xe9|--x--");
	refuse("--x|" FIELD_HEAD("a") "Content-Type: text/plain; charset=utf-16le||abc|--x--");
}

static void test_multipart__a_nul_reaches_the_field(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "|1\0002|--x--");
	assert_int_equal(json_string_length(json_array_get(json_object_get(f->body.root, "a"), 0)), 3);
}

static void test_multipart__plain_encodings(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "Content-Transfer-Encoding: Binary||1|--x|" FIELD_HEAD(
	        "b") "Content-Transfer-Encoding: 7bit||1|--x--");
	refuse("--x|" FIELD_HEAD("a") "Content-Transfer-Encoding: base64||MQ==|--x--");
	refuse("--x|" FIELD_HEAD("a") "Content-Transfer-Encoding: quoted-printable||=31|--x--");
}

/* ---- what is refused ---- */

static void test_multipart__refuses_wrong_boundaries(void **state)
{
	struct fixture *f = *state;

	refuse_as("multipart/form-data", "--x--");
	refuse_as("multipart/form-data; boundary=", "----");
	refuse_as("multipart/form-data; boundary=\"\"", "----");
	refuse_as("multipart/form-data; boundary=\"a \"", "--a --");
	refuse_as("multipart/form-data; boundary=a\"b", "--a\"b--");
	refuse_as("multipart/form-data; boundary=\xc3\xa9", "--\xc3\xa9--");
	refuse_as("multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
	          "--01234567890123456789012345678901234567890123456789012345678901234567890--");
	refuse_as("multipart/form-data; boundary=y", "--x--");
}

static void test_multipart__refuses_what_is_cut(void **state)
{
	static const struct str whole = STR("--x|" FILE_HEAD("f", "a.png") "Content-Type: image/png||bytes|--x--");
	struct fixture *f = *state;
	struct str all = with_crlf(&f->arena, whole);

	for (size_t n = 0; n < all.len; n++) {
		f->body = (struct body_value){ .root = NULL };
		assert_int_equal(multipart_read(TEXT(TYPE), (struct str){ all.s, n }, &f->arena, &f->body, &f->why), ERR_INVALID);
		assert_null(f->body.root);
	}
	assert_int_equal(multipart_read(TEXT(TYPE), all, &f->arena, &f->body, &f->why), 0);
}

static void test_multipart__refuses_wrong_lines(void **state)
{
	struct fixture *f = *state;

	refuse("--xy|" FIELD_HEAD("a") "|1|--x--");
	refuse("--x\n" FIELD_HEAD("a") "|1|--x--");
	refuse("--x|" FIELD_HEAD("a") "|1|--xy--");
	refuse("--x|" FIELD_HEAD("a") "|1|--x-|");
	refuse("--x|" FIELD_HEAD("a") "|1|--x--trailing");
	refuse("--x|" FIELD_HEAD("a") "|1\n--x--");
	refuse("--x|" FIELD_HEAD("a") "1|--x--");
}

static void test_multipart__refuses_wrong_heads(void **state)
{
	struct fixture *f = *state;

	refuse("--x||1|--x--");
	refuse("--x|Content-Type: text/plain||1|--x--");
	refuse("--x|Content-Disposition: form-data||1|--x--");
	refuse("--x|Content-Disposition: form-data; filename=\"a\"||1|--x--");
	refuse("--x|Content-Disposition: attachment; name=\"a\"||1|--x--");
	refuse("--x|" FIELD_HEAD("a") FIELD_HEAD("a") "|1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"a\"; name=\"b\"||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"a||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"a\" b||1|--x--");
	refuse("--x|Content-Disposition: form-data; name||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"a\";||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"\xff\"||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=\"a\0\"||1|--x--");
	refuse("--x|" FIELD_HEAD("a") " folded: 1||1|--x--");
	refuse("--x|" FIELD_HEAD("a") "no colon||1|--x--");
	refuse("--x|" FIELD_HEAD("a") "Space : 1||1|--x--");
	refuse("--x|" FIELD_HEAD("a") "X: \x01||1|--x--");
}

static void test_multipart__refuses_wrong_extended_names(void **state)
{
	struct fixture *f = *state;

	refuse("--x|Content-Disposition: form-data; name=a; filename*=a.png||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=a; filename*=latin-1''a.png||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=a; filename*=UTF-8''%FF.png||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=a; filename*=UTF-8''a%00.png||1|--x--");
	refuse("--x|Content-Disposition: form-data; name=a; filename*=UTF-8''a%0D%0A.png||1|--x--");
}

static void test_multipart__refuses_nesting(void **state)
{
	struct fixture *f = *state;

	refuse("--x|" FIELD_HEAD("a") "Content-Type: multipart/mixed; boundary=y||--y--|--x--");
}

static void test_multipart__limit_of_parts(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_EMPTY;

	for (int i = 0; i < FORM_MAX_FIELDS; i++)
		buf_add_text(&b, "--x|" FIELD_HEAD("a") "|1|");
	buf_add_text(&b, "--x--");
	assert_int_equal(read_as(f, TYPE, buf_view(&b)), 0);
	b.len -= 5;
	buf_add_text(&b, "--x|" FILE_HEAD("f", "") "||--x--"); /* one that is left out counts as well */
	refuse_(f, TYPE, buf_view(&b), __FILE__, __LINE__);
	buf_finish(&b);
}

static void test_multipart__limit_of_a_head(void **state)
{
	struct fixture *f = *state;
	char *filler = arena_alloc(&f->arena, MULTIPART_MAX_HEAD_BYTES + 1);
	const char *text;

	memset(filler, 'a', MULTIPART_MAX_HEAD_BYTES);
	filler[MULTIPART_MAX_HEAD_BYTES] = '\0';
	text = arena_printf(&f->arena, "--x|" FIELD_HEAD("a") "X: %.8000s||1|--x--", filler);
	assert_int_equal(read_as(f, TYPE, str_of(text)), 0);
	text = arena_printf(&f->arena, "--x|" FIELD_HEAD("a") "X: %.8192s||1|--x--", filler);
	assert_int_equal(read_as(f, TYPE, str_of(text)), ERR_INVALID);
	text = arena_printf(&f->arena, "--x|" FIELD_HEAD("a") "X: %.4000s|X: %.4000s|X: %.4000s||1|--x--", filler, filler, filler);
	assert_int_equal(read_as(f, TYPE, str_of(text)), ERR_INVALID);
}

/* A part with a thousand short texts in its head: each takes the room of its own length. */
static void test_multipart__memory_of_a_head(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_EMPTY;
	size_t before;

	buf_add_text(&b, "--x|Content-Disposition: form-data; name=\"a\"");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&b, "; b=\"\\\"\"");
	buf_add_text(&b, "||v|--x--");
	before = f->arena.used_bytes;
	accept_(f, buf_view(&b), __FILE__, __LINE__);
	assert_true(f->arena.used_bytes - before < 64 * 1024);
	buf_finish(&b);
}

static void test_multipart__text_bytes(void **state)
{
	struct fixture *f = *state;

	accept("--x|" FIELD_HEAD("a") "|12345|--x|" FILE_HEAD("f", "1.png") "|a file|--x|" FIELD_HEAD("a") "|\xc3\xa9|--x--");
	assert_int_equal(f->body.text_bytes, 7);
}

static void test_multipart__without_memory(void **state)
{
	struct fixture *f = *state;
	int r = ERR_NOMEM;

	for (int n = 1; r == ERR_NOMEM; n++) {
		arena_finish(&f->arena);
		arena_init(&f->arena, 64 * 1024);
		body_finish(&f->body);
		assert_non_null(arena_alloc(&f->arena, 60 * 1024 - 40 * (size_t)n));
		r = read_as(f, TYPE, TEXT("--x|" FIELD_HEAD("t") "|v|--x|" FILE_HEAD("f", "a.png") "|b|--x--"));
		assert_true(r == 0 || (r == ERR_NOMEM && !f->body.root));
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_multipart__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(texts),
		CASE(a_file),
		CASE(the_last_of_a_name_counts),
		CASE(many_files_keep_their_places),
		CASE(no_parts_at_all),
		CASE(what_stands_around_the_parts_is_ignored),
		CASE(nearly_a_delimiter_is_content),
		CASE(a_part_without_content),
		CASE(a_file_that_was_not_chosen),
		CASE(boundaries),
		CASE(file_names),
		CASE(charset_of_a_part),
		CASE(a_nul_reaches_the_field),
		CASE(plain_encodings),
		CASE(refuses_wrong_boundaries),
		CASE(refuses_what_is_cut),
		CASE(refuses_wrong_lines),
		CASE(refuses_wrong_heads),
		CASE(refuses_wrong_extended_names),
		CASE(refuses_nesting),
		CASE(limit_of_parts),
		CASE(limit_of_a_head),
		CASE(memory_of_a_head),
		CASE(text_bytes),
		CASE(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
