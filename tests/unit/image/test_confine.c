/* What a confined process may do is tried in a child, which cannot come back from it. */
#include "image/confine.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

/* How the child ended: its exit status, or minus the signal. */
static int confined(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err;

		_exit(confine_process(&err) < 0 ? 99 : fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int use_memory(void)
{
	char *p = malloc(100 << 20);

	if (!p)
		return 1;
	for (int i = 0; i < 100; i++)
		p[i << 20] = (char)i;
	free(p);
	return 7;
}

static int use_too_much(void)
{
	void *p = mmap(NULL, CONFINE_MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 7 : 1;
}

static int open_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? 8 : 1;
}

static int open_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 8 : 1;
}

static int start_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0 ? 8 : 1;
}

static int kill_parent(void)
{
	return kill(getppid(), 0) < 0 ? 8 : 1;
}

static int run_program(void)
{
	char name[] = "/bin/true";
	char *argv[] = { name, NULL };

	return execv(name, argv) < 0 ? 8 : 1;
}

static void test_confine__memory_to_a_limit(void **state)
{
	assert_int_equal(confined(use_memory), 7);
	if (!CONFINE_SANITIZED)
		assert_int_equal(confined(use_too_much), 7);
}

static void test_confine__nothing_else(void **state)
{
	static int (*const tries[])(void) = { open_file, open_socket, start_process, kill_parent, run_program };

	if (CONFINE_SANITIZED)
		skip(); /* it keeps its calls: see confine.c */
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		assert_int_equal(confined(tries[i]), -SIGSYS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confine__memory_to_a_limit),
		cmocka_unit_test(test_confine__nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
