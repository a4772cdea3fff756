#include "app/ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

/* Signals that end the program, but only after the terminal shows again what is typed. */
static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* The terminal without echo, and what it was before. */
struct quiet {
	bool active;
	struct termios before;
	struct sigaction actions[N_ELEMENTS(ending)];
};

static void quiet_begin(struct quiet *q)
{
	struct sigaction action = { .sa_handler = catch }; /* no SA_RESTART: reading ends */
	struct termios silent;

	if (tcgetattr(STDIN_FILENO, &q->before) < 0)
		return;
	q->active = true;
	caught = 0;
	for (size_t i = 0; i < N_ELEMENTS(ending); i++)
		sigaction(ending[i], &action, &q->actions[i]);
	silent = q->before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

static void quiet_end(struct quiet *q)
{
	if (!q->active)
		return;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &q->before);
	for (size_t i = 0; i < N_ELEMENTS(ending); i++)
		sigaction(ending[i], &q->actions[i], NULL);
	fputc('\n', stderr); /* the one that was not shown */
	if (caught)
		raise(caught);
}

bool ask_has_terminal(void)
{
	return isatty(STDIN_FILENO);
}

/* Byte by byte, so that the next line stays where it is. */
static int read_line(struct buf *line, struct error *err)
{
	char c;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);

		if (n < 0 && errno == EINTR && !caught)
			continue;
		if (n < 0)
			return error_set(err, ERR_IO, "standard input: %s", strerror(errno));
		if (n == 0 && !line->len)
			return error_set(err, ERR_INVALID, "standard input has ended: a line was wanted");
		if (n == 0 || c == '\n')
			return 0;
		if (line->len == ASK_MAX_BYTES)
			return error_set(err, ERR_INVALID, "a line of more than %d bytes", ASK_MAX_BYTES);
		buf_add_char(line, c);
		if (line->failed)
			return error_set(err, ERR_NOMEM, "out of memory");
	}
}

int ask_line(const char *prompt, bool secret, struct buf *ret_line, struct error *err)
{
	struct quiet quiet = { .active = false };
	int r;

	if (ask_has_terminal()) {
		fputs(prompt, stderr);
		fflush(stderr);
		if (secret)
			quiet_begin(&quiet);
	}
	r = read_line(ret_line, err);
	quiet_end(&quiet);
	if (r < 0)
		return r;
	return str_valid_utf8(buf_view(ret_line)) ? 0 : error_set(err, ERR_INVALID, "a line that is no valid UTF-8");
}

void ask_forget(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_finish(b);
}
