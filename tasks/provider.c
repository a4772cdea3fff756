/*
 * A question is a POST of JSON; what differs is the address, the header of the key and what a good answer looks like. Of a bad one
 * only its status is told, and the word that services name a mistake by ("invalid_api_key"): their sentences quote keys and texts.
 */
#include "tasks/provider.h"

#include <math.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json_out.h"
#include "domain/audio.h"

#define WORD_MAX 60

struct question {
	const char *service; /* for people */
	const char *base;    /* URL, from the settings */
	struct str path;
	struct http_header key;
	const char *key_setting; /* what to set for it */
	struct str body;
};

static int fail(const struct provider *p, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(const struct provider *p, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->failure->text, sizeof(p->failure->text), format, args);
	va_end(args);
	p->failure->try_again = code == ERR_UNAVAILABLE;
	return code;
}

/* ---- asking ---- */

static bool is_word(const char *text)
{
	size_t n = 0;

	for (; text && text[n]; n++)
		if (!(str_is_alpha(text[n]) || str_is_digit(text[n]) || text[n] == '_') || n == WORD_MAX)
			return false;
	return n > 0;
}

/* The word for what went wrong: OpenAI's error.code or error.type, ElevenLabs' detail.status. NULL: there is none. */
static const char *word_of(const json_t *answer)
{
	const char *const words[] = {
		json_string_value(json_object_get(json_object_get(answer, "error"), "code")),
		json_string_value(json_object_get(json_object_get(answer, "error"), "type")),
		json_string_value(json_object_get(json_object_get(answer, "detail"), "status")),
	};

	for (size_t i = 0; i < N_ELEMENTS(words); i++)
		if (is_word(words[i]))
			return words[i];
	return NULL;
}

static int fail_status(const struct provider *p, const struct question *q, const struct http_answer *answer)
{
	json_t *object = answer->body.len ? json_loadb(answer->body.data, answer->body.len, 0, NULL) : NULL;
	const char *word = word_of(object);
	int r = fail(p, http_worth_retrying(0, answer) ? ERR_UNAVAILABLE : ERR_INVALID, "%s answered %d%s%s%s", q->service, answer->status,
	             word ? " (" : "", word ? word : "", word ? ")" : "");

	p->failure->retry_after_s = answer->retry_after_s;
	json_decref(object);
	return r;
}

static int send(const struct provider *p, const struct question *q, const char *url, struct http_answer *ret_answer)
{
	const struct http_header headers[] = { q->key, { "Content-Type", STR("application/json") } };
	const struct http_request request = { .method = "POST",
		                              .url = url,
		                              .headers = headers,
		                              .n_headers = N_ELEMENTS(headers),
		                              .body = q->body,
		                              .timeout_us = p->timeout_us,
		                              .stop = p->stop };
	struct error err = { 0 };
	int r = http_send(&request, ret_answer, &err);

	if (r < 0)
		return fail(p,
		            http_worth_retrying(r, ret_answer) ? ERR_UNAVAILABLE
		            : r == ERR_NOMEM                   ? r
		                                               : ERR_INVALID,
		            "%s: %s", q->service, err.text);
	if (ret_answer->status >= 200 && ret_answer->status < 300)
		return 0;
	r = fail_status(p, q, ret_answer);
	http_answer_finish(ret_answer);
	return r;
}

/* 0: an answer of success, to be freed; else it has been told what went wrong. */
static int ask(const struct provider *p, const struct question *q, struct http_answer *ret_answer)
{
	CLEANUP(buf_finish) struct buf url = BUF_EMPTY;
	struct str base = str_of(q->base);

	*p->failure = (struct provider_failure){ 0 };
	while (base.len && base.s[base.len - 1] == '/')
		base.len--;
	buf_add_str(&url, base);
	buf_add_str(&url, q->path);
	return url.failed ? fail(p, ERR_NOMEM, "out of memory") : send(p, q, url.data, ret_answer);
}

/* ---- OpenAI ---- */

/* The key's header, and body and path in the question; its text is freed by the caller. */
static int ask_openai(const struct provider *p, const char *path, const struct buf *body, struct http_answer *ret_answer)
{
	CLEANUP(buf_finish) struct buf key = BUF_EMPTY;
	struct question q = { .service = "OpenAI", .base = p->settings->openai_base_url, .path = str_of(path), .body = buf_view(body) };
	int r;

	if (!p->settings->openai_api_key)
		return fail(p, ERR_INVALID, "OPENAI_API_KEY is not set");
	buf_addf(&key, "Bearer %s", p->settings->openai_api_key);
	if (key.failed || body->failed)
		return fail(p, ERR_NOMEM, "out of memory");
	q.key = (struct http_header){ "Authorization", buf_view(&key) };
	r = ask(p, &q, ret_answer);
	if (key.data)
		explicit_bzero(key.data, key.len);
	return r;
}

