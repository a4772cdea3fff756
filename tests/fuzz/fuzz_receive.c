/*
 * What a client may send once its WebSocket is open: the first byte says in pieces of what size it comes. However it is cut, the
 * session answers the same, tells its group the same and ends the same way.
 */
#include "realtime/hub_impl.h"
#include "tests/fuzz/fuzz.h"

/* What a session came to. */
struct outcome {
	struct buf answers, told;
	enum close_cause cause;
	bool ended, deaf;
};

static struct hub hub;

static const char *from_table(const char *variable, void *arg)
{
	(void)arg;
	if (strcmp(variable, "DJANGO_SECRET_KEY") == 0)
		return "01234567890123456789012345678901234567890123456789";
	if (strcmp(variable, "REALTIME_RATE") == 0 || strcmp(variable, "REALTIME_BURST") == 0)
		return "1000000"; /* time has no part in this */
	return strcmp(variable, "REALTIME_MAX_MESSAGE_BYTES") == 0 ? "1024" : NULL;
}

static void make_hub(void)
{
	struct settings *settings;
	struct error err;

	if (hub.loop)
		return;
	FUZZ_CHECK(settings_load(from_table, NULL, false, &settings, &err) == 0);
	hub.settings = settings;
	hub.loop = ev_loop_new(EVFLAG_NOINOTIFY);
	hub.inbox_end = &hub.inbox;
	pthread_mutex_init(&hub.lock, NULL);
	figures_init(&hub);
}

static void keep_answers(struct session *s, struct outcome *o)
{
	while (s->parcels) {
		struct parcel *p = s->parcels;

		s->parcels = p->next;
		buf_add(&o->answers, p->bytes->data, p->bytes->len);
		blob_unref(p->bytes);
		free(p);
	}
}

static void keep_news(struct outcome *o)
{
	while (hub.inbox) {
		struct news *news = hub.inbox;

		hub.inbox = news->next;
		FUZZ_CHECK(news->kind == NEWS_EVENT && news->event.kind == LIVE_CHAT_TYPING && news->event.id == 7);
		buf_add_str(&o->told, blob_view(news->payload));
		news_free(news);
	}
	hub.inbox_end = &hub.inbox;
}

static struct outcome receive_in_pieces(const uint8_t *data, size_t n, size_t piece)
{
	struct replay replay = { 0 }; /* one is under way: none begins, for there is no database here */
	struct session s = { .hub = &hub, .user = 1, .state = SESSION_OPEN, .replay = &replay, .allowance = 1000000 };
	struct outcome o = { .answers = BUF_EMPTY, .told = BUF_EMPTY };

	s.handshake.id = 7;
	s.allowance_us = clock_monotonic_us();
	for (size_t at = 0; at < n; at += piece) {
		size_t m = n - at < piece ? n - at : piece;
		unsigned char *bytes = malloc(m); /* no larger: a read beyond it shows */

		memcpy(bytes, data + at, m);
		FUZZ_CHECK(receive_bytes(&s, bytes, m) == 0); /* far from WASTE_MAX, and no close frame is sent */
		free(bytes);
		FUZZ_CHECK(s.in.text.len <= 1024 && s.in.control.len <= FRAME_CONTROL_MAX);
	}
	keep_answers(&s, &o);
	keep_news(&o);
	o.cause = s.cause;
	o.ended = s.in.ended;
	o.deaf = s.in.deaf;
	FUZZ_CHECK((s.state == SESSION_OPEN) == (s.cause == CLOSE_NONE));
	receive_finish(&s.in);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;

	if (size < 2)
		return 0;
	make_hub();
	whole = receive_in_pieces(data + 1, size - 1, size - 1);
	cut = receive_in_pieces(data + 1, size - 1, (size_t)data[0] + 1);
	FUZZ_CHECK(str_equal(buf_view(&whole.answers), buf_view(&cut.answers)));
	FUZZ_CHECK(str_equal(buf_view(&whole.told), buf_view(&cut.told)));
	FUZZ_CHECK(whole.cause == cut.cause && whole.ended == cut.ended && whole.deaf == cut.deaf);
	buf_finish(&whole.answers);
	buf_finish(&whole.told);
	buf_finish(&cut.answers);
	buf_finish(&cut.told);
	return 0;
}
