/*
 * Contents read out: of one by the service and voice that are named, or of all published ones that have none. The file is in
 * its place before the row says so; until then who asks for it gets what was there. Source: tasks.md 1; content.md 6.
 */
#include "base/json_out.h"
#include "base/log.h"
#include "base/media.h"
#include "domain/audio.h"
#include "tasks/jobs_impl.h"
#include "tasks/provider.h"

#define LOGGER "tasks.audio"

/* Who speaks. */
static const struct speaker {
	const char *name;
	int (*speak)(const struct provider *, struct str text, struct str voice, struct buf *ret_audio);
} speakers[] = { { "openai", openai_speak }, { "elevenlabs", elevenlabs_speak } };

static const struct speaker *find_speaker(struct str name)
{
	for (size_t i = 0; i < N_ELEMENTS(speakers); i++)
		if (str_is(name, speakers[i].name))
			return &speakers[i];
	return NULL;
}

struct storing {
	struct task_run *run;
	const struct speaker *speaker;
	struct audio_source source;
	struct str path; /* under MEDIA_ROOT */
	bool gone;       /* the content */
};

static int store(struct db_conn *db, void *arg)
{
	struct storing *s = arg;
	int r = audio_store(db, &s->source, s->path);

	s->gone = r == ERR_NOT_FOUND;
	if (s->gone) {
		task_answer_error(s->run, "the content has been deleted meanwhile");
		return 0;
	}
	buf_addf(&s->run->result, "{\"success\": true, \"content_id\": %lld, \"audio_file\": \"%.*s\", \"provider\": \"%s\"}",
	         (long long)s->source.id, STR_ARG(s->path), s->speaker->name);
	return r;
}

static enum task_outcome commit(struct storing *s)
{
	struct error err = { 0 };
	int r = task_commit(s->run, store, s, NULL);

	if (r < 0)
		return task_database_error(s->run, r);
	if (r == 0 && s->gone && media_remove(s->run->services->settings->media_root, s->path, &err) < 0)
		log_write(LOG_WARNING, LOGGER, "audio.left", LOG_FIELDS(LOG_VIEW("path", s->path), LOG_STR("error", err.text)),
		          "The audio of a deleted content stays");
	return TASK_SUCCEEDED;
}

static enum task_outcome keep(struct storing *s, struct str audio)
{
	char *path = arena_printf(s->run->arena, AUDIO_FOLDER "/audio_%lld_%s.mp3", (long long)s->source.id, s->speaker->name);
	struct error err = { 0 };
	int r = ERR_NOMEM;

	s->path = str_of(path);
	if (path)
		r = media_replace(s->run->services->settings->media_root, s->path, audio, &err);
	if (r < 0)
		return task_retry(s->run, "OSError", "the audio cannot be stored: %s", err.text[0] ? err.text : error_name(r));
	return commit(s);
}

static enum task_outcome speak(struct storing *s)
{
	CLEANUP(buf_finish) struct buf audio = BUF_EMPTY;
	struct provider_failure failure;
	const struct provider provider = { .settings = s->run->services->settings, .stop = s->run->stop, .failure = &failure };
	struct str voice = task_text(s->run, "voice");

	if (!voice.len)
		return task_answer_error(s->run, "no voice is named");
	if (s->speaker->speak(&provider, s->source.text, voice, &audio) < 0)
		return provider_failed(s->run, &failure);
	return keep(s, buf_view(&audio));
}

enum task_outcome generate_audio_content(struct task_run *run)
{
	struct storing s = { .run = run, .speaker = find_speaker(task_text(run, "provider")) };
	int r = audio_find_source(run->db, run->arena, task_int(run, "content_id"), &s.source);

	if (r == ERR_NOT_FOUND)
		return task_answer_error(run, "there is no such content");
	if (r < 0)
		return task_database_error(run, r);
	if (str_count_chars(s.source.text) < AUDIO_LEAST_CHARS)
		return task_answer_error(run, "the text is too short to be read out");
	if (s.source.unchanged) {
		buf_addf(&run->result, "{\"success\": true, \"skipped\": true, \"reason\": \"hash_unchanged\", \"content_id\": %lld}",
		         (long long)s.source.id);
		return TASK_SUCCEEDED;
	}
	return s.speaker ? speak(&s) : task_answer_error(run, "unknown provider: openai or elevenlabs");
}

/* ---- all that have none ---- */

static int ask_missing(struct db_conn *db, void *arg)
{
	struct task_run *run = arg;
	int64_t count;
	int r = audio_ask_missing(db, task_text(run, "provider"), task_text(run, "voice"), &count);

	if (r == 0)
		buf_addf(&run->result, "{\"success\": true, \"count\": %lld}", (long long)count);
	return r;
}

enum task_outcome batch_generate_audio(struct task_run *run)
{
	int r = task_commit(run, ask_missing, run, NULL);

	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}
