/*
 * What a durable write is measured against: SQLite alone, one process, one thread, committing rows in groups.
 *
 * usage: bare_commit FILE GROUP SECONDS TABLE BYTES [TABLE BYTES …]
 *
 * Each row of a group is one row in every table named, with a text of so many bytes; a group is one BEGIN IMMEDIATE …
 * COMMIT in WAL mode with synchronous=FULL, the settings of the program's own writer. It knows no HTTP, no checks and no
 * other threads: how fast this disk and this SQLite can make such rows durable. Prints rows per second.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_TABLES 8

static sqlite3 *db;
static sqlite3_stmt *inserts[MAX_TABLES];
static char *texts[MAX_TABLES];
static int n_tables;

static void die(const char *what)
{
	fprintf(stderr, "bare_commit: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
	exit(EXIT_FAILURE);
}

static void run(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void prepare_table(const char *name, size_t bytes)
{
	char sql[200];

	if (n_tables == MAX_TABLES)
		die("too many tables");
	snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS \"%s\" (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, text text NOT NULL)",
	         name);
	run(sql);
	snprintf(sql, sizeof(sql), "INSERT INTO \"%s\" (text) VALUES (?1)", name);
	if (sqlite3_prepare_v2(db, sql, -1, &inserts[n_tables], NULL) != SQLITE_OK)
		die(sql);
	texts[n_tables] = malloc(bytes + 1);
	if (!texts[n_tables])
		die("out of memory");
	memset(texts[n_tables], 'x', bytes);
	texts[n_tables][bytes] = '\0';
	n_tables++;
}

static void insert_row(void)
{
	for (int i = 0; i < n_tables; i++) {
		sqlite3_bind_text(inserts[i], 1, texts[i], -1, SQLITE_STATIC);
		if (sqlite3_step(inserts[i]) != SQLITE_DONE)
			die("insert");
		sqlite3_reset(inserts[i]);
	}
}

int main(int argc, char **argv)
{
	double started, ended;
	long group, rows = 0;

	if (argc < 6 || argc % 2 != 0 || sqlite3_open(argv[1], &db) != SQLITE_OK)
		die("usage: bare_commit FILE GROUP SECONDS TABLE BYTES …");
	group = strtol(argv[2], NULL, 10);
	run("PRAGMA journal_mode=WAL");
	run("PRAGMA synchronous=FULL");
	for (int i = 4; i + 1 < argc; i += 2)
		prepare_table(argv[i], (size_t)strtol(argv[i + 1], NULL, 10));
	started = now();
	ended = started + strtod(argv[3], NULL);
	while (now() < ended) {
		run("BEGIN IMMEDIATE");
		for (long i = 0; i < group; i++)
			insert_row();
		run("COMMIT");
		rows += group;
	}
	printf("%.1f\n", (double)rows / (now() - started));
	for (int i = 0; i < n_tables; i++) {
		sqlite3_finalize(inserts[i]);
		free(texts[i]);
	}
	sqlite3_close(db);
	return EXIT_SUCCESS;
}
