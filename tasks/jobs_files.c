/*
 * The antivirus scanner's job, and asking again for what it could not look at. Source: tasks.md 1, 8; content.md 11.17.
 *
 * The scanner is asked outside of any transaction. What follows from its verdict is one transaction: no row names an infected file any
 * more, the journal and those who run the site are told; then the file goes. Until it is gone it waits (domain/file.h): should the
 * process end in between, egoejo.scan_again comes back to it, finds it infected again, and removes what no row names.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "domain/alert.h"
#include "domain/file.h"
#include "tasks/clamd.h"
#include "tasks/jobs_files_impl.h"
#include "tasks/jobs_impl.h"

/* ---- the scanner ---- */

enum scan_end {
	SCAN_CLEAN,
	SCAN_INFECTED,
	SCAN_NO_SCANNER, /* none is configured, none was found */
	SCAN_NO_FILE,    /* there is nothing to look at */
	SCAN_FAILED,     /* it may be looked at again */
};

struct scan {
	struct task_run *run;
	struct str path;
	enum scan_end end;
	char text[CLAMD_TEXT_SIZE]; /* the virus, or what failed */
	bool configured;
	struct file_rows rows;
};

static void add_scan_result(struct buf *b, const struct scan *s)
{
	static const char *const begins[] = {
		[SCAN_CLEAN] = "{\"success\": true, \"scanned\": true, \"safe\": true",
		[SCAN_INFECTED] = "{\"success\": true, \"scanned\": true, \"safe\": false",
		[SCAN_NO_SCANNER] = "{\"success\": true, \"scanned\": false, \"safe\": true",
		[SCAN_NO_FILE] = "{\"success\": false, \"scanned\": false, \"safe\": true",
		[SCAN_FAILED] = "{\"success\": false, \"scanned\": false, \"safe\": true",
	};
	static const char *const names[] = {
		[SCAN_INFECTED] = "virus", [SCAN_NO_SCANNER] = "reason", [SCAN_NO_FILE] = "error", [SCAN_FAILED] = "error"
	};

	buf_add_text(b, begins[s->end]);
	if (s->end != SCAN_CLEAN)
		files_add_member(b, names[s->end], str_of(s->text));
	if (s->end == SCAN_CLEAN || s->end == SCAN_INFECTED)
		files_add_member(b, "file_path", s->path);
	buf_add_text(b, s->end == SCAN_INFECTED ? ", \"deleted\": true}" : "}");
}

/* The payload's first members; its brace is still open. */
static void add_what(struct buf *b, const struct scan *s, const char *name)
{
	buf_add_text(b, "{\"file_path\": ");
	json_add_str(b, s->path);
	files_add_member(b, name, str_of(s->text));
}

static int alert(struct db_conn *db, const char *title, struct buf *payload, const char *action, struct str dedupe_key)
{
	files_add_member(payload, "action_required", str_of(action));
	buf_add_char(payload, '}');
	return payload->failed ? ERR_NOMEM : alert_ask(db, &(struct alert){ str_of(title), { buf_view(payload) }, dedupe_key });
}

static int tell_infected(struct db_conn *db, const struct scan *s)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	CLEANUP(buf_finish) struct buf key = BUF_EMPTY;

	buf_addf(&key, "infected_upload:%.*s", STR_ARG(s->path));
	add_what(&b, s, "virus");
	b.failed |= key.failed;
	buf_addf(&b, ", \"rows\": %zu", file_rows_count(&s->rows));
	return alert(db, "INFECTED UPLOAD", &b, "Le fichier est supprimé : contrôler le compte qui l'a envoyé.", buf_view(&key));
}

static int tell_failed(struct db_conn *db, const struct scan *s)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	add_what(&b, s, "error");
	return alert(db, "UPLOAD NOT SCANNED", &b,
	             "Le fichier n'est pas servi tant que l'antivirus ne l'a pas contrôlé : contrôler l'antivirus ; un nouvel essai a lieu "
	             "chaque heure.",
	             (struct str)STR("upload_not_scanned"));
}

static int drop_infected(struct db_conn *db, struct scan *s)
{
	CLEANUP(buf_finish) struct buf metadata = BUF_EMPTY;
	int r;

	add_what(&metadata, s, "virus");
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	r = file_drop(db, s->run->arena, s->path, "file_infected", (struct json_text){ buf_view(&metadata) }, &s->rows);
	return r < 0 ? r : tell_infected(db, s);
}

static int note_failure(struct db_conn *db, const struct scan *s)
{
	bool first = false;
	int r = file_scan_failed(db, s->path, str_of(s->text), &first);

	return r == 0 && first && s->configured ? tell_failed(db, s) : r;
}

/* Where a row names it, it is this process that does not see it: its MEDIA_ROOT is another one's, or not mounted. */
static int note_absence(struct db_conn *db, const struct scan *s)
{
	bool named = false;
	int r = file_is_named(db, s->path, &named);

	if (r < 0)
		return r;
	return named ? note_failure(db, s) : file_scan_done(db, s->path);
}

