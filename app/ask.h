/*
 * Asking a person, or a pipe: one line of standard input. Main thread only; prompts go to standard error.
 */
#ifndef APP_ASK_H
#define APP_ASK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Whether there is somebody to ask: standard input is a terminal. */
bool ask_has_terminal(void);

/*
 * Appends the next line of standard input, without its end, after showing the prompt on a terminal. secret: the terminal
 * does not show what is typed; its state is put back, also when a signal ends the program. ERR_INVALID: nothing was there,
 * or it was longer than ASK_MAX_BYTES or no valid UTF-8; ERR_IO, ERR_NOMEM.
 */
int ask_line(const char *prompt, bool secret, struct buf *ret_line, struct error *err);

#define ASK_MAX_BYTES 4096

/* Forgets a secret: overwrites the text, then frees it. For CLEANUP. */
void ask_forget(struct buf *);

#endif
