/*
 * Passwords: the hashes that Django's accounts have, and the rules for a new password. Source: accounts.md 2.
 *
 * Written is Argon2id alone, 100 MiB and 8 lanes; read are Argon2 of every variant, PBKDF2 with SHA-256 and with SHA-1. One
 * computation holds its memory and a core for 100 to 300 ms: it never runs on an http thread, and how many run at once
 * is bounded by the threads that may. Pure; any thread. Passwords are UTF-8 bytes, compared as they are.
 */
#ifndef DOMAIN_PASSWORD_H
#define DOMAIN_PASSWORD_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

/* Room for what password_hash writes (112 characters), with its NUL. */
#define PASSWORD_HASH_SIZE 113

/* Hashes with a new salt, in the written format. ERR_NOMEM, ERR_IO (no random bytes), ERR_INTERNAL. */
int password_hash(struct str password, char ret_hash[PASSWORD_HASH_SIZE]) __attribute__((warn_unused_result));

/* A value for the column with which no password ever matches; each is different. ERR_IO. */
int password_unusable(char ret_hash[PASSWORD_HASH_SIZE]) __attribute__((warn_unused_result));

/*
 * Whether it is the password of the hash: 1 or 0. An unusable, empty, unknown or broken hash matches nothing, after
 * the time of a default one. ERR_LIMIT likewise, when the hash asks for more than we compute (1 GiB, 8 GiB in all passes,
 * 10 million iterations): a mismatch, to be logged. ERR_NOMEM and ERR_INTERNAL: not known.
 */
int password_verify(struct str password, struct str hash) __attribute__((warn_unused_result));

/* Takes as long as a password_verify of a default hash: for names that nobody has. */
void password_spend(struct str password);

/* Whether a hash that matched is not as we write them: another algorithm, variant, version, cost or length, or a short salt. */
bool password_is_outdated(struct str hash);

#define PASSWORD_RULES 3

/*
 * Judges a new password: at least 10 characters, not a common one, not only digits. Returns the number of rules that it
 * breaks, with a French sentence for each; ERR_NOMEM.
 */
int password_faults(struct str password, const char *ret_sentences[PASSWORD_RULES]) __attribute__((warn_unused_result));

#endif
