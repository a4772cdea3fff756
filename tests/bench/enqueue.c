/*
 * What a task costs the request that asks for it: changes of the database, each with its line in the audit journal as all changes
 * have, with a task in the outbox or without one, in the same transaction.
 *
 * usage: enqueue URL THREADS SECONDS TASKS
 *
 * So many threads write for so many seconds, each its own change through the program's own db_write, as the executor's threads do;
 * TASKS is 1 with a task and 0 without. Prints changes per second.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/outbox.h"
#include "domain/audit.h"

#define THREADS_MAX 64

static struct db *db;
static bool with_task;
static int64_t until_us;
static _Atomic int64_t n_written;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "enqueue: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static int change(struct db_conn *conn, void *arg)
{
	static const struct outbox_task task = { .name = "core.tasks.update_impact_dashboard_metrics",
		                                 .args = { STR("[1]") },
		                                 .durable = true };
	int64_t id = *(const int64_t *)arg;
	int r = audit_write(conn, NULL_INT, "bench", "projet", id, (struct json_text){ STR("{\"titre\": \"Verger\"}") });

	return r < 0 || !with_task ? r : outbox_put(conn, &task);
}

static void *write_changes(void *arg)
{
	struct error err = { 0 };
	struct db_conn *conn;

	(void)arg;
	if (db_connect(db, &conn, &err) < 0)
		die("connect", err.text);
	while (clock_monotonic_us() < until_us) {
		int64_t id = atomic_fetch_add(&n_written, 1) + 1;
		int r = db_write(conn, change, &id);

		if (r < 0)
			die("write", error_name(r));
	}
	db_disconnect(conn);
	return NULL;
}

int main(int argc, char **argv)
{
	struct db_config config = { .url = argc > 1 ? argv[1] : "", .statement_limit_us = 2 * US_PER_S, .connect_limit_us = 10 * US_PER_S };
	pthread_t threads[THREADS_MAX];
	struct error err = { 0 };
	int64_t started_us;
	long n = argc == 5 ? strtol(argv[2], NULL, 10) : 0;

	if (n < 1 || n > THREADS_MAX)
		die("usage", "enqueue URL THREADS SECONDS TASKS");
	if (db_open(&config, &db, &err) < 0)
		die("open", err.text);
	with_task = argv[4][0] == '1';
	started_us = clock_monotonic_us();
	until_us = started_us + strtol(argv[3], NULL, 10) * US_PER_S;
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, write_changes, NULL) != 0)
			die("thread", "cannot be started");
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("%.1f\n", (double)atomic_load(&n_written) * (double)US_PER_S / (double)(clock_monotonic_us() - started_us));
	db_close(db);
	return EXIT_SUCCESS;
}
