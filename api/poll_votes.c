/*
 * POST /api/polls/{id}/vote/: realtime.md 5. The body is read by hand, because what it must have depends on the poll, and because
 * its errors have shapes of their own. They come in the contract's order: the poll's time, then `options`, then the method's list.
 */
#include <jansson.h>

#include "api/fields_in_impl.h"
#include "api/handlers_impl.h"
#include "api/json_in.h"
#include "api/polls_impl.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "domain/poll_vote.h"

#define BAD_ITEMS_MAX 1000 /* that an answer lists */

static const char not_an_int[] = "Un nombre entier valide est requis.";

static const struct field mark_in_list[] = {
	SHAPE("option_id", INT, .flags = FIELD_REQUIRED),
	SHAPE("points", INT, .min = 0, .max = 10000),
};
static const struct fields mark_in = SHAPES(mark_in_list);

static const struct field rank_in_list[] = {
	SHAPE("option_id", INT, .flags = FIELD_REQUIRED),
	SHAPE("ranking", INT, .flags = FIELD_NULLABLE, .min = 1, .max = INT32_MAX),
};
static const struct fields rank_in = SHAPES(rank_in_list);

static const struct field poll_vote_in_list[] = {
	SHAPE("options", LIST, .each = EACH(INT),
	      .meaning =
	              "Les options choisies ; peut manquer à côté de « votes » ou de « rankings », qui disent le vote selon la méthode."),
	SHAPE("votes", LIST, .each = EACH(OBJECT, .of = &mark_in), .meaning = "Vote quadratique : les points de chaque option."),
	SHAPE("rankings", LIST, .each = EACH(OBJECT, .of = &rank_in), .meaning = "Jugement par rangs : 1 est le meilleur."),
	SHAPE("intensity", INT, .meaning = "Vote quadratique : de 1 à 5 ; ce qui dépasse est ramené à ces bornes."),
};
const struct fields poll_vote_in = SHAPES(poll_vote_in_list);

/* ---- refusals ---- */

static const struct refusal {
	const char *field; /* NULL: {"detail"} */
	const char *text;
} refusals[POLL_REFUSALS] = {
	[POLL_IS_NOT_OPEN] = { NULL, "Ce scrutin n'est pas ouvert." },
	[POLL_OPENS_LATER] = { NULL, "Ce scrutin n'est pas encore ouvert." },
	[POLL_HAS_CLOSED] = { NULL, "Ce scrutin est clos." },
	[POLL_CHOICE_IS_NONE] = { "non_field_errors", "Chaque option choisie doit être de ce scrutin, et ne l'être qu'une fois." },
	[POLL_CHOICE_IS_SINGLE] = { "non_field_errors", "Ce scrutin n'accepte qu'une option." },
	[POLL_MARKS_ARE_NONE] = { "", "Au moins une option de ce scrutin est attendue, chacune une seule fois." },
	[POLL_MARKS_HAVE_NONE] = { "", "Au moins une option doit recevoir des points." },
	[POLL_MARKS_HAVE_TOO_MUCH] = { NULL, "La somme des points dépasse ce que ce scrutin permet." },
};

/* The list that a method is told by. */
static const char *marks_name(enum poll_method method)
{
	return method == POLL_QUADRATIC ? "votes" : "rankings";
}

static bool accepted_or_reply(struct request *req, enum poll_method method, enum poll_refusal refusal)
{
	const struct refusal *r = &refusals[refusal];

	if (refusal == POLL_ACCEPTS)
		return true;
	if (!r->field)
		reply_detail(req, 400, r->text);
	else
		reply_field_error(req, *r->field ? r->field : marks_name(method), r->text);
	return false;
}

/* ---- options ---- */

/* {"options":{"1":[text],…}} */
static void reply_bad_items(struct request *req, const json_t *list)
{
	struct buf b = BUF_EMPTY;
	size_t bad = 0;
	int64_t number;

	buf_add_text(&b, "{\"options\":{");
	for (size_t i = 0; i < json_array_size(list) && bad < BAD_ITEMS_MAX; i++) {
		if (scalar_int(json_array_get(list, i), &number))
			continue;
		buf_addf(&b, "%s\"%zu\":[\"%s\"]", bad++ ? "," : "", i, not_an_int);
	}
	buf_add_text(&b, "}}");
	reply_json_take(req, 400, &b);
}

