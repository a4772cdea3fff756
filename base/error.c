#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

/* In parentheses, because for the analyzer there is a macro of this name. */
int(error_set)(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	for (char *p = err->text; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	return code;
}

const char *error_name(int code)
{
	switch (code) {
	case ERR_OK:
		return "ok";
#define ERROR_CODE(name, value, text) \
	case name:                    \
		return text;
#include "base/errors.def"
#undef ERROR_CODE
	default:
		return "unknown error";
	}
}
