#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

int random_bytes(void *bytes, size_t n)
{
	char *p = bytes;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ERR_IO;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int random_letters(char *ret_text, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t have = 0;

	while (have < n) {
		unsigned char bytes[64];
		int r = random_bytes(bytes, sizeof(bytes));

		if (r < 0)
			return r;
		for (size_t i = 0; i < sizeof(bytes) && have < n; i++)
			if (bytes[i] < 4 * 62) /* a remainder of the others would favour the first letters */
				ret_text[have++] = letters[bytes[i] % 62];
	}
	ret_text[n] = '\0';
	return 0;
}

int random_uuid_hex(char ret_text[UUID_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];
	int r = random_bytes(bytes, sizeof(bytes));

	if (r < 0)
		return r;
	bytes[6] = (bytes[6] & 0x0f) | 0x40;
	bytes[8] = (bytes[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret_text[2 * i] = digits[bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[bytes[i] & 0x0f];
	}
	ret_text[2 * sizeof(bytes)] = '\0';
	return 0;
}

void uuid_add_dashes(const char hex[UUID_HEX_SIZE], char ret_text[UUID_TEXT_SIZE])
{
	static const size_t groups[] = { 8, 4, 4, 4, 12 };

	for (size_t i = 0; i < N_ELEMENTS(groups); i++) {
		memcpy(ret_text, hex, groups[i]);
		hex += groups[i];
		ret_text += groups[i];
		*ret_text++ = i + 1 < N_ELEMENTS(groups) ? '-' : '\0';
	}
}
