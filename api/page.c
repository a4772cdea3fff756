/* Page-number pagination: http.md section 7. */
#include "api/reply.h"

#include <stdio.h>

static int64_t last_page(int64_t size, int64_t count)
{
	return count > 0 ? (count + size - 1) / size : 1;
}

bool page_or_reply(struct request *req, int result, const struct query *query, int64_t size, int64_t count, struct page *ret_page)
{
	struct str text = query_get_nonempty(query, "page");
	int64_t last, number = 1;

	if (result < 0) {
		reply_error(req, result);
		return false;
	}
	if (!size)
		size = req->worker->context->settings->api_page_size;
	last = last_page(size, count);
	if (text.s && str_is(text, "last"))
		number = last;
	else if (text.s && !str_to_int(str_trim_unicode(text), &number))
		number = 0;
	if (number < 1 || number > last) {
		reply_detail(req, 404, "Page non valide.");
		return false;
	}
	*ret_page = (struct page){ number, size, count };
	return true;
}

int64_t page_offset(const struct page *page)
{
	return (page->number - 1) * page->size;
}

/*
 * The URL of another part of the same list, as a JSON string: the same query but for one parameter. The origin stands as it is,
 * like before a file: it is checked text, or the mark that a shared value has in its place.
 */
static void add_link(struct buf *b, struct request *req, const struct query *query, const char *parameter, struct str value)
{
	struct buf path CLEANUP(buf_finish) = BUF_EMPTY;
	struct buf quoted CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_str(&path, req->raw_path);
	query_add_link(&path, query, &req->arena, parameter, value);
	json_add_str(&quoted, buf_view(&path));
	b->failed |= path.failed || quoted.failed;
	if (b->failed)
		return;
	buf_add_char(b, '"');
	buf_add_str(b, req->origin_prefix);
	buf_add(b, quoted.data + 1, quoted.len - 1);
}

/* The link to the part that a number names, or null when there is none. */
static void add_number_link(struct buf *b, bool there, struct request *req, const struct query *query, const char *parameter,
                            int64_t number)
{
	char digits[24];

	if (!there) {
		buf_add_text(b, "null");
		return;
	}
	snprintf(digits, sizeof(digits), "%lld", (long long)number);
	add_link(b, req, query, parameter, str_of(digits));
}

/* Page 1 has no page parameter. */
static void add_page_link(struct buf *b, bool there, struct request *req, const struct query *query, int64_t number)
{
	if (there && number == 1)
		add_link(b, req, query, "page", (struct str){ NULL, 0 });
	else
		add_number_link(b, there, req, query, "page", number);
}

void reply_page(struct request *req, int result, const struct query *query, const struct page *page, const struct fields *fields,
                const struct db_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (result < 0) {
		reply_error(req, result);
		return;
	}
	buf_add_text(&b, "{\"count\":");
	json_add_int(&b, page->count);
	buf_add_text(&b, ",\"next\":");
	add_page_link(&b, page->number < last_page(page->size, page->count), req, query, page->number + 1);
	buf_add_text(&b, ",\"previous\":");
	add_page_link(&b, page->number > 1, req, query, page->number - 1);
	buf_add_text(&b, ",\"results\":");
	fields_write_rows(&b, fields, rows, req->origin_prefix);
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}

void reply_tail(struct request *req, int result, const struct query *query, int64_t count, int64_t first, const struct fields *fields,
                const struct db_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (result < 0) {
		reply_error(req, result);
		return;
	}
	buf_add_text(&b, "{\"count\":");
	json_add_int(&b, count);
	buf_add_text(&b, ",\"next\":null,\"previous\":");
	add_number_link(&b, rows->n && count > (int64_t)rows->n, req, query, "before", first);
	buf_add_text(&b, ",\"results\":");
	fields_write_rows(&b, fields, rows, req->origin_prefix);
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}
