/*
 * The commands: what main.c calls, and the few things that several of them do the same way. Main thread only.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/settings.h"
#include "db/db.h"
#include "db/schema.h"
#include "resilience/redis.h"

/* What a command may take besides --help; a set of bits. OPERAND_…: an argument that it must have. */
enum {
	OPTION_MARKDOWN = 1,
	OPTION_YAML = 2,
	OPTION_USERNAME = 4,
	OPTION_EMAIL = 8,
	OPERAND_USERNAME = 16,
	OPERAND_METHOD = 32,
	OPERAND_ID = 64, /* may be left out */
	OPTION_CONCURRENCY = 1 << 8,
	OPTION_QUEUES = 1 << 9,
	OPTION_NAME = 1 << 10,
	OPTION_BEAT = 1 << 11,
	OPTION_EVENTS = 1 << 12,
	OPTION_MONTH = 1 << 13,
	OPTION_OUTPUT_DIR = 1 << 14,
	OPTION_KEEP = 1 << 15,
};

/* What stood on the command line. Texts are those of argv; NULL: it was not there. */
struct arguments {
	unsigned given;       /* the options */
	const char *username; /* of --username, or the operand */
	const char *email;
	const char *method;
	const char *id;
	const char *concurrency;
	const char *queues;
	const char *name;
	const char *month;
	const char *output_dir;
	const char *keep;
};

#define COMMAND(name, options, help, usage) int command_##name(const struct arguments *);
#include "app/commands.def"
#undef COMMAND

/* The exit status of an error: 78 (EX_CONFIG) for ERR_CONFIG, else 1. */
int command_exit_status(int code);

/* Writes "egoejo: <text>" to standard error; returns the exit status of the error. */
int command_fail(const struct error *);

/* Writes all of it to standard output; 0, or 1 when that cannot be done. */
int command_print(const struct buf *);

/* Reads and checks the settings of the environment (owned by the caller). Errors as settings_load. */
int command_load_settings(struct settings **ret_settings, struct error *err);

/* Opens the database of the settings (owned by the caller). Errors as db_open. */
int command_open_database(const struct settings *, bool create, struct db **ret_db, struct error *err);

/* A core over the Redis of the settings, not started, the caller's; ret_warning as redis_config_from_urls. ERR_CONFIG, ERR_NOMEM. */
int command_create_redis(const struct settings *, struct redis **ret_redis, char ret_warning[200], struct error *err);

/* A started core with a broker, the caller's even when this fails (NULL perhaps). ERR_CONFIG: there is none; or as redis_start. */
int command_connect_broker(const struct settings *, struct redis **ret_redis, struct error *err);

/* Makes the schema current, on a connection of its own. Errors as schema_migrate, ret_differences too. */
int command_migrate_schema(struct db *, enum schema_state *ret_before, struct buf *ret_differences, struct error *err);

/* Looks at the schema, on a connection of its own. Errors as schema_inspect. */
int command_inspect_schema(struct db *, enum schema_state *ret_state, struct buf *ret_differences, struct error *err);

#endif