static bool read_options_or_reply(struct request *req, const json_t *list, struct poll_vote *vote)
{
	size_t n = json_array_size(list);
	int64_t *options = arena_alloc(&req->arena, n * sizeof(*options));

	if (!options) {
		reply_error(req, ERR_NOMEM);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!scalar_int(json_array_get(list, i), &options[i])) {
			reply_bad_items(req, list);
			return false;
		}
	}
	vote->options = options;
	vote->n_options = n;
	return true;
}

/* Reads `options`, which may be absent when it is not needed. */
static bool options_or_reply(struct request *req, bool needed, struct poll_vote *vote)
{
	const json_t *list = json_object_get(req->parsed->root, "options");

	if (!list && !needed)
		return true;
	if (json_is_array(list) && json_array_size(list))
		return read_options_or_reply(req, list, vote);
	if (!list)
		reply_field_error(req, "options", "Ce champ est obligatoire.");
	else if (json_is_null(list))
		reply_field_error(req, "options", "Ce champ ne peut être nul.");
	else
		reply_field_error(req, "options", json_is_array(list) ? "Cette liste ne peut être vide." : "Une liste était attendue.");
	return false;
}

/* ---- votes, rankings ---- */

/* The last value of a name: in a form the JSON that its text is, if it is any. A new reference; NULL: there is none. */
static json_t *take_json(const struct body_value *body, const char *name)
{
	json_t *value = json_object_get(body->root, name), *parsed = NULL;
	const char *why;

	if (!body->is_form || !value)
		return json_incref(value);
	value = json_array_get(value, json_array_size(value) - 1);
	if (!json_is_string(value) || json_read((struct str){ json_string_value(value), json_string_length(value) }, &parsed, &why) < 0)
		return json_null();
	return parsed;
}

/* What an option is given. */
static const char *value_name(enum poll_method method)
{
	return method == POLL_QUADRATIC ? "points" : "ranking";
}

static bool read_mark(const json_t *item, enum poll_method method, struct poll_mark *ret_mark)
{
	const json_t *value = json_object_get(item, value_name(method));

	if (!scalar_int(json_object_get(item, "option_id"), &ret_mark->option_id))
		return false;
	if (method == POLL_QUADRATIC)
		return scalar_int(value, &ret_mark->value) && ret_mark->value >= 0;
	ret_mark->value = NULL_INT;
	return !value || json_is_null(value) ||
	       (scalar_int(value, &ret_mark->value) && ret_mark->value >= 1 && ret_mark->value <= INT32_MAX);
}

/* "name":value when the item has it. */
static void add_member(struct buf *b, const char *separator, const json_t *item, const char *name)
{
	const json_t *value = json_object_get(item, name);

	if (!value)
		return;
	buf_add_text(b, separator);
	json_add_key(b, name);
	json_write(b, value);
}

/* The list as it was sent, without members that mean nothing; its items have been read, so that what they hold is short. */
static int keep_received(struct request *req, const json_t *list, enum poll_method method, struct poll_vote *vote)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_char(&b, '[');
	for (size_t i = 0; i < vote->n_marks; i++) {
		buf_add_text(&b, i ? ",{" : "{");
		add_member(&b, "", json_array_get(list, i), "option_id");
		add_member(&b, ",", json_array_get(list, i), value_name(method));
		buf_add_char(&b, '}');
	}
	buf_add_char(&b, ']');
	vote->received.text = b.failed ? (struct str){ NULL, 0 } : arena_str(&req->arena, buf_view(&b));
	return vote->received.text.s ? 0 : ERR_NOMEM;
}

