/*
 * The settings: read once from the environment at start, checked, then immutable. Any thread may read.
 *
 * The table is base/settings.def. A wrong value stops the start with one line that names the variable, the value and
 * what is allowed (exit status 78, EX_CONFIG). Source: spec http.md section 11, resilience.md 1.2 and 2.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"

struct setting_list {
	struct str *items;
	size_t n;
};

/* At most so many calls in so long: "10/minute". */
struct setting_rate {
	int64_t calls;     /* 0 to 100,000; 0: none at all */
	int64_t period_us; /* of one second, minute, hour or day */
};

/* C type of a member, by setting type. */
#define SETTING_TYPE_FLAG   bool
#define SETTING_TYPE_FLAG1  bool
#define SETTING_TYPE_ONE    bool
#define SETTING_TYPE_INT    int64_t
#define SETTING_TYPE_FLOAT  double
#define SETTING_TYPE_TEXT   const char * /* NULL when not set */
#define SETTING_TYPE_SECRET const char *
#define SETTING_TYPE_URL    const char *
#define SETTING_TYPE_LIST   struct setting_list
#define SETTING_TYPE_LEVEL  enum log_level
#define SETTING_TYPE_RATE   struct setting_rate

struct settings {
#define SETTING(variable, member, type, fallback, min, max, help) SETTING_TYPE_##type member;
#include "base/settings.def"
#undef SETTING
	/* Worked out from the above: */
	struct setting_list hosts;         /* ALLOWED_HOSTS with what Railway adds, lower case, no trailing dot */
	struct setting_list origins;       /* allowed CORS origins, complete */
	const char *resolved_database_url; /* DATABASE_URL or what stands in for it; never NULL */
	enum log_format resolved_log_format;
	struct setting_list warnings; /* one line each, to be logged at start */
	struct arena *memory;         /* private */
};

/* Where a value comes from: getenv, or a table in tests. NULL = not set. An empty value counts as not set, except for flags. */
typedef const char *(*settings_source)(const char *variable, void *arg);

/* The environment of the process, as a settings_source. */
const char *settings_from_environment(const char *variable, void *arg);

/*
 * Reads and checks all settings; owned by the caller. ERR_CONFIG with one line in *err on the first wrong value.
 * terminal: whether standard error is one (for LOG_FORMAT).
 */
int settings_load(settings_source, void *arg, bool terminal, struct settings **ret_settings, struct error *err);

/*
 * The checks that only serving needs (key present, production rules); settings_load has done those of single values.
 * ERR_CONFIG with one line in *err.
 */
int settings_check_serving(const struct settings *, struct error *err);

/* How many descriptors the process may come to need: those of all clients that it takes, and of itself. */
int settings_files(const struct settings *);

/* Frees; NULL is fine. */
void settings_destroy(struct settings *);

/* Appends "VARIABLE=value" lines in the table's order, secrets as ***, credentials in URLs as ***. */
void settings_print(const struct settings *, struct buf *);

/* Appends the table of all settings as Markdown, for README. */
void settings_print_markdown(struct buf *);

/*
 * Appends url without its credentials: all between "//" (or the start) and the last "@" becomes "***", and the value of a
 * password parameter too. A password with an unescaped "/" or "?" stays hidden; a path with an "@" is hidden along.
 */
void settings_mask_url(struct buf *, const char *url);

#endif
