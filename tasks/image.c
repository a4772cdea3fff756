/*
 * posix_spawn: forking a process of many threads would copy its tables. The child gets three descriptors, no environment, and no
 * blocked or ignored signals of ours. Whatever happens it is waited for, so that none is left as a zombie.
 */
#include "tasks/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SLICE_MS     200
#define PIECE_BYTES  ((size_t)256 * 1024)
#define NUMBER_SIZE  24
#define PROGRAM_NAME "egoejo-image"

int image_find_program(char ret_path[IMAGE_PATH_SIZE], struct error *err)
{
	char self[IMAGE_PATH_SIZE - sizeof(PROGRAM_NAME)];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (n < 0)
		return error_set(err, ERR_IO, "/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return error_set(err, ERR_IO, "/proc/self/exe is no path");
	snprintf(ret_path, IMAGE_PATH_SIZE, "%.*s/" PROGRAM_NAME, (int)(slash - self), self);
	return 0;
}

/* ---- starting ---- */

static int set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	return r ? r : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int set_descriptors(posix_spawn_file_actions_t *actions, int in, int out)
{
	int r = posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

/* An errno value. */
static int spawn(const struct image_order *order, int in, int out, pid_t *ret_pid)
{
	char width[NUMBER_SIZE], height[NUMBER_SIZE], quality[NUMBER_SIZE], name[] = PROGRAM_NAME;
	char *argv[] = { name, width, height, quality, NULL }, *environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	snprintf(width, sizeof(width), "%lld", (long long)order->max_width);
	snprintf(height, sizeof(height), "%lld", (long long)order->max_height);
	snprintf(quality, sizeof(quality), "%lld", (long long)order->quality);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = set_signals(&attributes);
	if (r == 0)
		r = set_descriptors(&actions, in, out);
	if (r == 0)
		r = posix_spawn(ret_pid, order->program, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* ---- its answer ---- */

static bool read_word(struct str *rest, struct str *ret_word)
{
	return str_split(rest, ' ', ret_word) && ret_word->len > 0;
}

static bool read_ok(struct str rest, struct image_answer *ret_answer)
{
	struct str format, width, height;

	if (!read_word(&rest, &format) || format.len >= sizeof(ret_answer->format) || !read_word(&rest, &width) ||
	    !read_word(&rest, &height) || !str_to_uint(width, &ret_answer->width) || !str_to_uint(height, &ret_answer->height))
		return false;
	snprintf(ret_answer->format, sizeof(ret_answer->format), "%.*s", STR_ARG(format));
	ret_answer->changed = str_is(rest, "changed");
	return ret_answer->changed || str_is(rest, "same");
}

int image_read_answer(struct str line, struct image_answer *ret_answer, struct error *err)
{
	struct str word;

	if (str_starts(line, "refused "))
		return error_set(err, ERR_INVALID, "%.*s", (int)line.len - 8, line.s + 8);
	if (read_word(&line, &word) && str_is(word, "ok") && read_ok(line, ret_answer))
		return 0;
	return error_set(err, ERR_IO, PROGRAM_NAME " gave no answer");
}

/* The line at the beginning, and what follows it. */
static int take_apart(const struct buf *all, struct image_answer *ret_answer, struct error *err)
{
	struct str text = buf_view(all);
	ptrdiff_t end = str_find(text, '\n');
	struct str line = { text.s, end < 0 ? 0 : (size_t)end };
	int r = image_read_answer(line, ret_answer, err);

	if (r < 0 || !ret_answer->changed)
		return r;
	buf_add(&ret_answer->bytes, text.s + end + 1, text.len - (size_t)end - 1);
	return ret_answer->bytes.failed ? error_set(err, ERR_NOMEM, "out of memory") : 0;
}

/* ---- waiting for it ---- */

static int read_piece(int fd, struct buf *all, bool *ret_end, struct error *err)
{
	ssize_t n;

	if (all->len > IMAGE_ANSWER_MAX)
		return error_set(err, ERR_LIMIT, "the image is too long");
	if (!buf_reserve(all, PIECE_BYTES))
		return error_set(err, ERR_NOMEM, "out of memory");
	n = read(fd, all->data + all->len, PIECE_BYTES);
	if (n < 0 && errno != EINTR)
		return error_set(err, ERR_IO, "reading from " PROGRAM_NAME ": %s", strerror(errno));
	all->len += n > 0 ? (size_t)n : 0;
	*ret_end = n == 0;
	return 0;
}

static int read_all(const struct image_order *order, int fd, struct buf *all, struct error *err)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (clock_monotonic_us() >= order->deadline_us || (order->stop && order->stop(order->arg)))
			return error_set(err, ERR_TIMEOUT, PROGRAM_NAME " did not finish in time");
		if (poll(&p, 1, SLICE_MS) > 0)
			r = read_piece(fd, all, &end, err);
	}
	return r;
}

/* Its end: killed when nobody waits for its answer any more. */
static int wait_for(pid_t pid, bool answered, struct error *err)
{
	int status = 0;

	if (!answered)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!answered || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return 0;
	if (WIFSIGNALED(status))
		return error_set(err, ERR_IO, PROGRAM_NAME " was ended by signal %d", WTERMSIG(status));
	return error_set(err, ERR_IO, PROGRAM_NAME " ended with status %d", WEXITSTATUS(status));
}

int image_ask(const struct image_order *order, int fd, struct image_answer *ret_answer, struct error *err)
{
	CLEANUP(buf_finish) struct buf all = BUF_EMPTY;
	int in CLEANUP(cleanup_close) = -1;
	struct image_answer answer = { .bytes = BUF_EMPTY };
	int ends[2], r, ended;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, ERR_IO, "pipe: %s", strerror(errno));
	in = ends[0];
	r = spawn(order, fd, ends[1], &pid);
	close(ends[1]);
	if (r != 0)
		return error_set(err, ERR_IO, "%s: %s", order->program, strerror(r));
	r = read_all(order, in, &all, err);
	ended = wait_for(pid, r == 0, err);
	if (r == 0)
		r = ended < 0 ? ended : take_apart(&all, &answer, err);
	if (r == 0)
		*ret_answer = answer;
	else
		buf_finish(&answer.bytes);
	return r;
}
