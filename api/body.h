/*
 * The body of a request as one value, whatever its media type: http.md 3. Pure; any thread.
 */
#ifndef API_BODY_H
#define API_BODY_H

#include "base/arena.h"
#include "base/error.h"

struct json_t;

struct body_value {
	struct json_t *root; /* owned; NULL: the body was empty, which counts as an object without members */
	bool is_form;        /* then root is an object whose members are arrays of texts (api/form_in.h) */
};

/*
 * Parses a body of type JSON or urlencoded form; an empty one of any type is an empty object. Memory on the way comes
 * from the arena, *ret_body is the caller's to finish. ERR_INVALID with a static text for the client in *ret_why;
 * ERR_NOMEM. A multipart body is not read here: it is left for the routes that take uploads, *ret_body stays empty.
 */
int body_read(struct str content_type, struct str bytes, struct arena *, struct body_value *ret_body, const char **ret_why);

/* Frees; the value is empty afterwards. For CLEANUP. */
void body_finish(struct body_value *);

#endif
