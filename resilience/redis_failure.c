#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "resilience/redis_conn_impl.h"

/* Error replies that mean an outage of the usage (spec resilience.md 2.1); the others are answers. */
static const struct {
	const char *word;
	enum redis_failure kind;
} outages[] = {
	{ "LOADING", REDIS_LOADING }, { "MASTERDOWN", REDIS_OTHER }, { "READONLY", REDIS_READONLY }, { "NOAUTH", REDIS_AUTH },
	{ "WRONGPASS", REDIS_AUTH },  { "OOM", REDIS_OOM },          { "CLUSTERDOWN", REDIS_OTHER }, { "MISCONF", REDIS_OTHER },
};

const char *redis_failure_name(enum redis_failure failure)
{
	static const char *const names[REDIS_FAILURES] = {
		"none", "refused", "timeout", "reset", "auth", "loading", "readonly", "oom", "other",
	};

	return names[failure];
}

bool redis_error_is(const struct redis_reply *reply, const char *word)
{
	struct str text = redis_reply_text(reply);
	size_t n = strlen(word);

	return redis_reply_type(reply) == REDIS_REPLY_IS_ERROR && str_starts(text, word) && (text.len == n || text.s[n] == ' ');
}

enum redis_failure redis_outage_of(const struct redis_reply *reply)
{
	for (size_t i = 0; i < N_ELEMENTS(outages); i++)
		if (redis_error_is(reply, outages[i].word))
			return outages[i].kind;
	return REDIS_FAILURE_NONE;
}

int redis_conn_fail(struct redis_conn *c, int code, enum redis_failure failure, const char *format, ...)
{
	char what[160];
	va_list args;

	if (c->broken)
		return code;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	c->broken = true;
	c->failure = failure;
	return error_set(&c->error, code, "%.72s: %s", c->shown, what);
}

static enum redis_failure kind_of_errno(int error_number)
{
	switch (error_number) {
	case ECONNREFUSED:
	case ENOENT:
	case EAGAIN: /* a UNIX socket whose queue is full */
	case EHOSTUNREACH:
	case ENETUNREACH:
		return REDIS_REFUSED;
	case ETIMEDOUT:
		return REDIS_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return REDIS_RESET;
	default:
		return REDIS_OTHER;
	}
}

int redis_conn_fail_errno(struct redis_conn *c, const char *what, int error_number)
{
	enum redis_failure kind = kind_of_errno(error_number);
	char text[80];

	if (kind == REDIS_TIMEOUT)
		return redis_conn_fail(c, ERR_TIMEOUT, kind, "%s: timeout", what);
	return redis_conn_fail(c, ERR_UNAVAILABLE, kind, "%s: %s", what, strerror_r(error_number, text, sizeof(text)));
}
