/*
 * The type of an upload: its extension and its content must say the same. The content is judged by libmagic, with the
 * rules of its database alone: its built-in readers of archives, ELF, JSON and so on would be work, and code, that a
 * client's bytes have no business in. PDF and GIF are known by their first bytes, short as they may be; so is an MP3 that
 * begins with a tag, for a cover in it may put the sound further away than anybody looks.
 */
#include "api/upload.h"

#include <magic.h>
#include <pthread.h>

#include "base/cleanup.h"
#include "base/log.h"

#define LOOKED_AT_BYTES (256 * 1024)

/* An extension, and what libmagic may say of the content (others: words, divided by spaces); served is also what we say. */
static const struct known_type {
	const char *extension;
	enum upload_type type;
	const char *served, *others;
} known_types[] = {
	{ "pdf", UPLOAD_PDF, "application/pdf", "" },
	{ "png", UPLOAD_IMAGE, "image/png", "" },
	{ "jpg", UPLOAD_IMAGE, "image/jpeg", "" },
	{ "jpeg", UPLOAD_IMAGE, "image/jpeg", "" },
	{ "gif", UPLOAD_IMAGE, "image/gif", "" },
	{ "webp", UPLOAD_IMAGE, "image/webp", "" },
	{ "mp3", UPLOAD_AUDIO, "audio/mpeg", "" },
	{ "wav", UPLOAD_AUDIO, "audio/wav", "audio/x-wav audio/vnd.wave" },
	{ "ogg", UPLOAD_AUDIO, "audio/ogg", "application/ogg" },
	{ "oga", UPLOAD_AUDIO, "audio/ogg", "application/ogg" },
	{ "opus", UPLOAD_AUDIO, "audio/ogg", "application/ogg" },
	{ "flac", UPLOAD_AUDIO, "audio/flac", "audio/x-flac" },
	{ "aac", UPLOAD_AUDIO, "audio/aac", "audio/x-aac audio/x-hx-aac-adts" },
	{ "m4a", UPLOAD_AUDIO, "audio/mp4", "audio/x-m4a video/mp4" },
	{ "weba", UPLOAD_AUDIO, "audio/webm", "video/webm" },
	{ "mp4", UPLOAD_VIDEO, "video/mp4", "video/x-m4v" },
	{ "m4v", UPLOAD_VIDEO, "video/mp4", "video/x-m4v" },
	{ "webm", UPLOAD_VIDEO, "video/webm", "" },
	{ "ogv", UPLOAD_VIDEO, "video/ogg", "application/ogg" },
	{ "mov", UPLOAD_VIDEO, "video/quicktime", "" },
	{ "mkv", UPLOAD_VIDEO, "video/x-matroska", "" },
	{ "avi", UPLOAD_VIDEO, "video/x-msvideo", "" },
	{ "mpg", UPLOAD_VIDEO, "video/mpeg", "" },
	{ "mpeg", UPLOAD_VIDEO, "video/mpeg", "" },
};

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
static int find_cookie(magic_t *ret_cookie)
{
	magic_t cookie;

	pthread_once(&once, make_key);
	cookie = pthread_getspecific(key);
	if (!cookie) {
		cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_BUILTIN);
		if (!cookie || magic_load(cookie, NULL) != 0) {
			log_write(LOG_ERROR, "http", "upload.libmagic", LOG_NO_FIELDS, "libmagic: %s",
			          cookie ? magic_error(cookie) : "it does not open");
			if (cookie)
				magic_close(cookie);
			return ERR_IO;
		}
		pthread_setspecific(key, cookie);
	}
	*ret_cookie = cookie;
	return 0;
}

static const struct known_type *find_type(struct str filename)
{
	const char *dot = memrchr(filename.s, '.', filename.len);
	struct str extension = { dot ? dot + 1 : "", dot ? filename.len - (size_t)(dot + 1 - filename.s) : 0 };

	for (size_t i = 0; i < N_ELEMENTS(known_types); i++)
		if (str_equal_nocase(extension, str_of(known_types[i].extension)))
			return &known_types[i];
	return NULL;
}

static bool is_among(const char *name, const char *names)
{
	struct str rest = str_of(names), word;

	while (str_split(&rest, ' ', &word))
		if (str_is(word, name))
			return true;
	return false;
}

/* The first bytes that are enough for a type; NULL when libmagic is to judge. */
static const char *known_start(const struct known_type *t)
{
	return t->type == UPLOAD_PDF              ? "%PDF-"
	       : strcmp(t->extension, "gif") == 0 ? "GIF8"
	       : strcmp(t->extension, "mp3") == 0 ? "ID3"
	                                          : NULL;
}

static int has_content(const struct known_type *t, struct str bytes, bool *ret_has)
{
	const char *start = known_start(t), *name;
	magic_t cookie;
	int r;

	*ret_has = start && str_starts(bytes, start);
	if (*ret_has || t->type == UPLOAD_PDF)
		return 0;
	r = find_cookie(&cookie);
	if (r < 0)
		return r;
	name = magic_buffer(cookie, bytes.s, bytes.len < LOOKED_AT_BYTES ? bytes.len : LOOKED_AT_BYTES);
	*ret_has = name && (strcmp(name, t->served) == 0 || is_among(name, t->others));
	return 0;
}

int upload_has_type(struct str filename, struct str bytes, unsigned accept, bool *ret_has)
{
	const struct known_type *t = find_type(filename);

	*ret_has = accept & UPLOAD_ANY;
	if (*ret_has)
		return 0;
	return t && accept & t->type ? has_content(t, bytes, ret_has) : 0;
}

const char *upload_served_type(struct str path, bool *ret_is_image)
{
	const struct known_type *t = find_type(path);

	*ret_is_image = t && t->type == UPLOAD_IMAGE;
	return t ? t->served : "application/octet-stream";
}
