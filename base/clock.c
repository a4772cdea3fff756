/*
 * Dates are worked out here rather than by the C library: its functions know time zones, take locks, and read no
 * microseconds. Days are counted in eras of 400 years whose years begin in March, so that the leap day comes last.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define DAY_S INT64_C(86400)

static atomic_llong test_offset_us, test_step_us;

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000 + atomic_load_explicit(&test_offset_us, memory_order_relaxed);
}

struct instant clock_now(void)
{
	return (struct instant){ read_clock(CLOCK_REALTIME) + atomic_load_explicit(&test_step_us, memory_order_relaxed) };
}

int64_t clock_monotonic_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

struct timespec clock_wait_until(int64_t wait_us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	wait_us = (wait_us > 0 ? wait_us : 0) + until.tv_nsec / 1000;
	until.tv_sec += (time_t)(wait_us / US_PER_S);
	until.tv_nsec = (long)(wait_us % US_PER_S) * 1000;
	return until;
}

void clock_advance_for_tests(int64_t delta_us)
{
	atomic_fetch_add(&test_offset_us, delta_us);
}

void clock_step_for_tests(int64_t delta_us)
{
	atomic_fetch_add(&test_step_us, delta_us);
}

struct civil {
	int64_t year;
	int month, day, hour, minute, second, us;
};

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar; eras of 400 years, years begin in March. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static struct civil civil_from_instant(struct instant t)
{
	int64_t seconds = t.us / US_PER_S - (t.us % US_PER_S < 0);
	int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	c.us = (int)(t.us - seconds * US_PER_S);
	seconds -= days * DAY_S;
	c.hour = (int)(seconds / 3600);
	c.minute = (int)(seconds % 3600 / 60);
	c.second = (int)(seconds % 60);
	return c;
}

static size_t put_digits(char *p, int64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return (size_t)width;
}

/* "YYYY-MM-DD<between>hh:mm:ss" */
static size_t put_civil(char *p, const struct civil *c, char between)
{
	char *start = p;

	p += put_digits(p, c->year, 4);
	*p++ = '-';
	p += put_digits(p, c->month, 2);
	*p++ = '-';
	p += put_digits(p, c->day, 2);
	*p++ = between;
	p += put_digits(p, c->hour, 2);
	*p++ = ':';
	p += put_digits(p, c->minute, 2);
	*p++ = ':';
	p += put_digits(p, c->second, 2);
	return (size_t)(p - start);
}

static size_t put_micros(char *p, int us)
{
	if (!us)
		return 0;
	*p = '.';
	return 1 + put_digits(p + 1, us, 6);
}

size_t clock_format_iso(struct instant t, char ret_text[CLOCK_ISO_SIZE])
{
	struct civil c = civil_from_instant(t);
	size_t n = put_civil(ret_text, &c, 'T');

	n += put_micros(ret_text + n, c.us);
	memcpy(ret_text + n, "+00:00", 7);
	return n + 6;
}

size_t clock_format_log(struct instant t, char ret_text[CLOCK_ISO_SIZE])
{
	struct civil c = civil_from_instant(t);
	size_t n = put_civil(ret_text, &c, 'T');

	ret_text[n++] = '.';
	n += put_digits(ret_text + n, c.us / 1000, 3);
	memcpy(ret_text + n, "Z", 2);
	return n + 1;
}

size_t clock_format_sql(struct instant t, char ret_text[CLOCK_ISO_SIZE])
{
	struct civil c = civil_from_instant(t);
	size_t n = put_civil(ret_text, &c, ' ');

	n += put_micros(ret_text + n, c.us);
	ret_text[n] = '\0';
	return n;
}

/* A cursor over the text that is being read. */
struct reader {
	const char *p, *end;
};

static bool read_digits(struct reader *r, int width, int *ret_value)
{
	int value = 0;

	if (r->end - r->p < width)
		return false;
	for (int i = 0; i < width; i++) {
		if (r->p[i] < '0' || r->p[i] > '9')
			return false;
		value = value * 10 + (r->p[i] - '0');
	}
	r->p += width;
	*ret_value = value;
	return true;
}

static bool read_char(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* The digits after the point: six count, more are dropped. */
static bool read_fraction(struct reader *r, int *ret_us)
{
	int us = 0, digits = 0;

	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++, digits++)
		if (digits < 6)
			us = us * 10 + (*r->p - '0');
	for (int i = digits; i < 6; i++)
		us *= 10;
	*ret_us = us;
	return digits > 0;
}

static bool read_time_of_day(struct reader *r, struct civil *c)
{
	if (!read_digits(r, 2, &c->hour) || !read_char(r, ':') || !read_digits(r, 2, &c->minute))
		return false;
	if (read_char(r, ':')) {
		if (!read_digits(r, 2, &c->second))
			return false;
		if (read_char(r, '.') && !read_fraction(r, &c->us))
			return false;
	}
	return c->hour < 24 && c->minute < 60 && c->second < 60;
}

static bool read_offset(struct reader *r, int64_t *ret_seconds)
{
	int hours, minutes = 0;
	bool negative;

	*ret_seconds = 0;
	if (r->p == r->end || read_char(r, 'Z') || read_char(r, 'z'))
		return true;
	negative = *r->p == '-';
	if (!read_char(r, '+') && !read_char(r, '-'))
		return false;
	if (!read_digits(r, 2, &hours))
		return false;
	if ((read_char(r, ':') || r->p != r->end) && !read_digits(r, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (negative ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

bool clock_parse(struct str s, struct instant *ret_instant)
{
	struct reader r = { s.s, s.s + s.len };
	struct civil c = { 0 };
	int64_t offset_s = 0;
	int year;

	if (!s.s || !read_digits(&r, 4, &year) || !read_char(&r, '-') || !read_digits(&r, 2, &c.month) || !read_char(&r, '-') ||
	    !read_digits(&r, 2, &c.day))
		return false;
	if (year < 1 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_in_month(year, c.month))
		return false;
	if (r.p != r.end) {
		if (!read_char(&r, ' ') && !read_char(&r, 'T'))
			return false;
		if (!read_time_of_day(&r, &c) || !read_offset(&r, &offset_s) || r.p != r.end)
			return false;
	}
	ret_instant->us =
	        ((days_from_civil(year, c.month, c.day) * DAY_S + c.hour * 3600 + c.minute * 60 + c.second) - offset_s) * US_PER_S + c.us;
	return true;
}
