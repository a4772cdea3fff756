/*
 * Files that clients send: whether one is what a field accepts, under which name it is kept, storing and taking back.
 * Source: content.md 8, projects.md 0. Any thread; every thread that judges a type gets a libmagic of its own.
 */
#ifndef API_UPLOAD_H
#define API_UPLOAD_H

#include "api/body.h"
#include "api/fields.h"
#include "api/request.h"

#define UPLOAD_NAME_CHARS 100 /* of a name as it is sent, unless its field says otherwise */

/* What follows the last slash or backslash: a view. */
struct str upload_base_name(struct str filename);

/*
 * The name to store a file under: its base name trimmed and composed (NFC), spaces as _, nothing but letters, digits, _, - and single
 * dots, none of them first or last. In the arena; .len is 0 when nothing is left, .s NULL without memory.
 */
struct str upload_clean_name(struct str filename, struct arena *);

/*
 * Whether extension and first bytes name the same type, and it is one of those accepted (bits of enum upload_type).
 * ERR_IO: libmagic does not work (logged).
 */
int upload_has_type(struct str filename, struct str bytes, unsigned accept, bool *ret_has);

/* The Content-Type of a stored file, by its extension: application/octet-stream when it is none of ours. Static. */
const char *upload_served_type(struct str path, bool *ret_is_image);

/*
 * Stores the files of a body that fields_read has accepted, and puts their paths into the row. ERR_FULL, ERR_IO (logged),
 * ERR_NOMEM; what was stored before is taken back when the request ends.
 */
int uploads_store(struct request *, const struct fields *, void *row);

/* Removes a stored file that no row names any more; an empty path is none. One that stays (logged) is an administrator's matter. */
void upload_remove(struct request *, struct str path);

/* Removes what uploads_store has stored for this body: the request has failed. */
void uploads_take_back(struct request *, struct body_value *);

#endif
