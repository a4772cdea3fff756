/*
 * A fuzz target: fuzz_<name>.c in this folder, listed in meson.build, with a corpus/<name>/ of inputs that are worth
 * keeping (what once crashed, and one of each shape). It is given any bytes, and aborts when a promise is broken.
 *
 * ./dev fuzz <name> 60 looks for new inputs; ./dev fuzz <name> 0 runs those of the corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs one input; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Unlike assert, there whatever the build type. */
#define FUZZ_CHECK(condition)                                                                   \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

#endif
