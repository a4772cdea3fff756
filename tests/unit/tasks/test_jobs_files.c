#include "domain/file.h"
#include "tests/unit/tasks/files.h"
#include "tests/unit/tasks/scanner.h"

#define SCAN  "core.tasks_security.scan_file_antivirus"
#define ALERT "egoejo_outbox WHERE name = 'egoejo.critical_alert' AND queue = 'local'"

static struct scanner scanner;

static int ask(struct db_conn *db, void *path)
{
	return file_scan_ask(db, str_of(path));
}

static char path[] = "a.pdf";

/* A file that waits, and a content that names it. */
static int set_up(void **state)
{
	begin(state);
	make_media();
	scanner_start(&scanner);
	file_settings.clamav_host = "127.0.0.1";
	file_settings.clamav_port = scanner.port;
	store(path, TEXT("%PDF-"));
	add_content(*state, 3, path);
	assert_ok_(*state, db_write(((struct fixture *)*state)->conn, ask, path), __FILE__, __LINE__);
	return 0;
}

static int tear_down(void **state)
{
	scanner_stop(&scanner);
	test_folder_remove(media);
	return end(state);
}

static bool is_waiting(struct fixture *f)
{
	return COUNT("egoejo_file_scan WHERE path = 'a.pdf'") == 1;
}

static void test_jobs_files__clean(void **state)
{
	struct fixture *f = *state;

	assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1, 0),
	            "{\"success\": true, \"scanned\": true, \"safe\": true, \"file_path\": \"a.pdf\"}");
	assert_int_equal(scanner.bytes, 5);
	assert_false(is_waiting(f));
	assert_true(is_stored(path));
	assert_int_equal(COUNT("core_educationalcontent WHERE file = 'a.pdf'"), 1);
	assert_int_equal(COUNT(ALERT), 0);
}

static void test_jobs_files__infected(void **state)
{
	struct fixture *f = *state;

	scanner_says(&scanner, "stream: Eicar FOUND");
	for (int i = 0; i < 2; i++) /* a second delivery answers the same */
		assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1, 0),
		            "{\"success\": true, \"scanned\": true, \"safe\": false, \"virus\": \"Eicar\", \"file_path\": \"a.pdf\", "
		            "\"deleted\": true}");
	assert_false(is_waiting(f) || is_stored(path));
	assert_int_equal(COUNT("core_educationalcontent WHERE id = 3 AND file IS NULL"), 1);
	assert_int_equal(COUNT("core_auditlog WHERE action = 'file_infected' AND target_type = 'educational_content' AND target_id = '3'"),
	                 1);
	assert_int_equal(COUNT(ALERT), 1);
	assert_true(str_starts(
	        args_of_last_message(f), /* then when it was found */
	        "[\"INFECTED UPLOAD\", {\"file_path\": \"a.pdf\", \"virus\": \"Eicar\", \"rows\": 1, \"action_required\": \"Le fichier "
	        "est supprimé : contrôler le compte qui l'a envoyé.\"}, \"infected_upload:a.pdf\", \""));
}

/* The process that found it ended before it had removed it: the next scan does, and nobody is told twice. */
static void test_jobs_files__what_was_left_is_removed(void **state)
{
	struct fixture *f = *state;

	scanner_says(&scanner, "stream: Eicar FOUND");
	result_of(f, SCAN, "[\"a.pdf\"]", 1, 0);
	store(path, TEXT("%PDF-"));
	assert_ok(db_write(f->conn, ask, path));
	result_of(f, SCAN, "[\"a.pdf\"]", 1, 0);
	assert_false(is_waiting(f) || is_stored(path));
	assert_int_equal(COUNT(ALERT), 1);
}

/* By the time of a second delivery another upload has the name: it has a task of its own. */
static void test_jobs_files__what_a_row_names_again_is_left(void **state)
{
	struct fixture *f = *state;

	scanner_says(&scanner, "stream: Eicar FOUND");
	result_of(f, SCAN, "[\"a.pdf\"]", 1, 0);
	store(path, TEXT("%PDF-"));
	assert_ok(db_write(f->conn, ask, path));
	add_content(f, 4, path);
	result_of(f, SCAN, "[\"a.pdf\"]", 1, 0);
	assert_true(is_waiting(f) && is_stored(path));
	assert_int_equal(COUNT("core_educationalcontent WHERE id = 4 AND file = 'a.pdf'"), 1);
}

static void test_jobs_files__a_refusal_is_told_once(void **state)
{
	struct fixture *f = *state;

	scanner_says(&scanner, "INSTREAM size limit exceeded. ERROR");
	for (int i = 0; i < 2; i++)
		assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1 + i, 0),
		            "{\"success\": false, \"scanned\": false, \"safe\": true, \"error\": \"INSTREAM size limit exceeded.\"}");
	assert_true(is_waiting(f) && is_stored(path));
	assert_int_equal(COUNT(ALERT), 1);
	assert_int_equal(COUNT("egoejo_file_scan WHERE last_error = 'INSTREAM size limit exceeded.'"), 1);
}

static void assert_is_tried_again(struct fixture *f, int retries, int64_t after_s)
{
	struct task_run run = run_of(f, &file_services, SCAN, "[\"a.pdf\"]", 1);

	run.retries = retries;
	assert_int_equal(task_execute(&run), TASK_RETRY);
	assert_string_equal(run.error.type, "ConnectionError");
	assert_int_equal(run.retry_after_s, after_s);
	run_done(&run);
}

