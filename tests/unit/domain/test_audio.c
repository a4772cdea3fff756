#include "domain/audio.h"

#include "tests/unit/domain/messages.h"
#include "tests/unit/domain/vectors.h"

static struct audio_source source_of(struct fixture *f, int64_t id)
{
	struct audio_source source;

	assert_ok(audio_find_source(f->conn, &f->arena, id, &source));
	return source;
}

static int store(struct db_conn *db, void *source)
{
	return audio_store(db, source, TEXT(AUDIO_FOLDER "/a.mp3"));
}

static void test_audio__text_and_its_change(void **state)
{
	struct fixture *f = *state;
	struct audio_source source;

	add_content(f, 3, "published", "L&#x27;eau &lt;3", "NULL");
	source = source_of(f, 3);
	assert_text(source.text, "Titre: L'eau <3\n\ntexte");
	assert_false(source.unchanged);
	assert_ok(db_write(f->conn, store, &source));
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE audio_file = '" AUDIO_FOLDER "/a.mp3'"), 1);
	assert_true(source_of(f, 3).unchanged);
	write_rows(f, "UPDATE core_educationalcontent SET title = 'L''eau'");
	assert_false(source_of(f, 3).unchanged);
	write_rows(f, "UPDATE core_educationalcontent SET title = 'L&#x27;eau &lt;3', audio_file = ''");
	assert_false(source_of(f, 3).unchanged); /* its file is gone */
	write_rows(f, "UPDATE core_educationalcontent SET title = 'ab', description = ''");
	assert_text(source_of(f, 3).text, "Titre: ab");
	write_rows(f, "DELETE FROM core_educationalcontent");
	assert_int_equal(audio_find_source(f->conn, &f->arena, 3, &source), ERR_NOT_FOUND);
	assert_int_equal(db_write(f->conn, store, &source), ERR_NOT_FOUND);
}

static void test_audio__is_cut_between_characters(void **state)
{
	assert_text(audio_cut(TEXT("été 🌾"), 0), "");
	assert_text(audio_cut(TEXT("été 🌾"), 3), "été");
	assert_text(audio_cut(TEXT("été 🌾"), 4), "été ");
	assert_text(audio_cut(TEXT("été 🌾"), 5), "été 🌾");
	assert_text(audio_cut(TEXT("été 🌾"), 6), "été 🌾");
}

static int ask(struct db_conn *db, void *count)
{
	return audio_ask_missing(db, TEXT("elevenlabs"), TEXT("une \"voix\""), count);
}

static void test_audio__asks_for_each_published_one_without(void **state)
{
	struct fixture *f = *state;
	int64_t count = -1;

	add_content(f, 1, "published", "a", "NULL");
	add_content(f, 2, "published", "b", "NULL");
	add_content(f, 3, "published", "c", "NULL");
	add_content(f, 4, "draft", "d", "NULL");
	write_rows(
	        f,
	        "UPDATE core_educationalcontent SET audio_file = 'x.mp3' WHERE id = 1; UPDATE core_educationalcontent SET audio_file = '' "
	        "WHERE id = 2");
	assert_ok(db_write(f->conn, ask, &count));
	assert_int_equal(count, 2);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = '" AUDIO_TASK "' AND durable"), 2);
	assert_text(args_of_message(f, 1), "[2, \"elevenlabs\", \"une \\\"voix\\\"\"]");
	assert_text(args_of_message(f, 0), "[3, \"elevenlabs\", \"une \\\"voix\\\"\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_audio__text_and_its_change),
		CASE(test_audio__is_cut_between_characters),
		CASE(test_audio__asks_for_each_published_one_without),
	};

	return RUN_ON_BOTH(tests);
}
