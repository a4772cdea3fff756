/*
 * The two tables differ in the names of their columns, and in that contents keep the hash of what their vector was made of: one
 * statement a table for each question, chosen by kind.
 */
#include "domain/embedding.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "base/json_out.h"
#include "db/outbox.h"
#include "domain/each_impl.h"
#include "domain/sanitize.h"

unsigned embedding_kind(struct str content_type)
{
	return str_is(content_type, "projet") ? SEMANTIC_PROJECTS : str_is(content_type, "educational_content") ? SEMANTIC_CONTENTS : 0;
}

/* ---- what is stored ---- */

json_t *embedding_parse(struct json_text embedding)
{
	return embedding.text.s ? json_loadb(embedding.text.s, embedding.text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL) : NULL;
}

static bool read_numbers(const json_t *array, double *values)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (!json_is_number(json_array_get(array, i)))
			return false;
		values[i] = json_number_value(json_array_get(array, i));
	}
	return true;
}

int embedding_vector(struct arena *arena, struct json_text embedding, struct semantic_vector *ret_vector)
{
	json_t *object = embedding_parse(embedding);
	const json_t *array = json_object_get(object, "vector");
	size_t n = json_array_size(array);
	double *values = n ? arena_alloc(arena, n * sizeof(*values)) : NULL;
	int r = n && !values ? ERR_NOMEM : 0;

	*ret_vector = (struct semantic_vector){ NULL, 0 };
	if (values && read_numbers(array, values))
		*ret_vector = (struct semantic_vector){ values, n };
	json_decref(object);
	return r;
}

/* ---- making one ---- */

int embedding_hash(struct str title, struct str description, char ret_hash[SOURCE_HASH_SIZE])
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	unsigned char digest[SHA256_DIGEST_LENGTH];

	buf_add_str(&b, title);
	buf_add_char(&b, '\n');
	buf_add_str(&b, description);
	if (b.failed)
		return ERR_NOMEM;
	SHA256((const unsigned char *)b.data, b.len, digest);
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(ret_hash + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

struct text_row {
	struct str title, description, hash;
	bool embedded;
};

#define TEXT_COLUMNS(title_column, hash_column)                                                                              \
	DB_COLUMN(struct text_row, title, TEXT, title_column), DB_COLUMN(struct text_row, description, TEXT, "description"), \
	        DB_COLUMN(struct text_row, hash, TEXT, hash_column), DB_COLUMN(struct text_row, embedded, BOOL, "embedding IS NOT NULL")

static const struct db_column project_columns[] = { TEXT_COLUMNS("titre", "''") };
static const struct db_column content_columns[] = { TEXT_COLUMNS("title", "embedding_source_hash") };
static const struct db_row project_row = DB_ROW(struct text_row, project_columns);
static const struct db_row content_row = DB_ROW(struct text_row, content_columns);

/* Title, space, description; of a content without what made them HTML. */
static int join(struct arena *arena, unsigned kind, const struct text_row *row, struct str *ret_text)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	void (*add)(struct buf *, struct str) = kind == SEMANTIC_CONTENTS ? sanitize_undo : buf_add_str;

	add(&b, row->title);
	buf_add_char(&b, ' ');
	add(&b, row->description);
	*ret_text = arena_str(arena, buf_view(&b));
	return b.failed || !ret_text->s ? ERR_NOMEM : 0;
}

int embedding_find_source(struct db_conn *db, struct arena *arena, unsigned kind, int64_t id, struct embedding_source *ret_source)
{
	static const struct db_statement project = { "SELECT $cols FROM core_projet WHERE id = $1", &project_row };
	static const struct db_statement content = { "SELECT $cols FROM core_educationalcontent WHERE id = $1", &content_row };
	struct embedding_source source = { .kind = kind, .id = id };
	struct text_row row;
	int r = db_select_one(db, kind == SEMANTIC_CONTENTS ? &content : &project, DB_PARAMS(DB_INT(id)), arena, &row);

	if (r == 0)
		r = join(arena, kind, &row, &source.text);
	if (r == 0)
		r = embedding_hash(row.title, row.description, source.hash);
	if (r < 0)
		return r;
	source.unchanged = row.embedded && str_is(row.hash, source.hash);
	*ret_source = source;
	return 0;
}

static void add_embedding(struct buf *b, const char *model, struct semantic_vector vector)
{
	buf_add_text(b, "{\"model\": ");
	json_add_text(b, model);
	buf_addf(b, ", \"dimension\": %zu, \"vector\": [", vector.n);
	for (size_t i = 0; i < vector.n; i++) {
		if (i)
			buf_add_text(b, ", ");
		json_add_float(b, vector.values[i]);
	}
	buf_add_text(b, "]}");
}

int embedding_store(struct db_conn *db, const struct embedding_source *source, const char *model, struct semantic_vector vector)
{
	static const struct db_statement project = { "UPDATE core_projet SET embedding = $2 WHERE id = $1" };
	static const struct db_statement content = {
		"UPDATE core_educationalcontent SET embedding = $2, embedding_source_hash = $3 WHERE id = $1"
	};
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	int64_t changed = 0;
	int r;

	add_embedding(&b, model, vector);
	if (b.failed)
		return ERR_NOMEM;
	r = db_execute(db, source->kind == SEMANTIC_CONTENTS ? &content : &project,
	               DB_PARAMS(DB_INT(source->id), DB_JSON((struct json_text){ buf_view(&b) }), DB_TEXT(str_of(source->hash))), &changed);
	return r < 0 ? r : changed ? 0 : ERR_NOT_FOUND;
}

/* ---- what has none ---- */

struct wanted {
	unsigned kind;
	struct str model_name;
};

static int ask(struct db_conn *db, int64_t id, void *arg)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	const struct wanted *wanted = arg;

	buf_add_char(&args, '[');
	json_add_str(&args, wanted->model_name);
	buf_addf(&args, ", %lld, \"%s\"]", (long long)id, wanted->kind == SEMANTIC_CONTENTS ? "educational_content" : "projet");
	if (args.failed)
		return ERR_NOMEM;
	return outbox_put(db, &(struct outbox_task){ .name = EMBEDDING_TASK, .args = { buf_view(&args) }, .durable = true });
}

int embedding_ask_missing(struct db_conn *db, unsigned kind, struct str model_name, int64_t *ret_count)
{
	static const struct db_statement projects = { "SELECT $cols FROM core_projet WHERE embedding IS NULL" EACH_PART, &id_row };
	static const struct db_statement contents = { "SELECT $cols FROM core_educationalcontent WHERE embedding IS NULL" EACH_PART,
		                                      &id_row };
	struct wanted wanted = { kind, model_name };

	return each_id(db, kind == SEMANTIC_CONTENTS ? &contents : &projects, ask, &wanted, ret_count);
}
