/*
 * How long a body may be, said before it is read. The long ones are for uploads, and for callers who may be somebody: a
 * token that we have signed and that has not ended (whether its account still exists, the gate asks later), or Basic
 * credentials, which are not judged here because that costs a password hash. The short ones are those of measures, which
 * browsers send of their own accord and which are parsed on http threads (accounts.md D13).
 */
#include "api/authenticate.h"
#include "api/dispatch.h"
#include "api/media_type_impl.h"
#include "api/route.h"
#include "base/clock.h"
#include "domain/token.h"

#define MULTIPART_MARGIN_BYTES (1024 * 1024) /* for what stands around a file: design.md 8 */
#define MEASURES_BODY_BYTES    65536

static bool may_be_somebody(struct request *req)
{
	struct str key = str_of(req->worker->context->settings->secret_key), authorization = req->headers.authorization;
	struct token token;

	if (!str_starts(authorization, "Bearer "))
		return authenticate_is_basic(req);
	authorization = str_trim((struct str){ authorization.s + 7, authorization.len - 7 });
	return token_verify(key, authorization, TOKEN_ACCESS, clock_now(), &req->arena, &token) == 0;
}

static bool takes_upload(struct request *req)
{
	const struct resource *resource;
	struct str params[2];

	if (body_kind(req->headers.content_type) != BODY_MULTIPART || !dispatch_read_target(req))
		return false;
	resource = routes_find(req->path, params);
	return resource && resource->traits & TRAIT_UPLOADS && resource_route(resource, req->method) && may_be_somebody(req);
}

static bool is_measure(struct request *req)
{
	const struct resource *resource;
	struct str params[2];

	if (req->method != METHOD_POST || !dispatch_read_target(req))
		return false;
	resource = routes_find(req->path, params);
	return resource && resource->traits & TRAIT_MEASURES;
}

int64_t dispatch_body_limit(struct request *req)
{
	const struct settings *s = req->worker->context->settings;
	int64_t with_file = s->max_upload_bytes + MULTIPART_MARGIN_BYTES;

	if (is_measure(req))
		return s->max_body_bytes < MEASURES_BODY_BYTES ? s->max_body_bytes : MEASURES_BODY_BYTES;
	req->takes_upload = takes_upload(req);
	return req->takes_upload && with_file > s->max_body_bytes ? with_file : s->max_body_bytes;
}
