/* /api/polls/, reading: realtime.md 5. Managing is in polls_write.c, voting in poll_votes.c. */
#include "api/polls_impl.h"

#include "api/announce.h"
#include "api/handlers_impl.h"
#include "api/live_json.h"
#include "api/person.h"
#include "api/reply.h"
#include "base/log.h"
#include "domain/poll_vote.h"

static const char *const statuses[] = { "draft", "open", "closed", NULL };

static const struct field option_field_list[] = {
	FIELD(struct poll_option, "id", id, INT),
	FIELD(struct poll_option, "label", label, TEXT),
	FIELD(struct poll_option, "position", position, INT),
	FIELD(struct poll_option, "votes", votes, INT),
};
static const struct fields option_fields = FIELDS(struct poll_option, option_field_list);

static const struct field saka_field_list[] = {
	FIELD(struct poll_voted, "saka_spent", saka_spent, INT),
	FIELD(struct poll_voted, "saka_cost", saka_cost, INT),
	FIELD(struct poll_voted, "intensity", intensity, INT),
	FIELD(struct poll_voted, "weight", weight, FLOAT),
};
static const struct fields saka_fields = FIELDS(struct poll_voted, saka_field_list);

/* A poll is what poll_voted begins with: one list for both, of which the poll alone has all but the last. */
_Static_assert(offsetof(struct poll_voted, poll) == 0, "the fields of a poll are those of a poll_voted");

static const struct field poll_field_list[] = {
	FIELD(struct poll, "id", id, INT),
	FIELD(struct poll, "title", title, TEXT),
	FIELD(struct poll, "question", question, TEXT),
	FIELD(struct poll, "description", description, TEXT),
	FIELD(struct poll, "status", status, CHOICE, .choices = statuses),
	FIELD(struct poll, "is_anonymous", is_anonymous, BOOL),
	FIELD(struct poll, "allow_multiple", allow_multiple, BOOL),
	FIELD(struct poll, "quorum", quorum, INT, .flags = FIELD_NULLABLE),
	FIELD(struct poll, "opens_at", opens_at, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct poll, "closes_at", closes_at, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct poll, "project", project_id, INT, .flags = FIELD_NULLABLE),
	FIELD_PERSON(struct poll, "created_by", creator),
	FIELD(struct poll, "created_at", created_at, TIME),
	FIELD(struct poll, "updated_at", updated_at, TIME),
	FIELD(struct poll, "options", options, ROWS, .of = &option_fields),
	FIELD(struct poll, "total_votes", total_votes, INT, .meaning = "Le nombre de bulletins, un pour chaque option choisie."),
	{ .name = "saka_info",
	  .kind = FIELD_OBJECT,
	  .of = &saka_fields,
	  .flags = FIELD_READ_ONLY | FIELD_OPTIONAL,
	  .meaning = "D'un vote quadratique : les grains dépensés et le poids." },
};
const struct fields poll_fields = { poll_field_list, N_ELEMENTS(poll_field_list) - 1, sizeof(struct poll) };
const struct fields poll_voted_fields = FIELDS(struct poll_voted, poll_field_list);

void poll_render(const struct poll *poll, struct buf *b)
{
	fields_write(b, &poll_fields, poll, (struct str)STR(""));
}

void poll_announce(struct request *req, const struct poll *poll)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	poll_render(poll, &b);
	if (b.failed)
		log_write(LOG_WARNING, "http", "poll.not_announced", LOG_FIELDS(LOG_STR("request_id", req->id), LOG_INT("poll", poll->id)),
		          "no memory for the event of a poll; the next sweep of the hub tells of it");
	else
		request_announce(req, (struct live_event){ .kind = LIVE_POLL_UPDATE, .id = poll->id, .payload = buf_view(&b) });
}

bool poll_or_reply(struct request *req, struct poll *ret_poll)
{
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? poll_find(req->worker->db, &req->arena, id, ret_poll) : ERR_NOT_FOUND;

	if (r < 0)
		reply_error(req, r);
	return r == 0;
}

static const struct field poll_query_list[] = {
	PAGE_PARAMETER,
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "Statut exact : « draft », « open » ou « closed »."),
	SHAPE("project", TEXT, .flags = FIELD_BLANK, .pattern = "^[0-9]*$", .meaning = "Identifiant d'un projet."),
};
const struct fields poll_query = SHAPES(poll_query_list);

void polls_list(struct request *req)
{
	struct poll_filter filter;
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query) || !query_id_or_reply(req, &query, "project", &filter.project_id))
		return;
	filter.status = query_get_nonempty(&query, "status");
	r = poll_count(req->worker->db, &filter, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = poll_list(req->worker->db, &req->arena, &filter, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &poll_fields, &rows);
}

void polls_detail(struct request *req)
{
	struct poll poll;

	if (poll_or_reply(req, &poll))
		reply_with(req, 200, &poll_fields, &poll);
}
