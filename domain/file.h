/*
 * Stored files that are looked at after the answer has gone: which of them still wait for the antivirus scanner, and what becomes of
 * the rows that name one that is found bad. Source: tasks.md 1, 1.1, 8; content.md 10.3, 11.17. Errors are those of db_select and
 * db_write besides those named.
 *
 * A file waits (a row of egoejo_file_scan, our own table) from the transaction of the row that names it until that of a verdict.
 * While a scanner is configured /media/ does not serve what waits, so a file whose scan failed stays away from everybody: its row
 * keeps the reason, and file_scan_again asks for it anew until there is a verdict.
 */
#ifndef DOMAIN_FILE_H
#define DOMAIN_FILE_H

#include "cache/cache.h"
#include "db/db.h"

#define FILE_SCAN_TASK "core.tasks_security.scan_file_antivirus" /* file_path */

/* In a closure: the file is to be scanned, and waits from now on. An empty path is none. */
int file_scan_ask(struct db_conn *, struct str path);

/* In a closure: there is a verdict, or no file any more: it waits no longer. */
int file_scan_done(struct db_conn *, struct str path);

/* In a closure: the scan failed for good; it goes on waiting. *ret_first: it is the first time since the upload. */
int file_scan_failed(struct db_conn *, struct str path, struct str why, bool *ret_first);

/* Whether it waits. */
int file_is_waiting(struct db_conn *, struct str path, bool *ret_waiting);

/*
 * Asks again, in a transaction of its own, for up to limit files that wait since that time or longer and that no task is about to
 * look at; to be run here, not by Celery's workers, who know nothing of our table. How many, or an error.
 */
int file_scan_again(struct db_conn *, struct instant since, int64_t limit);

/* ---- a file that is bad ---- */

enum file_holder { FILE_OF_PROJECT, FILE_OF_CONTENT, FILE_OF_MESSAGE, FILE_OF_PROFILE, FILE_HOLDERS };

/* The rows that named it. */
struct file_rows {
	struct db_rows of[FILE_HOLDERS]; /* of int64_t, their ids */
};

/* In a closure: no row names the file any more; an audit entry for each that did (nobody's, with this action and metadata). */
int file_drop(struct db_conn *, struct arena *, struct str path, const char *action, struct json_text metadata, struct file_rows *ret_rows);

/* How many rows these are. */
size_t file_rows_count(const struct file_rows *);

/* After the commit: what is cached of them is stale. cache may be NULL. */
void file_dropped(struct cache *, struct redis_budget *, const struct file_rows *);

/* Whether any row names the file. */
int file_is_named(struct db_conn *, struct str path, bool *ret_named);

#endif
