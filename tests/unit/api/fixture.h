/*
 * What the tests of api/ share: texts, and JSON compared by value.
 */
#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/lib/test.h"

#define TEXT(literal) ((struct str)STR(literal))
#define NOTHING       ((struct str){ NULL, 0 })

/* The text is exactly this; a NULL expectation is an absent text. */
#define assert_text(text, expected) assert_text_(text, expected, __FILE__, __LINE__)

static inline void assert_text_(struct str text, const char *expected, const char *file, int line)
{
	if (str_equal(text, str_of(expected)))
		return;
	print_error("got \"%.*s\"%s, wanted \"%s\"\n", STR_ARG(text), text.s ? "" : " (absent)", expected ? expected : "(absent)");
	_fail(file, line);
}

/* The text is JSON equal to this. */
#define assert_json(text, expected) assert_json_(text, expected, __FILE__, __LINE__)

static inline void assert_json_(struct str text, const char *expected, const char *file, int line)
{
	json_error_t error;
	json_t *got = json_loadb(text.s ? text.s : "", text.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	json_t *wanted = json_loads(expected, JSON_DECODE_ANY, &error);
	bool equal = got && wanted && json_equal(got, wanted);

	json_decref(got);
	json_decref(wanted);
	if (equal)
		return;
	print_error("got %.*s\nwanted %s\n", STR_ARG(text), expected);
	_fail(file, line);
}

/* Parses JSON; the test fails when it is none. The caller drops the reference. */
static inline json_t *parse(struct str text)
{
	json_error_t error;
	json_t *json = json_loadb(text.s ? text.s : "", text.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);

	if (!json)
		print_error("not JSON: %.*s\n", STR_ARG(text));
	assert_non_null(json);
	return json;
}

static inline int setup_arena(void **state)
{
	struct arena *a = calloc(1, sizeof(*a));

	arena_init(a, 64 * 1024 * 1024);
	*state = a;
	return 0;
}

static inline int teardown_arena(void **state)
{
	arena_finish(*state);
	free(*state);
	return 0;
}

#endif
