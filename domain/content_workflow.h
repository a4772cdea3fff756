/*
 * The editorial workflow: what may become of a content, who may do it, and what is noted. Source: content.md 1 and 2.
 *
 * A move is one conditional update: it happens only from its own status, so of two who try at once one succeeds. Its audit
 * entry, and the task of a publication, are of the same transaction. The connection's thread, not inside db_write.
 */
#ifndef DOMAIN_CONTENT_WORKFLOW_H
#define DOMAIN_CONTENT_WORKFLOW_H

#include "domain/charter.h"
#include "domain/content.h"

enum content_move { CONTENT_PUBLISH, CONTENT_REJECT, CONTENT_ARCHIVE, CONTENT_UNPUBLISH, CONTENT_MOVES };

/* Whether this account may make the move. */
bool content_move_allowed(enum content_move, const struct account *);

/* The status from which the move goes, "pending"; static. */
const char *content_move_from(enum content_move);

/* What only some moves want to know. */
struct content_move_extra {
	struct str reason;                    /* CONTENT_REJECT: for the journal; may be null */
	const char *tts_provider, *tts_voice; /* CONTENT_PUBLISH: for the task that reads the content out */
	struct charter_verdict *ret_verdict;  /* CONTENT_PUBLISH: what the charter says; set when ERR_INVALID is returned */
};

/*
 * Moves a content; *ret_content is the row afterwards, its texts in the arena. ERR_FORBIDDEN (not allowed), ERR_NOT_FOUND,
 * ERR_CONFLICT (its status is another one), ERR_INVALID (the charter refuses its publication, whatever its status).
 */
int content_move(struct db_conn *, struct arena *, const struct account *, int64_t id, enum content_move, const struct content_move_extra *,
                 struct content *ret_content);

#endif
