/*
 * One pass, line by line. Only whole lines are judged, so a verdict never depends on how the bytes were cut into
 * segments; the one exception is the very first byte, which tells at once that somebody speaks TLS or nonsense here.
 */
#include "api/head.h"

#include <string.h>

static const struct head_verdict fine = { 0, NULL };

static struct head_verdict refuse(int status, const char *detail)
{
	return (struct head_verdict){ status, detail };
}

static bool is_tchar(unsigned char c)
{
	/* One bit per character from 32 to 127: every token of every head goes through here. */
	static const uint32_t bits[3] = { 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };

	return c >= 32 && c < 128 && (bits[c / 32 - 1] >> (c % 32) & 1);
}

bool head_is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_tchar((unsigned char)s.s[i]))
			return false;
	return s.len > 0;
}

bool head_is_field_value(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_name(struct str name, const char *lower)
{
	return str_equal_nocase(name, str_of(lower));
}

void head_framing_add(struct head_framing *f, struct str name, struct str value)
{
	if (is_name(name, "host")) {
		f->hosts++;
	} else if (is_name(name, "content-length")) {
		f->lengths++;
		if (!str_to_uint(value, &f->length))
			f->length_bad = true;
	} else if (is_name(name, "transfer-encoding")) {
		f->codings++;
		if (!is_name(value, "chunked"))
			f->coding_bad = true;
	}
}

struct head_verdict head_framing_check(const struct head_framing *f, bool http_1_1)
{
	if (f->hosts > 1 || (http_1_1 && f->hosts == 0))
		return refuse(400, "La requête doit avoir un seul en-tête Host.");
	if (f->lengths > 1 || f->length_bad)
		return refuse(400, "En-tête Content-Length invalide.");
	if (f->codings && f->lengths)
		return refuse(400, "Content-Length et Transfer-Encoding s'excluent.");
	if (f->codings && (f->codings > 1 || f->coding_bad || !http_1_1))
		return refuse(400, "En-tête Transfer-Encoding invalide.");
	return fine;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

struct head_verdict head_version_check(struct str v, bool *ret_http_1_1)
{
	if (v.len != 8 || memcmp(v.s, "HTTP/", 5) != 0 || !is_digit(v.s[5]) || v.s[6] != '.' || !is_digit(v.s[7]))
		return refuse(400, "Ligne de requête invalide.");
	if (v.s[5] != '1' || v.s[7] > '1')
		return refuse(505, "Version de HTTP non prise en charge.");
	*ret_http_1_1 = v.s[7] == '1';
	return fine;
}

static bool has_only_uri_bytes(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return false;
	}
	return s.len > 0;
}

/* The length of "http://" or "https://", 0 for another beginning. */
static size_t scheme_length(struct str target)
{
	static const struct str schemes[] = { STR("http://"), STR("https://") };

	for (size_t i = 0; i < 2; i++)
		if (target.len > schemes[i].len && str_equal_nocase((struct str){ target.s, schemes[i].len }, schemes[i]))
			return schemes[i].len;
	return 0;
}

static struct head_verdict split_absolute(struct str target, size_t scheme, struct arena *arena, struct str *ret_target,
                                          struct str *ret_authority)
{
	struct str rest = { target.s + scheme, target.len - scheme };
	struct str authority = rest;
	char *path;

	for (size_t i = 0; i < rest.len && authority.len == rest.len; i++)
		if (strchr("/?", rest.s[i]))
			authority.len = i;
	if (authority.len == 0 || str_find(authority, '@') >= 0)
		return refuse(400, "Cible de requête invalide.");
	rest = (struct str){ rest.s + authority.len, rest.len - authority.len };
	*ret_authority = authority;
	if (!arena)
		return fine;
	path = arena_printf(arena, "%s%.*s", rest.len && rest.s[0] == '/' ? "" : "/", STR_ARG(rest));
	if (!path)
		return refuse(431, "En-têtes trop longs.");
	*ret_target = str_of(path);
	return fine;
}

struct head_verdict head_target_split(struct str method, struct str target, struct arena *arena, struct str *ret_target,
                                      struct str *ret_authority)
{
	size_t scheme;

	*ret_target = target;
	*ret_authority = (struct str){ NULL, 0 };
	if (!has_only_uri_bytes(target))
		return refuse(400, "Cible de requête invalide.");
	if (target.s[0] == '/' || (str_is(target, "*") && str_is(method, "OPTIONS")))
		return fine;
	scheme = scheme_length(target);
	if (scheme)
		return split_absolute(target, scheme, arena, ret_target, ret_authority);
	return refuse(400, "Cible de requête invalide.");
}

void head_init(struct head *h, size_t max_bytes)
{
	*h = (struct head){ .max_bytes = max_bytes };
}

static struct head_verdict scan_request_line(struct head *h, struct str line, size_t line_at)
{
	ptrdiff_t first = str_find(line, ' ');
	struct str rest, method, target, origin, authority;
	struct head_verdict v;
	ptrdiff_t second;

	if (first < 0)
		return refuse(400, "Ligne de requête invalide.");
	method = (struct str){ line.s, (size_t)first };
	rest = (struct str){ line.s + first + 1, line.len - (size_t)first - 1 };
	second = str_find(rest, ' ');
	if (second < 0 || !head_is_token(method))
		return refuse(400, "Ligne de requête invalide.");
	target = (struct str){ rest.s, (size_t)second };
	v = head_version_check((struct str){ rest.s + second + 1, rest.len - (size_t)second - 1 }, &h->http_1_1);
	if (v.status)
		return v;
	h->has_line = true;
	h->method_at = line_at;
	h->method_len = method.len;
	h->target_at = line_at + method.len + 1;
	h->target_len = target.len;
	return head_target_split(method, target, NULL, &origin, &authority);
}

static struct head_verdict scan_field(struct head *h, struct str line)
{
	ptrdiff_t colon = str_find(line, ':');
	struct str name, value;

	if (++h->fields > HEAD_MAX_FIELDS)
		return refuse(431, "Trop d'en-têtes.");
	if (colon < 0)
		return refuse(400, "En-tête invalide.");
	name = (struct str){ line.s, (size_t)colon };
	value = (struct str){ line.s + colon + 1, line.len - (size_t)colon - 1 };
	if (!head_is_token(name) || !head_is_field_value(value)) /* a folded line or a space before the colon is no token */
		return refuse(400, "En-tête invalide.");
	value = str_trim(value);
	if (is_name(name, "upgrade")) {
		h->upgrade_is_websocket = !h->upgrade_seen && is_name(value, "websocket");
		h->upgrade_seen = true;
	}
	head_framing_add(&h->framing, name, value);
	return fine;
}

static bool is_within_limit(struct head *h, size_t used)
{
	if (used <= h->max_bytes)
		return true;
	h->verdict = h->has_line ? refuse(431, "En-têtes trop longs.") : refuse(414, "Adresse trop longue.");
	return false;
}

/* The next line without its CRLF; false when it is not whole. Too long, a bare LF, or a CR within: a verdict, in this order. */
static bool next_line(struct head *h, const char *bytes, size_t n, struct str *ret_line)
{
	const char *start = bytes + h->at;
	const char *lf = memchr(start, '\n', n - h->at);
	size_t len;

	if (!is_within_limit(h, lf ? (size_t)(lf - bytes) + 1 : n) || !lf)
		return false;
	len = (size_t)(lf - start);
	if (len == 0 || start[len - 1] != '\r' || memchr(start, '\r', len - 1)) {
		h->verdict = refuse(400, "Fin de ligne invalide.");
		return false;
	}
	*ret_line = (struct str){ start, len - 1 };
	h->at += len + 1;
	return true;
}

enum head_state head_scan(struct head *h, const char *bytes, size_t n)
{
	struct str line;

	if (n && !is_tchar((unsigned char)bytes[0]) && bytes[0] != '\r')
		h->verdict = refuse(400, "Ligne de requête invalide.");
	while (!h->verdict.status && next_line(h, bytes, n, &line)) {
		size_t line_at = h->at - line.len - 2;

		if (line.len == 0 && h->has_line) {
			h->verdict = head_framing_check(&h->framing, h->http_1_1);
			return h->verdict.status ? HEAD_BAD : HEAD_WHOLE;
		}
		if (line.len == 0 && line_at == 0)
			continue; /* one empty line before the request is forgiven: RFC 9112 section 2.2 */
		h->verdict = h->has_line ? scan_field(h, line) : scan_request_line(h, line, line_at);
	}
	return h->verdict.status ? HEAD_BAD : HEAD_PARTIAL;
}
