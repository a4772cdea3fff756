/*
 * The parser works on a struct str that it shortens from the front: scheme, then authority (everything up to the first
 * slash), then path and query. Credentials end at the last '@' of the authority, so that a password may hold one. No
 * message quotes any part of the text: the part in question might be the password.
 */
#include "resilience/redis_url.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const struct {
	const char *prefix;
	enum redis_scheme scheme;
} schemes[] = {
	{ "redis://", REDIS_TCP },
	{ "rediss://", REDIS_TLS },
	{ "unix://", REDIS_UNIX },
};

static const char *scheme_prefix(enum redis_scheme scheme)
{
	for (size_t i = 0; i < N_ELEMENTS(schemes); i++)
		if (schemes[i].scheme == scheme)
			return schemes[i].prefix;
	return "";
}

static void cut_front(struct str *s, size_t n)
{
	s->s += n;
	s->len -= n;
}

static int take_scheme(struct str *rest, struct redis_url *url, struct error *err)
{
	for (size_t i = 0; i < N_ELEMENTS(schemes); i++) {
		if (!str_starts(*rest, schemes[i].prefix))
			continue;
		url->scheme = schemes[i].scheme;
		cut_front(rest, strlen(schemes[i].prefix));
		return 0;
	}
	return error_set(err, ERR_CONFIG, "a Redis URL begins with redis://, rediss:// or unix://");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes into a buffer of cap bytes, NUL-terminated; false when it does not fit or holds a NUL. */
static bool decode(struct str in, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.s[i];

		if (c == '%' && i + 2 < in.len && hex_digit(in.s[i + 1]) >= 0 && hex_digit(in.s[i + 2]) >= 0) {
			c = (char)(hex_digit(in.s[i + 1]) * 16 + hex_digit(in.s[i + 2]));
			i += 2;
		}
		if (c == '\0' || n + 1 >= cap)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* [user][:password] */
static int read_credentials(struct str text, struct redis_url *url, struct error *err)
{
	ptrdiff_t colon = str_find(text, ':');
	struct str user = text, password = { "", 0 };

	if (colon >= 0) {
		user.len = (size_t)colon;
		password = text;
		cut_front(&password, (size_t)colon + 1);
	}
	if (!decode(user, url->user, sizeof(url->user)) || !decode(password, url->password, sizeof(url->password)))
		return error_set(err, ERR_CONFIG, "the user name or password in the Redis URL is too long or holds a NUL");
	if (*url->user && !*url->password)
		return error_set(err, ERR_CONFIG, "the Redis URL has a user name without a password");
	return 0;
}

static int take_credentials(struct str *authority, struct redis_url *url, struct error *err)
{
	const char *at = memrchr(authority->s, '@', authority->len);
	struct str credentials = *authority;

	if (!at)
		return 0;
	credentials.len = (size_t)(at - authority->s);
	cut_front(authority, credentials.len + 1);
	return read_credentials(credentials, url, err);
}

static int read_port(struct str text, struct redis_url *url, struct error *err)
{
	int64_t port;

	if (!str_to_uint(text, &port) || port < 1 || port > 65535)
		return error_set(err, ERR_CONFIG, "the port in the Redis URL is not a number from 1 to 65535");
	url->port = (int)port;
	return 0;
}

static bool is_host(struct str host, bool bracketed)
{
	if (host.len == 0)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.s[i];

		if (c <= ' ' || c == 0x7f || strchr("/?#@[]\\", c) || (c == ':' && !bracketed))
			return false;
	}
	return true;
}

/* host[:port] or [address][:port] */
static int read_host(struct str text, struct redis_url *url, struct error *err)
{
	bool bracketed = str_starts(text, "[");
	struct str host = text, port = { NULL, 0 };
	ptrdiff_t end;

	if (bracketed)
		cut_front(&host, 1);
	end = str_find(host, bracketed ? ']' : ':');
	if (bracketed && end < 0)
		return error_set(err, ERR_CONFIG, "the address in the Redis URL lacks its closing bracket");
	if (end >= 0) {
		port = host;
		host.len = (size_t)end;
		cut_front(&port, (size_t)end + bracketed);
	}
	if (!is_host(host, bracketed) || !decode(host, url->host, sizeof(url->host)))
		return error_set(err, ERR_CONFIG, "the Redis URL names no valid host");
	url->port = 6379;
	if (port.len == 0)
		return 0;
	if (*port.s != ':')
		return error_set(err, ERR_CONFIG, "the Redis URL names no valid host");
	cut_front(&port, 1);
	return read_port(port, url, err);
}

static int read_db(struct str text, struct redis_url *url, struct error *err)
{
	int64_t db;

	if (!str_to_uint(text, &db) || db > 1000000)
		return error_set(err, ERR_CONFIG, "the database in the Redis URL is not a number");
	url->db = (int)db;
	return 0;
}

/* The value of db= in a query; absent when there is none. */
static struct str query_db(struct str query)
{
	struct str piece;

	while (str_split(&query, '&', &piece)) {
		if (!str_starts(piece, "db="))
			continue;
		cut_front(&piece, 3);
		return piece;
	}
	return (struct str){ NULL, 0 };
}

static void split_query(struct str *path, struct str *ret_query)
{
	ptrdiff_t mark = str_find(*path, '?');

	*ret_query = (struct str){ NULL, 0 };
	if (mark < 0)
		return;
	*ret_query = *path;
	cut_front(ret_query, (size_t)mark + 1);
	path->len = (size_t)mark;
}

static int read_network(struct str rest, struct redis_url *url, struct error *err)
{
	struct str authority = rest, path, query;
	ptrdiff_t slash;
	int r;

	split_query(&rest, &query);
	if (query_db(query).s)
		return error_set(err, ERR_CONFIG, "the database of a Redis URL belongs in its path, not in its query");
	slash = str_find(rest, '/');
	authority.len = slash < 0 ? rest.len : (size_t)slash;
	path = rest;
	cut_front(&path, authority.len);
	r = take_credentials(&authority, url, err);
	if (r == 0)
		r = read_host(authority, url, err);
	if (r < 0 || path.len <= 1)
		return r;
	cut_front(&path, 1);
	return read_db(path, url, err);
}

static int read_socket(struct str rest, struct redis_url *url, struct error *err)
{
	ptrdiff_t slash = str_find(rest, '/');
	struct str authority = rest, query, db;
	int r;

	if (slash < 0)
		return error_set(err, ERR_CONFIG, "a unix:// Redis URL needs the absolute path of the socket");
	authority.len = (size_t)slash;
	cut_front(&rest, authority.len);
	r = take_credentials(&authority, url, err);
	if (r < 0)
		return r;
	if (authority.len)
		return error_set(err, ERR_CONFIG, "a unix:// Redis URL needs the absolute path of the socket");
	split_query(&rest, &query);
	if (rest.len < 2 || !decode(rest, url->path, sizeof(url->path)))
		return error_set(err, ERR_CONFIG, "the socket path of the Redis URL is empty or longer than %zu bytes",
		                 sizeof(url->path) - 1);
	db = query_db(query);
	return db.s ? read_db(db, url, err) : 0;
}

static void write_shown(struct redis_url *url)
{
	const char *secret = *url->user || *url->password ? "***@" : "";
	bool bracket = strchr(url->host, ':');
	char db[16] = "";

	if (url->scheme == REDIS_UNIX) {
		if (url->db >= 0)
			snprintf(db, sizeof(db), "?db=%d", url->db);
		snprintf(url->shown, sizeof(url->shown), "unix://%s%s%s", secret, url->path, db);
		return;
	}
	if (url->db >= 0)
		snprintf(db, sizeof(db), "/%d", url->db);
	snprintf(url->shown, sizeof(url->shown), "%s%s%s%s%s:%d%s", scheme_prefix(url->scheme), secret, bracket ? "[" : "", url->host,
	         bracket ? "]" : "", url->port, db);
}

int redis_url_parse(const char *text, struct redis_url *ret_url, struct error *err)
{
	struct redis_url url = { .db = -1 };
	struct str rest = str_of(text);
	int r;

	if (!text || !*text)
		return error_set(err, ERR_CONFIG, "the Redis URL is empty");
	r = take_scheme(&rest, &url, err);
	if (r < 0)
		return r;
	r = url.scheme == REDIS_UNIX ? read_socket(rest, &url, err) : read_network(rest, &url, err);
	if (r < 0)
		return r;
	write_shown(&url);
	*ret_url = url;
	return 0;
}

void redis_url_set_db(struct redis_url *url, int db)
{
	url->db = db;
	write_shown(url);
}

bool redis_url_same_server(const struct redis_url *a, const struct redis_url *b)
{
	return a->scheme == b->scheme && a->port == b->port && str_equal_nocase(str_of(a->host), str_of(b->host)) &&
	       strcmp(a->path, b->path) == 0 && strcmp(a->user, b->user) == 0 && strcmp(a->password, b->password) == 0;
}
