/*
 * The wiring. One struct holds every part; service_create makes them from the bottom up (database, Redis, cache, watches,
 * server), service_destroy takes them down from the top, and both follow the same list, so that a failure half-way is
 * the ordinary teardown of a half-made service. Nothing here decides anything about requests.
 */
#include "app/service.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "api/request.h"
#include "api/route.h"
#include "api/server.h"
#include "api/openapi.h"
#include "api/site.h"
#include "app/background.h"
#include "app/command.h"
#include "app/sockets.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/mem.h"
#include "domain/measures.h"
#include "resilience/monitor.h"
#include "tasks/query_embedder.h"

#define DATABASE_PROBE_US (500 * US_PER_MS)
#define HOUSEKEEPING_US   THROTTLE_SHARE_US /* the log promises the same (base/log.h) */
#define STUCK_US          (10 * US_PER_S)   /* a watch may wait for a connect or two; ten seconds are no waiting any more */
#define MAX_DIFFERENCES   20                /* lines of the log; `egoejo check` shows all */

struct service {
	struct settings *settings;
	struct site *site;
	struct openapi *openapi;
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct throttle *throttle;
	struct measures *measures;
	struct hub *hub;
	struct live live;
	struct tasks_watcher tasks;
	struct background *background;
	struct monitor *database_monitor;
	struct monitor *housekeeping;
	struct query_embedder query_embedder;
	struct api_context context;
	struct server *server;
	atomic_bool draining;
};

/* ---- probes ---- */

/* The schema was found usable before anything was served, so a reachable database is a usable one. */
static bool answer_ready(void *arg, struct buf *verbose)
{
	struct service *s = arg;
	bool database = probe_add_check(verbose, "database", db_available(s->db));
	bool schema = probe_add_check(verbose, "schema", true);
	bool staying = probe_add_check(verbose, "shutdown", !atomic_load(&s->draining));

	return database && schema && staying;
}

static bool answer_alive(void *arg, struct buf *verbose)
{
	struct service *s = arg;
	bool prober = probe_add_check(verbose, "redis-prober", redis_prober_pulse_age_us(s->redis) < STUCK_US);
	bool database = probe_add_check(verbose, "database-monitor", monitor_pulse_age_us(s->database_monitor) < STUCK_US);
	bool measures = probe_add_check(verbose, "measures", measures_pulse_age_us(s->measures) < STUCK_US);
	bool house = probe_add_check(verbose, "housekeeping", monitor_pulse_age_us(s->housekeeping) < STUCK_US);
	bool hub = probe_add_check(verbose, "hub", hub_pulse_age_us(s->hub) < STUCK_US);
	bool background = background_alive(s->background, verbose);

	return prober && database && house && measures && hub && background;
}

bool service_alive(struct service *s)
{
	return answer_alive(s, NULL);
}

/* ---- database ---- */

static void log_differences(struct str text)
{
	struct str line;

	for (int i = 0; i < MAX_DIFFERENCES && str_split(&text, '\n', &line); i++) {
		if (line.len)
			log_write(LOG_ERROR, "app", "schema.difference", LOG_NO_FIELDS, "%.*s", STR_ARG(line));
	}
}

static int refuse_schema(struct service *s, enum schema_state state, struct error *err)
{
	const char *shown = db_shown_url(s->db);

	if (state == SCHEMA_FOREIGN)
		return error_set(err, ERR_SCHEMA, "%s holds tables that differ from those of this program: see egoejo check", shown);
	if (state == SCHEMA_EMPTY)
		return error_set(err, ERR_SCHEMA, "%s has no tables: run egoejo migrate", shown);
	return error_set(err, ERR_SCHEMA, "%s lacks tables of this version: run egoejo migrate", shown);
}

/* A file that cannot be written may lack what only writes need. */
static bool may_serve(enum schema_state state, bool read_only)
{
	return state == SCHEMA_CURRENT || (state == SCHEMA_KNOWN && read_only);
}

static int check_schema(struct service *s, struct error *err)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state state = SCHEMA_EMPTY;
	int r = command_inspect_schema(s->db, &state, &differences, err);

	if (r < 0)
		return r;
	if (may_serve(state, db_read_only(s->db)))
		return 0;
	log_differences(buf_view(&differences));
	return refuse_schema(s, state, err);
}

