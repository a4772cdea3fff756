/*
 * Fields: the table that says how a struct looks as JSON. From it come the JSON of answers, the checking and reading of
 * request bodies and queries with all field errors at once, and the OpenAPI document. Source: http.md 4.
 *
 *     static const struct field community_field_list[] = {
 *             FIELD(struct community, "id", id, INT, .flags = FIELD_READ_ONLY),
 *             FIELD(struct community, "name", name, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
 *     };
 *     const struct fields community_fields = FIELDS(struct community, community_field_list);
 *
 * A field whose kind does not fit its member's C type does not compile. Tables are static and immutable; any thread.
 * A table that a line of api/routes.def names is declared by api/handlers_impl.h, and is not static.
 *
 * What a handler writes or reads by hand has a table as well, which only describes it (SHAPE): it has no struct.
 *
 *     static const struct field tokens_shape_list[] = { SHAPE("access", TEXT), SHAPE("refresh", TEXT) };
 *     const struct fields tokens_shape = SHAPES(tokens_shape_list);
 */
#ifndef API_FIELDS_H
#define API_FIELDS_H

#include <stddef.h>

#include "api/body.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json_out.h"
#include "base/kinds.h"
#include "base/settings.h"
#include "db/db.h"

/* X(kind, C type of the member). The first ones are those of base/kinds.h. */
#define FIELD_KINDS(X)                \
	X(BOOL, bool)                 \
	X(INT, int64_t)               \
	X(FLOAT, double)              \
	X(DECIMAL, struct decimal)    \
	X(TIME, struct instant)       \
	X(DATE, struct instant)       \
	X(TEXT, struct str)           \
	X(SLUG, struct str)           \
	X(JSON, struct json_text)     \
	X(CHOICE, struct str)         \
	X(EMAIL, struct str)          \
	X(URL, struct str)            \
	X(FILE, struct str)           \
	X(REFERENCE, int64_t)         \
	X(REFERENCES, struct db_rows) \
	X(ROWS, struct db_rows)

enum field_kind {
#define X(name, type) FIELD_##name,
	FIELD_KINDS(X)
#undef X
	        FIELD_OBJECT, /* a struct within the struct, or beside it: .of, .offset */
	FIELD_LITERAL,        /* constant JSON: .literal */
	FIELD_LIST,           /* SHAPE only: an array of .each */
	FIELD_MAP             /* SHAPE only: an object whose names are not known, each member of them .each */
};

#define X(name, type) typedef type field_type_##name;
FIELD_KINDS(X)
#undef X

/* What a FILE may be: by its extension and by its first bytes (api/upload_type.c). */
enum upload_type {
	UPLOAD_PDF = 1,
	UPLOAD_IMAGE = 2, /* PNG, JPEG, GIF, WebP */
	UPLOAD_AUDIO = 4,
	UPLOAD_VIDEO = 8,
	UPLOAD_ANY = 16, /* whatever it is: it must only ever be served as an attachment (api/media.c) */
	UPLOAD_DOCUMENT = UPLOAD_PDF | UPLOAD_IMAGE | UPLOAD_AUDIO | UPLOAD_VIDEO,
};

enum field_flag {
	FIELD_REQUIRED = 1,  /* must be in a body */
	FIELD_READ_ONLY = 2, /* ignored in a body */
	FIELD_NULLABLE = 4,  /* null is accepted in a body, and may be in an answer */
	FIELD_BLANK = 8,     /* "" after trimming is accepted */
	FIELD_OPTIONAL = 16, /* OpenAPI: an answer may lack it */
	FIELD_STAFF = 32,    /* ignored in a body of somebody who is no staff */
	FIELD_SECRET = 64,   /* FILE: whoever does not know the name it is stored under must not guess it */
	FIELD_SCANNED = 128, /* FILE: its row asks for a scan; as SECRET where a scanner is configured, see api/upload.c */
};

struct fields;
struct fields_input;

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset;
	unsigned flags;     /* enum field_flag */
	uint32_t max_chars; /* text kinds: code points, 0 = no limit. FILE: of the name as it is sent, 0 = 100 */
	int64_t min, max;   /* INT: both 0 = 64 bits. DECIMAL: cents, when max is not 0. ROWS, REFERENCES: elements, max 0 = any number */
	uint8_t digits;     /* DECIMAL: total digits, at most 18 (0 = 18); decimals are always 2 */
	const char *const *choices; /* CHOICE: ends with NULL */
	unsigned accept;            /* FILE: enum upload_type; none: nothing is accepted */
	const char *folder;         /* FILE: where it is stored, under MEDIA_ROOT: "projets" */
	const struct fields *of;    /* OBJECT, ROWS: the table of what is inside */
	const char *literal;        /* LITERAL */
	bool by_hand;               /* a SHAPE: the handler reads or writes it, the table only describes it */
	const struct field *each;   /* LIST, MAP: what their members are, EACH(…) */
	/*
	 * For OpenAPI alone: what a text must look like (ECMA 262) where kind and limits do not say it all (read by hand, or
	 * .check), the JSON Schema of a value that is no text in a JSON body, and what the field means, in French.
	 */
	const char *pattern, *schema, *meaning;
	/* TEXT: the form it must have, looked at along with the limits, and what to tell when it has not; NULL: any */
	bool (*is_formed)(struct str);
	const char *form_message;
	/* REFERENCE: whether there is such a row: 0, ERR_NOT_FOUND, or what keeps the answer from being known */
	int (*known)(struct db_conn *, int64_t id);
	/*
	 * A rule of the field's own over a value that has passed all others and is not null: NULL when it holds, else what to tell
	 * (French; a line feed between several sentences); *ret_error (0 before): what keeps it from being known, as ERR_UNAVAILABLE.
	 */
	const char *(*check)(const struct fields_input *, const void *member, int *ret_error);
};

