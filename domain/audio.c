#include "domain/audio.h"

#include "base/json_out.h"
#include "db/outbox.h"
#include "domain/each_impl.h"
#include "domain/sanitize.h"

struct text_row {
	struct str title, description, hash, file;
};

static const struct db_column text_columns[] = {
	DB_COLUMN(struct text_row, title, TEXT, "title"),
	DB_COLUMN(struct text_row, description, TEXT, "description"),
	DB_COLUMN(struct text_row, hash, TEXT, "audio_source_hash"),
	DB_COLUMN(struct text_row, file, TEXT, "audio_file"),
};
static const struct db_row text_row = DB_ROW(struct text_row, text_columns);

static int join(struct arena *arena, const struct text_row *row, struct str *ret_text)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_add_text(&b, "Titre: ");
	sanitize_undo(&b, row->title);
	buf_add_text(&b, "\n\n");
	sanitize_undo(&b, row->description);
	if (b.failed)
		return ERR_NOMEM;
	*ret_text = arena_str(arena, str_trim_unicode(buf_view(&b)));
	return ret_text->s ? 0 : ERR_NOMEM;
}

int audio_find_source(struct db_conn *db, struct arena *arena, int64_t content_id, struct audio_source *ret_source)
{
	static const struct db_statement content = { "SELECT $cols FROM core_educationalcontent WHERE id = $1", &text_row };
	struct audio_source source = { .id = content_id };
	struct text_row row;
	int r = db_select_one(db, &content, DB_PARAMS(DB_INT(content_id)), arena, &row);

	if (r == 0)
		r = join(arena, &row, &source.text);
	if (r == 0)
		r = embedding_hash(row.title, row.description, source.hash);
	if (r < 0)
		return r;
	source.unchanged = row.file.len && str_is(row.hash, source.hash);
	*ret_source = source;
	return 0;
}

struct str audio_cut(struct str text, size_t max_chars)
{
	size_t end = 0;

	for (size_t chars = 0; end < text.len; end++)
		if (((unsigned char)text.s[end] & 0xc0) != 0x80 && chars++ == max_chars)
			break;
	return (struct str){ text.s, end };
}

int audio_store(struct db_conn *db, const struct audio_source *source, struct str path)
{
	static const struct db_statement store = {
		"UPDATE core_educationalcontent SET audio_file = $2, audio_source_hash = $3 WHERE id = $1"
	};
	int64_t changed = 0;
	int r = db_execute(db, &store, DB_PARAMS(DB_INT(source->id), DB_TEXT(path), DB_TEXT(str_of(source->hash))), &changed);

	return r < 0 ? r : changed ? 0 : ERR_NOT_FOUND;
}

/* ---- what has none ---- */

struct speech {
	struct str provider, voice;
};

static int ask(struct db_conn *db, int64_t id, void *arg)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	const struct speech *speech = arg;

	buf_addf(&args, "[%lld, ", (long long)id);
	json_add_str(&args, speech->provider);
	buf_add_text(&args, ", ");
	json_add_str(&args, speech->voice);
	buf_add_char(&args, ']');
	if (args.failed)
		return ERR_NOMEM;
	return outbox_put(db, &(struct outbox_task){ .name = AUDIO_TASK, .args = { buf_view(&args) }, .durable = true });
}

int audio_ask_missing(struct db_conn *db, struct str provider, struct str voice, int64_t *ret_count)
{
	static const struct db_statement silent = {
		"SELECT $cols FROM core_educationalcontent WHERE status = 'published' AND COALESCE(audio_file, '') = ''" EACH_PART, &id_row
	};
	struct speech speech = { provider, voice };

	return each_id(db, &silent, ask, &speech, ret_count);
}
