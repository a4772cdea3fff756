/*
 * Reading: settings.def becomes an array, each line is read by the function of its type into its member, then
 * settings_derive.c works out what depends on several of them. Everything lives in one arena, freed with the settings.
 */
#include "base/settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/settings_impl.h"

/* The environment is bounded by the kernel to about 2 MiB; this is for its copies. */
#define MEMORY_LIMIT_BYTES (16 * 1024 * 1024)

#define OTHER_FILES    2048   /* databases, Redis, epoll sets, files; WebSockets that are too many, until they have heard so */
#define MAX_RATE_CALLS 100000 /* the time of each is kept (cache/throttle.h) */

const struct setting_line setting_lines[] = {
#define SETTING(variable, member, type, fallback, min, max, help) \
	{ #variable, SETTING_IS_##type, offsetof(struct settings, member), fallback, (double)(min), (double)(max), help },
#include "base/settings.def"
#undef SETTING
};
const size_t n_setting_lines = N_ELEMENTS(setting_lines);

const char *settings_from_environment(const char *variable, void *arg)
{
	return getenv(variable);
}

/* Masked before it is cut: a cut URL may have lost the '@' that tells where its password ends. */
int settings_refuse(struct error *err, const char *variable, struct str value, const char *allowed)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY, shown = BUF_EMPTY;

	buf_add_str(&text, value);
	if (!text.failed && text.data)
		settings_mask_url(&shown, text.data);
	for (size_t i = 0; i < shown.len; i++)
		if ((unsigned char)shown.data[i] < 0x20 || shown.data[i] == 0x7f)
			shown.data[i] = '?';
	return error_set(err, ERR_CONFIG, "%s=%.80s: %s", variable, buf_view(&shown).s, allowed);
}

int settings_list_add(struct settings *s, struct setting_list *list, struct str item)
{
	struct str *items = arena_alloc(s->memory, (list->n + 1) * sizeof(*items));
	struct str copy = arena_str(s->memory, item);

	if (!items || !copy.s)
		return ERR_NOMEM;
	if (list->n)
		memcpy(items, list->items, list->n * sizeof(*items));
	items[list->n] = copy;
	*list = (struct setting_list){ items, list->n + 1 };
	return 0;
}

static bool is_one_of(struct str value, const char *const *words)
{
	for (; *words; words++)
		if (str_equal_nocase(value, str_of(*words)))
			return true;
	return false;
}

static bool read_flag(enum setting_type type, struct str value)
{
	static const char *const flag[] = { "true", NULL }, *const flag1[] = { "1", "true", "yes", "on", NULL };

	if (type == SETTING_IS_ONE)
		return str_is(value, "1");
	return is_one_of(value, type == SETTING_IS_FLAG ? flag : flag1);
}

static int read_int(const struct setting_line *line, struct str value, int64_t *member, struct error *err)
{
	char allowed[80];
	int64_t n;

	if (str_is(value, "auto") && strcmp(line->fallback, "auto") == 0) {
		*member = 0;
		return 0;
	}
	if (str_to_int(str_trim(value), &n) && (double)n >= line->min && (double)n <= line->max) {
		*member = n;
		return 0;
	}
	snprintf(allowed, sizeof(allowed), "an integer from %.0f to %.0f is allowed", line->min, line->max);
	return settings_refuse(err, line->variable, value, allowed);
}

static int read_float(const struct setting_line *line, struct str value, double *member, struct error *err)
{
	char allowed[80];
	double x;

	if (str_to_double(str_trim(value), &x) && x >= line->min && x <= line->max) {
		*member = x;
		return 0;
	}
	snprintf(allowed, sizeof(allowed), "a number from %g to %g is allowed", line->min, line->max);
	return settings_refuse(err, line->variable, value, allowed);
}

static int read_text(struct settings *s, struct str value, const char **member)
{
	if (!value.len)
		return 0;
	*member = arena_strndup(s->memory, value.s, value.len);
	return *member ? 0 : ERR_NOMEM;
}

