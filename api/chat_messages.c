/*
 * /api/chat/messages/: realtime.md 2. A message that was written, changed or deleted is rendered once: for the answer and for the
 * sockets of its thread, which hear of it after the commit and before the answer.
 */
#include "api/announce.h"
#include "api/handlers_impl.h"
#include "api/live_json.h"
#include "api/person.h"
#include "api/reply.h"
#include "api/upload.h"
#include "domain/chat.h"

/* One list for answers and bodies: what a body may hold is in the second struct. */
static const struct field message_field_list[] = {
	FIELD(struct chat_message, "id", id, INT),
	FIELD(struct chat_message, "thread", thread_id, INT),
	FIELD_PERSON(struct chat_message, "author", author),
	FIELD(struct chat_message, "content", content, TEXT, .meaning = "Tel qu'il a été écrit ; vide quand le message est supprimé."),
	FIELD(struct chat_message, "attachment", attachment, FILE),
	FIELD(struct chat_message, "metadata", metadata, JSON),
	FIELD(struct chat_message, "is_deleted", is_deleted, BOOL),
	FIELD(struct chat_message, "deleted_at", deleted_at, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct chat_message, "created_at", created_at, TIME),
	FIELD(struct chat_message, "edited_at", edited_at, TIME, .flags = FIELD_NULLABLE),
};
const struct fields chat_message_fields = FIELDS(struct chat_message, message_field_list);

static const char *is_short_enough(const struct fields_input *in, const void *member, int *ret_error)
{
	int64_t most = in->settings ? in->settings->chat_max_content : INT64_MAX;
	const char *text;

	if ((int64_t)str_count_chars(*(const struct str *)member) <= most)
		return NULL;
	text = arena_printf(in->arena, "Assurez-vous que ce champ comporte au plus %lld caractères.", (long long)most);
	if (!text)
		*ret_error = ERR_NOMEM;
	return text;
}

static const struct field message_in_list[] = {
	FIELD(struct chat_message_in, "thread", thread_id, REFERENCE, .flags = FIELD_REQUIRED, .known = chat_thread_known),
	FIELD(struct chat_message_in, "content", content, TEXT, .flags = FIELD_REQUIRED, .check = is_short_enough,
	      .meaning = "Au plus CHAT_MAX_CONTENT caractères."),
	FIELD(struct chat_message_in, "attachment", attachment, FILE, .flags = FIELD_NULLABLE | FIELD_SECRET, .accept = UPLOAD_ANY,
	      .folder = "chat_attachments"),
};
const struct fields chat_message_in_fields = FIELDS(struct chat_message_in, message_in_list);

void chat_message_render(const struct chat_message *message, struct str origin_prefix, struct buf *b)
{
	fields_write(b, &chat_message_fields, message, origin_prefix);
}

/* ---- reading ---- */

struct asked {
	struct chat_message_filter filter;
	int64_t limit; /* may be null */
};

static const struct field message_query_list[] = {
	PAGE_PARAMETER,
	FIELD(struct asked, "thread", filter.thread_id, INT, .meaning = "Les messages de ce fil ; sans lui, de tous ceux de l'appelant."),
	FIELD(struct asked, "limit", limit, INT, .min = 1, .max = CHAT_TAIL_MAX,
	      .meaning = "Les derniers messages, par numéros croissants, au lieu d'une page."),
	FIELD(struct asked, "before", filter.before, INT, .meaning = "Ceux d'avant ce message."),
	FIELD(struct asked, "after", filter.after, INT, .meaning = "Ceux d'après ce message."),
};
const struct fields chat_message_query = FIELDS(struct asked, message_query_list);

static void reply_last(struct request *req, const struct query *query, const struct asked *asked, int64_t count)
{
	struct db_rows rows = { NULL, 0 };
	int r = chat_message_tail(req->worker->db, &req->arena, req->caller->id, &asked->filter, asked->limit, &rows);
	const struct chat_message *messages = rows.items;

	reply_tail(req, r, query, count, rows.n ? messages[0].id : 0, &chat_message_fields, &rows);
}

void chat_messages_list(struct request *req)
{
	struct asked asked = { { NULL_INT, NULL_INT, NULL_INT }, NULL_INT };
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!request_query_or_reply(req, &chat_message_query, &asked, &query))
		return;
	r = chat_message_count(req->worker->db, req->caller->id, &asked.filter, &count);
	if (r == 0 && asked.limit != NULL_INT) {
		reply_last(req, &query, &asked, count);
		return;
	}
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = chat_message_list(req->worker->db, &req->arena, req->caller->id, &asked.filter, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &chat_message_fields, &rows);
}

