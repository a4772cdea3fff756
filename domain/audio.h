/*
 * Contents read out: which text, and where what was made of it is kept (columns audio_file, audio_source_hash). Making it is for
 * tasks. Source: tasks.md 1; content.md 6. Texts live in the arena; errors are those of db_select and db_execute besides those named.
 */
#ifndef DOMAIN_AUDIO_H
#define DOMAIN_AUDIO_H

#include "domain/embedding.h"

#define AUDIO_FOLDER      "educational_contents/audio"
#define AUDIO_LEAST_CHARS 10 /* shorter texts are not read out */

struct audio_source {
	int64_t id;
	struct str text;             /* "Titre: <title>", blank line, description: as they were written, trimmed */
	char hash[SOURCE_HASH_SIZE]; /* as embedding_hash */
	bool unchanged;              /* this very text has been read out */
};

/* ERR_NOT_FOUND: there is no such content. */
int audio_find_source(struct db_conn *, struct arena *, int64_t content_id, struct audio_source *ret_source);

/* The beginning of a text: at most so many characters. */
struct str audio_cut(struct str text, size_t max_chars);

/* In a closure: what was made of the source is at this path under MEDIA_ROOT. ERR_NOT_FOUND: the content is gone. */
int audio_store(struct db_conn *, const struct audio_source *, struct str path);

#define AUDIO_TASK "core.tasks_audio.generate_audio_content" /* content_id, provider, voice */

/* In a closure: asks for this task for each published content without audio; *ret_count is how many. Errors of outbox_put. */
int audio_ask_missing(struct db_conn *, struct str provider, struct str voice, int64_t *ret_count);

#endif
