/*
 * Rich text that others wrote, reduced to what is allowed: content.md 9. The text is parsed as a browser would parse it
 * (libgumbo), and what comes out is written anew from the tree: elements and attributes of the list, texts escaped.
 * Nothing of the input is ever copied as markup, so there is nothing to overlook. Pure; any thread.
 */
#ifndef DOMAIN_RICH_TEXT_H
#define DOMAIN_RICH_TEXT_H

#include "base/arena.h"
#include "base/error.h"

#define RICH_TEXT_MAX_BYTES (64 * 1024) /* of the input */
#define RICH_TEXT_MAX_DEPTH 64          /* of elements in the tree, those that do not stay included */

/*
 * Keeps p, br, strong, em, u, a, ul, ol, li, blockquote, code and pre, and of a the attributes title and href, the latter
 * only with scheme http, https or mailto. Other elements go, their text stays; comments go. The result is well-formed, in
 * the arena. ERR_LIMIT (too long, too deep, a tree that would take too much memory), ERR_INVALID (not UTF-8), ERR_NOMEM.
 */
int rich_text_clean(struct arena *, struct str html, struct str *ret_html);

#endif
