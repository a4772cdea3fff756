/*
 * The body of a request as one value, whatever its media type: http.md 3. Pure; any thread.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include "base/arena.h"
#include "base/error.h"

struct json_t;

/* A file of a multipart body. Nothing in it is to be trusted. */
struct upload {
	struct str name;         /* of its field */
	struct str filename;     /* as sent, valid UTF-8 without control characters; "" when it has bytes but no name */
	struct str content_type; /* as sent; absent when it was not */
	struct str bytes;        /* a view of the body */
	struct str stored;       /* its path under MEDIA_ROOT once it is stored: api/upload.h */
};

struct body_value {
	struct json_t *root; /* owned; NULL: the body was empty, which counts as an object without members */
	bool is_form;        /* then root is an object whose members are arrays of texts (api/form_in.h) and of uploads */
	struct upload *uploads;
	size_t n_uploads;
	size_t text_bytes; /* of a multipart body: all that is no file, as it was sent */
};

/*
 * Parses a body of type JSON, urlencoded form or multipart form; an empty one of any type is an empty object. Memory on
 * the way comes from the arena, *ret_body is the caller's to finish. ERR_INVALID with a static text for the client in
 * *ret_why; ERR_NOMEM.
 */
int body_read(struct str content_type, struct str bytes, struct arena *, struct body_value *ret_body, const char **ret_why);

/* The file that an element of a form's array stands for; NULL for a text, and for what is no element of a form. */
struct upload *body_upload(const struct body_value *, const struct json_t *element);

/* The file that counts for a field: the last, as for texts; NULL when that is a text, or there is none. */
struct upload *body_last_upload(const struct body_value *, const char *field);

/* The element that stands for uploads[index]; a new reference, NULL without memory. For api/multipart.c. */
struct json_t *body_upload_element(size_t index);

/* Frees; the value is empty afterwards. For CLEANUP. */
void body_finish(struct body_value *);

#endif
