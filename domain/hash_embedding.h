/*
 * Vectors of texts without a model: what a text is made of, not what it means. Each run of three to five characters of each of
 * its words, and each word, adds one to or takes one from the number that its hash names. Texts that share words, or parts of
 * them, are near each other, whatever their case and accents. Source: tasks.md 1 (EMBEDDINGS_LOCAL). Pure; any thread.
 */
#ifndef DOMAIN_HASH_EMBEDDING_H
#define DOMAIN_HASH_EMBEDDING_H

#include "base/error.h"
#include "base/str.h"

#define HASH_EMBEDDING_DIMENSIONS 384
#define HASH_EMBEDDING_MODEL      "local-hash-384"

/*
 * The vector, of length 1, its numbers rounded to six decimals; the same for the same text, wherever and whenever. The text is
 * valid UTF-8. ERR_INVALID: there is no word in it; ERR_NOMEM.
 */
int hash_embedding(struct str text, double ret_values[HASH_EMBEDDING_DIMENSIONS]);

#endif
