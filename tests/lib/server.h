/*
 * Real servers for tests: a redis-server or a PostgreSQL of the test's own, on a free port or a socket in a temporary
 * folder, stopped by pid. Each function fails the test (cmocka) when the server does not come up.
 */
#ifndef TESTS_LIB_SERVER_H
#define TESTS_LIB_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

/* A temporary folder, removed with everything in it by test_folder_remove. */
void test_folder_make(char ret_path[64]);
void test_folder_remove(const char *path);

/* A TCP port of 127.0.0.1 that was free a moment ago. */
int test_free_port(void);

struct test_redis {
	pid_t pid;
	int port;
	char folder[64];
	char password[32];   /* "" = none */
	char arguments[512]; /* the further ones, one after the other, each with its NUL; for the restart */
};

/* Starts one (port 0: a free one) and waits until it answers PING. Further arguments for the command line end with NULL. */
void test_redis_start(struct test_redis *, int port, const char *password, ...) __attribute__((sentinel));
void test_redis_stop(struct test_redis *);        /* SIGKILL, waits, removes the folder; harmless when stopped */
void test_redis_restart(struct test_redis *);     /* on the same port, empty; starts it when it is stopped */
void test_redis_signal(struct test_redis *, int); /* SIGSTOP, SIGCONT, SIGKILL … */

struct test_postgres {
	pid_t pid;
	int port;
	char folder[64];
	char url[128]; /* postgres://test@127.0.0.1:port/test */
};

/* Starts one with an empty database "test" (as user postgres when root, since it refuses root); waits until it answers. */
void test_postgres_start(struct test_postgres *);
void test_postgres_stop(struct test_postgres *);
void test_postgres_halt(struct test_postgres *);    /* at once; folder and data stay, for test_postgres_restart */
void test_postgres_restart(struct test_postgres *); /* the same data, the same port */

#endif