/* One array for all items, so that a long list costs its length and no more. */
static int read_list(struct settings *s, struct str value, struct setting_list *member)
{
	struct str rest = arena_str(s->memory, value), piece;
	size_t most = 1;

	if (!rest.s)
		return ERR_NOMEM;
	for (size_t i = 0; i < rest.len; i++)
		most += rest.s[i] == ',';
	member->items = arena_alloc(s->memory, most * sizeof(*member->items));
	if (!member->items)
		return ERR_NOMEM;
	while (str_split(&rest, ',', &piece)) {
		piece = str_trim(piece);
		if (piece.len)
			member->items[member->n++] = piece;
	}
	return 0;
}

static int read_level(const struct setting_line *line, struct str value, enum log_level *member, struct error *err)
{
	if (log_level_parse(str_trim(value), member))
		return 0;
	return settings_refuse(err, line->variable, value, "DEBUG, INFO, WARNING, ERROR or CRITICAL is allowed");
}

/* As Django reads it: the number may have spaces around it, and of the period only the first letter counts. */
static int read_rate(const struct setting_line *line, struct str value, struct setting_rate *member, struct error *err)
{
	static const struct {
		char letter;
		int64_t seconds;
	} periods[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	struct str period = value, calls;
	int64_t n;

	if (str_split(&period, '/', &calls) && period.len && str_find(period, '/') < 0 && str_to_uint(str_trim(calls), &n) &&
	    n <= MAX_RATE_CALLS) {
		for (size_t i = 0; i < N_ELEMENTS(periods); i++) {
			if (period.s[0] != periods[i].letter)
				continue;
			*member = (struct setting_rate){ n, periods[i].seconds * US_PER_S };
			return 0;
		}
	}
	return settings_refuse(err, line->variable, value, "a number of calls up to 100000, / and second, minute, hour or day are allowed");
}

static int read_line(struct settings *s, const struct setting_line *line, struct str value, struct error *err)
{
	void *member = (char *)s + line->offset;

	switch (line->type) {
	case SETTING_IS_FLAG:
	case SETTING_IS_FLAG1:
	case SETTING_IS_ONE:
		*(bool *)member = read_flag(line->type, value);
		return 0;
	case SETTING_IS_INT:
		return read_int(line, value, member, err);
	case SETTING_IS_FLOAT:
		return read_float(line, value, member, err);
	case SETTING_IS_TEXT:
	case SETTING_IS_SECRET:
	case SETTING_IS_URL:
		return read_text(s, value, member);
	case SETTING_IS_LIST:
		return read_list(s, value, member);
	case SETTING_IS_LEVEL:
		return read_level(line, value, member, err);
	case SETTING_IS_RATE:
		return read_rate(line, value, member, err);
	}
	return ERR_INTERNAL;
}

/* An empty value is an unset one; not for flags, where Django reads it as "no". */
static const char *value_of(const struct setting_line *line, settings_source source, void *arg)
{
	const char *value = source(line->variable, arg);

	if (!value || (!*value && line->type > SETTING_IS_ONE))
		return line->fallback;
	return value;
}

static int read_all(struct settings *s, settings_source source, void *arg, bool terminal, struct error *err)
{
	int r;

	for (size_t i = 0; i < n_setting_lines; i++) {
		r = read_line(s, &setting_lines[i], str_of(value_of(&setting_lines[i], source, arg)), err);
		if (r < 0)
			return r;
	}
	return settings_derive(s, terminal, err);
}

static struct settings *create(void)
{
	struct settings *s = mem_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->memory = mem_alloc(sizeof(*s->memory));
	if (!s->memory) {
		free(s);
		return NULL;
	}
	arena_init(s->memory, MEMORY_LIMIT_BYTES);
	return s;
}

int settings_load(settings_source source, void *arg, bool terminal, struct settings **ret_settings, struct error *err)
{
	struct settings *s = create();
	int r = s ? read_all(s, source, arg, terminal, err) : ERR_NOMEM;

	if (r < 0) {
		settings_destroy(s);
		return r == ERR_CONFIG ? r : error_set(err, r, "settings: %s", error_name(r));
	}
	*ret_settings = s;
	return 0;
}

int settings_files(const struct settings *s)
{
	return (int)(s->max_connections + s->realtime_max_connections) + OTHER_FILES;
}

void settings_destroy(struct settings *s)
{
	if (!s)
		return;
	arena_finish(s->memory);
	free(s->memory);
	free(s);
}