static int settle(struct db_conn *db, void *arg)
{
	struct scan *s = arg;

	add_scan_result(&s->run->result, s);
	s->rows = (struct file_rows){ 0 };
	switch (s->end) {
	case SCAN_INFECTED:
		return drop_infected(db, s);
	case SCAN_FAILED:
		return note_failure(db, s);
	case SCAN_NO_FILE:
		return note_absence(db, s);
	default:
		return file_scan_done(db, s->path);
	}
}

static void log_end(const struct scan *s)
{
	static const char *const texts[] = { [SCAN_CLEAN] = "An upload is clean",
		                             [SCAN_INFECTED] = "An upload was infected: it is removed",
		                             [SCAN_NO_SCANNER] = "An upload was not scanned: there is no scanner",
		                             [SCAN_NO_FILE] = "There is no file to scan",
		                             [SCAN_FAILED] = "An upload could not be scanned" };
	static const enum log_level levels[] = { [SCAN_CLEAN] = LOG_INFO,
		                                 [SCAN_INFECTED] = LOG_CRITICAL,
		                                 [SCAN_NO_SCANNER] = LOG_INFO,
		                                 [SCAN_NO_FILE] = LOG_WARNING,
		                                 [SCAN_FAILED] = LOG_ERROR };

	log_write(levels[s->end], FILES_LOGGER, "file.scanned",
	          LOG_FIELDS(LOG_STR("task_id", s->run->id), LOG_VIEW("file", s->path), LOG_STR("what", s->text)), "%s", texts[s->end]);
}

static enum task_outcome end_scan(struct scan *s)
{
	int r = task_commit(s->run, settle, s, NULL);

	if (r < 0)
		return task_database_error(s->run, r);
	log_end(s);
	if (s->end == SCAN_INFECTED)
		files_remove_bad(s->run, s->path, &s->rows);
	return TASK_SUCCEEDED;
}

static bool is_late(void *run)
{
	return task_is_late(run);
}

/* Leaves time for what follows from it. */
#define AFTERWARDS_US (5 * US_PER_S)

static int ask_scanner(const struct scan *s, int fd, struct clamd_answer *ret_answer, struct error *err)
{
	const struct settings *settings = s->run->services->settings;
	const struct clamd clamd = { .host = settings->clamav_host ? settings->clamav_host : "localhost",
		                     .port = settings->clamav_port,
		                     .sockets = clamd_sockets,
		                     .deadline_us = s->run->soft_deadline_us - AFTERWARDS_US,
		                     .stop = is_late,
		                     .arg = s->run };

	return clamd_scan(&clamd, fd, ret_answer, err);
}

/* What the call came to; true: it may be tried again soon. */
static bool judge(struct scan *s, int r, const struct clamd_answer *answer, const struct error *err)
{
	static const enum scan_end ends[] = { [CLAMD_CLEAN] = SCAN_CLEAN, [CLAMD_INFECTED] = SCAN_INFECTED, [CLAMD_REFUSED] = SCAN_FAILED };

	if (r == 0) {
		s->end = ends[answer->verdict];
		snprintf(s->text, sizeof(s->text), "%s", answer->text);
		return false;
	}
	s->end = r == ERR_UNAVAILABLE && !s->configured ? SCAN_NO_SCANNER : SCAN_FAILED;
	snprintf(s->text, sizeof(s->text), "%s", err->text);
	return s->configured && r != ERR_IO;
}

static enum task_outcome scan(struct scan *s, int fd)
{
	struct clamd_answer answer;
	struct error err = { 0 };
	int r = ask_scanner(s, fd, &answer, &err);

	if (r < 0 && task_is_late(s->run))
		return task_fail_late(s->run);
	if (judge(s, r, &answer, &err) && s->run->retries < s->run->max_retries)
		return task_retry(s->run, "ConnectionError", "%s", s->text);
	return end_scan(s);
}

enum task_outcome scan_file_antivirus(struct task_run *run)
{
	struct scan s = { .run = run, .path = task_text(run, "file_path"), .configured = run->services->settings->clamav_host };
	int fd CLEANUP(cleanup_close) = -1;
	struct error err = { 0 };
	int r = files_open(run, s.path, &fd, &err);

	if (r == 0)
		return scan(&s, fd);
	s.end = r == ERR_NOT_FOUND ? SCAN_NO_FILE : SCAN_FAILED;
	snprintf(s.text, sizeof(s.text), "%s", r == ERR_NOT_FOUND ? "no such file" : err.text);
	return end_scan(&s);
}

/* ---- asking again ---- */

#define AGAIN_AFTER_US (INT64_C(3000) * US_PER_S) /* less than the hour between two calls */
#define AGAIN_BATCH    100

enum task_outcome scan_again(struct task_run *run)
{
	struct instant since = { clock_now().us - AGAIN_AFTER_US };
	int64_t total = 0;
	int n;

	do {
		n = file_scan_again(run->db, since, AGAIN_BATCH);
		total += n;
	} while (n == AGAIN_BATCH && !task_is_late(run));
	if (n < 0)
		return task_database_error(run, n);
	buf_addf(&run->result, "{\"asked\": %lld}", (long long)total);
	return TASK_SUCCEEDED;
}
