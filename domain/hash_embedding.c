#include "domain/hash_embedding.h"

#include <math.h>
#include <stdint.h>
#include <utf8proc.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define SHORTEST   3
#define LONGEST    5
#define ROUNDED_TO 1e6
#define EDGE       0x20 /* stands before and after each word, so that its ends count as such */
#define FOLDED     (UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK)

/* FNV-1a of the code points, mixed once more: of its bits, the low ones choose a number and the highest the sign. */
static uint64_t hash_of(const utf8proc_int32_t *characters, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		for (int shift = 0; shift < 24; shift += 8)
			h = (h ^ ((uint32_t)characters[i] >> shift & 0xff)) * 0x100000001b3;
	h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
	return h ^ (h >> 33);
}

static void count(const utf8proc_int32_t *characters, size_t n, double *values)
{
	uint64_t h = hash_of(characters, n);

	values[h % HASH_EMBEDDING_DIMENSIONS] += h >> 63 ? 1 : -1;
}

/* A word between its two edges. */
static void count_word(const utf8proc_int32_t *edged, size_t n, double *values)
{
	for (size_t length = SHORTEST; length <= LONGEST && length <= n; length++)
		for (size_t i = 0; i + length <= n; i++)
			count(edged + i, length, values);
	if (n > LONGEST)
		count(edged, n, values);
}

/* Letters, digits and symbols make words; spaces, punctuation and what does not show are between them. */
static bool is_of_word(utf8proc_int32_t character)
{
	switch (utf8proc_category(character)) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
		return false;
	default:
		return true;
	}
}

/* characters[0] and [n - 1] are edges, and so becomes each that is not of a word. */
static void count_words(utf8proc_int32_t *characters, size_t n, double *values)
{
	size_t begin = 0;

	for (size_t i = 1; i < n; i++) {
		if (is_of_word(characters[i]))
			continue;
		characters[i] = EDGE;
		if (i > begin + 1)
			count_word(characters + begin, i - begin + 1, values);
		begin = i;
	}
}

static int normalise(double *values)
{
	double square = 0;

	for (size_t i = 0; i < HASH_EMBEDDING_DIMENSIONS; i++)
		square += values[i] * values[i];
	if (square == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < HASH_EMBEDDING_DIMENSIONS; i++)
		values[i] = round(values[i] / sqrt(square) * ROUNDED_TO) / ROUNDED_TO + 0.0; /* + 0.0: no negative zero */
	return 0;
}

int hash_embedding(struct str text, double ret_values[HASH_EMBEDDING_DIMENSIONS])
{
	const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text.s;
	utf8proc_ssize_t n = utf8proc_decompose(bytes, (utf8proc_ssize_t)text.len, NULL, 0, FOLDED);
	CLEANUP(cleanup_free) utf8proc_int32_t *characters = n < 0 ? NULL : mem_array((size_t)n + 2, sizeof(*characters));

	if (n < 0)
		return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
	if (!characters)
		return ERR_NOMEM;
	utf8proc_decompose(bytes, (utf8proc_ssize_t)text.len, characters + 1, n, FOLDED);
	characters[0] = characters[n + 1] = EDGE;
	memset(ret_values, 0, HASH_EMBEDDING_DIMENSIONS * sizeof(*ret_values));
	count_words(characters, (size_t)n + 2, ret_values);
	return normalise(ret_values);
}
