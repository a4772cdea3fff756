/*
 * What the commands that stay do alike: signals, and the settings' warnings. Main thread.
 */
#ifndef APP_PROCESS_H
#define APP_PROCESS_H

#include "base/error.h"
#include "base/settings.h"

/*
 * SIGTERM and SIGINT arrive on *ret_fd (a signalfd, the caller's) from now on; what would end a server by accident is ignored. Before
 * any thread exists, so that all inherit the mask. ERR_INTERNAL.
 */
int process_take_signals(int *ret_fd, struct error *err);

/* One WARNING for each. */
void process_log_warnings(const struct settings *);

#endif
