/*
 * The thread takes a batch off the queue and sends it as one pipeline, so that a burst costs a round trip for each batch and
 * not for each message. One batch at a time, which keeps the order. A batch that fails while the usage stays closed (a
 * connection that the server had closed, a first timeout) is sent again, once; after that, and whenever the usage is down, it
 * is lost, and so is each batch behind it until the queue is empty.
 */
#include "resilience/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/metrics.h"

#define BATCH_MESSAGES 64
#define BATCH_BYTES    (256 * 1024) /* a larger message goes alone */
#define TRIES          2

struct message {
	STAILQ_ENTRY(message) next;
	struct str channel, payload;
	char bytes[];
};
STAILQ_HEAD(messages, message);

/* What becomes of a message. */
enum fate { SENT, REFUSED, LOST, DOWN, FULL, FATES };
static const char *const fate_names[FATES] = { "sent", "refused", "lost", "down", "full" };

struct publisher {
	struct redis *redis;
	struct publisher_config config;
	struct metric *fates[FATES];
	pthread_t thread;
	pthread_mutex_t lock; /* the rest */
	pthread_cond_t changed;
	struct messages queue;
	size_t n, bytes;
	bool stopping;
};

static size_t message_bytes(const struct message *m)
{
	return sizeof(*m) + m->channel.len + m->payload.len;
}

/* ---- taking ---- */

static struct message *message_create(struct str channel, struct str payload)
{
	struct message *m = mem_alloc(sizeof(*m) + channel.len + payload.len);

	if (!m)
		return NULL;
	memcpy(m->bytes, channel.s, channel.len);
	if (payload.len)
		memcpy(m->bytes + channel.len, payload.s, payload.len);
	m->channel = (struct str){ m->bytes, channel.len };
	m->payload = (struct str){ m->bytes + channel.len, payload.len };
	return m;
}

static bool append(struct publisher *p, struct message *m)
{
	bool fits;

	pthread_mutex_lock(&p->lock);
	fits = p->n < p->config.max_messages && message_bytes(m) <= p->config.max_bytes - p->bytes;
	if (fits) {
		STAILQ_INSERT_TAIL(&p->queue, m, next);
		p->n++;
		p->bytes += message_bytes(m);
		pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return fits;
}

bool publisher_put(struct publisher *p, struct str channel, struct str payload)
{
	struct message *m;

	if (!redis_usable(p->redis, p->config.usage)) {
		metric_add(p->fates[DOWN], 1);
		return false;
	}
	m = message_create(channel, payload);
	if (m && append(p, m))
		return true;
	free(m);
	metric_add(p->fates[FULL], 1);
	return false;
}

/* ---- sending ---- */

/* Waits for messages and takes up to a batch of them; 0 when there are none and the thread is to end. */
static size_t take_batch(struct publisher *p, struct message *batch[BATCH_MESSAGES])
{
	struct message *m;
	size_t n = 0, bytes = 0;

	pthread_mutex_lock(&p->lock);
	while (STAILQ_EMPTY(&p->queue) && !p->stopping)
		pthread_cond_wait(&p->changed, &p->lock);
	while (n < BATCH_MESSAGES && (m = STAILQ_FIRST(&p->queue)) && (n == 0 || bytes + message_bytes(m) <= BATCH_BYTES)) {
		STAILQ_REMOVE_HEAD(&p->queue, next);
		bytes += message_bytes(m);
		batch[n++] = m;
	}
	p->n -= n;
	p->bytes -= bytes;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static int send_once(struct publisher *p, struct message *const batch[], size_t n)
{
	struct str args[BATCH_MESSAGES][3];
	struct redis_command commands[BATCH_MESSAGES];
	struct redis_reply *replies[BATCH_MESSAGES];
	int r;

	for (size_t i = 0; i < n; i++) {
		args[i][0] = (struct str)STR("PUBLISH");
		args[i][1] = batch[i]->channel;
		args[i][2] = batch[i]->payload;
		commands[i] = (struct redis_command){ args[i], 3 };
	}
	r = redis_call(p->redis, p->config.usage, NULL, "publish", commands, n, replies);
	for (size_t i = 0; r == 0 && i < n; i++)
		metric_add(p->fates[redis_reply_type(replies[i]) == REDIS_REPLY_IS_INT ? SENT : REFUSED], 1);
	redis_replies_free(replies, n);
	return r;
}

static void lose(struct publisher *p, struct message *const batch[], size_t n)
{
	metric_add(p->fates[LOST], (int64_t)n);
	for (size_t i = 0; i < n && p->config.on_lost; i++)
		p->config.on_lost(batch[i]->channel, p->config.arg);
}

static void send_batch(struct publisher *p, struct message *batch[], size_t n)
{
	int r = ERR_UNAVAILABLE;

	for (int i = 0; i < TRIES && r < 0 && redis_usable(p->redis, p->config.usage); i++)
		r = send_once(p, batch, n);
	if (r < 0)
		lose(p, batch, n);
	for (size_t i = 0; i < n; i++)
		free(batch[i]);
}

static void *run(void *arg)
{
	struct message *batch[BATCH_MESSAGES];
	struct publisher *p = arg;
	size_t n;

	while ((n = take_batch(p, batch)) > 0)
		send_batch(p, batch, n);
	return NULL;
}

/* ---- life ---- */

static void release(struct publisher *p)
{
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct publisher *publisher_create(struct redis *redis, const struct publisher_config *config)
{
	struct publisher *p = redis_configured(redis, config->usage) ? mem_alloc(sizeof(*p)) : NULL;
	char name[16];

	if (!p)
		return NULL;
	p->redis = redis;
	p->config = *config;
	STAILQ_INIT(&p->queue);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	for (int i = 0; i < FATES; i++)
		p->fates[i] = metric_seriesf(METRIC_REDIS_PUBLISHED, "usage=\"%s\",result=\"%s\"", redis_usage_name(config->usage),
		                             fate_names[i]);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		release(p);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.15s", config->name);
	pthread_setname_np(p->thread, name);
	return p;
}

void publisher_destroy(struct publisher *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	release(p);
}
