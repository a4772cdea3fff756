/*
 * Limits first, then a filter of system calls: reading, writing, memory, the end. A call that is not in the list kills the process.
 * A program built with a sanitizer (CONFINE_SANITIZED) needs more memory than any limit and calls of its own: it keeps the others.
 */
#include "image/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int failed(struct error *err, const char *what)
{
	return error_set(err, ERR_INTERNAL, "%s: %s", what, strerror(errno));
}

static int limit(struct error *err, int resource, int64_t value)
{
	const struct rlimit both = { (rlim_t)value, (rlim_t)value };

	return setrlimit((__rlimit_resource_t)resource, &both) < 0 ? failed(err, "setrlimit") : 0;
}

/* The libraries are loaded by now: no file is opened any more, and none is written. */
static int set_limits(struct error *err)
{
	const struct {
		int resource;
		int64_t value;
	} limits[] = { { RLIMIT_CPU, CONFINE_CPU_S }, { RLIMIT_AS, CONFINE_SANITIZED ? -1 : CONFINE_MEMORY_BYTES },
		       { RLIMIT_FSIZE, 0 },           { RLIMIT_CORE, 0 },
		       { RLIMIT_NPROC, 0 },           { RLIMIT_NOFILE, CONFINE_SANITIZED ? 16 : 0 } };
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(limits) && r == 0; i++)
		if (limits[i].value >= 0)
			r = limit(err, limits[i].resource, limits[i].value);
	return r;
}

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* CONFINE_ARCH is the build's: numbers of calls mean something only with it. */
static int filter_calls(struct error *err)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CONFINE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(mprotect),
		ALLOW(madvise),
		ALLOW(futex),
		ALLOW(getrandom),
		ALLOW(clock_gettime),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = { N_ELEMENTS(filter), filter };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return failed(err, "seccomp");
	return 0;
}

int confine_process(struct error *err)
{
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(err, "prctl");
	if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
		return failed(err, "close_range");
	r = set_limits(err);
	return r < 0 || CONFINE_SANITIZED ? r : filter_calls(err);
}
