/*
 * Errors: a negative code, and where somebody will want to know more a struct error with one line of text.
 *
 * Functions return int: 0 (or a count) on success, an ERR_ value on failure; results go through a ret_ parameter,
 * untouched on failure. The text is for logs and operators: it never holds a secret and never reaches a client.
 * Any thread; a struct error belongs to its caller.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_CODE(name, value, text) name = value,
enum error_code {
	ERR_OK = 0,
#include "base/errors.def"
};
#undef ERROR_CODE

struct error {
	int code;       /* 0 or an ERR_ value */
	char text[240]; /* one line, NUL-terminated, may be cut */
};

/*
 * Fills *err (NULL is fine) and returns code, so that "return error_set(...)" reads as one step. Control characters of
 * the text (drivers' messages have line feeds) become spaces.
 */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* it does not look into error.c, and would follow paths on which the code comes back as 0 */
#define error_set(err, code, ...) ((error_set)(err, code, __VA_ARGS__), (code))
#endif

/* The description of a code from errors.def; static, never NULL. */
const char *error_name(int code);

#endif