struct fields {
	const struct field *list;
	size_t n;
	size_t size; /* of the struct */
};

#define FIELD(S, json_name, member, KIND, ...)                                                                  \
	{                                                                                                       \
		.name = (json_name), .kind = FIELD_##KIND, .offset = FIELD_OFFSET(S, member, KIND), __VA_ARGS__ \
	}

/*
 * A part of the same struct shown as an object of its own: the sub-table's offsets are those of the whole struct. With
 * FIELD_NULLABLE (written out, see api/audit.c) it is null when its first field, an INT, is.
 */
#define FIELD_PART(json_name, sub_table)                                                                            \
	{                                                                                                           \
		.name = (json_name), .kind = FIELD_OBJECT, .offset = 0, .of = (sub_table), .flags = FIELD_READ_ONLY \
	}

/* Constant JSON. */
#define FIELD_CONSTANT(json_name, json)                                                                 \
	{                                                                                               \
		.name = (json_name), .kind = FIELD_LITERAL, .literal = (json), .flags = FIELD_READ_ONLY \
	}

/* A field that no struct has: a table that only describes. */
#define SHAPE(json_name, KIND, ...)                                                       \
	{                                                                                 \
		.name = (json_name), .kind = FIELD_##KIND, .by_hand = true, ##__VA_ARGS__ \
	}

/* For .each of a SHAPE: EACH(INT), EACH(OBJECT, .of = &x_fields); of a list of lists the inner one is a static SHAPE. */
#define EACH(KIND, ...) (&(const struct field){ .kind = FIELD_##KIND, ##__VA_ARGS__ })

/* For .pattern: what str_trim_unicode takes off, as the inside of a class. */
#define FIELD_WHITE "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"

/* The parameter ?page= of page_or_reply. */
#define PAGE_PARAMETER                                                                                                               \
	SHAPE("page", TEXT, .flags = FIELD_BLANK, .pattern = "^([" FIELD_WHITE "]*\\+?0*[1-9][0-9]{0,17}[" FIELD_WHITE "]*|last)?$", \
	      .meaning = "Numéro de la page, à partir de 1, ou « last ».")

#define SHAPES(table)                                           \
	{                                                       \
		table, N_ELEMENTS(table) + FIELDS_FIT(table), 0 \
	}

#define FIELDS(S, table)                                                \
	{                                                               \
		table, N_ELEMENTS(table) + FIELDS_FIT(table), sizeof(S) \
	}

/* 0; a table that the bits of fields_read cannot number does not compile. */
#define FIELDS_FIT(table)                                                                       \
	(0 * sizeof(struct {                                                                    \
		 _Static_assert(sizeof(table) / sizeof((table)[0]) <= 64, "at most 64 fields"); \
		 int x_;                                                                        \
	 }))

#define FIELD_OFFSET(S, member, KIND)                                                                                                \
	(offsetof(S, member) + 0 * sizeof(struct {                                                                                   \
		                       _Static_assert(__builtin_types_compatible_p(__typeof__(((S *)0)->member), field_type_##KIND), \
		                                      "the member's type is not that of field kind " #KIND);                         \
		                       int x_;                                                                                       \
	                       }))

/* Appends the object of one struct. origin stands before the path of files (scheme://host, or CACHED_ORIGIN_MARK). */
void fields_write(struct buf *, const struct fields *, const void *row, struct str origin);

/* Appends the array of many. */
void fields_write_rows(struct buf *, const struct fields *, const struct db_rows *, struct str origin);

/* Appends the URL of a stored file as a JSON string: origin, /media/, the path percent-encoded; null when there is none. */
void fields_write_file(struct buf *, struct str path, struct str origin);

/* What a body is read with. */
struct fields_input {
	const struct body_value *body;
	struct arena *arena;             /* gets every text of the row */
	struct db_conn *db;              /* for the references' .known; NULL: they are not looked up */
	bool partial;                    /* PATCH: no field is missing */
	bool staff;                      /* FIELD_STAFF is read */
	int64_t max_upload_bytes;        /* of one file; 0 = no limit */
	const struct settings *settings; /* for rules that depend on them; NULL: there are none */
};

/*
 * Checks every field that is not read-only and fills the row with those that are in the body (http.md 4); the members
 * of absent fields stay as they are, so that the caller puts defaults there first. 0; ERR_INVALID: the answer's
 * JSON with the errors of all fields is in *ret_errors, and the row is not to be used; ERR_NOMEM; or what a reference's
 * look-up returned. *ret_present (may be NULL) gets bit i for field i of the list when it was in the body.
 *
 * How kinds are read is said in http.md 4; besides: an empty text in a form is null for a nullable field, no value for one
 * that may be missing; REFERENCES is a list of ids (int64_t in the db_rows; in a form, its name repeated), which .check looks up;
 * FILE takes null, or a file of a multipart body, and its member is the name as it was sent until
 * uploads_store (api/upload.h) puts the path there; JSON is kept as text, numbers beyond 64 bits as strings.
 */
int fields_read(const struct fields *, const struct fields_input *, void *row, struct buf *ret_errors, uint64_t *ret_present);

/* Copies the members of the fields whose bit is in present (as fields_read gave it) from one row to another. */
void fields_merge(const struct fields *, uint64_t present, void *to, const void *from);

#endif
