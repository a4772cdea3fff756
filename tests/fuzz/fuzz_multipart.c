/*
 * Any bytes as a multipart body whose boundary is "x", and then as its Content-Type. What is accepted has views of the body
 * for its files, fine texts for everything else, as many elements as there are parts, and clean names.
 */
#include <jansson.h>
#include <string.h>

#include "api/form_in.h"
#include "api/multipart.h"
#include "api/upload.h"
#include "base/media.h"
#include "tests/fuzz/fuzz.h"

static void check_name(struct str filename, struct arena *a)
{
	struct str clean = upload_clean_name(filename, a);

	FUZZ_CHECK(clean.s && str_valid_utf8(clean));
	FUZZ_CHECK(!clean.len || (media_path_is_fine(clean) && str_find(clean, '/') < 0 && str_find(clean, '\\') < 0));
	FUZZ_CHECK(!clean.len || (!memmem(clean.s, clean.len, "..", 2) && clean.s[clean.len - 1] != '.'));
	FUZZ_CHECK(str_equal(upload_clean_name(clean, a), clean));
}

static void check_upload(const struct upload *u, struct str body, struct arena *a)
{
	FUZZ_CHECK(u->name.s && str_valid_utf8(u->name));
	FUZZ_CHECK(u->filename.s && str_valid_utf8(u->filename) && str_find(u->filename, '\0') < 0);
	FUZZ_CHECK(!u->stored.s);
	FUZZ_CHECK(u->bytes.s && (u->bytes.len == 0 || (u->bytes.s >= body.s && u->bytes.s + u->bytes.len <= body.s + body.len)));
	check_name(u->filename, a);
}

static size_t check_elements(const struct body_value *value)
{
	const char *name;
	json_t *list;
	size_t n = 0;

	json_object_foreach(value->root, name, list)
	{
		FUZZ_CHECK(json_array_size(list) > 0);
		for (size_t i = 0; i < json_array_size(list); i++, n++) {
			const json_t *one = json_array_get(list, i);
			const struct upload *u = body_upload(value, one);

			FUZZ_CHECK(u ? u >= value->uploads && u < value->uploads + value->n_uploads : json_is_string(one));
		}
	}
	return n;
}

static void run(const char *type, struct str body)
{
	struct body_value value = { .root = NULL };
	const char *why = NULL;
	struct arena a;
	int r;

	arena_init(&a, 64 * 1024 * 1024);
	r = multipart_read(str_of(type), body, &a, &value, &why);
	FUZZ_CHECK(r == 0 || (r == ERR_INVALID && why && !value.root));
	if (r == 0) {
		size_t n = check_elements(&value);

		FUZZ_CHECK(value.is_form && n <= FORM_MAX_FIELDS && value.n_uploads <= n);
		for (size_t i = 0; i < value.n_uploads; i++)
			check_upload(&value.uploads[i], body, &a);
	}
	body_finish(&value);
	arena_finish(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str body = { (const char *)data, size };
	char type[200];

	run("multipart/form-data; boundary=x", body);
	snprintf(type, sizeof(type), "multipart/form-data; boundary=%.*s", (int)(size < 100 ? size : 100), (const char *)data);
	run(type, body);
	return 0;
}
