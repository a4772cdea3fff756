/* egoejo send-task: standard input to the broker. */
#include <stdio.h>

#include "app/command.h"
#include "tasks/send.h"

#define REQUEST_MAX_BYTES ((size_t)16 * 1024 * 1024)

static int read_input(struct buf *text, struct error *err)
{
	char bytes[4096];
	size_t n;

	while ((n = fread(bytes, 1, sizeof(bytes), stdin)) > 0 && text->len < REQUEST_MAX_BYTES)
		buf_add(text, bytes, n);
	if (text->failed)
		return error_set(err, ERR_NOMEM, "out of memory");
	if (ferror(stdin) || text->len >= REQUEST_MAX_BYTES)
		return error_set(err, ERR_INVALID, "cannot read the request on standard input");
	return 0;
}

int command_connect_broker(const struct settings *settings, struct redis **ret_redis, struct error *err)
{
	char warning[200] = "";
	int r = command_create_redis(settings, ret_redis, warning, err);

	if (r < 0)
		return r;
	if (!redis_configured(*ret_redis, REDIS_TASKS))
		return error_set(err, ERR_CONFIG, "no broker: set REDIS_URL or CELERY_BROKER_URL");
	return redis_start(*ret_redis, err);
}

static int send_request(struct buf *ret_id, struct error *err)
{
	CLEANUP(buf_finish) struct buf request = BUF_EMPTY;
	struct settings *settings = NULL;
	struct redis *redis = NULL;
	int r = command_load_settings(&settings, err);

	if (r == 0)
		r = read_input(&request, err);
	if (r == 0)
		r = command_connect_broker(settings, &redis, err);
	if (r == 0)
		r = task_send(redis, buf_view(&request), ret_id, err);
	redis_destroy(redis);
	settings_destroy(settings);
	return r;
}

int command_send_task(const struct arguments *arguments)
{
	CLEANUP(buf_finish) struct buf id = BUF_EMPTY;
	struct error err = { 0 };

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	if (send_request(&id, &err) < 0)
		return command_fail(&err);
	buf_add_char(&id, '\n');
	return command_print(&id);
}
