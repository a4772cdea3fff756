#include <stdlib.h>
#include <utf8proc.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "domain/common_passwords_impl.h"
#include "domain/password.h"

#define MIN_CHARS        10
#define MAX_COMMON_BYTES 32 /* the longest of the list has 20 */

/* The list has it between two line feeds: "\n123456\nabc123\n". */
static int is_listed(const char *needle, size_t n)
{
	uLongf bytes = common_passwords_bytes;
	char *list CLEANUP(cleanup_free) = mem_alloc(bytes);

	if (!list || uncompress((Bytef *)list, &bytes, common_passwords_deflated, common_passwords_deflated_bytes) != Z_OK)
		return ERR_NOMEM;
	return memmem(list, bytes, needle, n) != NULL;
}

static int is_common(struct str password)
{
	struct str trimmed = str_trim_unicode(password);
	char needle[MAX_COMMON_BYTES + 2];

	if (!trimmed.len || trimmed.len > MAX_COMMON_BYTES || memchr(trimmed.s, '\n', trimmed.len))
		return 0;
	needle[0] = '\n';
	for (size_t i = 0; i < trimmed.len; i++)
		needle[i + 1] = str_lower(trimmed.s[i]);
	needle[trimmed.len + 1] = '\n';
	return is_listed(needle, trimmed.len + 2);
}

static bool is_all_digits(struct str s)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n;

	for (size_t i = 0; i < s.len; i += (size_t)n) {
		n = utf8proc_iterate((const utf8proc_uint8_t *)s.s + i, (utf8proc_ssize_t)(s.len - i), &c);
		if (n <= 0 || utf8proc_category(c) != UTF8PROC_CATEGORY_ND)
			return false;
	}
	return s.len > 0;
}

int password_faults(struct str password, const char *ret_sentences[PASSWORD_RULES])
{
	int n = 0, common = is_common(password);

	if (common < 0)
		return common;
	if (str_count_chars(password) < MIN_CHARS)
		ret_sentences[n++] = "Ce mot de passe est trop court : il doit contenir au moins 10 caractères.";
	if (common)
		ret_sentences[n++] = "Ce mot de passe est trop courant.";
	if (is_all_digits(password))
		ret_sentences[n++] = "Ce mot de passe ne contient que des chiffres.";
	return n;
}
