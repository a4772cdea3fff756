/* egoejo alerts-report: the critical alerts of a month. */
#include <stdio.h>

#include "app/command.h"
#include "base/clock.h"
#include "domain/alert_report.h"

#define FIRST_YEAR  2020
#define ARENA_BYTES ((size_t)16 << 20)

static int64_t present_year(void)
{
	char text[CLOCK_ISO_SIZE];
	int64_t year = 0;

	clock_format_iso(clock_now(), text);
	str_to_uint((struct str){ text, 4 }, &year);
	return year;
}

/* The first moment of a month; month 13 is January of the next year. */
static struct instant month_begins(int64_t year, int64_t month)
{
	struct instant begins = { 0 };
	char text[CLOCK_ISO_SIZE];

	snprintf(text, sizeof(text), "%04lld-%02lld-01", (long long)(year + (month > 12)), (long long)(month > 12 ? 1 : month));
	clock_parse(str_of(text), &begins);
	return begins;
}

static int read_month(const char *text, struct instant *ret_from, struct instant *ret_to, struct error *err)
{
	struct str s = str_of(text);
	int64_t year, month, last_year = present_year() + 1;

	if (s.len != 7 || s.s[4] != '-' || !str_to_uint((struct str){ s.s, 4 }, &year) || !str_to_uint((struct str){ s.s + 5, 2 }, &month))
		return error_set(err, ERR_INVALID, "--month=%.40s: write it as 2026-11", text);
	if (month < 1 || month > 12)
		return error_set(err, ERR_INVALID, "--month=%s: months are 01 to 12", text);
	if (year < FIRST_YEAR || year > last_year)
		return error_set(err, ERR_INVALID, "--month=%s: years are %d to %lld", text, FIRST_YEAR, (long long)last_year);
	*ret_from = month_begins(year, month);
	*ret_to = month_begins(year, month + 1);
	return 0;
}

static void add_counts(struct buf *out, const char *title, const struct db_rows *rows)
{
	const struct alert_count *counts = rows->items;

	buf_addf(out, "\n%s\n", title);
	for (size_t i = 0; i < rows->n; i++)
		buf_addf(out, "%8lld  %.*s\n", (long long)counts[i].n, STR_ARG(counts[i].name));
}

static void add_report(struct buf *out, const char *month, const struct alert_report *report)
{
	char first[CLOCK_ISO_SIZE], last[CLOCK_ISO_SIZE];

	buf_addf(out, "Critical alerts of %s: %lld\n", month, (long long)report->total);
	if (!report->total)
		return;
	clock_format_iso(report->first, first);
	clock_format_iso(report->last, last);
	buf_addf(out, "First: %s\nLast:  %s\n", first, last);
	add_counts(out, "By event type", &report->by_type);
	add_counts(out, "By channel", &report->by_channel);
}

static int read_report(struct db *db, struct instant from, struct instant to, const char *month, struct buf *out, struct error *err)
{
	struct alert_report report = { 0 };
	struct db_conn *conn = NULL;
	struct arena arena;
	int r = db_connect(db, &conn, err);

	if (r < 0)
		return r;
	arena_init(&arena, ARENA_BYTES);
	r = alert_report(conn, &arena, from, to, &report);
	if (r == 0)
		add_report(out, month, &report);
	else
		error_set(err, r, "the alerts: %s", *db_error(conn) ? db_error(conn) : error_name(r));
	arena_finish(&arena);
	db_disconnect(conn);
	return r;
}

int command_alerts_report(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf out = BUF_EMPTY;
	struct settings *settings = NULL;
	struct instant from, to;
	struct error err = { 0 };
	struct db *db = NULL;
	int r = error_set(&err, ERR_INVALID, "--month is needed: write it as 2026-11");

	if (arguments->month)
		r = read_month(arguments->month, &from, &to, &err);
	if (r == 0)
		r = command_load_settings(&settings, &err);
	if (r == 0)
		r = command_open_database(settings, false, &db, &err);
	if (r == 0)
		r = read_report(db, from, to, arguments->month, &out, &err);
	db_close(db);
	settings_destroy(settings);
	return r < 0 ? command_fail(&err) : command_print(&out);
}
