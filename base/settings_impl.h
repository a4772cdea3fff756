/*
 * Private to base/settings*.c: the table as data, and the steps of settings_load.
 */
#ifndef BASE_SETTINGS_IMPL_H
#define BASE_SETTINGS_IMPL_H

#include "base/arena.h"
#include "base/settings.h"

enum setting_type {
	SETTING_IS_FLAG,
	SETTING_IS_FLAG1,
	SETTING_IS_ONE,
	SETTING_IS_INT,
	SETTING_IS_FLOAT,
	SETTING_IS_TEXT,
	SETTING_IS_SECRET,
	SETTING_IS_URL,
	SETTING_IS_LIST,
	SETTING_IS_LEVEL,
	SETTING_IS_RATE,
};

/* One line of base/settings.def. */
struct setting_line {
	const char *variable;
	enum setting_type type;
	size_t offset;        /* of the member in struct settings; its C type is that of the setting type */
	const char *fallback; /* "" = not set, "auto" = worked out at start */
	double min, max;      /* INT, FLOAT */
	const char *help;
};

extern const struct setting_line setting_lines[];
extern const size_t n_setting_lines;

/* Appends a copy of item; ERR_NOMEM. */
int settings_list_add(struct settings *, struct setting_list *, struct str item);

/* Formats into the memory of the settings; NULL when it is exhausted. */
#define settings_format(s, ...) arena_printf((s)->memory, __VA_ARGS__)

/* Fills what is worked out of other settings: hosts, origins, database URL, log format, threads, warnings. */
int settings_derive(struct settings *, bool terminal, struct error *err);

/*
 * The error of a wrong value: "VARIABLE=value: allowed". The value is shown without control characters and without
 * credentials, and cut. Not for a SECRET. Returns ERR_CONFIG.
 */
int settings_refuse(struct error *err, const char *variable, struct str value, const char *allowed);

#endif
