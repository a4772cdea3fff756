/*
 * Telling systemd how the service is doing (sd_notify(3)), without libsystemd: one datagram to the socket named in
 * NOTIFY_SOCKET. Not under systemd: nothing happens. Main thread.
 */
#ifndef APP_SD_NOTIFY_H
#define APP_SD_NOTIFY_H

#include <stdint.h>

/* Sends a state such as "READY=1"; failures are ignored, as systemd's own library recommends. */
void sd_notify_send(const char *state);

/* How often WATCHDOG=1 is to be sent, microseconds: half of WATCHDOG_USEC; 0 when no watchdog waits for this process. */
int64_t sd_notify_watchdog_us(void);

#endif