static int migrate_schema(struct service *s, struct error *err)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state before = SCHEMA_CURRENT;
	int r = command_migrate_schema(s->db, &before, &differences, err);

	if (r == ERR_SCHEMA) {
		log_differences(buf_view(&differences));
		return refuse_schema(s, SCHEMA_FOREIGN, err);
	}
	if (r < 0)
		return r;
	if (before == SCHEMA_EMPTY)
		log_write(LOG_INFO, "app", "schema.created", LOG_NO_FIELDS, "tables created");
	if (before == SCHEMA_KNOWN)
		log_write(LOG_INFO, "app", "schema.completed", LOG_NO_FIELDS, "tables of this program added");
	return 0;
}

/* Called by whatever thread saw it. */
static void note_database(void *arg, bool available)
{
	struct service *s = arg;
	const char *shown = db_shown_url(s->db);

	if (available)
		log_write(LOG_INFO, "app", "database.available", LOG_FIELDS(LOG_STR("database", shown)), "the database answers again");
	else
		log_write(LOG_ERROR, "app", "database.unavailable", LOG_FIELDS(LOG_STR("database", shown)), "the database does not answer");
}

static int start_database(struct service *s, struct error *err)
{
	int r = command_open_database(s->settings, s->settings->migrate_on_start, &s->db, err);

	if (r < 0)
		return r;
	db_watch(s->db, note_database, s);
	log_write(LOG_INFO, "app", "database.opened", LOG_FIELDS(LOG_STR("database", db_shown_url(s->db))), "database %s",
	          db_shown_url(s->db));
	if (db_read_only(s->db))
		log_write(LOG_WARNING, "app", "database.read_only", LOG_FIELDS(LOG_STR("database", db_shown_url(s->db))),
		          "%s cannot be written: it is served read-only, writes answer 503", db_shown_url(s->db));
	if (s->settings->migrate_on_start && !db_read_only(s->db))
		return migrate_schema(s, err);
	return check_schema(s, err);
}

/* ---- Redis, cache, watches ---- */

static int start_redis(struct service *s, struct error *err)
{
	struct cache_config config = {
		.max_bytes = (size_t)s->settings->cache_local_max_bytes,
		.max_entries = (size_t)s->settings->cache_local_max_entries,
	};
	char warning[200] = "";
	int r;

	r = command_create_redis(s->settings, &s->redis, warning, err);
	if (r < 0)
		return r;
	if (*warning)
		log_write(LOG_WARNING, "app", "settings.warning", LOG_NO_FIELDS, "%s", warning);
	config.redis = s->redis;
	s->cache = cache_create(&config);
	if (!s->cache)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = redis_start(s->redis, err);
	if (r < 0)
		return r;
	return cache_start(s->cache, err);
}

static int start_measures(struct service *s, struct error *err)
{
	int r = measures_create(s->db, &s->measures, err);

	return r < 0 ? r : measures_start(s->measures, err);
}

static int start_throttle(struct service *s, struct error *err)
{
	const struct throttle_config config = {
		.redis = s->redis,
		.rates = { [THROTTLE_ANON] = s->settings->throttle_anon,
		           [THROTTLE_USER] = s->settings->throttle_user,
		           [THROTTLE_METRICS] = s->settings->throttle_metrics },
		.off = s->settings->throttle_disabled,
	};

	s->throttle = throttle_create(&config);
	return s->throttle ? 0 : error_set(err, ERR_NOMEM, "out of memory");
}

static void keep_house(void *arg)
{
	struct service *s = arg;

	log_flush();
	throttle_share(s->throttle);
}

static int start_monitor(struct monitor **ret_monitor, const char *name, int64_t interval_us, void (*fn)(void *arg), void *arg)
{
	*ret_monitor = monitor_create(name);
	if (!*ret_monitor || monitor_watch(*ret_monitor, interval_us, fn, arg) < 0)
		return ERR_NOMEM;
	return monitor_start(*ret_monitor);
}