static bool read_marks_or_reply(struct request *req, const json_t *list, enum poll_method method, struct poll_vote *vote)
{
	size_t n = json_array_size(list);
	struct poll_mark *marks = arena_alloc(&req->arena, n * sizeof(*marks) + 1);

	if (!marks) {
		reply_error(req, ERR_NOMEM);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!read_mark(json_array_get(list, i), method, &marks[i])) {
			reply_field_error(req, marks_name(method),
			                  method == POLL_QUADRATIC
			                          ? "Chaque vote est un objet : {\"option_id\", \"points\"}, points entiers, "
			                            "positifs ou nuls."
			                          : "Chaque rang est un objet : {\"option_id\", \"ranking\"}, rang entier à "
			                            "partir de 1, ou nul.");
			return false;
		}
	}
	vote->marks = marks;
	vote->n_marks = n;
	if (keep_received(req, list, method, vote) == 0)
		return true;
	reply_error(req, ERR_NOMEM);
	return false;
}

/* An absent list is an empty one, which is then refused as such. */
static bool marks_or_reply(struct request *req, const json_t *list, enum poll_method method, struct poll_vote *vote)
{
	static const char no_list[] = "Une liste était attendue.";

	if (!list || json_is_array(list))
		return read_marks_or_reply(req, list, method, vote);
	if (method == POLL_QUADRATIC)
		reply_detail(req, 400, "« votes » : une liste était attendue.");
	else
		reply_field_error(req, marks_name(method), no_list);
	return false;
}

static bool intensity_or_reply(struct request *req, struct poll_vote *vote)
{
	const json_t *value = json_object_get(req->parsed->root, "intensity");

	vote->intensity = POLL_INTENSITY_MIN;
	if (!value)
		return true;
	if (req->parsed->is_form)
		value = json_array_get(value, json_array_size(value) - 1);
	if (!scalar_int(value, &vote->intensity)) {
		reply_field_error(req, "intensity", not_an_int);
		return false;
	}
	if (vote->intensity < POLL_INTENSITY_MIN)
		vote->intensity = POLL_INTENSITY_MIN;
	if (vote->intensity > POLL_INTENSITY_MAX)
		vote->intensity = POLL_INTENSITY_MAX;
	return true;
}

/* ---- the vote ---- */

static bool read_by_method_or_reply(struct request *req, const struct poll *poll, struct poll_vote *vote)
{
	enum poll_method method = poll_method(poll);
	json_t *list CLEANUP(json_decrefp) = method == POLL_BINARY ? NULL : take_json(req->parsed, marks_name(method));

	if (!options_or_reply(req, /* needed: */ !list || json_is_null(list), vote) ||
	    !accepted_or_reply(req, method, poll_judge_options(poll, vote)))
		return false;
	if (method == POLL_BINARY)
		return true;
	return marks_or_reply(req, list, method, vote) && accepted_or_reply(req, method, poll_judge_marks(poll, vote)) &&
	       (method == POLL_MAJORITY || intensity_or_reply(req, vote));
}

static bool vote_or_reply(struct request *req, const struct poll *poll, struct poll_vote *ret_vote)
{
	*ret_vote = (struct poll_vote){ .intensity = POLL_INTENSITY_MIN };
	if (!accepted_or_reply(req, poll_method(poll), poll_judge_time(poll, clock_now())) || !late_body_or_reply(req))
		return false;
	if (!req->parsed->root || json_is_object(req->parsed->root))
		return read_by_method_or_reply(req, poll, ret_vote);
	reply_field_error(req, "non_field_errors", "Données non valides : un objet était attendu.");
	return false;
}

void polls_vote(struct request *req)
{
	const struct settings *settings = req->worker->context->settings;
	enum poll_refusal refusal;
	struct poll_voted voted;
	struct poll_vote vote;
	struct poll poll;
	enum poll_method method;
	int r;

	if (!poll_or_reply(req, &poll) || !vote_or_reply(req, &poll, &vote))
		return;
	method = poll_method(&poll);
	r = poll_cast(req->worker->db, &req->arena, settings, req->caller, poll.id, method, &vote, &voted, &refusal);
	if (!accepted_or_reply(req, method, refusal))
		return;
	if (r == 0)
		poll_announce(req, &voted.poll);
	reply_found(req, r, method == POLL_QUADRATIC ? &poll_voted_fields : &poll_fields, &voted);
}
