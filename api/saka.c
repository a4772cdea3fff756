/* /api/saka/: saka.md 7. */
#include "domain/saka.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/account.h"

#define PAGE_SIZE     50
#define PAGE_SIZE_MAX 200

static const struct field transaction_field_list[] = {
	FIELD(struct saka_transaction, "id", id, INT),
	FIELD(struct saka_transaction, "amount", amount, INT),
	FIELD(struct saka_transaction, "direction", direction, TEXT),
	FIELD(struct saka_transaction, "reason", reason, TEXT),
	FIELD(struct saka_transaction, "metadata", metadata, JSON),
	FIELD(struct saka_transaction, "created_at", created_at, TIME),
};
const struct fields saka_transaction_fields = FIELDS(struct saka_transaction, transaction_field_list);

static const struct field saka_transaction_query_list[] = {
	SHAPE("page", INT, .min = 1, .max = INT32_MAX, .meaning = "Numéro de la page, à partir de 1."),
	SHAPE("page_size", INT, .min = 1, .max = PAGE_SIZE_MAX, .meaning = "Lignes par page ; 50 sans lui."),
	SHAPE("direction", TEXT, .flags = FIELD_BLANK, .meaning = "EARN ou SPEND, sans égard à la casse ; autre chose est ignoré."),
};
const struct fields saka_transaction_query = SHAPES(saka_transaction_query_list);

/* An absent parameter leaves the value; one of more than 64 bits counts as the largest. False: it is no integer from 1 to max. */
static bool read_whole(const struct query *query, const char *name, int64_t max, int64_t *value)
{
	struct str text = query_get(query, name);

	if (!text.s)
		return true;
	text = str_trim_unicode(text);
	if (!str_is_whole_number(text))
		return false;
	if (!str_to_int(text, value))
		*value = *text.s == '-' ? -INT64_MAX : INT64_MAX;
	return *value >= 1 && *value <= max;
}

static struct str read_direction(const struct query *query)
{
	static const struct str directions[] = { STR("EARN"), STR("SPEND") };
	struct str text = query_get(query, "direction");

	for (size_t i = 0; i < N_ELEMENTS(directions); i++)
		if (text.s && str_equal_nocase(text, directions[i]))
			return directions[i];
	return (struct str){ NULL, 0 };
}

static void reply_nothing(struct request *req)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "{\"count\":0,\"next\":null,\"previous\":null,\"results\":[]}");
	reply_json_take(req, 200, &b);
}

static void reply_transactions(struct request *req, const struct query *query, int64_t size)
{
	struct db_conn *db = req->worker->db;
	struct str direction = read_direction(query);
	struct db_rows rows = { NULL, 0 };
	int64_t count = 0;
	struct page page;
	int r = saka_transaction_count(db, req->caller->id, direction, &count);

	if (!page_or_reply(req, r, query, size, count, &page))
		return;
	r = saka_transaction_list(db, &req->arena, req->caller->id, direction, page.size, page_offset(&page), &rows);
	reply_page(req, r, query, &page, &saka_transaction_fields, &rows);
}

void saka_transactions(struct request *req)
{
	int64_t size = PAGE_SIZE, number = 1;
	struct query query;

	if (!req->worker->context->settings->enable_saka) {
		reply_nothing(req);
		return;
	}
	if (!query_or_reply(req, &query))
		return;
	if (!read_whole(&query, "page", INT64_MAX, &number) || !read_whole(&query, "page_size", PAGE_SIZE_MAX, &size))
		reply_hand_error(req, 400, "« page » et « page_size » doivent être des entiers, au moins 1, et « page_size » au plus 200.");
	else
		reply_transactions(req, &query, size);
}