/* The numbers of data[0].embedding; false: they are not what was asked for. */
static bool read_vector(const json_t *answer, double values[OPENAI_DIMENSIONS])
{
	const json_t *numbers = json_object_get(json_array_get(json_object_get(answer, "data"), 0), "embedding");

	if (json_array_size(numbers) != OPENAI_DIMENSIONS)
		return false;
	for (size_t i = 0; i < OPENAI_DIMENSIONS; i++) {
		const json_t *number = json_array_get(numbers, i);

		values[i] = json_number_value(number);
		if (!json_is_number(number) || !isfinite(values[i]))
			return false;
	}
	return true;
}

int openai_embed(const struct provider *p, struct str text, struct arena *arena, struct semantic_vector *ret_vector)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;
	CLEANUP(http_answer_finish) struct http_answer answer = { 0 };
	double *values = arena_alloc(arena, OPENAI_DIMENSIONS * sizeof(*values));
	json_t *object;
	int r;

	buf_add_text(&body, "{\"model\": \"" OPENAI_MODEL "\", \"input\": ");
	json_add_str(&body, text);
	buf_add_char(&body, '}');
	if (!values)
		return fail(p, ERR_NOMEM, "out of memory");
	r = ask_openai(p, "/v1/embeddings", &body, &answer);
	if (r < 0)
		return r;
	object = json_loadb(answer.body.data ? answer.body.data : "", answer.body.len, JSON_DECODE_INT_AS_REAL, NULL);
	if (!object || !read_vector(object, values))
		r = fail(p, ERR_INVALID, "OpenAI answered something that is not a vector of %d numbers", OPENAI_DIMENSIONS);
	json_decref(object);
	if (r == 0)
		*ret_vector = (struct semantic_vector){ values, OPENAI_DIMENSIONS };
	return r;
}

/* ---- speech ---- */

/* Bytes are taken for audio unless they are said to be a text: then somebody else answered. */
static int take_audio(const struct provider *p, const char *service, struct http_answer *answer, struct buf *ret_audio)
{
	struct str type = str_of(answer->content_type);

	if (!answer->body.len || str_starts(type, "application/json") || str_starts(type, "text/"))
		return fail(p, ERR_INVALID, "%s answered something that is not audio", service);
	*ret_audio = answer->body;
	answer->body = (struct buf)BUF_EMPTY;
	return 0;
}

int openai_speak(const struct provider *p, struct str text, struct str voice, struct buf *ret_audio)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;
	CLEANUP(http_answer_finish) struct http_answer answer = { 0 };
	int r;

	buf_add_text(&body, "{\"model\": \"tts-1\", \"voice\": ");
	json_add_str(&body, voice);
	buf_add_text(&body, ", \"input\": ");
	json_add_str(&body, audio_cut(text, OPENAI_SPEECH_MAX));
	buf_add_char(&body, '}');
	r = ask_openai(p, "/v1/audio/speech", &body, &answer);
	return r < 0 ? r : take_audio(p, "OpenAI", &answer, ret_audio);
}

/* Everything but what RFC 3986 leaves as it is, so that a voice is one segment of a path. */
static void add_percent_encoded(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (str_is_alpha(text.s[i]) || str_is_digit(text.s[i]) || strchr("-_~", text.s[i]))
			buf_add_char(b, text.s[i]);
		else
			buf_addf(b, "%%%02X", (unsigned char)text.s[i]);
}

int elevenlabs_speak(const struct provider *p, struct str text, struct str voice, struct buf *ret_audio)
{
	CLEANUP(buf_finish) struct buf path = BUF_EMPTY, body = BUF_EMPTY;
	CLEANUP(http_answer_finish) struct http_answer answer = { 0 };
	struct question q = { .service = "ElevenLabs", .base = p->settings->elevenlabs_base_url };
	int r;

	if (!p->settings->elevenlabs_api_key)
		return fail(p, ERR_INVALID, "ELEVENLABS_API_KEY is not set");
	buf_add_text(&path, "/v1/text-to-speech/");
	add_percent_encoded(&path, voice);
	buf_add_text(&body, "{\"text\": ");
	json_add_str(&body, audio_cut(text, ELEVENLABS_SPEECH_MAX));
	buf_add_text(&body,
	             ", \"model_id\": \"eleven_monolingual_v1\", \"voice_settings\": {\"stability\": 0.5, \"similarity_boost\": 0.5}}");
	if (path.failed || body.failed)
		return fail(p, ERR_NOMEM, "out of memory");
	q.path = buf_view(&path);
	q.body = buf_view(&body);
	q.key = (struct http_header){ "xi-api-key", str_of(p->settings->elevenlabs_api_key) };
	r = ask(p, &q, &answer);
	return r < 0 ? r : take_audio(p, "ElevenLabs", &answer, ret_audio);
}

/* ---- what it means for a run ---- */

enum task_outcome provider_failed(struct task_run *run, const struct provider_failure *failure)
{
	if (failure->try_again && task_is_late(run))
		return task_fail_late(run);
	if (failure->try_again)
		return task_retry_after(run, failure->retry_after_s, "ConnectionError", "%s", failure->text);
	return task_answer_error(run, "%s", failure->text);
}
