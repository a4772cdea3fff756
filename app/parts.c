#include "app/parts.h"

#include "app/command.h"
#include "base/log.h"
#include "cache/cache.h"

static int start_database(struct parts *p, struct error *err)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state state = SCHEMA_EMPTY;
	int r = command_open_database(p->settings, p->settings->migrate_on_start, &p->db, err);

	if (r < 0)
		return r;
	if (p->settings->migrate_on_start && !db_read_only(p->db))
		return command_migrate_schema(p->db, &state, &differences, err);
	r = command_inspect_schema(p->db, &state, &differences, err);
	if (r == 0 && state != SCHEMA_CURRENT)
		return error_set(err, ERR_SCHEMA, "%s lacks tables of this version: run egoejo migrate", db_shown_url(p->db));
	return r;
}

static int start_redis(struct parts *p, struct error *err)
{
	struct cache_config config = { .max_bytes = (size_t)p->settings->cache_local_max_bytes,
		                       .max_entries = (size_t)p->settings->cache_local_max_entries };
	char warning[200] = "";
	int r = command_create_redis(p->settings, &p->redis, warning, err);

	if (r < 0)
		return r;
	if (*warning)
		log_write(LOG_WARNING, "app", "settings.warning", LOG_NO_FIELDS, "%s", warning);
	config.redis = p->redis;
	p->cache = cache_create(&config);
	if (!p->cache)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = redis_start(p->redis, err);
	return r < 0 ? r : cache_start(p->cache, err);
}

int parts_start(struct parts *p, struct error *err)
{
	int r = start_database(p, err);

	if (r >= 0)
		r = start_redis(p, err);
	if (r < 0)
		return r;
	p->services = (struct task_services){ .settings = p->settings, .db = p->db, .cache = p->cache, .redis = p->redis };
	r = background_start(&p->services, &p->background, err);
	return r < 0 ? r : background_watch_database(p->background, err);
}

static bool is_alive(void *arg, struct buf *verbose)
{
	const struct parts *p = arg;
	bool background = background_alive(p->background, verbose);

	return (!p->alive || p->alive(p->alive_arg, verbose)) && background;
}

static bool is_ready(void *arg, struct buf *verbose)
{
	const struct parts *p = arg;

	return probe_add_check(verbose, "database", db_available(p->db));
}

int parts_start_probes(struct parts *p, bool (*alive)(void *arg, struct buf *verbose), void *arg, struct error *err)
{
	const struct probes_config config = { .settings = p->settings, .alive = is_alive, .ready = is_ready, .arg = p };
	int r;

	if (p->settings->probe_port < 0)
		return 0;
	p->alive = alive;
	p->alive_arg = arg;
	r = probes_create(&config, &p->probes, err);
	if (r >= 0)
		log_write(LOG_INFO, "app", "probes.listening", LOG_FIELDS(LOG_INT("port", probes_port(p->probes))),
		          "probes are answered on port %d", probes_port(p->probes));
	return r;
}

void parts_drain(struct parts *p, int64_t deadline_us)
{
	probes_destroy(TAKE(p->probes));
	if (p->background)
		background_drain(p->background, deadline_us);
}

void parts_finish(struct parts *p)
{
	if (p->background)
		background_finish(p->background);
}

bool parts_destroy(struct parts *p)
{
	if (!background_destroy(p->background))
		return false;
	cache_destroy(p->cache);
	redis_destroy(p->redis);
	db_close(p->db);
	settings_destroy(p->settings);
	return true;
}
