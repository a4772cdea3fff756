/* /api/polls/, managing: creating, changing, deleting, opening, closing. realtime.md 5. */
#include <jansson.h>

#include "api/announce.h"
#include "api/fields_in_impl.h"
#include "api/handlers_impl.h"
#include "api/json_in.h"
#include "api/polls_impl.h"
#include "api/reply.h"
#include "domain/project.h"

/* ---- options ---- */

static const char no_list[] = "Une liste d'options était attendue.";
static const char too_many[] = "Un scrutin compte au plus 500 options.";
static const char no_object[] = "Une option est un objet : {\"id\", \"label\", \"position\"}.";
static const char bad_label[] = "Le libellé d'une option est un texte de 255 caractères au plus.";
static const char bad_position[] = "La position d'une option est un nombre entier, positif ou nul.";
static const char id_twice[] = "La même option est nommée deux fois.";

_Static_assert(POLL_OPTIONS_MAX == 500 && POLL_OPTION_CHARS == 255, "the texts above say so");

/* What an option is to be; *ret_why stays NULL when it is fine. False: it has no label, so it counts for nothing. */
static bool read_option(const json_t *item, size_t index, struct arena *arena, struct poll_option_in *ret_option, const char **ret_why)
{
	const json_t *label = json_object_get(item, "label"), *position = json_object_get(item, "position");
	struct str text = { json_string_value(label), json_string_length(label) };

	*ret_option = (struct poll_option_in){ .id = POLL_OPTION_NEW, .position = (int64_t)index };
	if (!json_is_object(item)) {
		*ret_why = no_object;
		return false;
	}
	text = str_trim_unicode(text);
	if (!label || json_is_null(label) || (json_is_string(label) && !text.len))
		return false;
	if (!json_is_string(label) || str_count_chars(text) > POLL_OPTION_CHARS)
		*ret_why = bad_label;
	else if (position && (!scalar_int(position, &ret_option->position) || ret_option->position < 0 || ret_option->position > INT32_MAX))
		*ret_why = bad_position;
	if (!scalar_int(json_object_get(item, "id"), &ret_option->id))
		ret_option->id = POLL_OPTION_NEW;
	ret_option->label = arena_str(arena, text);
	return true;
}

static bool has_id(const struct poll_options_in *options, int64_t id)
{
	for (size_t i = 0; i < options->n; i++)
		if (options->list[i].id == id)
			return true;
	return false;
}

static int read_items(const json_t *list, struct arena *arena, struct poll_options_in *ret_options, const char **ret_why)
{
	size_t n = json_array_size(list);
	struct poll_option_in *options = arena_alloc(arena, n * sizeof(*options) + 1);

	*ret_options = (struct poll_options_in){ options, 0 };
	if (!options)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && !*ret_why; i++) {
		struct poll_option_in *option = &options[ret_options->n];

		if (!read_option(json_array_get(list, i), i, arena, option, ret_why) || *ret_why)
			continue;
		if (!option->label.s)
			return ERR_NOMEM;
		if (option->id != POLL_OPTION_NEW && has_id(ret_options, option->id))
			*ret_why = id_twice;
		ret_options->n++;
	}
	return 0;
}

/* Options from their JSON; *ret_why says what is wrong with them, NULL: nothing. ERR_NOMEM. */
static int read_options(struct str json, struct arena *arena, struct poll_options_in *ret_options, const char **ret_why)
{
	json_t *list CLEANUP(json_decrefp) = NULL;
	const char *syntax;
	int r = json_read(json, &list, &syntax);

	*ret_why = NULL;
	if (r < 0 && r != ERR_INVALID)
		return r;
	*ret_options = (struct poll_options_in){ NULL, 0 };
	if (json_is_null(list))
		return 0; /* the text of a form */
	if (r < 0 || !json_is_array(list))
		*ret_why = no_list;
	else if (json_array_size(list) > POLL_OPTIONS_MAX)
		*ret_why = too_many;
	return *ret_why ? 0 : read_items(list, arena, ret_options, ret_why);
}

static const char *check_options(const struct fields_input *in, const void *member, int *ret_error)
{
	const struct str text = ((const struct json_text *)member)->text;
	struct poll_options_in options;
	const char *why = NULL;

	*ret_error = text.s ? read_options(text, in->arena, &options, &why) : 0; /* a form's null */
	return why;
}

/* ---- the body ---- */

static const char *const statuses[] = { "draft", "open", "closed", NULL };
static const char *const methods[] = { "binary", "quadratic", "majority", NULL };

struct poll_in {
	struct poll poll;
	struct json_text options; /* checked; absent: not sent, or null */
};
_Static_assert(offsetof(struct poll_in, poll) == 0, "what is merged into a poll_in is merged into its poll");

