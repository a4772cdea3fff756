/* /api/auth/register/, /api/auth/me/ and /api/user/: accounts.md 4. */
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "api/upload.h"
#include "domain/account.h"
#include "domain/account_data.h"
#include "domain/account_delete.h"
#include "domain/account_write.h"

/* ---- making one ---- */

static const char *name_fault(const struct fields_input *in, const void *member, int *ret_error)
{
	const char *sentence = NULL;
	int r = account_name_fault(in->db, *(const struct str *)member, &sentence);

	if (r < 0)
		*ret_error = r;
	return sentence;
}

/* A line for each rule that is broken. */
static const char *password_fault(const struct fields_input *in, const void *member, int *ret_error)
{
	const char *sentences[PASSWORD_RULES] = { "", "", "" };
	const char *lines = NULL;
	int n = password_faults(*(const struct str *)member, sentences);

	if (n > 0)
		lines = arena_printf(in->arena, "%s%s%s%s%s", sentences[0], n > 1 ? "\n" : "", sentences[1], n > 2 ? "\n" : "",
		                     sentences[2]);
	if (n < 0 || (n > 0 && !lines))
		*ret_error = n < 0 ? n : ERR_NOMEM;
	return lines;
}

static const struct field register_field_list[] = {
	FIELD(struct new_account, "username", username, TEXT, .flags = FIELD_REQUIRED, .max_chars = ACCOUNT_NAME_CHARS,
	      .is_formed = account_name_is_formed, .form_message = ACCOUNT_NAME_FORM, .check = name_fault),
	FIELD(struct new_account, "password", password, TEXT, .flags = FIELD_REQUIRED, .check = password_fault),
	FIELD(struct new_account, "email", email, EMAIL, .flags = FIELD_BLANK, .max_chars = ACCOUNT_EMAIL_CHARS),
	FIELD(struct new_account, "first_name", first_name, TEXT, .flags = FIELD_BLANK, .max_chars = ACCOUNT_NAME_CHARS),
	FIELD(struct new_account, "last_name", last_name, TEXT, .flags = FIELD_BLANK, .max_chars = ACCOUNT_NAME_CHARS),
};
const struct fields register_fields = FIELDS(struct new_account, register_field_list);

static const struct field registered_field_list[] = {
	FIELD(struct new_account, "id", id, INT),
	FIELD(struct new_account, "username", username, TEXT),
	FIELD(struct new_account, "email", email, TEXT),
	FIELD(struct new_account, "first_name", first_name, TEXT),
	FIELD(struct new_account, "last_name", last_name, TEXT),
};
const struct fields registered_fields = FIELDS(struct new_account, registered_field_list);

void auth_register(struct request *req)
{
	struct new_account account = { .email = STR(""), .first_name = STR(""), .last_name = STR("") };
	int r;

	if (!request_read_or_reply(req, &register_fields, &account))
		return;
	r = account_create(req->worker->db, &account);
	if (r == ERR_CONFLICT) /* somebody was faster: the name was free when it was looked at */
		reply_field_error(req, "username", ACCOUNT_NAME_TAKEN);
	else if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &registered_fields, &account);
}

/* ---- one's own ---- */

static const struct field profile_field_list[] = {
	FIELD(struct account_view, "id", profile_id, INT),
	FIELD(struct account_view, "display_name", display_name, TEXT),
	FIELD(struct account_view, "bio", bio, TEXT),
	FIELD(struct account_view, "avatar", avatar, FILE),
};
static const struct fields profile_fields = FIELDS(struct account_view, profile_field_list);

#define ACCOUNT_VIEW_FIELDS                                                                                                       \
	FIELD(struct account_view, "id", id, INT), FIELD(struct account_view, "username", username, TEXT),                        \
	        FIELD(struct account_view, "email", email, TEXT), FIELD(struct account_view, "first_name", first_name, TEXT),     \
	        FIELD(struct account_view, "last_name", last_name, TEXT), FIELD(struct account_view, "is_staff", is_staff, BOOL), \
	        FIELD(struct account_view, "is_superuser", is_superuser, BOOL)

static const struct field me_field_list[] = {
	ACCOUNT_VIEW_FIELDS,
	{ .name = "profile", .kind = FIELD_OBJECT, .offset = 0, .of = &profile_fields, .flags = FIELD_READ_ONLY | FIELD_NULLABLE },
};
const struct fields me_fields = FIELDS(struct account_view, me_field_list);

static const struct field me_bare_field_list[] = { ACCOUNT_VIEW_FIELDS, FIELD_CONSTANT("profile", "null") };
static const struct fields me_bare_fields = FIELDS(struct account_view, me_bare_field_list);

void auth_me(struct request *req)
{
	struct account_view view = { 0 };
	int r = account_view_find(req->worker->db, &req->arena, req->caller->id, &view);

	req->origin_prefix = (struct str){ "", 0 }; /* the avatar is a path here, without host */
	reply_found(req, r, view.profile_id == NULL_INT ? &me_bare_fields : &me_fields, &view);
}

static const struct field export_user_field_list[] = {
	FIELD(struct account_export, "id", id, INT),
	FIELD(struct account_export, "username", username, TEXT),
	FIELD(struct account_export, "email", email, TEXT),
	FIELD(struct account_export, "date_joined", date_joined, TIME),
	FIELD(struct account_export, "last_login", last_login, TIME, .flags = FIELD_NULLABLE),
};
static const struct fields export_user_fields = FIELDS(struct account_export, export_user_field_list);

static const struct field intent_field_list[] = {
	FIELD(struct account_intent, "id", id, INT),
	FIELD(struct account_intent, "name", name, TEXT),
	FIELD(struct account_intent, "email", email, TEXT),
	FIELD(struct account_intent, "message", message, TEXT, .flags = FIELD_NULLABLE),
	FIELD(struct account_intent, "created_at", created_at, TIME),
};
static const struct fields intent_fields = FIELDS(struct account_intent, intent_field_list);

static const struct field export_metadata_field_list[] = {
	FIELD(struct account_export, "export_date", export_date, TIME),
	FIELD_CONSTANT("format_version", "\"1.0\""),
};
static const struct fields export_metadata_fields = FIELDS(struct account_export, export_metadata_field_list);

static const struct field export_field_list[] = {
	FIELD_PART("user", &export_user_fields),
	FIELD(struct account_export, "intents", intents, ROWS, .of = &intent_fields),
	FIELD_PART("metadata", &export_metadata_fields),
};
const struct fields account_export_fields = FIELDS(struct account_export, export_field_list);

void user_data_export(struct request *req)
{
	struct account_export found = { 0 };
	int r = account_export_read(req->worker->db, &req->arena, req->caller->id, &found);

	reply_found(req, r, &account_export_fields, &found);
}

static const struct field deleted_shape_list[] = { SHAPE("message", TEXT) };
const struct fields account_deleted_shape = SHAPES(deleted_shape_list);

void user_data_delete(struct request *req)
{
	struct str avatar;
	struct buf b = BUF_EMPTY;
	int r = account_delete(req->worker->db, req->worker->context->cache, &req->budget, &req->arena, req->caller->id, &avatar);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	upload_remove(req, avatar);
	buf_add_text(&b, "{\"message\":\"Votre compte et vos données personnelles ont été supprimés.\"}");
	reply_json_take(req, 200, &b);
}
