/* /api/auth/login/ and /api/auth/refresh/: accounts.md 3.1, 3.3. */
#include "domain/session.h"

#include <jansson.h>

#include "api/authenticate.h"
#include "api/body.h"
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "api/throttling.h"

#define MAX_CREDENTIAL_BYTES 4096

/* The gate has counted the call for its address: failed credentials count for their name alone (cache/throttle.h). */
#define NO_ADDRESS ((struct str){ NULL, 0 })

struct login {
	struct str username, password;
};

static const char *credential_fault(const struct fields_input *in, const void *member, int *ret_error)
{
	const struct str *text = member;

	(void)in, (void)ret_error;
	return text->len > MAX_CREDENTIAL_BYTES ? "Ce champ comporte plus de 4096 octets." : NULL;
}

static const struct field login_field_list[] = {
	FIELD(struct login, "username", username, TEXT, .flags = FIELD_REQUIRED, .check = credential_fault),
	FIELD(struct login, "password", password, TEXT, .flags = FIELD_REQUIRED, .check = credential_fault),
};
const struct fields login_fields = FIELDS(struct login, login_field_list);

static const struct field opened_field_list[] = {
	FIELD(struct session, "refresh", refresh, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct session, "access", access, TEXT, .flags = FIELD_READ_ONLY),
};
const struct fields session_opened_fields = FIELDS(struct session, opened_field_list);

/* One answer for all that is wrong with credentials. */
static void refuse_login(struct request *req, struct str username)
{
	if (!throttle_failure_or_reply(req, NO_ADDRESS, username))
		return;
	reply_detail(req, 401, "Aucun compte actif n'a été trouvé avec ces identifiants.");
	reply_header(req, "WWW-Authenticate", "Bearer realm=\"api\"");
}

void auth_login(struct request *req)
{
	struct login in = { 0 };
	struct session session;
	int r;

	if (!request_read_or_reply(req, &login_fields, &in) || !throttle_credentials_or_reply(req, NO_ADDRESS, in.username))
		return;
	r = session_open(req->worker->db, req->worker->context->settings, &req->arena, in.username, in.password, &session);
	authenticate_log_refusal(req, r);
	if (r == ERR_FORBIDDEN || r == ERR_LIMIT)
		refuse_login(req, in.username);
	else if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 200, &session_opened_fields, &session);
}

static const struct field renewed_field_list[] = {
	FIELD(struct session, "access", access, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct session, "refresh", refresh, TEXT, .flags = FIELD_READ_ONLY),
};
const struct fields session_renewed_fields = FIELDS(struct session, renewed_field_list);

static const struct field refresh_shape_list[] = { SHAPE("refresh", TEXT, .flags = FIELD_REQUIRED,
	                                                 .schema = "{\"type\":\"number\",\"not\":{\"const\":0}}", .pattern = "^[^\\x00]+$",
	                                                 .meaning = "Jeton de rafraîchissement.") };
const struct fields refresh_shape = SHAPES(refresh_shape_list);

/* What stands for the token in the body, whatever it is; NULL: nothing, as Python's `not` sees it, or no object. */
static const json_t *given_token(const struct body_value *body)
{
	const json_t *value = json_object_get(body->root, "refresh");

	if (body->is_form)
		value = json_array_get(value, json_array_size(value) - 1);
	if (!value || json_is_null(value) || json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0.0))
		return NULL;
	if ((json_is_string(value) && !json_string_length(value)) || (json_is_array(value) && !json_array_size(value)) ||
	    (json_is_object(value) && !json_object_size(value)))
		return NULL;
	return value;
}

void auth_refresh(struct request *req)
{
	const json_t *value = given_token(req->parsed);
	struct session session;
	int r = ERR_FORBIDDEN;

	if (!value) {
		reply_hand_error(req, 400, "Le jeton de rafraîchissement est requis.");
		return;
	}
	if (json_is_string(value)) /* and is not trimmed */
		r = session_renew(req->worker->db, req->worker->context->settings, &req->arena,
		                  (struct str){ json_string_value(value), json_string_length(value) }, &session);
	if (r == ERR_FORBIDDEN)
		reply_hand_error(req, 401, "Jeton de rafraîchissement invalide ou expiré.");
	else if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 200, &session_renewed_fields, &session);
}
