/*
 * Each form is cut from the outside in (scheme, then authority, then host and port; local part, then domain), and what is
 * left is looked at byte by byte. No regular expressions: nothing here takes more than one pass over its text.
 */
#include "api/text_form.h"

#include <arpa/inet.h>

#include "base/cleanup.h"

#define EMAIL_MAX_CHARS 320
#define HOST_MAX_BYTES  253 /* RFC 1034 3.1 */
#define LABEL_MAX_BYTES 63

/* Bytes of other alphabets are letters: international domain names. */
static bool is_label_char(char c)
{
	return str_is_alpha(c) || str_is_digit(c) || (unsigned char)c >= 0x80;
}

static bool is_label(struct str label)
{
	if (!label.len || label.len > LABEL_MAX_BYTES || label.s[0] == '-' || label.s[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!is_label_char(label.s[i]) && label.s[i] != '-')
			return false;
	return true;
}

/* Two characters or more, and not an address: with a letter, or encoded (xn--…). */
static bool is_top_level(struct str label)
{
	if (!is_label(label) || str_count_chars(label) < 2)
		return false;
	if (label.len > 4 && str_equal_nocase((struct str){ label.s, 4 }, (struct str)STR("xn--")))
		return true;
	for (size_t i = 0; i < label.len; i++)
		if (str_is_digit(label.s[i]))
			return false;
	return true;
}

/* A name of at least two labels. */
static bool is_domain(struct str name)
{
	struct str label = { NULL, 0 };
	size_t n = 0;

	if (name.len > HOST_MAX_BYTES)
		return false;
	for (; str_split(&name, '.', &label); n++)
		if (!is_label(label))
			return false;
	return n >= 2 && is_top_level(label);
}

static bool is_address(struct str text, int family)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (text.len >= sizeof(copy) || str_find(text, '\0') >= 0)
		return false;
	memcpy(copy, text.s, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, bytes) == 1;
}

static bool is_atom_char(char c)
{
	return str_is_alpha(c) || str_is_digit(c) || (c && strchr("!#$%&'*+/=?^_`{}|~-", c));
}

static bool is_dotted(struct str local)
{
	struct str atom;

	while (str_split(&local, '.', &atom)) {
		if (!atom.len)
			return false;
		for (size_t i = 0; i < atom.len; i++)
			if (!is_atom_char(atom.s[i]))
				return false;
	}
	return true;
}

/* "…": any ASCII but quote, backslash, tab, CR, LF and NUL; after a backslash tab, quote and backslash as well. */
static bool is_quoted(struct str local)
{
	if (local.len < 2 || local.s[0] != '"' || local.s[local.len - 1] != '"')
		return false;
	for (size_t i = 1; i < local.len - 1; i++) {
		char c = local.s[i];
		bool escaped = c == '\\';

		if (escaped && ++i < local.len - 1)
			c = local.s[i];
		if (!c || (unsigned char)c >= 0x80 || c == '\n' || c == '\r')
			return false;
		if (!escaped && (c == '"' || c == '\t' || c == ' '))
			return false;
		if (escaped && i >= local.len - 1)
			return false;
	}
	return true;
}

bool is_email(struct str text)
{
	ptrdiff_t at = -1;
	struct str local, domain;

	for (size_t i = 0; i < text.len; i++)
		if (text.s[i] == '@')
			at = (ptrdiff_t)i;
	if (at < 1 || str_count_chars(text) > EMAIL_MAX_CHARS)
		return false;
	local = (struct str){ text.s, (size_t)at };
	domain = (struct str){ text.s + at + 1, text.len - (size_t)at - 1 };
	if (!is_dotted(local) && !is_quoted(local))
		return false;
	if (domain.len > 2 && domain.s[0] == '[' && domain.s[domain.len - 1] == ']') {
		domain = (struct str){ domain.s + 1, domain.len - 2 };
		return is_address(domain, AF_INET) || is_address(domain, AF_INET6);
	}
	return str_is(domain, "localhost") || is_domain(domain);
}

/* Cuts a known scheme and "://" off. */
static bool cut_scheme(struct str *url)
{
	static const struct str schemes[] = { STR("http://"), STR("https://"), STR("ftp://"), STR("ftps://") };

	for (size_t i = 0; i < N_ELEMENTS(schemes); i++) {
		size_t n = schemes[i].len;

		if (url->len < n || !str_equal_nocase((struct str){ url->s, n }, schemes[i]))
			continue;
		*url = (struct str){ url->s + n, url->len - n };
		return true;
	}
	return false;
}

/* What stands before the path, query or fragment. */
static struct str authority_of(struct str url)
{
	size_t n = 0;

	while (n < url.len && url.s[n] && !strchr("/?#", url.s[n]))
		n++;
	return (struct str){ url.s, n };
}

/* user or user:password, both without ":" and "@"; the user is not empty. Browsers read "\" as "/", and see another host. */
static bool is_user(struct str text)
{
	struct str name, password = { "", 0 };

	if (str_find(text, '\\') >= 0)
		return false;
	return str_split(&text, ':', &name) && name.len && (!text.s || str_split(&text, ':', &password)) && !text.s;
}

static bool is_port(struct str text)
{
	int64_t port;

	return text.len <= 5 && str_to_uint(text, &port);
}

static bool is_host(struct str host)
{
	if (str_equal_nocase(host, (struct str)STR("localhost")) || is_address(host, AF_INET))
		return true;
	if (host.len > 1 && host.s[host.len - 1] == '.')
		host.len--; /* the root, of a name only */
	return is_domain(host);
}

/* host[:port], the host perhaps in brackets */
static bool is_place(struct str text)
{
	ptrdiff_t end = text.len && text.s[0] == '[' ? str_find(text, ']') + 1 : str_find(text, ':');
	struct str host, rest;

	if (text.len && text.s[0] == '[' && end < 3)
		return false;
	if (end < 0)
		end = (ptrdiff_t)text.len;
	host = (struct str){ text.s, (size_t)end };
	rest = (struct str){ text.s + end, text.len - (size_t)end };
	if (rest.len && (rest.s[0] != ':' || !is_port((struct str){ rest.s + 1, rest.len - 1 })))
		return false;
	return host.len && host.s[0] == '[' ? is_address((struct str){ host.s + 1, host.len - 2 }, AF_INET6) : is_host(host);
}

static bool has_white_space(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		struct str rest = { text.s + i, text.len - i };

		if (((unsigned char)text.s[i] & 0xc0) != 0x80 && str_trim_unicode(rest).s != rest.s)
			return true;
	}
	return false;
}

bool is_url(struct str text)
{
	struct str place;
	ptrdiff_t at;

	if (!str_valid_utf8(text) || has_white_space(text) || !cut_scheme(&text))
		return false;
	place = authority_of(text);
	at = str_find(place, '@');
	if (at >= 0 && !is_user((struct str){ place.s, (size_t)at }))
		return false;
	if (at >= 0)
		place = (struct str){ place.s + at + 1, place.len - (size_t)at - 1 };
	return place.len && is_place(place);
}

bool is_slug(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!str_is_alpha(text.s[i]) && !str_is_digit(text.s[i]) && text.s[i] != '_' && text.s[i] != '-')
			return false;
	return text.len > 0;
}
