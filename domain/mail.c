/*
 * Addresses, and the settings that hold some. An address is read narrowly: what it may not hold (a second one, a line break, a quote)
 * is what would make it something else in a header or an SMTP command. Mails themselves are sent in tasks/.
 */
#include "domain/mail.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json_out.h"
#include "db/outbox.h"

#define ADDRESS_BYTES 320

bool mail_is_address(struct str s)
{
	int at = (int)str_find(s, '@');

	if (at <= 0 || (size_t)at + 1 == s.len || s.len > ADDRESS_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] <= ' ' || s.s[i] == 0x7f || strchr("<>()[]\"\\,;:", s.s[i]) || (s.s[i] == '@' && i != (size_t)at))
			return false;
	return true;
}

static bool has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f)
			return true;
	return false;
}

static struct str without_quotes(struct str name)
{
	if (name.len > 1 && name.s[0] == '"' && name.s[name.len - 1] == '"')
		return (struct str){ name.s + 1, name.len - 2 };
	return name;
}

bool mailbox_parse(struct str text, struct mailbox *ret)
{
	struct mailbox box = { .name = STR("") };
	ptrdiff_t open;

	if (has_control(text))
		return false; /* before it is trimmed: a line break at the end is one too */
	box.address = str_trim(text);
	open = str_find(box.address, '<');
	if (open >= 0 && box.address.s[box.address.len - 1] == '>') {
		box.name = without_quotes(str_trim((struct str){ box.address.s, (size_t)open }));
		box.address = (struct str){ box.address.s + open + 1, box.address.len - (size_t)open - 2 };
	}
	if (!mail_is_address(box.address) || !str_valid_utf8(text))
		return false;
	*ret = box;
	return true;
}

/* Appends an address to the list, if it is one. */
static int add_address(struct arena *arena, struct db_rows *list, struct str address)
{
	struct str *items = (struct str *)list->items;
	struct str trimmed = str_trim(address);

	if (!mail_is_address(trimmed))
		return 0;
	items[list->n] = arena_str(arena, trimmed);
	return items[list->n++].s ? 0 : ERR_NOMEM;
}

static struct str address_of(const json_t *pair)
{
	const json_t *address = json_array_get(pair, 1);

	return (struct str){ json_string_value(address), json_string_length(address) };
}

static int read_json(const json_t *root, struct arena *arena, struct db_rows *list)
{
	const json_t *pair;
	size_t i;
	int r = 0;

	json_array_foreach(root, i, pair)
	{
		if (r == 0)
			r = add_address(arena, list, address_of(pair));
	}
	return r;
}

static int read_pairs(struct str text, struct arena *arena, struct db_rows *list)
{
	struct str pair, name;
	int r = 0;

	while (r == 0 && str_split(&text, ';', &pair))
		if (str_split(&pair, ',', &name))
			r = add_address(arena, list, pair);
	return r;
}

int mail_admins(const struct settings *settings, struct arena *arena, struct db_rows *ret_addresses)
{
	struct str text = str_of(settings->admins ? settings->admins : "");
	json_t *root CLEANUP(json_decrefp) = json_loadb(text.s, text.len, 0, NULL);
	size_t most = json_array_size(root) + 1;

	for (size_t i = 0; i < text.len; i++)
		most += text.s[i] == ';';
	*ret_addresses = (struct db_rows){ .items = arena_alloc(arena, most * sizeof(struct str)) };
	if (!ret_addresses->items)
		return ERR_NOMEM;
	return json_is_array(root) ? read_json(root, arena, ret_addresses) : read_pairs(text, arena, ret_addresses);
}

/* ---- settings that cannot be meant so ---- */

#define ARENA_MAX_BYTES ((size_t)256 * 1024)

static void warn(struct mail_warnings *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct mail_warnings *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->text[w->n], sizeof(w->text[w->n]), format, args);
	va_end(args);
	w->n++;
}

static size_t count_entries(struct str text)
{
	json_t *root CLEANUP(json_decrefp) = json_loadb(text.s, text.len, 0, NULL);
	struct str entry;
	size_t n = 0;

	if (json_is_array(root))
		return json_array_size(root);
	while (str_split(&text, ';', &entry))
		n += str_trim(entry).len > 0;
	return n;
}

static void check_admins(const struct settings *settings, struct mail_warnings *w)
{
	size_t entries = count_entries(str_of(settings->admins ? settings->admins : ""));
	struct db_rows addresses = { NULL, 0 };
	struct arena arena;

	arena_init(&arena, ARENA_MAX_BYTES);
	if (mail_admins(settings, &arena, &addresses) == 0 && addresses.n != entries)
		warn(w, "ADMINS: %zu of %zu entries are no name and address, and get no mail", entries - addresses.n, entries);
	arena_finish(&arena);
}

static void check_address(const char *variable, const char *value, struct mail_warnings *w)
{
	struct mailbox box;

	if (value && !mailbox_parse(str_of(value), &box))
		warn(w, "%s is no address: mails with it cannot be sent", variable);
}

/* The address of a webhook is a secret, and not shown. */
static void check_webhook(const struct settings *settings, struct mail_warnings *w)
{
	struct str url = str_of(settings->alert_webhook_url), type = str_of(settings->alert_webhook_type);

	if (settings->alert_webhook_enabled && !(str_starts(url, "http://") || str_starts(url, "https://")))
		warn(w, "ALERT_WEBHOOK_ENABLED without an http or https address in ALERT_WEBHOOK_URL: alerts are not posted");
	if (!str_is(type, "generic") && !str_is(type, "slack"))
		warn(w, "ALERT_WEBHOOK_TYPE is neither generic nor slack: alerts are posted in the generic form");
}

void mail_check_settings(const struct settings *settings, struct mail_warnings *ret)
{
	ret->n = 0;
	check_admins(settings, ret);
	check_address("DEFAULT_FROM_EMAIL", settings->default_from_email, ret);
	check_address("NOTIFY_EMAIL", settings->notify_email, ret);
	check_webhook(settings, ret);
}

bool mail_is_configured(const struct settings *settings)
{
	return (settings->resend_api_key && *settings->resend_api_key) || (settings->email_host && *settings->email_host);
}

int mail_put(struct db_conn *db, const struct db_rows *addresses, struct str subject, struct str html, struct str text)
{
	struct buf args CLEANUP(buf_finish) = BUF_EMPTY;
	const struct str *to = addresses->items;
	int r = 0;

	for (size_t i = 0; i < addresses->n && r == 0; i++) {
		struct outbox_task task = { .name = "core.tasks.send_email_task", .durable = true };

		buf_clear(&args);
		buf_add_char(&args, '[');
		json_add_str(&args, to[i]);
		buf_add_char(&args, ',');
		json_add_str(&args, subject);
		buf_add_char(&args, ',');
		json_add_str(&args, html);
		buf_add_char(&args, ',');
		json_add_str(&args, text);
		buf_add_char(&args, ']');
		task.args = (struct json_text){ buf_view(&args) };
		r = args.failed ? ERR_NOMEM : outbox_put(db, &task);
	}
	return r;
}
