/* What operators see of the hub: its series, and what /health shows of them (issue 5, item 5; resilience.md 2.9). */
#include "realtime/hub_impl.h"

static const char *const bus_states[BUS_STATES] = { "off", "live", "degraded" };

void figures_init(struct hub *hub)
{
	struct figures *f = &hub->figures;

	f->connections = metric_series(METRIC_WS_CONNECTIONS, "");
	f->groups[HUB_CHAT] = metric_series(METRIC_WS_GROUPS, "target=\"chat\"");
	f->groups[HUB_POLL] = metric_series(METRIC_WS_GROUPS, "target=\"polls\"");
	f->queue_frames = metric_series(METRIC_WS_QUEUE_FRAMES, "");
	f->queue_bytes = metric_series(METRIC_WS_QUEUE_BYTES, "");
	f->queue_frames_max = metric_series(METRIC_WS_QUEUE_FRAMES_MAX, "");
	f->queue_bytes_max = metric_series(METRIC_WS_QUEUE_BYTES_MAX, "");
	f->received = metric_series(METRIC_WS_RECEIVED, "");
	f->sent = metric_series(METRIC_WS_SENT, "");
	f->sent_bytes = metric_series(METRIC_WS_SENT_BYTES, "");
	f->repaired = metric_series(METRIC_WS_REPAIRED, "");
	f->dropped_typing = metric_series(METRIC_WS_DROPPED, "reason=\"typing\"");
	f->dropped_superseded = metric_series(METRIC_WS_DROPPED, "reason=\"superseded\"");
	f->dropped_slow = metric_series(METRIC_WS_DROPPED, "reason=\"slow_consumer\"");
	for (int i = CLOSE_NONE + 1; i < CLOSES; i++)
		f->closed[i] = metric_seriesf(METRIC_WS_CLOSED, "code=\"%d\",reason=\"%s\"", closes[i].code, closes[i].reason);
	for (int i = 0; i < BUS_STATES; i++)
		f->bus[i] = metric_seriesf(METRIC_WS_BUS, "state=\"%s\"", bus_states[i]);
	if (hub->bus)
		f->canary = metric_series(METRIC_WS_CANARY, "");
	figures_tick(hub);
}

static enum bus_state bus_state(const struct hub *hub)
{
	if (!hub->bus)
		return BUS_OFF;
	return hub->degraded ? BUS_DEGRADED : BUS_LIVE;
}

static void count_groups(struct hub *hub)
{
	int64_t n[2] = { 0, 0 };

	for (size_t i = 0; i < GROUP_BUCKETS; i++)
		for (const struct group *g = hub->groups[i]; g; g = g->next_in_bucket)
			n[g->target] += g->n_sessions > 0;
	metric_set(hub->figures.groups[HUB_CHAT], n[HUB_CHAT]);
	metric_set(hub->figures.groups[HUB_POLL], n[HUB_POLL]);
}

static void count_queues(struct hub *hub)
{
	int64_t frames = 0, bytes = 0, frames_max = 0, bytes_max = 0;

	for (const struct session *s = hub->sessions; s; s = s->next) {
		int64_t f = s->n_own, b = (int64_t)s->own_bytes;

		if (s->group) {
			f += (int64_t)(s->group->end->frames - s->at->frames);
			b += (int64_t)(s->group->end->frames_bytes - s->at->frames_bytes);
		}
		frames += f;
		bytes += b;
		frames_max = f > frames_max ? f : frames_max;
		bytes_max = b > bytes_max ? b : bytes_max;
	}
	metric_set(hub->figures.queue_frames, frames);
	metric_set(hub->figures.queue_bytes, bytes);
	metric_set(hub->figures.queue_frames_max, frames_max);
	metric_set(hub->figures.queue_bytes_max, bytes_max);
}

static void note_bus(struct hub *hub)
{
	struct redis_usage_status status;

	for (int i = 0; i < BUS_STATES; i++)
		metric_set(hub->figures.bus[i], i == (int)bus_state(hub));
	if (!hub->bus)
		return;
	redis_usage_status(hub->config.redis, REDIS_CHANNELS, &status);
	if (status.canary_us >= 0)
		metric_set(hub->figures.canary, status.canary_us);
}

void figures_tick(struct hub *hub)
{
	metric_set(hub->figures.connections, atomic_load(&hub->n_sessions));
	count_groups(hub);
	count_queues(hub);
	note_bus(hub);
}

/* The series are atomic, and what is told here need not be of one moment. */
void hub_state(const struct hub *hub, struct live_state *ret_state)
{
	const struct figures *f = &hub->figures;
	int bus = BUS_OFF;

	for (int i = 0; i < BUS_STATES; i++)
		if (metric_value(f->bus[i]))
			bus = i;
	*ret_state = (struct live_state){
		.connections = hub_connections(hub),
		.groups = metric_value(f->groups[HUB_CHAT]) + metric_value(f->groups[HUB_POLL]),
		.queue_frames = metric_value(f->queue_frames),
		.queue_bytes = metric_value(f->queue_bytes),
		.queue_frames_max = metric_value(f->queue_frames_max),
		.queue_bytes_max = metric_value(f->queue_bytes_max),
		.sent = metric_value(f->sent),
		.dropped_typing = metric_value(f->dropped_typing),
		.dropped_superseded = metric_value(f->dropped_superseded),
		.dropped_slow_consumer = metric_value(f->dropped_slow),
		.bus = bus_states[bus],
	};
}
