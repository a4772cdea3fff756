/*
 * INFO lines (mostly the access log) gather in a buffer and go out when it is full, when a more urgent line comes, or when
 * log_flush is called (the monitor does so every 100 ms); so an access line costs an append, not a system call.
 *
 * There are two buffers and two mutexes: while one buffer is being written, lines gather in the other, so that a slow disk
 * stops nobody until that is full as well. Formatting happens outside the locks.
 */
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"

#define BUFFER_BYTES   (1024 * 1024) /* of each: 100 ms of some 40,000 requests a second; untouched pages cost nothing */
#define MAX_TEXT_BYTES 1000

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* held by who writes to the target; taken before lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    /* for waiting and waiting_len; never held during a system call */
static char buffers[2][BUFFER_BYTES];
static char *waiting = buffers[0];
static size_t waiting_len;
static enum log_format log_as = LOG_JSON;
static enum log_level lowest = LOG_INFO;
static int target = STDERR_FILENO;
static bool torn; /* under writing: the last line could be written in part only */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t line_key; /* each thread's struct buf, kept between lines: no allocation in the steady state */

static const char *const level_names[] = { "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL" };

void log_init(enum log_format format, enum log_level level, int fd)
{
	log_as = format;
	lowest = level;
	target = fd;
}

bool log_enabled(enum log_level level)
{
	return level >= lowest;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_parse(struct str name, enum log_level *ret_level)
{
	for (size_t i = 0; i < N_ELEMENTS(level_names); i++) {
		if (str_equal_nocase(name, str_of(level_names[i]))) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* The bytes that the target took of n. */
static size_t write_some(const char *p, size_t n)
{
	size_t sum = 0;

	while (sum < n) {
		ssize_t done = write(target, p + sum, n - sum);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			break;
		sum += (size_t)done;
	}
	return sum;
}

/* A target that is full, closed or broken costs the line, never the caller. What follows a torn line begins a new one. */
static void write_out(const char *p, size_t n)
{
	size_t done;

	if (!n || (torn && write_some("\n", 1) == 0))
		return;
	done = write_some(p, n);
	torn = done > 0 && p[done - 1] != '\n';
}

void log_flush(void)
{
	const char *full;
	size_t n;

	pthread_mutex_lock(&writing);
	pthread_mutex_lock(&lock);
	full = waiting;
	n = waiting_len;
	waiting = waiting == buffers[0] ? buffers[1] : buffers[0];
	waiting_len = 0;
	pthread_mutex_unlock(&lock);
	write_out(full, n);
	pthread_mutex_unlock(&writing);
}

/* At most MAX_TEXT_BYTES, whole characters. */
static struct str cut(struct str text)
{
	if (text.len <= MAX_TEXT_BYTES)
		return text;
	text.len = MAX_TEXT_BYTES;
	while (text.len && ((unsigned char)text.s[text.len] & 0xc0) == 0x80)
		text.len--;
	return text;
}

/* Three decimals, as "%.3f" but for ties. The access log writes one per request: printf took a third of its time. */
static void add_decimals(struct buf *line, double number)
{
	int64_t thousandths;
	char fraction[4];

	if (fabs(number) > 1e12) {
		buf_addf(line, "%.3f", number);
		return;
	}
	thousandths = llround(fabs(number) * 1000);
	if (number < 0 && thousandths)
		buf_add_char(line, '-');
	json_add_int(line, thousandths / 1000);
	fraction[0] = '.';
	for (int i = 3; i > 0; i--, thousandths /= 10)
		fraction[i] = (char)('0' + thousandths % 10);
	buf_add(line, fraction, sizeof(fraction));
}

static void add_field_value(struct buf *line, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_FIELD_INT:
		json_add_int(line, f->integer);
		break;
	case LOG_FIELD_FLOAT:
		if (isfinite(f->number))
			add_decimals(line, f->number);
		else
			buf_add_text(line, "null");
		break;
	default:
		json_add_str(line, cut(f->text));
	}
}

static bool is_absent(const struct log_field *f)
{
	return f->kind == LOG_FIELD_STR && !f->text.s;
}

static void add_json(struct buf *line, enum log_level level, const char *logger, const char *event, const struct log_field *fields,
                     size_t n, const char *message)
{
	char ts[CLOCK_ISO_SIZE];

	clock_format_log(clock_now(), ts);
	buf_add_text(line, "{\"ts\":\"");
	buf_add_text(line, ts);
	buf_add_text(line, "\",\"level\":\"");
	buf_add_text(line, level_names[level]);
	buf_add_text(line, "\",\"logger\":\"");
	buf_add_text(line, logger);
	buf_add_text(line, "\",\"event\":\"");
	buf_add_text(line, event);
	buf_add_text(line, "\",\"message\":");
	json_add_text(line, message);
	for (size_t i = 0; i < n; i++) {
		if (is_absent(&fields[i]))
			continue;
		buf_add_char(line, ',');
		json_add_key(line, fields[i].name);
		add_field_value(line, &fields[i]);
	}
	buf_add_text(line, "}\n");
}

static void add_text(struct buf *line, enum log_level level, const char *logger, const char *event, const struct log_field *fields,
                     size_t n, const char *message)
{
	char ts[CLOCK_ISO_SIZE];

	clock_format_log(clock_now(), ts);
	buf_addf(line, "%s %-8s %s %s: ", ts, level_names[level], logger, event);
	for (const char *p = message; *p; p++)
		buf_add_char(line, (unsigned char)*p < 0x20 ? ' ' : *p); /* one event, one line */
	for (size_t i = 0; i < n; i++) {
		if (is_absent(&fields[i]))
			continue;
		buf_addf(line, " %s=", fields[i].name);
		add_field_value(line, &fields[i]);
	}
	buf_add_char(line, '\n');
}

/* False when the buffer has no room for it now. */
static bool append(struct str line)
{
	bool room;

	pthread_mutex_lock(&lock);
	room = line.len <= BUFFER_BYTES - waiting_len;
	if (room) {
		memcpy(waiting + waiting_len, line.s, line.len);
		waiting_len += line.len;
	}
	pthread_mutex_unlock(&lock);
	return room;
}

static void emit(enum log_level level, struct str line)
{
	bool fits = line.len <= BUFFER_BYTES;

	while (fits && !append(line))
		log_flush();
	if (!fits || level >= LOG_WARNING)
		log_flush();
	if (fits)
		return;
	pthread_mutex_lock(&writing);
	write_out(line.s, line.len);
	pthread_mutex_unlock(&writing);
}

static void free_line(void *line)
{
	buf_finish(line);
	free(line);
}

static void make_line_key(void)
{
	if (pthread_key_create(&line_key, free_line) != 0)
		abort(); /* the first line of a process: nothing runs yet */
}

/* The buffer of this thread; NULL without memory. */
static struct buf *line_of_thread(void)
{
	struct buf *line;

	pthread_once(&once, make_line_key);
	line = pthread_getspecific(line_key);
	if (line)
		return line;
	line = mem_alloc(sizeof(*line));
	if (line && pthread_setspecific(line_key, line) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

void log_write(enum log_level level, const char *logger, const char *event, const struct log_field *fields, size_t n_fields,
               const char *format, ...)
{
	struct buf *line = log_enabled(level) ? line_of_thread() : NULL;
	char message[1024];
	va_list args;

	if (!line)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	buf_clear(line);
	if (log_as == LOG_JSON)
		add_json(line, level, logger, event, fields, n_fields, message);
	else
		add_text(line, level, logger, event, fields, n_fields, message);
	if (!line->failed)
		emit(level, buf_view(line));
}

bool log_limit_pass(struct log_limit *limit, int64_t interval_us, int64_t *ret_suppressed)
{
	int64_t now = clock_monotonic_us();
	int64_t next = limit->next_us;

	if (now < next || !atomic_compare_exchange_strong(&limit->next_us, &next, now + interval_us)) {
		limit->suppressed++;
		return false;
	}
	*ret_suppressed = atomic_exchange(&limit->suppressed, 0);
	return true;
}
