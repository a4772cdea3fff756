/*
 * Random bytes of the kernel, for keys, salts and ids (getrandom(2)). Any thread.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

#include "base/error.h"

/* Fills; ERR_IO when the kernel gives none, which no caller may go on without. */
int random_bytes(void *bytes, size_t n) __attribute__((warn_unused_result));

/* n characters of A-Z a-z 0-9, each equally likely, and a NUL; ERR_IO. */
int random_letters(char *ret_text, size_t n) __attribute__((warn_unused_result));

#define UUID_HEX_SIZE  33
#define UUID_TEXT_SIZE 37

/* A random UUID (RFC 9562 version 4) as 32 lower-case hexadecimal digits, and a NUL; ERR_IO. */
int random_uuid_hex(char ret_text[UUID_HEX_SIZE]) __attribute__((warn_unused_result));

/* The same digits in groups of 8-4-4-4-12. */
void uuid_add_dashes(const char hex[UUID_HEX_SIZE], char ret_text[UUID_TEXT_SIZE]);

#endif
