#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

void *mem_alloc(size_t n)
{
	if (fault_due(FAULT_ALLOC))
		return NULL;
	return calloc(1, n ? n : 1);
}

void *mem_array(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return mem_alloc(count * size);
}

void *mem_realloc(void *old, size_t n)
{
	if (fault_due(FAULT_ALLOC))
		return NULL;
	return realloc(old, n ? n : 1);
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy = mem_alloc(n + 1);

	if (copy && n)
		memcpy(copy, s, n);
	return copy;
}

char *mem_strdup(const char *s)
{
	return s ? mem_strndup(s, strlen(s)) : NULL;
}
