/*
 * A copy of an SQLite database while it is used: the state of one moment, by SQLite's online backup. Readers and writers are not
 * held up. Source: tasks.md 5.
 */
#ifndef DB_BACKUP_H
#define DB_BACKUP_H

#include "db/db.h"

struct db_backup {
	const char *path; /* of the copy: missing, or an empty file */
	/* Called now and then with how much of how much has been copied; NULL is fine. */
	void (*progress)(void *arg, int64_t done_pages, int64_t pages);
	void *arg;
};

/* The file of the database; NULL: it is no file of ours (PostgreSQL). Borrowed. */
const char *db_file(const struct db *);

/*
 * Copies the connection's database, checks the copy as SQLite can, and has it on the disk when it returns 0. What has been written of
 * the copy after a failure is the caller's to remove. ERR_INVALID: PostgreSQL, which has pg_dump; ERR_FULL, ERR_IO, ERR_CORRUPT
 * (the copy does not pass: neither does the database), ERR_NOMEM, or as db_select; text in *err.
 */
int db_backup(struct db_conn *, const struct db_backup *, struct error *err);

#endif
