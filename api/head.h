/*
 * The head of a request as raw bytes: is it whole, and is it one that RFC 9112 lets through. Pure functions; any thread.
 *
 * libmicrohttpd 0.9.75 accepts heads that another server on the way may read differently (design.md 5.2), so the door
 * scans the first head of a connection before a byte is consumed, and the guard of the http threads asks the same
 * questions about every request. What is doubtful is refused, never mended: what two programs read differently is how
 * requests are smuggled.
 */
#ifndef API_HEAD_H
#define API_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* More header fields than this are refused (431): each costs the parser memory beyond its bytes. */
#define HEAD_MAX_FIELDS 100

/* Why a request is refused: the status of the answer, and a French text for its "detail". status 0 = it is not. */
struct head_verdict {
	int status;
	const char *detail;
};

/* What the fields say about where the body ends and whom the request is for (RFC 9112 section 6, RFC 9110 section 7.2). */
struct head_framing {
	unsigned hosts, lengths, codings; /* how many fields of each name */
	bool length_bad;                  /* a Content-Length that is not plain digits */
	bool coding_bad;                  /* a Transfer-Encoding other than "chunked" */
	int64_t length;                   /* Content-Length, bytes */
};

enum head_state {
	HEAD_PARTIAL, /* more bytes are needed */
	HEAD_WHOLE,
	HEAD_BAD, /* verdict says why */
};

/* A scan in progress; offsets are into the bytes given to head_scan. */
struct head {
	size_t max_bytes;
	size_t at; /* first byte not looked at yet: always the start of a line */
	unsigned fields;
	bool has_line; /* the request line has been read */
	bool http_1_1;
	bool upgrade_seen;
	bool upgrade_is_websocket; /* exactly one Upgrade field, and it says exactly "websocket" */
	size_t method_at, method_len;
	size_t target_at, target_len;
	struct head_framing framing;
	struct head_verdict verdict; /* when HEAD_BAD */
};

/* Starts a scan; max_bytes bounds the head, its final empty line included. */
void head_init(struct head *, size_t max_bytes);

/*
 * Goes on with the scan: bytes are all that has come so far (the same as last time, and perhaps more). Lines that are
 * whole are looked at once.
 */
enum head_state head_scan(struct head *, const char *bytes, size_t n);

/* RFC 9110 section 5.6.2: at least one tchar and nothing else. */
bool head_is_token(struct str);

/* RFC 9110 section 5.5: no control character but the tab. */
bool head_is_field_value(struct str);

/* Notes a field if its name matters to the framing. */
void head_framing_add(struct head_framing *, struct str name, struct str value);

/* The verdict on all fields together. */
struct head_verdict head_framing_check(const struct head_framing *, bool http_1_1);

/* The verdict on the version text of a request line: 505 for a version that exists or may exist, 400 for no version at all. */
struct head_verdict head_version_check(struct str version, bool *ret_http_1_1);

/*
 * Splits a request target. Origin-form stays as it is; "*" is for OPTIONS; absolute-form is accepted, as RFC 9112
 * section 3.2.2 demands of every server, and yields the origin-form in the arena (NULL: none needed, only the verdict
 * counts) and the authority, which then stands in for Host. Everything else is 400: authority-form, white space,
 * control characters, bytes beyond ASCII, a fragment, user information.
 */
struct head_verdict head_target_split(struct str method, struct str target, struct arena *, struct str *ret_target,
                                      struct str *ret_authority);

#endif