static int start_monitors(struct service *s, struct error *err)
{
	if (start_monitor(&s->database_monitor, "database", DATABASE_PROBE_US, db_probe, s->db) < 0 ||
	    start_monitor(&s->housekeeping, "housekeeping", HOUSEKEEPING_US, keep_house, s) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the monitor threads");
	return 0;
}

/* ---- hub, server ---- */

/*
 * As many descriptors as the settings ask for, if we may have them; and no more, for the server keeps a table of as many as there
 * can be, and containers often allow a billion.
 */
static int limit_files(struct service *s, struct error *err)
{
	rlim_t wanted = (rlim_t)settings_files(s->settings);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set(err, ERR_INTERNAL, "cannot read the limit of open files");
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (limit.rlim_cur < wanted &&
	    limit.rlim_cur < (rlim_t)s->settings->max_connections + (rlim_t)s->settings->realtime_max_connections)
		log_write(LOG_WARNING, "app", "start.few_descriptors",
		          LOG_FIELDS(LOG_INT("limit", (int64_t)limit.rlim_cur), LOG_INT("wanted", (int64_t)wanted)),
		          "the limit of open files is below MAX_CONNECTIONS and REALTIME_MAX_CONNECTIONS");
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? error_set(err, ERR_INTERNAL, "cannot set the limit of open files") : 0;
}

static int start_hub(struct service *s, struct error *err)
{
	int r = sockets_start(s->settings, s->db, s->redis, &s->hub, err);

	s->live = sockets_listener(s->hub);
	return r;
}

static int start_background(struct service *s, struct error *err)
{
	const struct task_services services = { .settings = s->settings, .db = s->db, .cache = s->cache, .redis = s->redis };
	int r = background_start(&services, &s->background, err);

	if (r >= 0)
		r = background_start_pulse(s->background, err);
	s->tasks = (struct tasks_watcher){ background_tasks_state, s->background };
	return r < 0 || !background_beats_here(&services) ? r : background_start_beat(s->background, err);
}

static int start_server(struct service *s, struct error *err)
{
	int r;

	query_embedder_init(&s->query_embedder, s->settings, s->cache);
	s->context = (struct api_context){
		.settings = s->settings,
		.db = s->db,
		.redis = s->redis,
		.cache = s->cache,
		.throttle = s->throttle,
		.measures = s->measures,
		.live = &s->live,
		.tasks = &s->tasks,
		.embedder = &s->query_embedder.embedder,
		.site = s->site,
		.openapi = s->openapi,
		.ready = answer_ready,
		.alive = answer_alive,
		.probe_arg = s,
	};
	r = server_create(&s->context, &s->server, err);
	if (r < 0)
		return r;
	server_on_upgrade(s->server, sockets_take, s->hub);
	return server_start(s->server, err);
}

static int start_all(struct service *s, struct error *err)
{
	int (*const steps[])(struct service *, struct error *) = { start_database, start_redis,      start_throttle,
		                                                   start_measures, start_monitors,   limit_files,
		                                                   start_hub,      start_background, start_server };
	int r;

	r = site_create(s->settings, &s->site, err);
	s->openapi = openapi_create();
	if (r >= 0 && !s->openapi)
		r = error_set(err, ERR_NOMEM, "out of memory");
	if (r >= 0)
		r = sockets_describe(s->settings, s->openapi, err);
	for (size_t i = 0; i < N_ELEMENTS(steps) && r >= 0; i++)
		r = steps[i](s, err);
	return r;
}

int service_create(struct settings *take_settings, struct service **ret_service, struct error *err)
{
	struct service *s = mem_alloc(sizeof(*s));
	int r;

	if (!s) {
		settings_destroy(take_settings);
		return error_set(err, ERR_NOMEM, "out of memory");
	}
	s->settings = take_settings;
	routes_init();
	version_note();
	r = start_all(s, err);
	if (r < 0) {
		service_destroy(s);
		return r;
	}
	*ret_service = s;
	return 0;
}

void service_address(const struct service *s, char ret_text[300])
{
	const char *host = s->settings->host;
	bool bare_ipv6 = strchr(host, ':') && host[0] != '[';

	snprintf(ret_text, 300, bare_ipv6 ? "http://[%s]:%d/" : "http://%s:%d/", host, server_port(s->server));
}

void service_drain(struct service *s)
{
	atomic_store(&s->draining, true);
}

int service_stop(struct service *s, int64_t deadline_us)
{
	int cut;

	background_drain(s->background, deadline_us);
	hub_drain(s->hub, deadline_us);
	cut = server_stop(s->server, deadline_us);
	background_finish(s->background);
	return cut;
}

bool service_destroy(struct service *s)
{
	if (!s)
		return true;
	server_destroy(s->server);
	if (!background_destroy(s->background))
		return false; /* what jobs use must stay */
	monitor_destroy(s->housekeeping);
	monitor_destroy(s->database_monitor);
	measures_destroy(s->measures);
	hub_destroy(s->hub);
	cache_destroy(s->cache);
	throttle_destroy(s->throttle);
	redis_destroy(s->redis);
	db_close(s->db);
	openapi_destroy(s->openapi);
	site_destroy(s->site);
	settings_destroy(s->settings);
	log_flush();
	free(s);
	return true;
}
