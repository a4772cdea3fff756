/*
 * Plain text that others wrote, made harmless before it is stored: content.md 9 and 11.11. What comes out shows as it was
 * written in HTML, in an attribute too, whoever forgets to escape it. Pure; any thread.
 */
#ifndef DOMAIN_SANITIZE_H
#define DOMAIN_SANITIZE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum sanitize_kind {
	SANITIZE_LINE, /* titles: no control character stays */
	SANITIZE_TEXT, /* descriptions: LF, CR and tab stay */
};

/*
 * Removes control characters (C0, DEL, C1), replaces & < > " ' by entities, already escaped text too, cuts after max_chars
 * characters (0: never) without splitting an entity, and trims. The text may come out empty: whether that is an error is
 * the caller's to say. The text is valid UTF-8, the result in the arena. ERR_NOMEM.
 */
int sanitize_text(struct arena *, struct str text, enum sanitize_kind, size_t max_chars, struct str *ret_text);

/* Appends the same, neither cut nor trimmed. */
void sanitize_add(struct buf *, struct str text, enum sanitize_kind);

/* Appends the text as it was written before it was made harmless, but for what was removed: its entities become characters again. */
void sanitize_undo(struct buf *, struct str text);

#endif
