/*
 * /api/chat/threads/: realtime.md 1. Whether there is such a thread for the caller, and whether he may change it, is said before
 * his body is judged; the write looks again.
 */
#include "api/announce.h"
#include "api/handlers_impl.h"
#include "api/person.h"
#include "api/reply.h"
#include "api/upload.h"
#include "domain/chat.h"
#include "domain/project.h"

static const struct field participant_field_list[] = {
	FIELD(struct chat_participant, "id", person.id, INT),
	FIELD(struct chat_participant, "username", person.username, TEXT),
	FIELD(struct chat_participant, "email", person.email, TEXT),
	FIELD(struct chat_participant, "first_name", person.first_name, TEXT),
	FIELD(struct chat_participant, "last_name", person.last_name, TEXT),
};
static const struct fields participant_fields = FIELDS(struct chat_participant, participant_field_list);

static const struct field thread_field_list[] = {
	FIELD(struct chat_thread, "id", id, INT),
	FIELD(struct chat_thread, "title", title, TEXT),
	FIELD(struct chat_thread, "project", project_id, INT, .flags = FIELD_NULLABLE),
	FIELD(struct chat_thread, "is_private", is_private, BOOL),
	FIELD_PERSON(struct chat_thread, "created_by", creator),
	FIELD(struct chat_thread, "participants", participants, ROWS, .of = &participant_fields),
	FIELD(struct chat_thread, "created_at", created_at, TIME),
	FIELD(struct chat_thread, "updated_at", updated_at, TIME),
	FIELD(struct chat_thread, "last_message_at", last_message_at, TIME, .flags = FIELD_NULLABLE),
};
const struct fields chat_thread_fields = FIELDS(struct chat_thread, thread_field_list);

static const struct field thread_query_list[] = { PAGE_PARAMETER };
const struct fields chat_thread_query = SHAPES(thread_query_list);

static const char *are_people(const struct fields_input *in, const void *member, int *ret_error)
{
	bool known = true;

	*ret_error = in->db ? chat_people_known(in->db, in->arena, member, &known) : 0;
	return known ? NULL : "Au moins un de ces comptes n'existe pas.";
}

static const struct field thread_in_list[] = {
	FIELD(struct chat_thread_in, "title", title, TEXT, .flags = FIELD_BLANK, .max_chars = CHAT_TITLE_CHARS),
	FIELD(struct chat_thread_in, "project", project_id, REFERENCE, .flags = FIELD_NULLABLE, .known = project_known),
	FIELD(struct chat_thread_in, "is_private", is_private, BOOL),
	FIELD(struct chat_thread_in, "participant_ids", participants, REFERENCES, .max = CHAT_PARTICIPANTS_MAX, .check = are_people,
	      .meaning = "Les participants, en plus de l'appelant ; la liste remplace ceux qu'il y avait."),
};
const struct fields chat_thread_in_fields = FIELDS(struct chat_thread_in, thread_in_list);

/* ---- reading ---- */

void chat_threads_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	r = chat_thread_count(req->worker->db, req->caller->id, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = chat_thread_list(req->worker->db, &req->arena, req->caller->id, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &chat_thread_fields, &rows);
}

/* The thread that the path names, as the caller sees it. */
static int find_thread(struct request *req, struct chat_thread *ret_thread)
{
	int64_t id;

	return str_to_uint(req->params[0], &id) ? chat_thread_find(req->worker->db, &req->arena, req->caller->id, id, ret_thread)
	                                        : ERR_NOT_FOUND;
}

void chat_threads_detail(struct request *req)
{
	struct chat_thread thread;

	reply_found(req, find_thread(req, &thread), &chat_thread_fields, &thread);
}

/* ---- writing ---- */

void chat_threads_create(struct request *req)
{
	struct chat_thread_in in = { .title = STR(""), .project_id = NULL_INT, .is_private = true };
	struct chat_thread thread;
	int r;

	if (!request_read_or_reply(req, &chat_thread_in_fields, &in))
		return;
	r = chat_thread_create(req->worker->db, &req->arena, req->caller, &in, &thread);
	if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &chat_thread_fields, &thread);
}

struct change {
	struct chat_thread_in in;
	uint64_t present;
};

static void apply_change(const void *arg, struct chat_thread_in *in)
{
	const struct change *change = arg;

	fields_merge(&chat_thread_in_fields, change->present, in, &change->in);
}

static void change_thread(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct change change = { .present = 0 };
	const struct chat_thread_edit edit = { apply_change, &change };
	struct chat_thread thread;
	bool members_changed;
	int r = find_thread(req, &thread);

	if (r == 0 && !chat_thread_may_change(&thread, req->caller))
		r = ERR_FORBIDDEN;
	if (r == 0 && !read_or_reply(req, &chat_thread_in_fields, &change.in, &change.present))
		return;
	if (r == 0)
		r = chat_thread_update(req->worker->db, &req->arena, req->caller, thread.id, &edit, &thread, &members_changed);
	if (r == 0 && members_changed)
		request_announce(req, (struct live_event){ .kind = LIVE_THREAD_MEMBERS, .id = thread.id });
	reply_found(req, r, &chat_thread_fields, &thread);
}

void chat_threads_replace(struct request *req)
{
	change_thread(req, request_replace_or_reply);
}

void chat_threads_change(struct request *req)
{
	change_thread(req, request_read_part_or_reply);
}

void chat_threads_delete(struct request *req)
{
	struct db_rows rows;
	const struct chat_attachment *attachments;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (str_to_uint(req->params[0], &id))
		r = chat_thread_delete(req->worker->db, &req->arena, req->caller, id, &rows);
	if (r < 0) {
		reply_error(req, r);
		return;
	}
	attachments = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		upload_remove(req, attachments[i].path);
	request_announce(req, (struct live_event){ .kind = LIVE_THREAD_GONE, .id = id });
	reply_empty(req, 204);
}
