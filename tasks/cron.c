/*
 * Each field is a set of bits; a day fits or does not, and within one that fits the next minute is looked for. Days are counted from
 * 1970-01-01 (a Thursday) and turned into a date by Hinnant's formula for the Gregorian calendar.
 */
#include "tasks/cron.h"

#include "base/cleanup.h"
#include "base/clock.h"

#define MINUTES_PER_DAY (24 * 60)
#define US_PER_MINUTE   (60 * US_PER_S)
#define DAYS_LOOKED_AT  (8 * 366) /* 29 February fits once in eight years at least */
#define THURSDAY        4

struct field {
	const char *name;
	int first, count;
	const char *const *words; /* for the values from first on; NULL: numbers alone */
};

static const char *const month_words[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const weekday_words[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct field fields[] = {
	{ "minute", 0, 60, NULL },
	{ "hour", 0, 24, NULL },
	{ "day of month", 1, 31, NULL },
	{ "month", 1, 12, month_words },
	{ "day of week", 0, 7, weekday_words },
};

/* ---- reading ---- */

static bool read_value(const struct field *field, struct str text, int *ret_value)
{
	int64_t value;

	for (int i = 0; field->words && i < field->count; i++) {
		if (str_equal_nocase(text, str_of(field->words[i]))) {
			*ret_value = field->first + i;
			return true;
		}
	}
	if (!str_to_uint(text, &value) || value < field->first || value >= field->first + field->count)
		return false;
	*ret_value = (int)value;
	return true;
}

/* "*", "5" or "5-9" as a beginning and a number of values. */
static bool read_range(const struct field *field, struct str text, int *ret_from, int *ret_n)
{
	ptrdiff_t dash = str_find(text, '-');
	int to;

	*ret_from = field->first;
	*ret_n = field->count;
	if (str_is(text, "*"))
		return true;
	*ret_n = 1;
	if (dash < 0)
		return read_value(field, text, ret_from);
	if (!read_value(field, (struct str){ text.s, (size_t)dash }, ret_from) ||
	    !read_value(field, (struct str){ text.s + dash + 1, text.len - (size_t)dash - 1 }, &to))
		return false;
	*ret_n = to - *ret_from + 1 + (to < *ret_from ? field->count : 0);
	return true;
}

/* A range, and after a slash (but not for a single value) the step. */
static bool read_part(const struct field *field, struct str text, uint64_t *bits)
{
	ptrdiff_t slash = str_find(text, '/');
	int64_t step = 1;
	int from, n;

	if (slash >= 0 && text.s[0] != '*' && str_find(text, '-') < 0)
		return false;
	if (slash >= 0 && (!str_to_uint((struct str){ text.s + slash + 1, text.len - (size_t)slash - 1 }, &step) || step < 1))
		return false;
	if (!read_range(field, slash < 0 ? text : (struct str){ text.s, (size_t)slash }, &from, &n))
		return false;
	for (int64_t i = 0; i < n; i += step)
		*bits |= UINT64_C(1) << (field->first + (from - field->first + i) % field->count);
	return true;
}

int cron_parse(struct str text, struct cron *ret_cron, struct error *err)
{
	uint64_t bits[N_ELEMENTS(fields)] = { 0 };
	struct str list, part;
	size_t n = 0;

	while (str_split(&text, ' ', &list)) {
		if (n == N_ELEMENTS(fields))
			return error_set(err, ERR_INVALID, "more than five fields");
		while (str_split(&list, ',', &part))
			if (!read_part(&fields[n], part, &bits[n]))
				return error_set(err, ERR_INVALID, "%s: %.*s", fields[n].name, STR_ARG(part));
		n++;
	}
	if (n < N_ELEMENTS(fields))
		return error_set(err, ERR_INVALID, "fewer than five fields");
	*ret_cron = (struct cron){ bits[0], (uint32_t)bits[1], (uint32_t)bits[2], (uint32_t)bits[3], (uint32_t)bits[4] };
	return 0;
}

/* ---- the calendar ---- */

static void date_of(int64_t day, int *ret_month, int *ret_day)
{
	int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

static bool day_fits(const struct cron *cron, int64_t day)
{
	int64_t weekday = ((day + THURSDAY) % 7 + 7) % 7;
	int month, month_day;

	date_of(day, &month, &month_day);
	return (cron->weekdays >> weekday & 1) && (cron->days >> month_day & 1) && (cron->months >> month & 1);
}

static bool minute_fits(const struct cron *cron, int minute)
{
	return (cron->hours >> minute / 60 & 1) && (cron->minutes >> minute % 60 & 1);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* From a minute since 1970 on, forward or back (step 1 or -1). */
static struct instant look(const struct cron *cron, int64_t minute, int step)
{
	int64_t day = floor_divide(minute, MINUTES_PER_DAY);
	int at = (int)(minute - day * MINUTES_PER_DAY);

	for (int i = 0; i < DAYS_LOOKED_AT; i++, day += step) {
		bool fits = day_fits(cron, day);

		for (int m = at; fits && m >= 0 && m < MINUTES_PER_DAY; m += step)
			if (minute_fits(cron, m))
				return (struct instant){ (day * MINUTES_PER_DAY + m) * US_PER_MINUTE };
		at = step > 0 ? 0 : MINUTES_PER_DAY - 1;
	}
	return NULL_TIME;
}

struct instant cron_next(const struct cron *cron, struct instant after)
{
	return look(cron, floor_divide(after.us, US_PER_MINUTE) + 1, 1);
}

struct instant cron_last(const struct cron *cron, struct instant until)
{
	return look(cron, floor_divide(until.us, US_PER_MINUTE), -1);
}