static void test_jobs_files__a_configured_scanner_that_is_away_is_tried_again(void **state)
{
	struct fixture *f = *state;
	int fd;

	file_settings.clamav_port = scanner_no_port(&fd);
	assert_is_tried_again(f, 0, 60);
	assert_is_tried_again(f, 1, 120);
	assert_int_equal(COUNT(ALERT), 0);
	assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1, 2),
	            "{\"success\": false, \"scanned\": false, \"safe\": true, \"error\": \"no scanner: Connection refused\"}");
	assert_true(is_waiting(f));
	assert_int_equal(COUNT(ALERT), 1);
	file_settings.clamav_port = scanner.port;
	scanner.answer_bytes = 0; /* it breaks off */
	assert_is_tried_again(f, 0, 60);
	close(fd);
}

static void test_jobs_files__none_is_configured(void **state)
{
	struct fixture *f = *state;
	int fd;

	file_settings.clamav_host = NULL;
	file_settings.clamav_port = scanner_no_port(&fd);
	assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1, 0),
	            "{\"success\": true, \"scanned\": false, \"safe\": true, \"reason\": \"no scanner: Connection refused\"}");
	assert_false(is_waiting(f));
	close(fd);
}

static void test_jobs_files__one_that_was_found_is_not_trusted_less(void **state)
{
	struct fixture *f = *state;

	file_settings.clamav_host = NULL;
	scanner.answer_bytes = 0;
	assert_text(result_of(f, SCAN, "[\"a.pdf\"]", 1, 0), "{\"success\": false, \"scanned\": false, \"safe\": true, \"error\": \"the "
	                                                     "scanner ended the connection before its answer\"}");
	assert_true(is_waiting(f));
	assert_int_equal(COUNT(ALERT), 0);
	scanner_says(&scanner, "stream: Eicar FOUND");
	result_of(f, SCAN, "[\"a.pdf\"]", 2, 0);
	assert_false(is_waiting(f) || is_stored(path));
}

static void assert_no_file(struct fixture *f, const char *args, int id)
{
	assert_text(result_of(f, SCAN, args, id, 0),
	            "{\"success\": false, \"scanned\": false, \"safe\": true, \"error\": \"no such file\"}");
}

static void test_jobs_files__what_is_not_in_media_is_not_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("/etc/hostname", media_path("link.pdf")), 0);
	assert_no_file(f, "[\"../etc/hostname\"]", 1);
	assert_no_file(f, "[\"/etc/hostname\"]", 2);
	assert_no_file(f, "[\"link.pdf\"]", 3);
	assert_no_file(f, "[null]", 4);
	assert_no_file(f, "[5]", 5);
	assert_no_file(f, "[\"\"]", 6);
	assert_int_equal(scanner.pieces, 0);
}

static void test_jobs_files__a_file_that_is_gone_waits_only_while_a_row_names_it(void **state)
{
	struct fixture *f = *state;

	unlink(media_path(path));
	assert_no_file(f, "[\"a.pdf\"]", 1);
	assert_true(is_waiting(f)); /* this process may have another folder than the one that serves */
	write_rows(f, "UPDATE core_educationalcontent SET file = NULL");
	assert_no_file(f, "[\"a.pdf\"]", 2);
	assert_false(is_waiting(f));
}

static void test_jobs_files__who_is_late_leaves_the_scanner(void **state)
{
	struct fixture *f = *state;
	struct task_run run = run_of(f, &file_services, SCAN, "[\"a.pdf\"]", 1);
	atomic_bool stop = true;

	scanner_says(&scanner, NULL);
	run.stop = &stop;
	assert_int_equal(task_execute(&run), TASK_FAILED);
	assert_true(run.hurried);
	run_done(&run);
	assert_true(is_waiting(f));
	assert_int_equal(COUNT("egoejo_task_done"), 0);
}

static void test_jobs_files__again(void **state)
{
	struct fixture *f = *state;

	assert_text(result_of(f, "egoejo.scan_again", "[]", 1, 0), "{\"asked\": 0}");
	write_rows(f, "DELETE FROM egoejo_outbox; UPDATE egoejo_file_scan SET asked_at = '2026-01-01 00:00:00'");
	assert_text(result_of(f, "egoejo.scan_again", "[]", 2, 0), "{\"asked\": 1}");
	assert_text(args_of_last_message(f), "[\"a.pdf\"]");
	assert_text(result_of(f, "egoejo.scan_again", "[]", 3, 0), "{\"asked\": 0}");
}

int main(void)
{
#define WITH_SCANNER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		WITH_SCANNER(test_jobs_files__clean),
		WITH_SCANNER(test_jobs_files__infected),
		WITH_SCANNER(test_jobs_files__what_was_left_is_removed),
		WITH_SCANNER(test_jobs_files__what_a_row_names_again_is_left),
		WITH_SCANNER(test_jobs_files__a_refusal_is_told_once),
		WITH_SCANNER(test_jobs_files__a_configured_scanner_that_is_away_is_tried_again),
		WITH_SCANNER(test_jobs_files__none_is_configured),
		WITH_SCANNER(test_jobs_files__one_that_was_found_is_not_trusted_less),
		WITH_SCANNER(test_jobs_files__what_is_not_in_media_is_not_read),
		WITH_SCANNER(test_jobs_files__a_file_that_is_gone_waits_only_while_a_row_names_it),
		WITH_SCANNER(test_jobs_files__who_is_late_leaves_the_scanner),
		WITH_SCANNER(test_jobs_files__again),
	};

	return RUN_ON_BOTH(tests);
}
