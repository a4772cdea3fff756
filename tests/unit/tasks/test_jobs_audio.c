#include <dirent.h>

#include "base/media.h"
#include "domain/audio.h"
#include "tests/unit/tasks/services.h"

#define ONE      "core.tasks_audio.generate_audio_content"
#define MISSING  "core.tasks_audio.batch_generate_audio"
#define SOUND    "ID3\x04 a sound"
#define ANSWERED "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nConnection: close\r\n\r\n" SOUND

static void assert_file(const struct outside *o, const char *path, const char *expected)
{
	char got[100] = "";
	int fd = -1;

	assert_int_equal(media_open(o->media_root, str_of(path), &fd, NULL), 0);
	assert_int_equal(read(fd, got, sizeof(got)), strlen(expected));
	assert_string_equal(got, expected);
	close(fd);
}

static void assert_no_file(const struct outside *o)
{
	char command[200];

	snprintf(command, sizeof(command), "test -z \"$(find '%s' -type f)\"", o->media_root);
	assert_int_equal(system(command), 0);
}

static void test_jobs_audio__by_openai_until_the_text_changes(void **state)
{
	struct fixture *f = *state;
	struct outside o;

	outside_start(&o, f, TEXT(ANSWERED));
	add_content(f, 3, "published", "L&#x27;eau", "NULL");
	assert_answers(
	        f, &o.services, ONE, "[3]", 1,
	        "{\"success\": true, \"content_id\": 3, \"audio_file\": \"educational_contents/audio/audio_3_openai.mp3\", \"provider\": "
	        "\"openai\"}");
	assert_file(&o, AUDIO_FOLDER "/audio_3_openai.mp3", SOUND);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE audio_file = '" AUDIO_FOLDER
	                             "/audio_3_openai.mp3' AND LENGTH(audio_source_hash) = 64"),
	                 1);
	assert_answers(f, &o.services, ONE, "[3, \"elevenlabs\"]", 2,
	               "{\"success\": true, \"skipped\": true, \"reason\": \"hash_unchanged\", \"content_id\": 3}");
	assert_int_equal(atomic_load(&o.answerer.requests), 1);
	write_rows(f, "UPDATE core_educationalcontent SET description = 'autre'");
	outcome_of(f, &o.services, ONE, "[3, \"openai\", \"nova\"]", 3, TASK_SUCCEEDED, NULL);
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 2);
	assert_asked(&o, "POST /v1/audio/speech HTTP/1.1\r\n");
	assert_asked(&o, "\r\nAuthorization: Bearer " OPENAI_KEY "\r\n");
	assert_asked(&o, "\r\n\r\n{\"model\": \"tts-1\", \"voice\": \"nova\", \"input\": \"Titre: L'eau\\n\\nautre\"}");
	outside_finish(&o);
}

static void test_jobs_audio__by_elevenlabs(void **state)
{
	struct fixture *f = *state;
	struct outside o;

	outside_start(&o, f, TEXT(ANSWERED));
	add_content(f, 3, "draft", "Le sol", "NULL");
	assert_answers(f, &o.services, ONE, "[3, \"elevenlabs\", \"é/../a b\"]", 1,
	               "{\"success\": true, \"content_id\": 3, \"audio_file\": \"educational_contents/audio/audio_3_elevenlabs.mp3\", "
	               "\"provider\": \"elevenlabs\"}");
	outside_stop(&o);
	assert_file(&o, AUDIO_FOLDER "/audio_3_elevenlabs.mp3", SOUND);
	assert_asked(&o, "POST /v1/text-to-speech/%C3%A9%2F%2E%2E%2Fa%20b HTTP/1.1\r\n");
	assert_asked(&o, "\r\nxi-api-key: " ELEVENLABS_KEY "\r\n");
	assert_asked(&o, "\r\n\r\n{\"text\": \"Titre: Le sol\\n\\ntexte\", \"model_id\": \"eleven_monolingual_v1\", \"voice_settings\": "
	                 "{\"stability\": 0.5, \"similarity_boost\": 0.5}}");
	outside_finish(&o);
}

/* "Titre: t", a blank line, and as many é as there is room for. */
static void assert_cut(struct fixture *f, const char *args, size_t chars)
{
	struct outside o;
	struct str text;
	const char *start;
	size_t n = 0;

	outside_start(&o, f, TEXT(ANSWERED));
	outcome_of(f, &o.services, ONE, args, (int)chars, TASK_SUCCEEDED, NULL);
	outside_stop(&o);
	start = strstr(o.answerer.request.data, "Titre: t\\n\\n");
	assert_non_null(start);
	text = str_of(start + 12);
	while (str_starts(text, "é")) {
		text = (struct str){ text.s + 2, text.len - 2 };
		n++;
	}
	assert_int_equal(n + 10, chars);
	assert_true(str_starts(text, "\""));
	outside_finish(&o);
}

static void test_jobs_audio__texts_are_cut_in_characters(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_EMPTY;

	add_content(f, 3, "published", "t", "NULL");
	buf_add_text(&b, "UPDATE core_educationalcontent SET description = '");
	for (int i = 0; i < 6000; i++)
		buf_add_text(&b, "é");
	buf_add_char(&b, '\'');
	write_rows(f, b.data);
	buf_finish(&b);
	assert_cut(f, "[3]", 4000);
	write_rows(f, "UPDATE core_educationalcontent SET audio_file = NULL");
	assert_cut(f, "[3, \"elevenlabs\", \"v\"]", 5000);
}

