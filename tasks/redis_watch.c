/*
 * An outage as a whole, and each usage that is down, is a row (struct told is what this process knows of it). A usage's row asks for an
 * alert, the whole one's for a mail; they are closed when this process sees the end. Another that still sees the outage a while later
 * opens the row again, and says so: it is then another outage, of fewer processes.
 */
#include "tasks/redis_watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"
#include "domain/outage.h"
#include "resilience/monitor.h"
#include "resilience/redis_health.h"
#include "tasks/notify.h"

#define LOOK_US      US_PER_S
#define AGAIN_US     (5 * US_PER_S) /* after the database did not answer about an end */
#define KEY          "redis_down"
#define KEY_OF_USAGE KEY ":"
#define KEY_SIZE     40
#define PART         60 /* of an interval: how often those who were not first ask whether it is time again */

struct told {
	char key[KEY_SIZE];
	bool settled;       /* it is over, and the table says so too */
	bool in_memory;     /* people were told without the table */
	bool ever;          /* told_at_us is set */
	int64_t told_at_us; /* monotonic: last told, by whomever */
	int64_t next_us;    /* monotonic: nothing is tried before */
	struct instant since;
};

struct watched {
	struct told told;
	struct redis_usage_status status;
	int64_t down_at_us; /* monotonic: first seen down; 0: it is up */
};

struct redis_watch {
	struct redis_watch_config config;
	struct db_conn *db;
	struct monitor *monitor;
	struct watched usages[REDIS_USAGES];
	struct told whole;
	bool down;      /* any usage is */
	int64_t period; /* the interval that has begun, of the wall clock */
	bool mail_due;  /* an interval ended in an outage */
	atomic_bool hurry;
};

/* ---- telling ---- */

struct claim {
	struct outage outage;
	const struct alert *alert; /* NULL: none */
	struct instant now;
};

static int claim_row(struct db_conn *db, void *arg)
{
	const struct claim *c = arg;
	int r = outage_claim(db, &c->outage, c->now), asked;

	if (r != 1 || !c->alert)
		return r;
	asked = alert_ask(db, c->alert);
	return asked < 0 ? asked : 1;
}

static int claim_in_memory(struct redis_watch *w, struct told *t, const struct alert *alert)
{
	if (t->ever && clock_monotonic_us() - t->told_at_us < w->config.every_us)
		return 0;
	t->in_memory = true;
	if (alert && w->config.send_alert)
		w->config.send_alert(w->config.services, alert, &w->hurry);
	return 1;
}

/* What came of a claim: 1: mine. */
static void note_claim(struct redis_watch *w, struct told *t, int r)
{
	int64_t now_us = clock_monotonic_us(), soon_us = w->config.every_us / PART;

	if (r == 1 || !t->ever)
		t->told_at_us = now_us;
	t->ever = true;
	t->next_us = now_us + (r == 1 ? w->config.every_us : soon_us > LOOK_US ? soon_us : LOOK_US);
	if (r == 1)
		log_write(LOG_INFO, "redis", "redis.told",
		          LOG_FIELDS(LOG_STR("key", t->key), LOG_STR("by", t->in_memory ? "memory" : "database")),
		          "Those who run the site are told that Redis is unavailable");
}

/* Whether people are to be told by this process, now. With an alert: it is on its way then. */
static bool claim(struct redis_watch *w, struct told *t, struct instant since, const struct alert *alert)
{
	struct claim c = { .outage = { .key = str_of(t->key), since, w->config.every_us, w->config.alert_after_us },
		           .alert = alert,
		           .now = clock_now() };
	int r;

	if (clock_monotonic_us() < t->next_us)
		return false;
	t->since = since;
	r = db_write(w->db, claim_row, &c);
	if (r < 0)
		r = claim_in_memory(w, t, alert);
	note_claim(w, t, r);
	return r == 1;
}

static void tell_of_usage(struct redis_watch *w, struct watched *u)
{
	CLEANUP(buf_finish) struct buf payload = BUF_EMPTY;
	struct alert alert = { .title = STR("REDIS UNAVAILABLE"), .dedupe_key = str_of(u->told.key) };

	buf_addf(&payload, "{\"usage\": \"%s\", \"backend\": \"%s\", \"error\": ", u->told.key + sizeof(KEY_OF_USAGE) - 1,
	         u->status.backend);
	json_add_text(&payload, u->status.error_text);
	buf_add_text(&payload, ", \"since\": ");
	json_add_time(&payload, u->status.since);
	buf_addf(&payload, ", \"fallback\": \"%s\"}", u->status.fallback);
	alert.payload.text = buf_view(&payload);
	if (!payload.failed)
		claim(w, &u->told, u->status.since, &alert);
}

static const struct watched *first_down(const struct redis_watch *w)
{
	for (int i = 0; i < REDIS_USAGES; i++)
		if (w->usages[i].down_at_us)
			return &w->usages[i];
	return NULL;
}

static void tell_of_whole(struct redis_watch *w)
{
	struct redis_probe_status status;

	if (!claim(w, &w->whole, first_down(w)->status.since, NULL))
		return;
	redis_health_of_breakers(w->config.services->redis, &status);
	notify_redis_down(w->config.services, &status, w->whole.since, &w->hurry);
}

