/*
 * The common passwords, built into the program from domain/common_passwords.txt.gz by domain/common_passwords.py: 20,000
 * lower-case ASCII texts, sorted, each between two line feeds.
 *
 * Where they come from: the most frequent of the "Ten Million Passwords" that Mark Burnett gave to the public domain in
 * 2015, in the ranking of zxcvbn (MIT licence, Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.), all of ten and more
 * characters among the first 30,000; and Openwall's password.lst by Solar Designer, in the public domain.
 */
#ifndef DOMAIN_COMMON_PASSWORDS_IMPL_H
#define DOMAIN_COMMON_PASSWORDS_IMPL_H

extern const unsigned char common_passwords_deflated[]; /* zlib's format */
extern const unsigned long common_passwords_deflated_bytes;
extern const unsigned long common_passwords_bytes; /* of the text */

#endif
