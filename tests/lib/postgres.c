/*
 * A PostgreSQL of the test's own: initdb into a temporary folder, the server on a free port of 127.0.0.1. The server
 * refuses to run as root, so that a root test gives folder and process to another user. It dies with the test.
 */
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

#define UP_LIMIT_US (60 * US_PER_S)

static bool has_initdb(const char *folder)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/initdb", folder);
	return access(path, X_OK) == 0;
}

/* Where initdb and postgres are: on Debian not in PATH. */
static void find_binaries(char ret_folder[256])
{
	FILE *pipe = popen("pg_config --bindir 2>/dev/null", "r");
	glob_t found;

	*ret_folder = '\0';
	if (pipe) {
		if (fgets(ret_folder, 256, pipe))
			ret_folder[strcspn(ret_folder, "\n")] = '\0';
		pclose(pipe);
	}
	if (has_initdb(ret_folder))
		return;
	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0) {
		snprintf(ret_folder, 256, "%s", found.gl_pathv[found.gl_pathc - 1]);
		globfree(&found);
	}
	if (!has_initdb(ret_folder))
		fail_msg("initdb was not found");
}

static const struct passwd *other_user(void)
{
	const struct passwd *user = getpwnam("postgres");

	return user ? user : getpwnam("nobody");
}

static void become_other_user(void)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return;
	user = other_user();
	if (!user || setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		_exit(126);
}

/* Runs a command of the server's programs in its folder; output goes to a log there. The pid is that of the program. */
static pid_t spawn(const struct test_postgres *pg, const char *format, va_list args)
{
	char bin[256], command[1024];
	size_t n;
	pid_t pid;

	find_binaries(bin);
	n = (size_t)snprintf(command, sizeof(command), "cd %s && exec >>log 2>&1 && exec %s/", pg->folder, bin);
	vsnprintf(command + n, sizeof(command) - n, format, args);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	become_other_user();
	/* After the change of user, which clears it. SIGQUIT is the server's immediate stop. */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static pid_t start(const struct test_postgres *pg, const char *format, ...) __attribute__((format(printf, 2, 3)));
static pid_t start(const struct test_postgres *pg, const char *format, ...)
{
	va_list args;
	pid_t pid;

	va_start(args, format);
	pid = spawn(pg, format, args);
	va_end(args);
	return pid;
}

/* Waits for a program; 0 when it succeeded. */
static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fail_with_log(const struct test_postgres *pg, const char *what)
{
	char command[120];

	snprintf(command, sizeof(command), "tail -n 20 %s/log >&2", pg->folder);
	if (system(command) != 0)
		print_error("no log\n");
	fail_msg("%s", what);
}

static void check_alive(struct test_postgres *pg, int64_t deadline_us)
{
	if (waitpid(pg->pid, NULL, WNOHANG) == pg->pid) {
		pg->pid = 0;
		fail_with_log(pg, "PostgreSQL has ended");
	}
	if (clock_monotonic_us() > deadline_us)
		fail_with_log(pg, "PostgreSQL does not come up");
	nanosleep(&(const struct timespec){ 0, 20000000 }, NULL);
}

static void launch(struct test_postgres *pg)
{
	int64_t deadline_us = clock_monotonic_us() + UP_LIMIT_US;

	pg->pid = start(pg,
	                "postgres -D data -p %d -c unix_socket_directories=%s -c listen_addresses=127.0.0.1 -c max_connections=40 -c "
	                "shared_buffers=16MB"
	                " -c fsync=off -c full_page_writes=off",
	                pg->port, pg->folder);
	while (status_of(start(pg, "pg_isready -q -h 127.0.0.1 -p %d", pg->port)) != 0)
		check_alive(pg, deadline_us);
}

void test_postgres_start(struct test_postgres *pg)
{
	test_folder_make(pg->folder);
	if (geteuid() == 0)
		assert_int_equal(chown(pg->folder, other_user()->pw_uid, other_user()->pw_gid), 0);
	if (status_of(start(pg, "initdb -D data -U test -A trust -E UTF8 --locale=C --no-sync")) != 0)
		fail_with_log(pg, "initdb failed");
	pg->port = test_free_port();
	snprintf(pg->url, sizeof(pg->url), "postgres://test@127.0.0.1:%d/test", pg->port);
	launch(pg);
	if (status_of(start(pg, "createdb -h 127.0.0.1 -p %d -U test test", pg->port)) != 0)
		fail_with_log(pg, "createdb failed");
}

void test_postgres_halt(struct test_postgres *pg)
{
	if (pg->pid <= 0)
		return;
	kill(pg->pid, SIGQUIT);
	waitpid(pg->pid, NULL, 0);
	pg->pid = 0;
}

void test_postgres_stop(struct test_postgres *pg)
{
	test_postgres_halt(pg);
	test_folder_remove(pg->folder);
	pg->folder[0] = '\0';
}

void test_postgres_restart(struct test_postgres *pg)
{
	test_postgres_halt(pg);
	launch(pg);
}
