/* The type of an upload: its extension and its content must say the same. */
#include "api/upload.h"

#include "base/log.h"
#include "domain/file_type.h"

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

/* What is called a PDF must begin as one: elsewhere in it, libmagic would find the mark too. */
static int has_content(const struct known_type *t, struct str bytes, bool *ret_has)
{
	struct str start = { bytes.s, bytes.len < LOOKED_AT_BYTES ? bytes.len : LOOKED_AT_BYTES };
	struct error err = { 0 };
	const char *name;
	int r;

	*ret_has = false;
	if (t->type == UPLOAD_PDF && !str_starts(bytes, "%PDF-"))
		return 0;
	r = file_type(start, &name, &err);
	if (r < 0)
		log_write(LOG_ERROR, "http", "upload.libmagic", LOG_NO_FIELDS, "%s", err.text);
	else
		*ret_has = strcmp(name, t->served) == 0 || is_among(name, t->others);
	return r;
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
