/*
 * What people see of the settings: `egoejo settings`, and the table in README. Secrets are hidden here by type, so that a
 * new line in settings.def cannot forget it.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/settings_impl.h"

/* Appends the query with the values of password parameters hidden (libpq takes credentials there too). */
static void mask_query(struct buf *b, struct str query)
{
	struct str piece;
	const char *before = "?";

	while (str_split(&query, '&', &piece)) {
		ptrdiff_t at = str_find(piece, '=');
		struct str name = { piece.s, at < 0 ? piece.len : (size_t)at };

		buf_add_text(b, before);
		if (at >= 0 && (str_equal_nocase(name, str_of("password")) || str_equal_nocase(name, str_of("sslpassword"))))
			buf_addf(b, "%.*s=***", STR_ARG(name));
		else
			buf_add_str(b, piece);
		before = "&";
	}
}

/* A password may hold an unescaped '/', '?' or '#', so the last '@' of all counts: better to hide too much than a part of a password. */
void settings_mask_url(struct buf *b, const char *url)
{
	const char *slashes = strstr(url, "://");
	const char *authority = slashes ? slashes + 3 : url;
	const char *at = strrchr(authority, '@'), *rest = at ? at : authority, *query = strchr(rest, '?');

	if (slashes)
		buf_add(b, url, (size_t)(authority - url));
	if (at)
		buf_add_text(b, "***");
	if (!query) {
		buf_add_text(b, rest);
		return;
	}
	buf_add(b, rest, (size_t)(query - rest));
	mask_query(b, str_of(query + 1));
}

/* One setting, one line, whatever is in it. */
static void add_one_line(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_add_char(b, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void print_list(struct buf *b, const struct setting_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			buf_add_char(b, ',');
		for (size_t k = 0; k < list->items[i].len; k++)
			add_one_line(b, (char[]){ list->items[i].s[k], '\0' });
	}
}

static void print_text(struct buf *b, enum setting_type type, const char *text)
{
	CLEANUP(buf_finish) struct buf masked = BUF_EMPTY;

	if (!text)
		return;
	if (type == SETTING_IS_SECRET) {
		buf_add_text(b, "***");
		return;
	}
	if (type == SETTING_IS_URL) {
		settings_mask_url(&masked, text);
		b->failed |= masked.failed;
		text = buf_view(&masked).s;
	}
	add_one_line(b, text);
}

static void print_rate(struct buf *b, const struct setting_rate *rate)
{
	int64_t s = rate->period_us / US_PER_S;
	const char *period = s == 1 ? "second" : s == 60 ? "minute" : s == 3600 ? "hour" : "day";

	buf_addf(b, "%lld/%s", (long long)rate->calls, period);
}

static void print_value(struct buf *b, const struct setting_line *line, const void *member)
{
	switch (line->type) {
	case SETTING_IS_FLAG:
	case SETTING_IS_FLAG1:
		buf_add_text(b, *(const bool *)member ? "true" : "false");
		break;
	case SETTING_IS_ONE:
		buf_add_text(b, *(const bool *)member ? "1" : "0");
		break;
	case SETTING_IS_INT:
		buf_addf(b, "%lld", (long long)*(const int64_t *)member);
		break;
	case SETTING_IS_FLOAT:
		buf_addf(b, "%g", *(const double *)member);
		break;
	case SETTING_IS_LIST:
		print_list(b, member);
		break;
	case SETTING_IS_LEVEL:
		buf_add_text(b, log_level_name(*(const enum log_level *)member));
		break;
	case SETTING_IS_RATE:
		print_rate(b, member);
		break;
	default:
		print_text(b, line->type, *(const char *const *)member);
	}
}

void settings_print(const struct settings *s, struct buf *b)
{
	for (size_t i = 0; i < n_setting_lines; i++) {
		buf_addf(b, "%s=", setting_lines[i].variable);
		print_value(b, &setting_lines[i], (const char *)s + setting_lines[i].offset);
		buf_add_char(b, '\n');
	}
}

static void print_type(struct buf *b, const struct setting_line *line)
{
	static const char *const names[] = {
		[SETTING_IS_FLAG] = "flag (`true`)", [SETTING_IS_FLAG1] = "flag (`1`, `true`, `yes`, `on`)",
		[SETTING_IS_ONE] = "flag (`1`)",     [SETTING_IS_INT] = "integer",
		[SETTING_IS_FLOAT] = "number",       [SETTING_IS_TEXT] = "text",
		[SETTING_IS_SECRET] = "secret",      [SETTING_IS_URL] = "URL",
		[SETTING_IS_LIST] = "list",          [SETTING_IS_LEVEL] = "log level",
		[SETTING_IS_RATE] = "rate",
	};

	buf_add_text(b, names[line->type]);
	if (line->type == SETTING_IS_INT)
		buf_addf(b, " %.0f–%.0f", line->min, line->max);
	else if (line->type == SETTING_IS_FLOAT)
		buf_addf(b, " %g–%g", line->min, line->max);
}

static void add_cell(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_add_char(b, '\\');
		buf_add_char(b, *text);
	}
}

void settings_print_markdown(struct buf *b)
{
	buf_add_text(b, "| variable | type | default | meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < n_setting_lines; i++) {
		const struct setting_line *line = &setting_lines[i];

		buf_addf(b, "| `%s` | ", line->variable);
		print_type(b, line);
		if (*line->fallback)
			buf_addf(b, " | `%s` | ", line->fallback);
		else
			buf_add_text(b, " | – | ");
		add_cell(b, line->help);
		buf_add_text(b, " |\n");
	}
}
