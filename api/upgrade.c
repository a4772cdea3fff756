/*
 * The request is filled as for any route, so that host, https, origin and client address mean what they mean there.
 */
#include "api/upgrade.h"

#include "api/client_address.h"
#include "api/dispatch.h"
#include "api/query.h"
#include "api/site.h"
#include "api/transport_impl.h"
#include "base/base64.h"

#define KEY_BYTES 16

/* The fields that only a handshake has; those that are lists may come in several lines and are looked for where they stand. */
struct handshake {
	struct str fields; /* all of the head's */
	struct str key, version;
	bool repeats; /* one that is no list */
};

/* The next field of a head, which is known to be well formed; false at the empty line. */
static bool next_field(struct str *fields, struct str *ret_name, struct str *ret_value)
{
	struct str line;

	if (!str_split(fields, '\n', &line) || !str_trim(line).len)
		return false;
	str_split(&line, ':', ret_name);
	*ret_value = str_trim(line);
	return true;
}

static void keep_field(struct handshake *h, struct str name, struct str value)
{
	const struct {
		struct str name;
		struct str *at;
	} fields[] = {
		{ STR("sec-websocket-key"), &h->key },
		{ STR("sec-websocket-version"), &h->version },
	};

	for (size_t i = 0; i < N_ELEMENTS(fields); i++) {
		if (!str_equal_nocase(name, fields[i].name))
			continue;
		h->repeats |= fields[i].at->s != NULL;
		*fields[i].at = value;
	}
}

static void read_fields(struct request *req, struct str head, struct handshake *h)
{
	struct str line, fields, name, value;

	str_split(&head, '\n', &line);
	str_split(&line, ' ', &req->method_text);
	str_split(&line, ' ', &req->target);
	h->fields = fields = head;
	while (next_field(&fields, &name, &value)) {
		keep_field(h, name, value);
		guard_keep_field(&req->headers, name, value);
	}
}

/* A list, all lines of that name together: RFC 9110 section 5.3. */
struct list {
	struct str fields, name; /* what is still to be searched, for which */
	struct str value;        /* what is left of the line */
};

static struct list list_of(const struct handshake *h, const char *name)
{
	return (struct list){ .fields = h->fields, .name = str_of(name) };
}

/* One element, without the white space around it; false at the end. */
static bool next_element(struct list *l, struct str *ret_element)
{
	struct str piece, name, value;

	while (!str_split(&l->value, ',', &piece)) {
		if (!next_field(&l->fields, &name, &value))
			return false;
		if (str_equal_nocase(name, l->name))
			l->value = value;
	}
	*ret_element = str_trim(piece);
	return true;
}

static bool list_has(struct list list, const char *wanted, bool any_case)
{
	struct str element;

	while (next_element(&list, &element))
		if (any_case ? str_equal_nocase(element, str_of(wanted)) : str_is(element, wanted))
			return true;
	return false;
}

bool upgrade_read_path(struct str path, enum upgrade_target *ret_target, int64_t *ret_id)
{
	static const struct {
		struct str prefix;
		enum upgrade_target target;
	} families[] = { { STR("/ws/chat/"), UPGRADE_CHAT }, { STR("/ws/polls/"), UPGRADE_POLL } };

	for (size_t i = 0; i < N_ELEMENTS(families); i++) {
		struct str digits = path;

		if (!str_starts(path, families[i].prefix.s))
			continue;
		digits.s += families[i].prefix.len;
		digits.len -= families[i].prefix.len;
		if (digits.len && digits.s[digits.len - 1] == '/')
			digits.len--;
		for (size_t k = 0; k < digits.len; k++)
			if (!str_is_digit(digits.s[k]))
				return false;
		*ret_target = families[i].target;
		if (!str_to_uint(digits, ret_id))
			*ret_id = 0;
		return digits.len > 0;
	}
	return false;
}

static bool is_key(struct str text)
{
	char bytes[BASE64_DECODED_MAX(64)];
	size_t n;

	return text.len == 24 && base64_decode(text, BASE64, bytes, &n) && n == KEY_BYTES;
}

/* The request's own origin, or a listed one; programs that are no browsers send none. */
static bool may_come_from(const struct request *req)
{
	struct str origin = req->headers.origin;

	if (!origin.s)
		return true;
	if (str_is(origin, "null"))
		return false;
	return str_equal_nocase(origin, req->origin_prefix) || site_allowed_origin(req->worker->context->site, origin);
}

static struct str after(struct str text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (text.len <= n || !str_equal_nocase((struct str){ text.s, n }, str_of(prefix)))
		return (struct str){ NULL, 0 };
	return str_trim((struct str){ text.s + n, text.len - n });
}

static struct str find_token(const struct request *req, struct list protocols, const struct query *query)
{
	struct str found = after(req->headers.authorization, "bearer ");
	struct str element;

	while (!found.s && next_element(&protocols, &element))
		if (str_starts(element, "bearer."))
			found = after(element, "bearer.");
	return found.s ? found : query_get_nonempty(query, "token");
}

static int refuse(int status, const char **ret_detail, const char *detail)
{
	*ret_detail = detail;
	return status;
}

static int judge_handshake(const struct handshake *h, const char **ret_detail)
{
	if (h->repeats || !list_has(list_of(h, "connection"), "upgrade", true) || !is_key(h->key))
		return refuse(400, ret_detail, "Demande WebSocket incomplète.");
	if (!str_is(h->version, "13"))
		return refuse(426, ret_detail, "Seule la version 13 de WebSocket est servie.");
	return 0;
}

int upgrade_read(struct request *req, struct str head, struct upgrade *ret, const char **ret_detail)
{
	struct handshake h = { 0 };
	struct query query;
	int status;

	*ret = (struct upgrade){ .head_bytes = head.len };
	read_fields(req, head, &h);
	dispatch_read_context(req);
	if (!dispatch_read_target(req) || !upgrade_read_path(req->path, &ret->target, &ret->id))
		return refuse(404, ret_detail, "Introuvable.");
	if (!site_allows_host(req->worker->context->site, req->host))
		return refuse(400, ret_detail, "Hôte non autorisé.");
	status = judge_handshake(&h, ret_detail);
	if (status)
		return status;
	if (!dispatch_set_origin_prefix(req))
		return refuse(503, ret_detail, "Temps réel indisponible.");
	if (!may_come_from(req))
		return refuse(403, ret_detail, "Origine non autorisée.");
	if (query_parse(req->query, &req->arena, &query) < 0)
		return refuse(400, ret_detail, "Paramètres illisibles.");
	ret->path = req->path;
	ret->key = h.key;
	ret->offers_v1 = list_has(list_of(&h, "sec-websocket-protocol"), "egoejo.v1", false);
	ret->token = find_token(req, list_of(&h, "sec-websocket-protocol"), &query);
	ret->last_message_id = query_get(&query, "last_message_id");
	ret->client = client_address(req);
	ret->origin_prefix = req->origin_prefix;
	return 0;
}
