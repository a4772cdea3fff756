#include "domain/mail.h"

#include <jansson.h>

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