/* The message that the path names, as the caller sees it. */
static int find_message(struct request *req, struct chat_message *ret_message)
{
	int64_t id;

	return str_to_uint(req->params[0], &id) ? chat_message_find(req->worker->db, &req->arena, req->caller->id, id, ret_message)
	                                        : ERR_NOT_FOUND;
}

void chat_messages_detail(struct request *req)
{
	struct chat_message message;

	reply_found(req, find_message(req, &message), &chat_message_fields, &message);
}

/* ---- writing ---- */

/* Tells the thread's sockets, and answers with what they are told; status 204: without it. */
static void announce_and_reply(struct request *req, int status, const struct chat_message *message, int64_t previous)
{
	struct buf b = BUF_EMPTY;

	chat_message_render(message, req->origin_prefix, &b);
	if (!b.failed)
		request_announce(req, (struct live_event){ .kind = LIVE_CHAT_MESSAGE,
		                                           .id = message->thread_id,
		                                           .message = message->id,
		                                           .previous = previous,
		                                           .members = message->members,
		                                           .payload = buf_view(&b) });
	if (status == 204) {
		reply_empty(req, status);
		buf_finish(&b);
	} else {
		reply_json_take(req, status, &b);
	}
}

void chat_messages_create(struct request *req)
{
	struct chat_message_in in = { .thread_id = NULL_INT };
	struct chat_message message;
	int64_t previous;
	int r;

	if (!request_read_or_reply(req, &chat_message_in_fields, &in))
		return;
	r = chat_message_create(req->worker->db, &req->arena, req->caller, &in, &message, &previous);
	if (r == ERR_NOT_FOUND)
		reply_field_error(req, "thread", "Ce fil n'existe plus."); /* it went while the body was read */
	else if (r < 0)
		reply_error(req, r);
	else
		announce_and_reply(req, 201, &message, previous);
}

struct change {
	struct chat_message_in in;
	uint64_t present;
};

static void apply_change(const void *arg, struct chat_message_in *in)
{
	const struct change *change = arg;

	fields_merge(&chat_message_in_fields, change->present, in, &change->in);
}

/* The message that the path names, if the caller may change it and it is not deleted. */
static bool changeable_or_reply(struct request *req, struct chat_message *ret_message)
{
	int r = find_message(req, ret_message);

	if (r == 0 && !chat_message_may_change(ret_message, req->caller))
		r = ERR_FORBIDDEN;
	if (r < 0)
		reply_error(req, r);
	else if (ret_message->is_deleted)
		reply_detail(req, 400, "Un message supprimé ne peut plus être modifié.");
	return req->reply.status == 0;
}

static void change_message(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct change change = { .present = 0 };
	const struct chat_message_edit edit = { apply_change, &change };
	struct chat_message message = { .id = NULL_INT };
	struct str old_attachment = { NULL, 0 };
	int r;

	if (!changeable_or_reply(req, &message))
		return;
	change.in.thread_id = message.thread_id;
	if (!read_or_reply(req, &chat_message_in_fields, &change.in, &change.present))
		return;
	if (change.in.thread_id != message.thread_id) {
		reply_field_error(req, "thread", "Un message ne change pas de fil.");
		return;
	}
	r = chat_message_update(req->worker->db, &req->arena, req->caller, message.id, &edit, &message, &old_attachment);
	if (r == ERR_CONFLICT)
		reply_detail(req, 400, "Un message supprimé ne peut plus être modifié.");
	else if (r < 0)
		reply_error(req, r);
	else
		announce_and_reply(req, 200, &message, LIVE_NOT_NEW);
	upload_remove(req, old_attachment);
}

void chat_messages_replace(struct request *req)
{
	change_message(req, request_replace_or_reply);
}

void chat_messages_change(struct request *req)
{
	change_message(req, request_read_part_or_reply);
}

void chat_messages_delete(struct request *req)
{
	struct chat_message message;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (str_to_uint(req->params[0], &id))
		r = chat_message_delete(req->worker->db, &req->arena, req->caller, id, &message);
	if (r < 0)
		reply_error(req, r);
	else
		announce_and_reply(req, 204, &message, LIVE_NOT_NEW);
}
