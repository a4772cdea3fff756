/* /api/support/: realtime.md 4. The contact form's errors are {"error"}, so its body is read by hand. */
#include "domain/support.h"

#include "api/handlers_impl.h"
#include "api/member.h"
#include "api/reply.h"
#include "base/log.h"

/* ---- the concierge ---- */

static const struct field eligibility_shape_list[] = { SHAPE("eligible", BOOL) };
const struct fields support_eligibility_shape = SHAPES(eligibility_shape_list);

static const struct field refused_list[] = {
	FIELD_CONSTANT("eligible", "false"),
	FIELD_CONSTANT("message", "\"Le support Concierge s'ouvre à partir de 500 € de dons ou de contributions.\""),
};
const struct fields support_refused_shape = SHAPES(refused_list);

struct concierge {
	struct chat_thread thread;
	bool created;
};

static const struct field concierge_field_list[] = {
	FIELD_CONSTANT("eligible", "true"),
	{ .name = "thread",
	  .kind = FIELD_OBJECT,
	  .offset = offsetof(struct concierge, thread),
	  .of = &chat_thread_fields,
	  .flags = FIELD_READ_ONLY },
	FIELD(struct concierge, "created", created, BOOL, .flags = FIELD_READ_ONLY, .meaning = "Si cet appel a ouvert le fil."),
};
const struct fields support_concierge_fields = FIELDS(struct concierge, concierge_field_list);

static int is_eligible(struct request *req, bool *ret_eligible)
{
	return support_is_eligible(req->worker->db, req->caller->id, req->worker->context->settings->enable_investment, ret_eligible);
}

void support_eligibility(struct request *req)
{
	struct buf b = BUF_EMPTY;
	bool eligible;
	int r = is_eligible(req, &eligible);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	buf_add_text(&b, eligible ? "{\"eligible\":true}" : "{\"eligible\":false}");
	reply_json_take(req, 200, &b);
}

void support_concierge_show(struct request *req)
{
	struct concierge concierge;
	bool eligible = false;
	int r = is_eligible(req, &eligible);

	if (r == 0 && !eligible) {
		reply_with(req, 403, &support_refused_shape, &eligible); /* constants alone */
		return;
	}
	if (r == 0)
		r = support_concierge(req->worker->db, &req->arena, req->caller, &concierge.thread, &concierge.created);
	reply_found(req, r, &support_concierge_fields, &concierge);
}

/* ---- the contact form ---- */

static const struct field contact_in_list[] = {
	SHAPE("name", TEXT, .flags = FIELD_BLANK | FIELD_NULLABLE, .max_chars = SUPPORT_NAME_CHARS),
	SHAPE("email", TEXT, .flags = FIELD_BLANK | FIELD_NULLABLE, .max_chars = SUPPORT_EMAIL_CHARS),
	SHAPE("message", TEXT, .flags = FIELD_REQUIRED, .max_chars = SUPPORT_MESSAGE_CHARS),
};
const struct fields support_contact_in = SHAPES(contact_in_list);

static const struct field contacted_list[] = {
	FIELD_CONSTANT("success", "true"),
	FIELD_CONSTANT("message", "\"Votre message a bien été envoyé. Nous vous répondrons bientôt.\""),
};
const struct fields support_contacted_shape = SHAPES(contacted_list);

/* A free text: numbers are texts, null and nothing are empty; false: it is something else, or longer than it may be. */
static bool read_text(struct request *req, const char *name, size_t max_chars, struct str *ret_text)
{
	struct member m = body_member(req->parsed, &req->arena, name);

	*ret_text = (struct str)STR("");
	if (m.kind == MEMBER_ABSENT || m.kind == MEMBER_NULL)
		return true;
	if ((m.kind != MEMBER_TEXT && m.kind != MEMBER_NUMBER) || !m.text.s)
		return false;
	*ret_text = str_trim_unicode(m.text);
	return str_count_chars(*ret_text) <= max_chars;
}

/* What is wrong with the form; NULL: nothing. */
static const char *read_form(struct request *req, struct support_message *m)
{
	if (!body_is_object(req->parsed))
		return "Un objet était attendu.";
	if (!read_text(req, "message", SUPPORT_MESSAGE_CHARS, &m->message))
		return "Le message est un texte de 10000 caractères au plus.";
	if (!m->message.len)
		return "Le message est requis.";
	if (!read_text(req, "name", SUPPORT_NAME_CHARS, &m->name))
		return "Le nom est un texte de 200 caractères au plus.";
	if (!read_text(req, "email", SUPPORT_EMAIL_CHARS, &m->email))
		return "L'adresse est un texte de 254 caractères au plus.";
	return NULL;
}

void support_contact_create(struct request *req)
{
	struct support_message message;
	const char *why = read_form(req, &message);
	bool sent;
	int r;

	if (why) {
		reply_hand_error(req, 400, why);
		return;
	}
	r = support_contact(req->worker->db, &req->arena, req->worker->context->settings, req->caller, &message, &sent);
	if (r == 0 && !sent)
		log_write(LOG_WARNING, "http", "support.not_sent", LOG_FIELDS(LOG_STR("request_id", req->id)),
		          "A message to the support reaches nobody: mail or ADMINS is not configured");
	reply_found(req, r, &support_contacted_shape, &message); /* constants alone */
}
