/*
 * A process that gives up everything but what it has: memory to a limit, its standard input and output, and time. Whoever takes it
 * over by a crafted file finds no files, no network, no other process.
 */
#ifndef IMAGE_CONFINE_H
#define IMAGE_CONFINE_H

#include <stdint.h>

#include "base/error.h"

#define CONFINE_MEMORY_BYTES (INT64_C(768) * 1024 * 1024) /* 50 megapixels twice, as WebP needs them, and the program */
#define CONFINE_CPU_S        45

/* For the whole process, for good. ERR_INTERNAL: it cannot be; then nothing may be decoded. */
int confine_process(struct error *err);

#endif