/* ---- the end ---- */

struct end {
	struct str key;
	struct instant now, since;
	bool admins; /* were told by an alert */
};

static int end_row(struct db_conn *db, void *arg)
{
	struct end *e = arg;
	int r = outage_close(db, e->key, e->now, &e->since), told;

	if (r != 1)
		return r;
	told = outage_told_since(db, (struct str)STR(KEY_OF_USAGE), e->since);
	e->admins = told == 1;
	return told < 0 ? told : 1;
}

/* Whether people were told of what is over now, and are to hear from this process that it is. */
static bool has_ended(struct redis_watch *w, struct told *t, struct end *e)
{
	int64_t now_us = clock_monotonic_us();
	int r;

	*e = (struct end){ .key = str_of(t->key), .now = clock_now() };
	if (t->settled || now_us < t->next_us)
		return false;
	r = outage_is_open(w->db, e->key);
	if (r == 1)
		r = db_write(w->db, end_row, e);
	t->settled = r >= 0;
	t->next_us = now_us + AGAIN_US;
	t->ever = false;
	if (r != 1 && t->in_memory) {
		e->since = t->since;
		e->admins = true; /* as far as is known */
		r = 1;
	}
	t->in_memory = false;
	return r == 1;
}

/* ---- looking ---- */

static bool look_at_usage(struct redis_watch *w, int usage)
{
	struct watched *u = &w->usages[usage];
	bool was_down = u->down_at_us != 0;

	redis_usage_status(w->config.services->redis, (enum redis_usage)usage, &u->status);
	if (u->status.available == !was_down)
		return was_down;
	u->down_at_us = was_down ? 0 : clock_monotonic_us();
	u->told.next_us = 0;
	u->told.settled = false;
	return !was_down;
}

static void look_at_breakers(struct redis_watch *w)
{
	bool down = false;

	for (int i = 0; i < REDIS_USAGES; i++)
		down |= look_at_usage(w, i);
	if (down != w->down) {
		w->whole.next_us = 0;
		w->whole.settled = false;
	}
	w->down = down;
}

static void check_at_full_interval(struct redis_watch *w)
{
	int64_t period = clock_now().us / w->config.every_us;
	struct redis_probe_status status;

	if (period == w->period)
		return;
	if (w->period)
		check_redis_health(w->config.services->redis, REDIS_HEALTH_BREAKERS, NULL, NULL, &status);
	w->mail_due = w->period && w->down;
	w->period = period;
}

void redis_watch_look(struct redis_watch *w)
{
	int64_t long_ago_us = clock_monotonic_us() - w->config.alert_after_us;
	bool lasts = false;
	struct end end;

	if (!w->config.services->redis)
		return;
	look_at_breakers(w);
	check_at_full_interval(w);
	for (int i = 0; i < REDIS_USAGES; i++) {
		struct watched *u = &w->usages[i];

		if (!u->down_at_us)
			has_ended(w, &u->told, &end);
		else if (u->down_at_us <= long_ago_us)
			tell_of_usage(w, u);
		lasts |= u->down_at_us && u->down_at_us <= long_ago_us;
	}
	if (w->down && (lasts || w->mail_due))
		tell_of_whole(w);
	w->mail_due = false;
	if (!w->down && has_ended(w, &w->whole, &end))
		notify_redis_up(w->config.services, end.since, end.admins, &w->hurry);
}

/* ---- life ---- */

static void look(void *arg)
{
	redis_watch_look(arg);
}

int redis_watch_create(const struct redis_watch_config *config, struct redis_watch **ret_watch, struct error *err)
{
	struct redis_watch *w = mem_alloc(sizeof(*w));
	int r;

	if (!w)
		return error_set(err, ERR_NOMEM, "out of memory");
	w->config = *config;
	snprintf(w->whole.key, KEY_SIZE, "%s", KEY);
	for (int i = 0; i < REDIS_USAGES; i++)
		snprintf(w->usages[i].told.key, KEY_SIZE, "%s%s", KEY_OF_USAGE, redis_usage_name((enum redis_usage)i));
	r = db_connect(config->services->db, &w->db, err);
	if (r < 0) {
		redis_watch_destroy(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

int redis_watch_start(struct redis_watch *w, struct error *err)
{
	w->monitor = monitor_create("redis-watch");
	if (!w->monitor || monitor_watch(w->monitor, LOOK_US, look, w) < 0 || monitor_start(w->monitor) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the watch over Redis");
	return 0;
}

void redis_watch_hurry(struct redis_watch *w)
{
	if (w)
		atomic_store(&w->hurry, true);
}

void redis_watch_destroy(struct redis_watch *w)
{
	if (!w)
		return;
	redis_watch_hurry(w);
	monitor_destroy(w->monitor);
	db_disconnect(w->db);
	free(w);
}

int64_t redis_watch_pulse_age_us(const struct redis_watch *w)
{
	return monitor_pulse_age_us(w->monitor);
}
