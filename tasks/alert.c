/* The texts of critical alerts; Slack's limits: https://api.slack.com/reference/block-kit/blocks. */
#include "tasks/alert.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json_out.h"

#define SUBJECT_TITLE_CHARS 200
#define SLACK_HEADER_CHARS  150
#define SLACK_TEXT_CHARS    3000
#define SLACK_FIELD_CHARS   2000
#define SLACK_FIELDS_MAX    10
#define FENCE               "```"

static const char *const field_names[] = { "user_id", "username", "email", "old_balance", "new_balance", "delta", "violation_type" };
static const char *const excerpt_names[] = { "user_id",     "username",    "email", "violation_type",
	                                     "old_balance", "new_balance", "delta", "detection_method" };

/* ---- texts and values ---- */

/* Bytes of the character that begins here. */
static size_t char_bytes(struct str s)
{
	size_t n = 1;

	while (n < s.len && ((unsigned char)s.s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* At most max characters of it. */
static struct str cut(struct str text, size_t max)
{
	size_t n = 0;

	for (; max && n < text.len; max--)
		n += char_bytes((struct str){ text.s + n, text.len - n });
	return (struct str){ text.s, n };
}

static void add_dump(struct buf *b, const json_t *value, size_t flags)
{
	CLEANUP(cleanup_free) char *text = json_dumps(value, flags | JSON_ENCODE_ANY);

	if (text)
		buf_add_text(b, text);
	else
		b->failed = true;
}

/* A text as it is, anything else as JSON. */
static void add_value(struct buf *b, const json_t *value)
{
	if (json_is_string(value))
		buf_add(b, json_string_value(value), json_string_length(value));
	else
		add_dump(b, value, 0);
}

static void add_object(struct buf *b, const json_t *payload, const char *const *names, size_t n)
{
	const char *separator = "{";

	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(payload, names[i]);

		if (!value)
			continue;
		buf_addf(b, "%s\"%s\": ", separator, names[i]);
		add_dump(b, value, 0);
		separator = ", ";
	}
	if (*separator == ',')
		buf_add_char(b, '}');
}

void alert_add_excerpt(struct buf *b, const struct alert_view *a)
{
	add_object(b, a->payload, excerpt_names, N_ELEMENTS(excerpt_names));
}

void alert_add_fingerprint(struct buf *b, const struct alert_view *a)
{
	if (a->dedupe_key.s)
		buf_add_str(b, a->dedupe_key);
	else
		buf_addf(b, "%.*s:%.*s", STR_ARG(a->title), STR_ARG(a->timestamp));
}

/* ---- mail ---- */

static void add_line(struct buf *b, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(b, (char)((unsigned char)text.s[i] < ' ' || text.s[i] == 0x7f ? ' ' : text.s[i]));
}

void alert_add_subject(struct buf *b, const struct alert_view *a)
{
	add_line(b, a->prefix);
	buf_add_char(b, ' ');
	add_line(b, cut(a->title, SUBJECT_TITLE_CHARS));
}

void alert_add_text(struct buf *b, const struct alert_view *a)
{
	const char *key;
	json_t *value;

	buf_addf(b, "%.*s\n\n", STR_ARG(a->title));
	add_dump(b, a->payload, JSON_INDENT(2));
	buf_add_text(b, "\n\n");
	json_object_foreach((json_t *)(uintptr_t)a->payload, key, value)
	{
		buf_addf(b, "%s: ", key);
		add_value(b, value);
		buf_add_char(b, '\n');
	}
	buf_addf(b, "\nTimestamp: %.*s\nDedupe key: ", STR_ARG(a->timestamp));
	buf_add_str(b, a->dedupe_key.s ? a->dedupe_key : (struct str)STR("N/A"));
	buf_add_char(b, '\n');
}

/* ---- webhook ---- */

void alert_add_generic(struct buf *b, const struct alert_view *a)
{
	buf_add_text(b, "{\"title\": ");
	json_add_str(b, a->title);
	buf_add_text(b, ", \"payload\": ");
	add_dump(b, a->payload, 0);
	buf_add_text(b, ", \"timestamp\": ");
	json_add_str(b, a->timestamp);
	buf_add_text(b, ", \"dedupe_key\": ");
	json_add_str(b, a->dedupe_key);
	buf_add_text(b, ", \"source\": \"egoejo_critical_alert\"}");
}

/* Slack's own three characters as entities; a backtick would end a fence, and is an apostrophe. */
static struct str slack_form(struct str character)
{
	switch (*character.s) {
	case '&':
		return (struct str)STR("&amp;");
	case '<':
		return (struct str)STR("&lt;");
	case '>':
		return (struct str)STR("&gt;");
	case '`':
		return (struct str)STR("'");
	default:
		return character;
	}
}

/* At most max characters of it, entities whole. */
static void add_escaped(struct buf *b, struct str text, size_t max)
{
	while (text.len) {
		size_t n = char_bytes(text);
		struct str form = slack_form((struct str){ text.s, n });
		size_t chars = form.s == text.s ? 1 : form.len;

		if (chars > max)
			return;
		buf_add_str(b, form);
		max -= chars;
		text = (struct str){ text.s + n, text.len - n };
	}
}

/* {"type": "mrkdwn", "text": …}; takes the text's content. */
static void add_markdown(struct buf *b, struct buf *take_text)
{
	buf_add_text(b, "{\"type\": \"mrkdwn\", \"text\": ");
	json_add_str(b, buf_view(take_text));
	buf_add_char(b, '}');
	b->failed |= take_text->failed;
	buf_finish(take_text);
}

static void add_header(struct buf *b, const struct alert_view *a)
{
	CLEANUP(buf_finish) struct buf subject = BUF_EMPTY;

	alert_add_subject(&subject, a);
	buf_add_text(b, "{\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": ");
	json_add_str(b, cut(buf_view(&subject), SLACK_HEADER_CHARS));
	buf_add_text(b, "}}");
	b->failed |= subject.failed;
}

static void add_field(struct buf *b, const char *name, const json_t *value)
{
	struct buf text = BUF_EMPTY, raw = BUF_EMPTY;

	add_value(&raw, value);
	buf_addf(&text, "*%s:* ", name);
	add_escaped(&text, buf_view(&raw), SLACK_FIELD_CHARS - text.len);
	b->failed |= raw.failed;
	buf_finish(&raw);
	add_markdown(b, &text);
}

static void add_fields(struct buf *b, const json_t *payload)
{
	size_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(field_names) && n < SLACK_FIELDS_MAX; i++) {
		const json_t *value = json_object_get(payload, field_names[i]);

		if (!value)
			continue;
		buf_add_text(b, n++ ? ", " : "{\"type\": \"section\", \"fields\": [");
		add_field(b, field_names[i], value);
	}
	if (n)
		buf_add_text(b, "]}, ");
}

static void add_payload(struct buf *b, const json_t *payload)
{
	struct buf text = BUF_EMPTY, raw = BUF_EMPTY;

	add_dump(&raw, payload, JSON_INDENT(2));
	buf_add_text(&text, FENCE);
	add_escaped(&text, buf_view(&raw), SLACK_TEXT_CHARS - 2 * strlen(FENCE));
	buf_add_text(&text, FENCE);
	b->failed |= raw.failed;
	buf_finish(&raw);
	buf_add_text(b, "{\"type\": \"section\", \"text\": ");
	add_markdown(b, &text);
	buf_add_char(b, '}');
}

static void add_context(struct buf *b, const struct alert_view *a)
{
	struct buf text = BUF_EMPTY;

	buf_addf(&text, "*Timestamp:* %.*s | *Dedupe key:* ", STR_ARG(a->timestamp));
	add_escaped(&text, a->dedupe_key.s ? a->dedupe_key : (struct str)STR("N/A"), SLACK_FIELD_CHARS);
	buf_add_text(b, "{\"type\": \"context\", \"elements\": [");
	add_markdown(b, &text);
	buf_add_text(b, "]}");
}

static void add_fallback_text(struct buf *b, const struct alert_view *a)
{
	CLEANUP(buf_finish) struct buf subject = BUF_EMPTY, text = BUF_EMPTY;

	alert_add_subject(&subject, a);
	add_escaped(&text, buf_view(&subject), SLACK_TEXT_CHARS);
	json_add_str(b, buf_view(&text));
	b->failed |= subject.failed || text.failed;
}

void alert_add_slack(struct buf *b, const struct alert_view *a)
{
	buf_add_text(b, "{\"text\": ");
	add_fallback_text(b, a);
	buf_add_text(b, ", \"blocks\": [");
	add_header(b, a);
	buf_add_text(b, ", {\"type\": \"divider\"}, ");
	add_fields(b, a->payload);
	buf_add_text(b, "{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"*Payload:*\"}}, ");
	add_payload(b, a->payload);
	buf_add_text(b, ", ");
	add_context(b, a);
	buf_add_text(b, "]}");
}
