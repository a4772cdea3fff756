/* What another process may have published, or anybody who can reach the Redis: what is taken for an event can be told and written again. */
#include "realtime/hub_impl.h"
#include "tests/fuzz/fuzz.h"

#define OTHER "00112233445566778899aabbccddeeff"
#define OWN   "ffeeddccbbaa99887766554433221100"

static void check_event(const struct news *news)
{
	const struct live_event *event = &news->event;
	json_t *payload;

	FUZZ_CHECK(event->kind <= LIVE_POLL_GONE && event->id >= 0);
	FUZZ_CHECK(event->caller == NULL_INT && event->request == 0);
	FUZZ_CHECK(event->previous >= 0 || event->previous == LIVE_NOT_NEW);
	FUZZ_CHECK(news->payload && str_valid_utf8(blob_view(news->payload)));
	payload = json_loadb(news->payload->data, news->payload->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(payload);
	FUZZ_CHECK(json_is_object(payload) ||
	           (event->kind != LIVE_CHAT_MESSAGE && event->kind != LIVE_CHAT_TYPING && event->kind != LIVE_POLL_UPDATE));
	json_decref(payload);
}

/* Passed on by us, it says the same to a third process. */
static void check_written(const struct news *news)
{
	struct buf text = BUF_EMPTY;
	struct live_event event = news->event;
	struct news *again;

	event.payload = blob_view(news->payload);
	envelope_write(&event, "eid", OTHER, &text);
	again = envelope_read(buf_view(&text), OWN);
	FUZZ_CHECK(again && again->kind == NEWS_EVENT);
	FUZZ_CHECK(again->event.kind == event.kind && again->event.id == event.id && again->event.message == event.message &&
	           again->event.members == event.members);
	FUZZ_CHECK(again->event.previous == (event.kind == LIVE_CHAT_MESSAGE ? event.previous : LIVE_NOT_NEW));
	FUZZ_CHECK(str_equal(blob_view(again->payload), blob_view(news->payload)));
	news_free(again);
	buf_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct news *news = envelope_read((struct str){ (const char *)data, size }, OWN);

	if (news && news->kind == NEWS_EVENT) {
		check_event(news);
		check_written(news);
	} else if (news) {
		FUZZ_CHECK(news->kind == NEWS_LOST && !news->payload);
	}
	news_free(news);
	return 0;
}
