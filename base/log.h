/*
 * The log: one line per event on standard error, JSON or text, typed fields, never a secret.
 *
 * Every line has ts, level, logger, event and message; fields follow. The text form is for terminals. Lines of level
 * INFO and below may wait in a buffer for at most 100 ms (log_flush empties it); WARNING and above are written, after
 * what waited, before log_write returns. A line is written whole or not at all. Any thread.
 *
 * Who logs: app, api, realtime, tasks, and resilience (its lines are a contract, spec resilience.md 2.8); base, cache,
 * db and domain return errors instead.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL };
enum log_format { LOG_JSON, LOG_TEXT };

enum log_field_kind { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_FLOAT };

struct log_field {
	const char *name;
	enum log_field_kind kind;
	struct str text; /* LOG_FIELD_STR; an absent text leaves the field out */
	int64_t integer; /* LOG_FIELD_INT */
	double number;   /* LOG_FIELD_FLOAT */
};

#define LOG_STR(field_name, value)   ((struct log_field){ .name = (field_name), .kind = LOG_FIELD_STR, .text = str_of(value) })
#define LOG_VIEW(field_name, value)  ((struct log_field){ .name = (field_name), .kind = LOG_FIELD_STR, .text = (value) })
#define LOG_INT(field_name, value)   ((struct log_field){ .name = (field_name), .kind = LOG_FIELD_INT, .integer = (value) })
#define LOG_FLOAT(field_name, value) ((struct log_field){ .name = (field_name), .kind = LOG_FIELD_FLOAT, .number = (value) })

/* The fields argument of log_write: LOG_FIELDS(LOG_STR("usage", "cache"), LOG_INT("n", 3)). */
#define LOG_FIELDS(...) (const struct log_field[]){ __VA_ARGS__ }, N_ELEMENTS(((const struct log_field[]){ __VA_ARGS__ }))
#define LOG_NO_FIELDS   NULL, 0

/* Sets format, lowest level written and target (a descriptor that stays the caller's). Before any other thread exists. */
void log_init(enum log_format format, enum log_level level, int fd);

/* Whether a line of this level would be written. */
bool log_enabled(enum log_level level);

/*
 * Writes one line. logger names the part ("redis.cache", "http"), event is a stable dotted word, the message is for
 * people. Field texts longer than 1,000 bytes are cut.
 */
void log_write(enum log_level level, const char *logger, const char *event, const struct log_field *fields, size_t n_fields,
               const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Writes what waits in the buffer. */
void log_flush(void);

/* The name of a level ("WARNING"), and back; false for an unknown name. Case does not matter. */
const char *log_level_name(enum log_level level);
bool log_level_parse(struct str name, enum log_level *ret_level);

/* At most one line per interval: for events that an outage would repeat thousands of times. Zero-initialise. */
struct log_limit {
	_Atomic int64_t next_us;    /* monotonic: no line before */
	_Atomic int64_t suppressed; /* left out since the last line */
};

/* True when a line may be written now; *ret_suppressed is then how many were left out since the last one. */
bool log_limit_pass(struct log_limit *, int64_t interval_us, int64_t *ret_suppressed);

#endif
