/* The target of a request: path and query, decoded as far as every route wants it. */
#include "api/dispatch.h"

bool dispatch_read_target(struct request *req)
{
	struct str target = req->target;
	ptrdiff_t mark = str_find(target, '?');

	req->query = (struct str){ "", 0 };
	if (mark >= 0) {
		req->query = (struct str){ target.s + mark + 1, target.len - (size_t)mark - 1 };
		target.len = (size_t)mark;
	}
	if (str_starts(target, "/api/api/")) {
		target.s += 4;
		target.len -= 4;
	}
	req->raw_path = req->path = target;
	if (str_find(target, '%') < 0)
		return str_valid_utf8(target);
	req->path = str_percent_decode(&req->arena, target, false);
	return req->path.s && str_valid_utf8(req->path) && str_find(req->path, '\0') < 0;
}
