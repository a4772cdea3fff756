#include "domain/file_type.h"

#include <magic.h>
#include <pthread.h>

#include "base/cleanup.h"

/* Its built-in readers are off, but those that tell text from other bytes. */
#define FLAGS (MAGIC_MIME_TYPE | (MAGIC_NO_CHECK_BUILTIN & ~(MAGIC_NO_CHECK_TEXT | MAGIC_NO_CHECK_ENCODING)))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void close_cookie(void *cookie)
{
	magic_close(cookie);
}

static void make_key(void)
{
	pthread_key_create(&key, close_cookie);
}

/* This thread's libmagic, its database loaded; closed when the thread ends. */
static int find_cookie(magic_t *ret_cookie, struct error *err)
{
	magic_t cookie;

	pthread_once(&once, make_key);
	cookie = pthread_getspecific(key);
	if (!cookie) {
		cookie = magic_open(FLAGS);
		if (!cookie || magic_load(cookie, NULL) != 0) {
			error_set(err, ERR_IO, "libmagic: %s", cookie ? magic_error(cookie) : "it does not open");
			if (cookie)
				magic_close(cookie);
			return ERR_IO;
		}
		pthread_setspecific(key, cookie);
	}
	*ret_cookie = cookie;
	return 0;
}

static const char *known_by_its_start(struct str bytes)
{
	return str_starts(bytes, "%PDF-")  ? "application/pdf"
	       : str_starts(bytes, "GIF8") ? "image/gif"
	       : str_starts(bytes, "ID3")  ? "audio/mpeg"
	                                   : NULL;
}

int file_type(struct str bytes, const char **ret_type, struct error *err)
{
	const char *type = known_by_its_start(bytes);
	magic_t cookie;
	int r = type ? 0 : find_cookie(&cookie, err);

	if (r < 0)
		return r;
	if (!type)
		type = magic_buffer(cookie, bytes.s ? bytes.s : "", bytes.len);
	*ret_type = type ? type : "application/octet-stream";
	return 0;
}