static const struct field poll_in_list[] = {
	FIELD(struct poll_in, "options", options, JSON, .flags = FIELD_NULLABLE, .check = check_options,
	      .schema = "{\"type\":\"array\",\"maxItems\":500,\"items\":{\"type\":\"object\",\"anyOf\":["
	                "{\"properties\":{\"label\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\",\"pattern\":\"^[ ]*$\"}]}}},"
	                "{\"required\":[\"label\"],\"properties\":{\"id\":{},"
	                "\"label\":{\"type\":\"string\",\"maxLength\":255,\"pattern\":\"^[^\\\\x00]*$\"},"
	                "\"position\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0,\"maximum\":2147483647},"
	                "{\"type\":\"string\",\"pattern\":\"^ *[0-9]{1,9} *$\"}]}}}]}}",
	      .pattern = "^ *(?:null|\\[ *(?:\\{\\} *(?:, *\\{\\} *)*)?\\]) *$",
	      .meaning = "Toutes les options : celles dont l'« id » est du scrutin sont gardées, les autres sont nouvelles, celles qui ne "
	                 "sont "
	                 "pas nommées disparaissent avec leurs bulletins. Sans ce champ, ou nul : inchangées."),
	FIELD(struct poll_in, "title", poll.title, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct poll_in, "question", poll.question, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct poll_in, "description", poll.description, TEXT, .flags = FIELD_BLANK),
	FIELD(struct poll_in, "status", poll.status, CHOICE, .choices = statuses),
	FIELD(struct poll_in, "is_anonymous", poll.is_anonymous, BOOL),
	FIELD(struct poll_in, "allow_multiple", poll.allow_multiple, BOOL),
	FIELD(struct poll_in, "quorum", poll.quorum, INT, .flags = FIELD_NULLABLE, .min = 0, .max = INT32_MAX),
	FIELD(struct poll_in, "opens_at", poll.opens_at, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct poll_in, "closes_at", poll.closes_at, TIME, .flags = FIELD_NULLABLE),
	FIELD(struct poll_in, "project", poll.project_id, REFERENCE, .flags = FIELD_NULLABLE, .known = project_known),
	FIELD(struct poll_in, "voting_method", poll.voting_method, CHOICE, .choices = methods),
	FIELD(struct poll_in, "max_points", poll.max_points, INT, .flags = FIELD_NULLABLE, .min = 1, .max = 10000,
	      .meaning = "Points qu'un vote quadratique répartit ; sans valeur : 100."),
};
const struct fields poll_in_fields = FIELDS(struct poll_in, poll_in_list);

#define OPTIONS_BIT UINT64_C(1) /* the first of the list: it is no member of the poll */

/* The options of a body that has been read; without a list they stay as they are. */
static bool options_or_reply(struct request *req, const struct poll_in *in, struct poll_options_in *ret_options)
{
	const char *why;
	int r;

	*ret_options = (struct poll_options_in){ NULL, 0 };
	if (!in->options.text.s)
		return true;
	r = read_options(in->options.text, &req->arena, ret_options, &why);
	if (r < 0)
		reply_error(req, r);
	return r == 0;
}

void polls_create(struct request *req)
{
	struct poll_in in = { .poll = { .description = STR(""),
		                        .status = STR("draft"),
		                        .is_anonymous = true,
		                        .quorum = NULL_INT,
		                        .opens_at = NULL_TIME,
		                        .closes_at = NULL_TIME,
		                        .project_id = NULL_INT,
		                        .voting_method = STR("binary"),
		                        .max_points = NULL_INT } };
	struct poll_options_in options;
	struct poll poll;
	int r;

	if (!request_read_or_reply(req, &poll_in_fields, &in) || !options_or_reply(req, &in, &options))
		return;
	r = poll_create(req->worker->db, &req->arena, req->caller, &in.poll, &options, &poll);
	if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &poll_fields, &poll);
}

/* ---- PUT, PATCH, DELETE ---- */

/* The poll that the path names, when the caller may manage it. */
static bool managed_poll_or_reply(struct request *req, struct poll *ret_poll)
{
	if (!poll_or_reply(req, ret_poll))
		return false;
	if (poll_is_managed_by(ret_poll, req->caller))
		return true;
	reply_error(req, ERR_FORBIDDEN);
	return false;
}

/* A change is told to the poll's sockets before it is answered. */
static void reply_changed(struct request *req, int result, const struct poll *poll)
{
	if (result == 0)
		poll_announce(req, poll);
	reply_found(req, result, &poll_fields, poll);
}

struct change {
	struct poll_in in;
	uint64_t present;
};

static void apply_change(const void *arg, struct poll *poll)
{
	const struct change *change = arg;

	fields_merge(&poll_in_fields, change->present & ~OPTIONS_BIT, poll, &change->in);
}

static void change_poll(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct change change = { .present = 0 };
	const struct poll_edit edit = { apply_change, &change };
	struct poll_options_in options;
	struct poll poll;

	if (!managed_poll_or_reply(req, &poll) || !read_or_reply(req, &poll_in_fields, &change.in, &change.present) ||
	    !options_or_reply(req, &change.in, &options))
		return;
	reply_changed(req, poll_update(req->worker->db, &req->arena, req->caller, poll.id, &edit, &options, &poll), &poll);
}

void polls_replace(struct request *req)
{
	change_poll(req, request_replace_or_reply);
}

void polls_change(struct request *req)
{
	change_poll(req, request_read_part_or_reply);
}

void polls_delete(struct request *req)
{
	struct poll poll;
	int r;

	if (!managed_poll_or_reply(req, &poll))
		return;
	r = poll_delete(req->worker->db, &req->arena, req->caller, poll.id);
	if (r < 0) {
		reply_error(req, r);
		return;
	}
	request_announce(req, (struct live_event){ .kind = LIVE_POLL_GONE, .id = poll.id });
	reply_empty(req, 204);
}

/* ---- open, close ---- */

void polls_open(struct request *req)
{
	struct poll poll;

	if (managed_poll_or_reply(req, &poll))
		reply_changed(req, poll_open(req->worker->db, &req->arena, req->caller, poll.id, &poll), &poll);
}

void polls_close(struct request *req)
{
	struct poll poll;

	if (managed_poll_or_reply(req, &poll))
		reply_changed(req, poll_close(req->worker->db, &req->arena, req->caller, poll.id, &poll), &poll);
}
