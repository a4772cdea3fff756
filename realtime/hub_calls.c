/* What other threads ask of the hub: all of it becomes news in its inbox. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

struct news *news_create(enum news_kind kind)
{
	struct news *news = mem_alloc(sizeof(*news));

	if (news)
		news->kind = kind;
	return news;
}

void news_free(struct news *news)
{
	if (!news)
		return;
	blob_unref(news->payload);
	free(news);
}

void hub_tell(struct hub *hub, struct news *take_news)
{
	struct news **end = &take_news->next;
	bool first;

	while (*end)
		end = &(*end)->next;
	pthread_mutex_lock(&hub->lock);
	first = !hub->inbox;
	*hub->inbox_end = take_news;
	hub->inbox_end = end;
	pthread_mutex_unlock(&hub->lock);
	if (first)
		ev_async_send(hub->loop, &hub->woken);
}

/* The texts of the handshake, kept in one piece. */
static bool keep_texts(struct session *s, const struct hub_handshake *h)
{
	struct str *const views[] = { &s->handshake.path,   &s->handshake.key,          &s->handshake.token, &s->handshake.last_message_id,
		                      &s->handshake.client, &s->handshake.origin_prefix };
	size_t n = 0;

	s->handshake = *h;
	for (size_t i = 0; i < N_ELEMENTS(views); i++)
		n += views[i]->len;
	s->texts = blob_create(NULL, n);
	if (!s->texts)
		return false;
	n = 0;
	for (size_t i = 0; i < N_ELEMENTS(views); i++) {
		if (!views[i]->s)
			continue;
		memcpy(s->texts->data + n, views[i]->s, views[i]->len);
		views[i]->s = s->texts->data + n;
		n += views[i]->len;
	}
	return true;
}

int hub_take(struct hub *hub, const struct hub_handshake *h)
{
	struct session *s;
	struct news *news;

	if (refusals_exhausted(hub->refusals, h->client, h->path, clock_monotonic_us()))
		return 429;
	if (atomic_load(&hub->draining) || atomic_load(&hub->n_sessions) >= hub->settings->realtime_max_connections + SPARE_SESSIONS)
		return 503;
	s = mem_alloc(sizeof(*s));
	news = s ? news_create(NEWS_TAKE) : NULL;
	if (!news || !keep_texts(s, h)) {
		free(news);
		free(s);
		return 503;
	}
	s->hub = hub;
	s->fd = h->fd;
	s->user = NULL_INT;
	s->sent_to = -1;
	news->session = s;
	atomic_fetch_add(&hub->n_sessions, 1);
	hub_tell(hub, news);
	return 0;
}

bool safe_group_send(struct hub *hub, const struct live_event *event)
{
	struct news *news = news_create(NEWS_EVENT);

	if (news) {
		news->event = *event;
		news->payload = event->payload.s ? blob_create(event->payload.s, event->payload.len) : NULL;
		news->event.payload = blob_view(news->payload);
		hub_tell(hub, news);
	}
	return bus_publish(hub->bus, event);
}

void hub_answered(struct hub *hub, uint64_t request)
{
	struct news *news = news_create(NEWS_ANSWERED);

	if (!news)
		return; /* the hold ends by itself */
	news->request = request;
	hub_tell(hub, news);
}

int hub_connections(const struct hub *hub)
{
	return atomic_load(&hub->n_sessions);
}

int64_t hub_pulse_age_us(const struct hub *hub)
{
	return clock_monotonic_us() - atomic_load_explicit(&hub->pulse_us, memory_order_relaxed);
}
