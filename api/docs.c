/*
 * The page asks for nothing but our own files and /api/schema/: no validator, no fonts, no analytics. Its script is a file
 * of its own rather than a part of the page, so that it runs under a policy without 'unsafe-inline' too.
 */
#include "api/docs_impl.h"

#include "api/handlers_impl.h"
#include "api/media_type_impl.h"
#include "api/reply.h"
#include "base/cleanup.h"

static const char swagger_page[] =
        "<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>EGOEJO : l'API</title>\n"
        "<link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/api/docs/swagger-ui.css\">\n</head>\n<body>\n"
        "<div id=\"swagger-ui\"></div>\n<p><a href=\"/api/docs/realtime/\">Les WebSockets</a>. <a href=\"/api/docs/LICENSE\">Swagger UI, "
        "licence Apache 2.0</a></p>\n"
        "<script src=\"/api/docs/swagger-ui-bundle.js\"></script>\n<script src=\"/api/docs/start.js\"></script>\n</body>\n</html>\n";

/* validatorUrl: without it Swagger UI shows a badge that its makers' server draws. */
static const char start_script[] = "window.ui = SwaggerUIBundle({\n"
                                   "  url: '/api/schema/',\n"
                                   "  dom_id: '#swagger-ui',\n"
                                   "  deepLinking: true,\n"
                                   "  validatorUrl: null,\n"
                                   "});\n";

static const char notice[] = "Swagger UI\nCopyright 2020-2021 SmartBear Software Inc.\n";

void docs_add_html(struct buf *b, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '<')
			buf_add_text(b, "&lt;");
		else if (*text == '&')
			buf_add_text(b, "&amp;");
		else
			buf_add_char(b, *text);
	}
}

/* One row for each operation. */
static void add_operations(struct buf *b, const json_t *document)
{
	const char *path, *method;
	json_t *item, *operation;

	json_object_foreach(json_object_get(document, "paths"), path, item)
	{
		json_object_foreach(item, method, operation)
		{
			buf_add_text(b, "<tr><td>");
			for (const char *c = method; *c; c++)
				buf_add_char(b, (char)(*c - 'a' + 'A'));
			buf_add_text(b, "</td><td><code>");
			docs_add_html(b, path);
			buf_add_text(b, "</code></td><td>");
			docs_add_html(b, json_string_value(json_object_get(operation, "summary")));
			buf_add_text(b, "</td></tr>\n");
		}
	}
}

static struct ready *plain_page(const json_t *document)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(
	        &b, "<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\">\n<title>EGOEJO : l'API</title>\n</head>\n"
	            "<body>\n<h1>L'API d'EGOEJO</h1>\n<p>Le document complet : <a href=\"/api/schema/\">OpenAPI en JSON</a>, "
	            "<a href=\"/api/schema/?format=yaml\">en YAML</a>. <a href=\"/api/docs/realtime/\">Les WebSockets</a>.</p>\n<table>\n");
	add_operations(&b, document);
	buf_add_text(&b, "</table>\n</body>\n</html>\n");
	return docs_ready(b.failed ? (struct str){ NULL, 0 } : buf_view(&b));
}

struct ready *docs_ready(struct str bytes)
{
	struct blob *body CLEANUP(blob_unrefp) = bytes.s ? blob_create(bytes.s, bytes.len) : NULL;

	return body ? ready_create(body) : NULL;
}

static struct ready *license(void)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, notice);
	buf_add_str(&b, docs_embedded(DOCS_LICENSE));
	return docs_ready(b.failed ? (struct str){ NULL, 0 } : buf_view(&b));
}

bool docs_make(const json_t *document, struct ready *ret_docs[DOCS])
{
	if (!docs_embedded(DOCS_SCRIPT).s) {
		ret_docs[DOCS_PAGE] = plain_page(document);
		return ret_docs[DOCS_PAGE];
	}
	ret_docs[DOCS_PAGE] = docs_ready(str_of(swagger_page));
	ret_docs[DOCS_START] = docs_ready(str_of(start_script));
	ret_docs[DOCS_SCRIPT] = docs_ready(docs_embedded(DOCS_SCRIPT));
	ret_docs[DOCS_STYLE] = docs_ready(docs_embedded(DOCS_STYLE));
	ret_docs[DOCS_LICENSE] = license();
	for (int i = 0; i < DOCS; i++)
		if (!ret_docs[i])
			return false;
	return true;
}

void docs_show(struct request *req, struct ready *ready, const char *media_type)
{
	if (!ready) {
		reply_detail(req, 404, "Introuvable.");
		return;
	}
	reply_ready(req, ready);
	req->reply.content_type = media_type;
	reply_header(req, "Cache-Control", "no-cache");
}

static void show(struct request *req, enum docs_file file, const char *media_type)
{
	docs_show(req, req->worker->context->openapi->docs[file], media_type);
}

void docs_page(struct request *req)
{
	show(req, DOCS_PAGE, "text/html; charset=utf-8");
}

void docs_start(struct request *req)
{
	show(req, DOCS_START, "text/javascript; charset=utf-8");
}

void docs_script(struct request *req)
{
	show(req, DOCS_SCRIPT, "text/javascript; charset=utf-8");
}

void docs_style(struct request *req)
{
	show(req, DOCS_STYLE, "text/css; charset=utf-8");
}

void docs_license(struct request *req)
{
	show(req, DOCS_LICENSE, "text/plain; charset=utf-8");
}

static const char *const schema_formats[] = { "json", "yaml", NULL };
static const struct field schema_query_list[] = {
	SHAPE("format", CHOICE, .choices = schema_formats, .meaning = "Sans lui, l'en-tête « Accept » décide."),
};
const struct fields schema_query = SHAPES(schema_query_list);

static const struct field schema_shape_list[] = {
	SHAPE("openapi", TEXT), SHAPE("info", JSON), SHAPE("servers", JSON), SHAPE("paths", JSON), SHAPE("components", JSON),
};
const struct fields schema_shape = SHAPES(schema_shape_list);

/* The gate has let pass what can be answered: JSON, unless YAML is asked for by name. */
void schema_show(struct request *req)
{
	struct query query;
	struct str format;
	bool as_yaml;

	if (!query_or_reply(req, &query))
		return;
	format = query_get_nonempty(&query, "format");
	as_yaml = format.s ? str_is(format, "yaml") : prefers_yaml(req->headers.accept);
	reply_ready(req, as_yaml ? req->worker->context->openapi->yaml : req->worker->context->openapi->json);
	if (as_yaml)
		req->reply.content_type = "application/yaml";
	reply_header(req, "Cache-Control", "no-cache");
}
