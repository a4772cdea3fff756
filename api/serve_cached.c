#include "api/serve_cached_impl.h"

#include "api/ready.h"
#include "api/reply.h"

/* Runs the route's own handler to make the shared value: the body with CACHED_ORIGIN_MARK for the origin. */
static int load_shared(void *arg, struct blob **ret_value)
{
	struct request *req = arg;
	struct str origin = req->origin_prefix;

	req->origin_prefix = (struct str)STR(CACHED_ORIGIN_MARK);
	req->route->handler(req);
	req->origin_prefix = origin;
	if (req->reply.status == 404)
		return ERR_NOT_FOUND; /* also for those who wait for this answer */
	if (req->reply.status != 200)
		return req->reply.error ? req->reply.error : ERR_INTERNAL; /* the handler has answered: that answer stands */
	*ret_value = blob_create(req->reply.body.s, req->reply.body.len);
	return *ret_value ? 0 : ERR_NOMEM;
}

/* The value with the origin put in; as it is, for everybody, when it names none. */
static struct cache_object *make_ready(void *arg, struct blob *value, bool *ret_shared)
{
	struct request *req = arg;
	struct str rest = blob_view(value), piece;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct blob *body CLEANUP(blob_unrefp) = NULL;
	bool first = true;

	*ret_shared = str_find(rest, CACHED_ORIGIN_MARK[0]) < 0;
	if (*ret_shared)
		return (struct cache_object *)ready_create(value);
	while (str_split(&rest, CACHED_ORIGIN_MARK[0], &piece)) {
		if (!first)
			buf_add_str(&b, req->origin_prefix);
		buf_add_str(&b, piece);
		first = false;
	}
	body = b.failed ? NULL : blob_create(b.data, b.len);
	return body ? (struct cache_object *)ready_create(body) : NULL;
}

void serve_cached(struct request *req, const struct cached_policy *policy)
{
	const struct cache_load load = { .key = req->cache_key,
		                         .variant = req->origin_prefix,
		                         .ttl_s = policy->ttl_s,
		                         .load = load_shared,
		                         .make = make_ready,
		                         .arg = req };
	struct cache_object *object = cache_front_find(req->worker->front, req->cache_key, req->origin_prefix);
	int r = 0;

	if (!object)
		r = cache_fetch(req->worker->front, &req->budget, &load, &object);
	if (r == 0) {
		reply_ready(req, (struct ready *)object);
		reply_header(req, "Cache-Control", "no-cache");
	} else if (!req->reply.status || req->reply.status == 200) {
		reply_error(req, r);
	}
}
