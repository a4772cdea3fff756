/*
 * A redis-server of the test's own: nothing on disk but its log, in a folder of its own; it dies with the test.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

#define MAX_ARGS   64
#define START_US   (10 * US_PER_S)
#define PORT_TRIES 5 /* a port that was free a moment ago may be taken */

static void add(const char **argv, int *n, const char *name, const char *value)
{
	argv[(*n)++] = name;
	argv[(*n)++] = value;
}

/* The child: never returns. */
static void run_server(const struct test_redis *r)
{
	char port[16], log[96];
	const char *argv[MAX_ARGS] = { "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no" };
	int n = 7;

	snprintf(port, sizeof(port), "%d", r->port);
	snprintf(log, sizeof(log), "%s/redis.log", r->folder);
	add(argv, &n, "--port", port);
	add(argv, &n, "--dir", r->folder);
	add(argv, &n, "--logfile", log);
	if (*r->password)
		add(argv, &n, "--requirepass", r->password);
	for (const char *p = r->arguments; *p && n < MAX_ARGS - 1; p += strlen(p) + 1)
		argv[n++] = p;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(r->folder) == 0)
		execvp("redis-server", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int connect_to(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port) };
	struct timeval limit = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One try; an error reply (NOAUTH, LOADING apart) is an answer too. */
static bool answers(const struct test_redis *r)
{
	CLEANUP(cleanup_close) int fd = connect_to(r->port);
	char text[128];
	ssize_t n;

	if (fd < 0)
		return false;
	if (*r->password)
		n = snprintf(text, sizeof(text), "AUTH %s\r\n", r->password);
	else
		n = snprintf(text, sizeof(text), "PING\r\n");
	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	n = recv(fd, text, sizeof(text), 0);
	return n > 0 && text[0] == '+';
}

static bool has_exited(struct test_redis *r)
{
	if (waitpid(r->pid, NULL, WNOHANG) != r->pid)
		return false;
	r->pid = 0;
	return true;
}

/* False when the server gave up (its port was taken). */
static bool spawn(struct test_redis *r)
{
	int64_t deadline = clock_monotonic_us() + START_US;

	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0)
		run_server(r);
	while (!answers(r)) {
		if (has_exited(r))
			return false;
		assert_true(clock_monotonic_us() < deadline);
		usleep(2000);
	}
	return true;
}

static void kill_and_wait(struct test_redis *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

static void keep_arguments(struct test_redis *r, va_list args)
{
	size_t used = 0;

	for (const char *a = va_arg(args, const char *); a; a = va_arg(args, const char *)) {
		size_t n = strlen(a) + 1;

		assert_true(n > 1 && used + n < sizeof(r->arguments));
		memcpy(r->arguments + used, a, n);
		used += n;
	}
}

void test_redis_start(struct test_redis *r, int port, const char *password, ...)
{
	va_list args;

	memset(r, 0, sizeof(*r));
	snprintf(r->password, sizeof(r->password), "%s", password ? password : "");
	va_start(args, password);
	keep_arguments(r, args);
	va_end(args);
	test_folder_make(r->folder);
	for (int i = 0; i < PORT_TRIES; i++) {
		r->port = port ? port : test_free_port();
		if (spawn(r))
			return;
	}
	fail_msg("redis-server does not start: see %s/redis.log", r->folder);
}

void test_redis_stop(struct test_redis *r)
{
	kill_and_wait(r);
	test_folder_remove(r->folder);
	r->folder[0] = '\0';
}

void test_redis_restart(struct test_redis *r)
{
	kill_and_wait(r);
	if (!*r->folder)
		test_folder_make(r->folder);
	assert_true(spawn(r));
}

void test_redis_signal(struct test_redis *r, int signal_number)
{
	if (signal_number == SIGKILL)
		kill_and_wait(r);
	else
		assert_int_equal(kill(r->pid, signal_number), 0);
}
