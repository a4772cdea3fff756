/*
 * The guard: the second of the two defences of design.md 5.2. It looks at the parsed head of every request, first or
 * kept alive, before anything else does, and fills the request from it in the same pass.
 *
 * libmicrohttpd before 1.0 parses leniently, and the parsed fields no longer show what was forgiven. But it parses in
 * place: it puts NUL over the separators of the head that it received and points into it. So the original can still be
 * checked: method, target, version and the fields must cover the whole head, in order, without a gap but the separators
 * that RFC 9112 knows. A bare LF leaves one NUL where CRLF leaves two; a folded line, a NUL within a value, white space
 * that was skipped leave a gap or a piece elsewhere.
 */
#include <string.h>

#include "api/transport_impl.h"

static const struct head_verdict malformed = { 400, "En-tête invalide." };

/* A walk over the fields of a head. */
struct walk {
	struct exchange *exchange;
	const char *at; /* where the part before has ended */
	bool broken;    /* something does not fit the bytes that were received */
	bool bad;       /* a name or value that must not be */
	unsigned fields;
};

static const struct known_header {
	struct str name;
	size_t offset; /* of the struct str in struct request_headers */
} known_headers[] = {
#define REQUEST_HEADER(member, name) { STR(name), offsetof(struct request_headers, member) },
#include "api/headers.def"
#undef REQUEST_HEADER
};

static void keep(struct request_headers *headers, struct str name, struct str value)
{
	for (size_t i = 0; i < N_ELEMENTS(known_headers); i++) {
		if (str_equal_nocase(name, known_headers[i].name)) {
			*(struct str *)(void *)((char *)headers + known_headers[i].offset) = value;
			return;
		}
	}
}

/* Whether only blanks stand from p to end. */
static bool is_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p == end;
}

/* The field begins where the line before has ended, after the two NUL of its CRLF, and name and value are neighbours. */
static bool fits(const struct walk *w, struct str name, struct str value)
{
	if (name.s != w->at + 2 || w->at[0] || w->at[1])
		return false;
	return value.s > name.s + name.len && is_blank(name.s + name.len + 1, value.s);
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *text, size_t text_len)
{
	struct walk *w = arg;
	struct str name = { key, key_len }, value = { text ? text : "", text_len };

	w->fields++;
	if (!w->broken && w->exchange->thread->server->check_raw && !fits(w, name, value))
		w->broken = true;
	w->at = value.s + value.len;
	if (!head_is_token(name) || !head_is_field_value(value))
		w->bad = true;
	head_framing_add(&w->exchange->framing, name, value);
	keep(&w->exchange->request.headers, name, str_trim(value));
	return MHD_YES;
}

/* Method, target and version stand one after the other, a blank between them. */
static bool line_fits(const struct exchange *ex, const char *url, const char *method, const char *version)
{
	return url == method + strlen(method) + 1 && version == url + ex->raw_target.len + 1;
}

/* The last field's CRLF and the empty line end the head. */
static bool end_fits(const struct walk *w, const char *method, size_t head_bytes)
{
	return w->at + 4 == method + head_bytes && memcmp(w->at, "\0\0\0", 4) == 0;
}

static size_t head_bytes_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

static struct head_verdict check_size(const struct exchange *ex, size_t head_bytes, unsigned fields)
{
	size_t max_bytes = (size_t)ex->thread->server->settings->max_header_bytes;

	if (ex->raw_target.len > max_bytes)
		return (struct head_verdict){ 414, "Adresse trop longue." };
	if (head_bytes > max_bytes || fields > HEAD_MAX_FIELDS)
		return (struct head_verdict){ 431, "En-têtes trop longs." };
	return (struct head_verdict){ 0, NULL };
}

static enum method method_of(const char *text)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum method)i;
	return METHOD_OTHER;
}

static struct head_verdict check_target(struct exchange *ex)
{
	struct request *req = &ex->request;
	struct str authority;
	struct head_verdict v = head_target_split(req->method_text, ex->raw_target, &req->arena, &req->target, &authority);

	if (authority.s) /* RFC 9112 section 3.2.2: it replaces Host */
		req->headers.host = authority;
	return v;
}

struct head_verdict guard_check(struct exchange *ex, const char *url, const char *method, const char *version)
{
	bool raw = ex->thread->server->check_raw;
	size_t head_bytes = head_bytes_of(ex->mhd);
	struct walk w = { .exchange = ex, .at = version + strlen(version) };
	struct head_verdict v;

	ex->request.method = method_of(method);
	ex->request.method_text = str_of(method);
	w.broken = raw && !line_fits(ex, url, method, version);
	MHD_get_connection_values_n(ex->mhd, MHD_HEADER_KIND, on_field, &w);
	v = head_version_check(str_of(version), &ex->http_1_1);
	if (v.status)
		return v;
	v = check_size(ex, head_bytes, w.fields);
	if (v.status)
		return v;
	if (w.bad || w.broken || (raw && !end_fits(&w, method, head_bytes)) || !head_is_token(ex->request.method_text))
		return malformed;
	v = check_target(ex);
	if (v.status)
		return v;
	v = head_framing_check(&ex->framing, ex->http_1_1);
	if (v.status)
		return v;
	if (str_starts(ex->request.target, "/ws/") && str_equal_nocase(ex->request.headers.upgrade, (struct str)STR("websocket")))
		return (struct head_verdict){ 426, "WebSocket demande une connexion neuve." };
	return v;
}
