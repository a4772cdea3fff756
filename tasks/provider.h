/*
 * The outside services that embed and speak texts: OpenAI, ElevenLabs, or what answers as they do (OPENAI_BASE_URL,
 * ELEVENLABS_BASE_URL). One request each, 30 s at most; asked only when their key is set. Source: tasks.md 1. Any thread.
 */
#ifndef TASKS_PROVIDER_H
#define TASKS_PROVIDER_H

#include "base/settings.h"
#include "domain/embedding.h"
#include "tasks/http.h"
#include "tasks/task.h"

#define OPENAI_MODEL          "text-embedding-3-small"
#define OPENAI_DIMENSIONS     1536
#define OPENAI_SPEECH_MAX     4000 /* characters that are spoken */
#define ELEVENLABS_SPEECH_MAX 5000

/* Why there is no answer to use. */
struct provider_failure {
	bool try_again;        /* the same may do better later */
	int64_t retry_after_s; /* but not before; 0: it was not said */
	char text[300];        /* for a task's result: no secret, nothing of the texts */
};

/*
 * What the caller of them all passes. A failure is ERR_UNAVAILABLE (try_again is set), ERR_INVALID (refused, or not to be used: no
 * key, a status, an answer that is not what was asked for) or ERR_NOMEM; *failure says more.
 */
struct provider {
	const struct settings *settings;
	int64_t timeout_us;      /* 0: HTTP_TIMEOUT_US */
	const atomic_bool *stop; /* as in struct http_request */
	struct provider_failure *failure;
};

/* The vector of a text, OPENAI_DIMENSIONS numbers in the arena. */
int openai_embed(const struct provider *, struct str text, struct arena *, struct semantic_vector *ret_vector);

/* The text spoken by a voice, as MP3; ret_audio is the caller's, empty before, appended to. It is cut to what is spoken at most. */
int openai_speak(const struct provider *, struct str text, struct str voice, struct buf *ret_audio);
int elevenlabs_speak(const struct provider *, struct str text, struct str voice, struct buf *ret_audio);

/* How a run ends after such a failure: a retry, or {"success": false, "error"}; late when it is. */
enum task_outcome provider_failed(struct task_run *, const struct provider_failure *);

#endif
