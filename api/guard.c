/*
 * The guard: nothing that a client sends is acted upon before it has been judged by RFC 9112 (design.md 5.2). The judge is
 * stream.c, which watches the bytes as libmicrohttpd reads them (recv.c), so it is always ahead of the parser. Here its
 * verdict is asked for, and in the same pass over the parsed fields the request is filled.
 */
#include "api/transport_impl.h"
#include "api/upgrade.h"

static const struct known_header {
	struct str name;
	size_t offset; /* of the struct str in struct request_headers */
} known_headers[] = {
#define REQUEST_HEADER(member, name) { STR(name), offsetof(struct request_headers, member) },
#include "api/headers.def"
#undef REQUEST_HEADER
};

void guard_keep_field(struct request_headers *headers, struct str name, struct str value)
{
	for (size_t i = 0; i < N_ELEMENTS(known_headers); i++) {
		if (str_equal_nocase(name, known_headers[i].name)) {
			*(struct str *)(void *)((char *)headers + known_headers[i].offset) = value;
			return;
		}
	}
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *text, size_t text_len)
{
	struct exchange *ex = arg;
	struct str name = { key, key_len };
	struct str value = str_trim((struct str){ text ? text : "", text_len });

	head_framing_add(&ex->framing, name, value);
	guard_keep_field(&ex->request.headers, name, value);
	return MHD_YES;
}

static enum method method_of(const char *text)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum method)i;
	return METHOD_OTHER;
}

static struct head_verdict split_target(struct exchange *ex)
{
	struct request *req = &ex->request;
	struct str authority;
	struct head_verdict v = head_target_split(req->method_text, ex->raw_target, &req->arena, &req->target, &authority);

	if (authority.s) /* RFC 9112 section 3.2.2: it replaces Host */
		req->headers.host = authority;
	return v;
}

struct head_verdict guard_verdict(const struct exchange *ex)
{
	return stream_verdict(&ex->connection->stream, ex->number);
}

/* What the door has not taken: a second request of its connection, or one that asks for no upgrade. */
static struct head_verdict check_sockets(const struct request *req)
{
	struct str rest = req->target, path;
	enum upgrade_target target;
	int64_t id;

	if (!str_starts(req->target, "/ws/"))
		return (struct head_verdict){ 0 };
	if (str_equal_nocase(req->headers.upgrade, (struct str)STR("websocket")))
		return (struct head_verdict){ 426, "WebSocket demande une connexion neuve." };
	str_split(&rest, '?', &path);
	if (upgrade_read_path(path, &target, &id))
		return (struct head_verdict){ 426, "Cette adresse est celle d'un WebSocket." };
	return (struct head_verdict){ 0 };
}

struct head_verdict guard_check(struct exchange *ex, const char *method)
{
	struct head_verdict v = guard_verdict(ex);

	ex->request.method = method_of(method);
	ex->request.method_text = str_of(method);
	MHD_get_connection_values_n(ex->mhd, MHD_HEADER_KIND, on_field, ex);
	if (!v.status)
		v = split_target(ex);
	return v.status ? v : check_sockets(&ex->request);
}
