/* An environment, as lines VARIABLE=value, through loading, checking and printing. */
#include "base/settings.h"
#include "tests/fuzz/fuzz.h"

#define CANARY "canary-0f9a8b7c"

static struct str input;

/* The value of the first line that names the variable; DB_PASSWORD is always the canary. */
static const char *from_lines(const char *variable, void *ret_value)
{
	struct buf *value = ret_value;
	struct str rest = input, line;
	size_t n = strlen(variable);

	buf_clear(value);
	if (strcmp(variable, "DB_PASSWORD") == 0)
		return CANARY;
	while (str_split(&rest, '\n', &line)) {
		if (line.len <= n || line.s[n] != '=' || !str_starts(line, variable))
			continue;
		buf_add(value, line.s + n + 1, line.len - n - 1);
		return value->data;
	}
	return NULL;
}

static void check_loaded(const struct settings *s)
{
	FUZZ_CHECK(s->http_threads >= 1 && s->http_threads <= 256);
	FUZZ_CHECK(s->port >= 0 && s->port <= 65535);
	FUZZ_CHECK(s->resolved_database_url[0] != '\0');
	for (size_t i = 0; i < s->hosts.n; i++) {
		FUZZ_CHECK(s->hosts.items[i].len > 0);
		for (size_t k = 0; k < s->hosts.items[i].len; k++)
			FUZZ_CHECK(s->hosts.items[i].s[k] == str_lower(s->hosts.items[i].s[k]));
	}
	for (size_t i = 0; i < s->origins.n; i++)
		FUZZ_CHECK(str_is(s->origins.items[i], "null") || str_find(s->origins.items[i], '/') > 1);
}

static void check_printed(const struct settings *s)
{
	struct buf b = BUF_EMPTY;
	int lines = 0;

	settings_print(s, &b);
	FUZZ_CHECK(!b.failed && !strstr(b.data, CANARY));
	for (size_t i = 0; i < b.len; i++)
		lines += b.data[i] == '\n';
#define SETTING(...) lines--;
#include "base/settings.def"
#undef SETTING
	FUZZ_CHECK(lines == 0);
	buf_finish(&b);
}

static void check_refused(const struct error *err)
{
	FUZZ_CHECK(err->code == ERR_CONFIG);
	FUZZ_CHECK(err->text[0] != '\0' && !strchr(err->text, '\n') && !strstr(err->text, CANARY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf value = BUF_EMPTY;
	struct settings *s = NULL;
	struct error err = { 0 };

	input = (struct str){ (const char *)data, size };
	if (memmem(data, size, CANARY, strlen(CANARY)) != NULL) /* then it may show */
		return 0;
	if (settings_load(from_lines, &value, false, &s, &err) == 0) {
		check_loaded(s);
		check_printed(s);
		if (settings_check_serving(s, &err) < 0)
			check_refused(&err);
	} else {
		check_refused(&err);
	}
	settings_destroy(s);
	buf_finish(&value);
	return 0;
}
