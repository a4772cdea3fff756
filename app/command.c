#include "app/command.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"

#define STATEMENT_LIMIT_US (2 * US_PER_S)
#define CONNECT_LIMIT_US   (10 * US_PER_S)
#define REDIS_POOL_SIZE    16

int command_exit_status(int code)
{
	return code == ERR_CONFIG ? EX_CONFIG : EXIT_FAILURE;
}

int command_fail(const struct error *err)
{
	fprintf(stderr, "egoejo: %s\n", err->text[0] ? err->text : error_name(err->code));
	return command_exit_status(err->code);
}

int command_print(const struct buf *text)
{
	if (text->failed || (text->len && fwrite(text->data, 1, text->len, stdout) != text->len) || fflush(stdout)) {
		fprintf(stderr, "egoejo: cannot write to standard output\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int command_load_settings(struct settings **ret_settings, struct error *err)
{
	return settings_load(settings_from_environment, NULL, isatty(STDERR_FILENO), ret_settings, err);
}

int command_open_database(const struct settings *settings, bool create, struct db **ret_db, struct error *err)
{
	struct db_config config = {
		.url = settings->resolved_database_url,
		.statement_limit_us = STATEMENT_LIMIT_US,
		.connect_limit_us = CONNECT_LIMIT_US,
		.create = create,
	};

	return db_open(&config, ret_db, err);
}

int command_create_redis(const struct settings *settings, struct redis **ret_redis, char ret_warning[200], struct error *err)
{
	struct redis_config config = { 0 };
	int r;

	r = redis_config_from_urls(settings->redis_url, settings->redis_channels_url, settings->redis_cache_url,
	                           settings->celery_broker_url, &config, ret_warning, err);
	if (r < 0)
		return r;
	config.connect_timeout_us = settings->redis_connect_timeout_ms * US_PER_MS;
	config.command_timeout_us = settings->redis_command_timeout_ms * US_PER_MS;
	config.retry_us = settings->redis_retry_ms * US_PER_MS;
	config.pool_size = REDIS_POOL_SIZE;
	*ret_redis = redis_create(&config);
	return *ret_redis ? 0 : error_set(err, ERR_NOMEM, "out of memory");
}

/* What failed in words: the text of the database when it has one, else that of the code. */
static int schema_error(struct db_conn *conn, int code, struct error *err)
{
	const char *detail = db_error(conn);

	if (code == ERR_SCHEMA)
		return error_set(err, code, "%s holds tables that differ from those of this program", db_shown_url(db_of(conn)));
	return error_set(err, code, "the schema of %s: %s%s%s", db_shown_url(db_of(conn)), error_name(code), *detail ? ": " : "", detail);
}

int command_migrate_schema(struct db *db, enum schema_state *ret_before, struct buf *ret_differences, struct error *err)
{
	struct db_conn *conn = NULL;
	int r;

	r = db_connect(db, &conn, err);
	if (r < 0)
		return r;
	r = schema_migrate(conn, ret_before, ret_differences);
	if (r < 0)
		schema_error(conn, r, err);
	db_disconnect(conn);
	return r;
}

int command_inspect_schema(struct db *db, enum schema_state *ret_state, struct buf *ret_differences, struct error *err)
{
	struct db_conn *conn = NULL;
	int r;

	r = db_connect(db, &conn, err);
	if (r < 0)
		return r;
	r = schema_inspect(conn, ret_state, ret_differences);
	if (r < 0)
		schema_error(conn, r, err);
	db_disconnect(conn);
	return r;
}
