/*
 * /api/docs/realtime/: the WebSockets' document as a page. What happens before the upgrade is the API's own (api/upgrade.c), so
 * that part is told here; all else is read from the document.
 */
#include "api/docs_impl.h"

#include "api/handlers_impl.h"
#include "base/cleanup.h"

static const char opening[] =
        "<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>EGOEJO : les WebSockets</title>\n"
        "<link rel=\"icon\" href=\"data:,\">\n</head>\n<body>\n<h1>Les WebSockets d'EGOEJO</h1>\n"
        "<p><a href=\"/api/docs/\">L'API</a>. Le document complet : <a href=\"/api/docs/realtime/asyncapi.json\">AsyncAPI en "
        "JSON</a>.</p>\n";

static const char handshake[] =
        "<h2>La connexion</h2>\n"
        "<p>Le jeton d'accès de l'API est lu, dans cet ordre, dans l'en-tête <code>Authorization: Bearer …</code>, dans "
        "<code>Sec-WebSocket-Protocol: egoejo.v1, bearer.…</code>, dans le paramètre <code>?token=…</code>. Le sous-protocole "
        "<code>egoejo.v1</code> est confirmé à qui le propose ; on peut s'en passer. Sur un scrutin, un jeton absent ou mauvais fait un "
        "anonyme. Avec <code>?last_message_id=…</code>, un fil commence par une reprise, comme après <code>resume</code>.</p>\n"
        "<p>Ce que la page d'un navigateur doit savoir est dit par un code de fermeture, après l'ouverture. Avant elle, HTTP refuse : "
        "400 (demande incomplète), 403 (origine étrangère), 404 (aucun WebSocket à cette adresse), 426 (pas une demande de WebSocket de "
        "version 13, ou pas la première demande de sa connexion), 429 (trop de refus : attendre une minute), 503.</p>\n";

static void add_cell(struct buf *b, const char *text, bool is_code)
{
	buf_add_text(b, is_code ? "<td><code>" : "<td>");
	docs_add_html(b, text);
	buf_add_text(b, is_code ? "</code></td>" : "</td>");
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* The value of a schema, as JSON would show it: {"user_id": integer}. */
static void add_shape(struct buf *b, const json_t *schema)
{
	const char *name, *before = "{", *reference = text_of(schema, "$ref"), *constant = text_of(schema, "const");
	json_t *member, *properties = json_object_get(schema, "properties");

	if (reference)
		docs_add_html(b, strrchr(reference, '/') ? strrchr(reference, '/') + 1 : reference);
	else if (constant)
		buf_addf(b, "\"%s\"", constant);
	else if (!properties)
		docs_add_html(b, text_of(schema, "type") ? text_of(schema, "type") : "…");
	if (!properties)
		return;
	json_object_foreach(properties, name, member)
	{
		buf_addf(b, "%s\"%s\": ", before, name);
		add_shape(b, member);
		before = ", ";
	}
	buf_add_char(b, '}');
}

/* What the members mean, at any depth. */
static void add_meanings(struct buf *b, const json_t *schema)
{
	const char *name;
	json_t *member;

	json_object_foreach(json_object_get(schema, "properties"), name, member)
	{
		if (text_of(member, "description")) {
			buf_addf(b, "<br><code>%s</code> : ", name);
			docs_add_html(b, text_of(member, "description"));
		}
		add_meanings(b, member);
	}
}

/* The messages of a channel that go one way: those that its operation names. */
static void add_messages(struct buf *b, const json_t *document, const char *operation)
{
	json_t *used = json_object_get(json_object_get(json_object_get(document, "operations"), operation), "messages");
	json_t *all = json_object_get(json_object_get(document, "components"), "messages"), *one;
	size_t i;

	buf_add_text(b, "<table>\n");
	json_array_foreach(used, i, one)
	{
		const json_t *message = json_object_get(all, strrchr(text_of(one, "$ref"), '/') + 1);

		buf_add_text(b, "<tr><td><code>");
		add_shape(b, json_object_get(message, "payload"));
		buf_add_text(b, "</code></td><td>");
		docs_add_html(b, text_of(message, "summary"));
		add_meanings(b, json_object_get(message, "payload"));
		buf_add_text(b, "</td></tr>\n");
	}
	buf_add_text(b, "</table>\n");
}

static void add_channels(struct buf *b, const json_t *document)
{
	const char *name;
	char operation[40];
	json_t *channel;

	json_object_foreach(json_object_get(document, "channels"), name, channel)
	{
		buf_add_text(b, "<h2><code>");
		docs_add_html(b, text_of(channel, "address"));
		buf_add_text(b, "</code></h2>\n<p>");
		docs_add_html(b, text_of(channel, "description"));
		buf_add_text(b, "</p>\n<h3>Du client</h3>\n");
		snprintf(operation, sizeof(operation), "%sReceive", name);
		add_messages(b, document, operation);
		buf_add_text(b, "<h3>Du serveur</h3>\n");
		snprintf(operation, sizeof(operation), "%sSend", name);
		add_messages(b, document, operation);
	}
}

static void add_closes(struct buf *b, const json_t *document)
{
	json_t *row;
	size_t i;

	buf_add_text(b, "<h2>Les codes de fermeture</h2>\n<table>\n");
	json_array_foreach(json_object_get(document, "x-closes"), i, row)
	{
		buf_addf(b, "<tr><td>%d</td>", (int)json_integer_value(json_object_get(row, "code")));
		add_cell(b, text_of(row, "reason"), true);
		add_cell(b, text_of(row, "meaning"), false);
		buf_add_text(b, "</tr>\n");
	}
	buf_add_text(b, "</table>\n");
}

static void add_limits(struct buf *b, const json_t *document)
{
	json_t *row;
	size_t i;

	buf_add_text(b, "<h2>Les limites de ce serveur</h2>\n<table>\n");
	json_array_foreach(json_object_get(document, "x-limits"), i, row)
	{
		buf_add_text(b, "<tr>");
		add_cell(b, text_of(row, "setting"), true);
		buf_addf(b, "<td>%lld</td>", (long long)json_integer_value(json_object_get(row, "value")));
		add_cell(b, text_of(row, "meaning"), false);
		buf_add_text(b, "</tr>\n");
	}
	buf_add_text(b, "</table>\n");
}

struct ready *docs_realtime_page(const json_t *asyncapi)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, opening);
	buf_add_text(&b, handshake);
	add_channels(&b, asyncapi);
	add_closes(&b, asyncapi);
	add_limits(&b, asyncapi);
	buf_add_text(&b, "</body>\n</html>\n");
	return docs_ready(b.failed ? (struct str){ NULL, 0 } : buf_view(&b));
}

void docs_realtime(struct request *req)
{
	docs_show(req, req->worker->context->openapi->realtime_page, "text/html; charset=utf-8");
}

void docs_realtime_document(struct request *req)
{
	docs_show(req, req->worker->context->openapi->realtime, "application/json");
}
