/*
 * Other processes: events are published on egoejo:ws:<group> and heard from there (realtime.md 7, "Several processes"). Whoever
 * publishes has told his own sockets already, so he passes over what has his origin. What Redis loses the sweeps find.
 *
 * Hearing runs on the subscription's thread, publishing is any thread's.
 */
#include <stdlib.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/random.h"
#include "realtime/hub_impl.h"
#include "resilience/publisher.h"
#include "resilience/subscription.h"

#define PREFIX       "egoejo:ws:"
#define CHANNEL_SIZE 64
#define EVERYBODY    PREFIX "everybody" /* channel of all processes */
#define HEARD_MAX    256                /* messages that are told together */
#define QUEUE        10000
#define QUEUE_BYTES  (64 * 1024 * 1024)

struct bus {
	struct hub *hub;
	struct subscription *subscription;
	struct publisher *publisher;
	char origin[UUID_HEX_SIZE];
	struct news *heard, **heard_end; /* the subscription's thread: to be told together */
	unsigned n_heard;
	atomic_bool lost;     /* something was not published, and the others do not know */
	int64_t next_lost_us; /* the hub's */
};

static void channel_of(enum hub_target target, int64_t id, char ret_channel[CHANNEL_SIZE])
{
	char name[GROUP_NAME_SIZE];

	group_name(target, id, name);
	snprintf(ret_channel, CHANNEL_SIZE, PREFIX "%s", name);
}

/* ---- hearing ---- */

/* A burst reaches the hub as one, so that it goes out in few writes. */
static void tell_heard(void *arg)
{
	struct bus *bus = arg;

	if (bus->heard)
		hub_tell(bus->hub, bus->heard);
	bus->heard = NULL;
	bus->heard_end = &bus->heard;
	bus->n_heard = 0;
}

static void note_heard(struct bus *bus, struct news *take_news)
{
	*bus->heard_end = take_news;
	bus->heard_end = &take_news->next;
	if (++bus->n_heard == HEARD_MAX)
		tell_heard(bus);
}

static void on_message(struct str channel, const struct redis_reply *reply, void *arg)
{
	struct bus *bus = arg;
	struct news *news = envelope_read(redis_reply_text(reply), bus->origin);

	(void)channel;
	if (news)
		note_heard(bus, news);
}

static void on_state(bool live, int64_t client_id, void *arg)
{
	struct bus *bus = arg;
	struct news *news = news_create(NEWS_BUS);

	(void)client_id;
	tell_heard(bus);
	if (!news)
		return;
	news->live = live;
	hub_tell(bus->hub, news);
}

/* Which group a channel is of, if any. */
static bool group_of(struct str channel, enum hub_target *ret_target, int64_t *ret_id)
{
	size_t n = sizeof(PREFIX) - 1;

	return str_starts(channel, PREFIX) && group_read_name((struct str){ channel.s + n, channel.len - n }, ret_target, ret_id);
}

static void on_joined(struct str channel, void *arg)
{
	enum hub_target target;
	struct bus *bus = arg;
	struct news *news;
	int64_t id;

	if (!group_of(channel, &target, &id) || !(news = news_create(NEWS_JOINED)))
		return; /* the sweep of every half minute is still to come */
	news->target = target;
	news->event.id = id;
	hub_tell(bus->hub, news);
}

/* ---- telling ---- */

static void note_lost(struct bus *bus, const char *channel)
{
	atomic_store(&bus->lost, true);
	redis_report_fallback(bus->hub->config.redis, REDIS_CHANNELS, LOG_ERROR, "channels.send_failed", "publish", "group",
	                      str_of(channel + sizeof(PREFIX) - 1));
}

static void on_lost(struct str channel, void *arg)
{
	char name[CHANNEL_SIZE];

	snprintf(name, sizeof(name), "%.*s", STR_ARG(channel));
	note_lost(arg, name);
}

void bus_tick(struct bus *bus, int64_t now_us)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;

	if (!bus || now_us < bus->next_lost_us || bus->hub->degraded || !redis_usable(bus->hub->config.redis, REDIS_CHANNELS) ||
	    !atomic_exchange(&bus->lost, false))
		return;
	bus->next_lost_us = now_us + LOST_US;
	envelope_write_lost(bus->origin, &text);
	if (text.failed || !publisher_put(bus->publisher, (struct str)STR(EVERYBODY), buf_view(&text)))
		atomic_store(&bus->lost, true);
}

bool bus_publish(struct bus *bus, const struct live_event *event)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;
	char channel[CHANNEL_SIZE], eid[UUID_HEX_SIZE];

	if (!bus || !bus->publisher || random_uuid_hex(eid) < 0)
		return false;
	channel_of(event_target(event->kind), event->id, channel);
	envelope_write(event, eid, bus->origin, &text);
	if (!text.failed && publisher_put(bus->publisher, str_of(channel), buf_view(&text)))
		return true;
	note_lost(bus, channel);
	return false;
}

void bus_join(struct bus *bus, const struct group *g)
{
	char channel[CHANNEL_SIZE];

	if (!bus)
		return;
	channel_of(g->target, g->id, channel);
	(void)subscription_join(bus->subscription, channel); /* without memory the sweeps find what it would have told */
}

void bus_leave(struct bus *bus, const struct group *g)
{
	char channel[CHANNEL_SIZE];

	if (!bus)
		return;
	channel_of(g->target, g->id, channel);
	subscription_leave(bus->subscription, channel);
}

int bus_create(struct hub *hub, struct bus **ret_bus, struct error *err)
{
	struct bus *bus = mem_alloc(sizeof(*bus));
	static const char *const everybody[] = { EVERYBODY };
	struct subscription_config subscription = { .usage = REDIS_CHANNELS,
		                                    .name = "channels",
		                                    .channels = everybody,
		                                    .n_channels = N_ELEMENTS(everybody),
		                                    .canary_opens_breaker = true,
		                                    .on_message = on_message,
		                                    .on_pause = tell_heard,
		                                    .on_state = on_state,
		                                    .on_joined = on_joined,
		                                    .arg = bus };
	struct publisher_config publisher = { .usage = REDIS_CHANNELS,
		                              .name = "hub-publisher",
		                              .max_messages = QUEUE,
		                              .max_bytes = QUEUE_BYTES,
		                              .on_lost = on_lost,
		                              .arg = bus };

	if (!bus)
		return error_set(err, ERR_NOMEM, "out of memory");
	bus->hub = hub;
	bus->heard_end = &bus->heard;
	*ret_bus = bus;
	if (random_uuid_hex(bus->origin) < 0)
		return error_set(err, ERR_IO, "no random bytes");
	bus->subscription = subscription_create(hub->config.redis, &subscription);
	bus->publisher = publisher_create(hub->config.redis, &publisher);
	if (!bus->subscription || !bus->publisher)
		return error_set(err, ERR_INTERNAL, "cannot start the threads of the channels");
	return 0;
}

void bus_destroy(struct bus *bus)
{
	if (!bus)
		return;
	subscription_destroy(bus->subscription);
	publisher_destroy(bus->publisher);
	free(bus);
}
