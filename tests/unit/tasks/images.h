/* The real egoejo-image, and stand-ins for it that behave badly. */
#ifndef TESTS_UNIT_TASKS_IMAGES_H
#define TESTS_UNIT_TASKS_IMAGES_H

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "tasks/image.h"
#include "tests/lib/test.h"

/* 2 x 2 pixels, red. */
#define PNG                                                                                                \
	"\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\002\000\000\000\002" \
	"\010\002\000\000\000\375\324\232\163\000\000\000\031\111\104\101\124\170\001\001\016\000\361\377" \
	"\000\377\000\000\377\000\000\000\377\000\000\377\000\000\037\356\003\375\212\056\067\335\000\000" \
	"\000\000\111\105\116\104\256\102\140\202"

/* Built beside egoejo, two folders above the tests. */
static inline const char *image_program(void)
{
	static char path[IMAGE_PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 40);

	assert_true(n > 0);
	path[n] = '\0';
	snprintf(strrchr(path, '/'), 40, "/../../egoejo-image");
	return path;
}

static inline const char *make_stand_in(const char *folder, const char *script)
{
	static char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/stand-in", folder);
	unlink(path);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

#endif