static void test_jobs_audio__what_cannot_be_read_out(void **state)
{
	struct fixture *f = *state;
	struct outside o;
	const struct settings no_keys = { .media_root = o.media_root, .openai_base_url = o.url, .elevenlabs_base_url = o.url };
	const struct task_services without = { .settings = &no_keys };

	outside_start(&o, f, TEXT(ANSWERED));
	add_content(f, 3, "published", "t", "NULL");
	add_content(f, 4, "published", "ab", "NULL");
	write_rows(f, "UPDATE core_educationalcontent SET description = ' ' WHERE id = 4");
	assert_answers(f, &o.services, ONE, "[9]", 1, "{\"success\": false, \"error\": \"there is no such content\"}");
	assert_answers(f, &o.services, ONE, "[4]", 2, "{\"success\": false, \"error\": \"the text is too short to be read out\"}");
	assert_answers(f, &o.services, ONE, "[3, \"other\"]", 3,
	               "{\"success\": false, \"error\": \"unknown provider: openai or elevenlabs\"}");
	assert_answers(f, &o.services, ONE, "[3, \"openai\", null]", 4, "{\"success\": false, \"error\": \"no voice is named\"}");
	assert_answers(f, &without, ONE, "[3]", 5, "{\"success\": false, \"error\": \"OPENAI_API_KEY is not set\"}");
	assert_answers(f, &without, ONE, "[3, \"elevenlabs\"]", 6, "{\"success\": false, \"error\": \"ELEVENLABS_API_KEY is not set\"}");
	outside_stop(&o);
	assert_int_equal(atomic_load(&o.answerer.requests), 0);
	assert_no_file(&o);
	outside_finish(&o);
}

static void assert_fails(struct fixture *f, struct str answer, enum task_outcome expected, const char *text, int64_t retry_after_s)
{
	struct outside o;
	struct str told;
	int64_t after = 0;

	outside_start(&o, f, answer);
	told = outcome_of(f, &o.services, ONE, "[3, \"elevenlabs\", \"v\"]", 1, expected, &after);
	outside_stop(&o);
	if (!memmem(told.s, told.len, text, strlen(text)))
		fail_msg("\"%.*s\" does not say \"%s\"", STR_ARG(told), text);
	assert_null(memmem(told.s, told.len, "canary", 6));
	assert_int_equal(after, retry_after_s);
	assert_no_file(&o);
	outside_finish(&o);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE COALESCE(audio_file, '') <> ''"), 0);
}

static void test_jobs_audio__answers_that_are_no_audio(void **state)
{
	struct fixture *f = *state;

	add_content(f, 3, "published", "t", "NULL");
	assert_fails(f, NOTHING, TASK_RETRY, "ElevenLabs: ", 60);
	assert_fails(f, TEXT("HTTP/1.1 503 Later\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n"), TASK_RETRY, "ElevenLabs answered 503",
	             90);
	assert_fails(f, TEXT("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nID3"), TASK_RETRY, "ElevenLabs: ", 60);
	assert_fails(f,
	             TEXT("HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"detail\": {\"status\": \"invalid_api_key\", \"message\": "
	                  "\"" ELEVENLABS_KEY "\"}}"),
	             TASK_SUCCEEDED, "ElevenLabs answered 401 (invalid_api_key)", 0);
	assert_fails(f, TEXT("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"), TASK_SUCCEEDED,
	             "ElevenLabs answered something that is not audio", 0);
	assert_fails(f, TEXT("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 0\r\n\r\n"), TASK_SUCCEEDED, "is not audio",
	             0);
}

/* The old audio stays whole, and the row as it was. */
static void test_jobs_audio__a_full_disk_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct outside o;

	outside_start(&o, f, TEXT(ANSWERED));
	add_content(f, 3, "published", "t", "NULL");
	assert_int_equal(media_replace(o.media_root, TEXT(AUDIO_FOLDER "/audio_3_openai.mp3"), TEXT("old"), NULL), 0);
	fault_arm(FAULT_DISK, 1, true);
	outcome_of(f, &o.services, ONE, "[3]", 1, TASK_RETRY, NULL);
	fault_disarm_all();
	outside_stop(&o);
	assert_file(&o, AUDIO_FOLDER "/audio_3_openai.mp3", "old");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE audio_file IS NULL"), 1);
	outside_finish(&o);
}

static void test_jobs_audio__of_all_that_have_none(void **state)
{
	struct fixture *f = *state;

	add_content(f, 3, "published", "a", "NULL");
	add_content(f, 4, "pending", "b", "NULL");
	for (int i = 0; i < 2; i++)
		assert_answers(f, NULL, MISSING, "[\"elevenlabs\", \"v\"]", 1, "{\"success\": true, \"count\": 1}");
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM egoejo_outbox"), 1);
	assert_text(args_of_message(f, 0), "[3, \"elevenlabs\", \"v\"]");
	assert_answers(f, NULL, MISSING, "[]", 2, "{\"success\": true, \"count\": 1}");
	assert_text(args_of_message(f, 0), "[3, \"openai\", \"alloy\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_jobs_audio__by_openai_until_the_text_changes),
		CASE(test_jobs_audio__by_elevenlabs),
		CASE(test_jobs_audio__texts_are_cut_in_characters),
		CASE(test_jobs_audio__what_cannot_be_read_out),
		CASE(test_jobs_audio__answers_that_are_no_audio),
		CASE(test_jobs_audio__a_full_disk_is_tried_again),
		CASE(test_jobs_audio__of_all_that_have_none),
	};

	return RUN_ON_BOTH(tests);
}
