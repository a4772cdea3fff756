#include "api/access.h"

#include "api/reply.h"

const char *access_name(enum access access)
{
	static const char *const names[] = { "anyone", "user", "owner", "staff", "editor", "admin", "founder", "admin-token" };

	return names[access];
}

bool access_allows(enum access access, const struct account *caller)
{
	switch (access) {
	case ACCESS_ANYONE:
		return true;
	case ACCESS_USER:
	case ACCESS_OWNER:
		return caller;
	case ACCESS_STAFF:
		return caller && caller->is_staff;
	case ACCESS_EDITOR:
		return caller && caller->is_editor;
	case ACCESS_ADMIN:
		return caller && account_is_admin(caller);
	case ACCESS_FOUNDER:
		return caller && caller->is_founder;
	case ACCESS_ADMIN_TOKEN:
		break;
	}
	return false;
}

/* Authorization without its scheme; absent when the scheme is another. */
static struct str bearer_of(struct str authorization)
{
	if (str_starts(authorization, "Bearer ") || str_starts(authorization, "bearer "))
		return str_trim((struct str){ authorization.s + 7, authorization.len - 7 });
	return (struct str){ NULL, 0 };
}

static struct str given_token(struct request *req, const struct query *query)
{
	struct str token = query_get_nonempty(query, "token");

	if (!token.len)
		token = req->headers.x_admin_token;
	return token.len ? token : bearer_of(req->headers.authorization);
}

bool admin_token_or_reply(struct request *req)
{
	struct str right = str_of(req->worker->context->settings->admin_token), given;
	struct query query;
	struct buf b = BUF_EMPTY;

	if (!query_or_reply(req, &query))
		return false;
	given = given_token(req, &query);
	if (right.len && given.len && str_equal_secret(given, right))
		return true;
	buf_add_text(&b, "{\"ok\":false,\"error\":\"Accès refusé.\"}");
	reply_json_take(req, 401, &b);
	return false;
}
