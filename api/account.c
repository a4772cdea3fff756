/*
 * What a finished request leaves behind: a line in the access log, and the metrics. The series of a route are looked up
 * once per thread and kept, because the lookup takes a lock.
 */
#include "api/transport_impl.h"

#include "base/log.h"

static const char *method_label(enum method method)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };

	return names[method];
}

static void look_up(struct route_series *s, const char *route, enum method method, int class)
{
	s->route = route;
	s->method = method;
	s->class = class;
	s->requests =
	        metric_seriesf(METRIC_HTTP_REQUESTS, "route=\"%s\",method=\"%s\",status=\"%dxx\"", route, method_label(method), class);
	s->seconds = metric_seriesf(METRIC_HTTP_SECONDS, "route=\"%s\",method=\"%s\"", route, method_label(method));
}

/* The kept entry; a full neighbourhood gives up one: it is a memory of where the series are, not the series. */
static struct route_series *find_series(struct http_thread *t, const char *route, enum method method, int class)
{
	uint64_t h = ((uint64_t)(uintptr_t)route + (uint64_t)method * 8 + (uint64_t) class) * UINT64_C(0x9e3779b97f4a7c15);
	struct route_series *s = NULL;

	for (size_t i = 0; i < 8; i++) {
		s = &t->series[((h >> 40) + i) & (SERIES_ENTRIES - 1)];
		if (!s->route)
			break;
		if (s->route == route && s->method == method && s->class == class)
			return s;
	}
	look_up(s, route, method, class);
	return s;
}

void account_request(struct exchange *ex)
{
	const struct request *req = &ex->request;
	const char *route = request_route_label(req);
	int status = req->reply.status;
	int64_t bytes = req->method == METHOD_HEAD ? 0 : (int64_t)ex->answer_bytes;
	int64_t end_us = ex->queued_us ? ex->queued_us : clock_monotonic_us();
	struct route_series *s = find_series(ex->thread, route, req->method, status / 100);

	metric_add(s->requests, 1);
	metric_observe_us(s->seconds, end_us - req->started_us);
	if (!log_enabled(LOG_INFO))
		return;
	log_write(LOG_INFO, "http", "http.request",
	          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("method", method_label(req->method)), LOG_STR("route", route),
	                     LOG_INT("status", status), LOG_FLOAT("duration_ms", (double)(end_us - req->started_us) / 1e3),
	                     LOG_INT("bytes", bytes), LOG_STR("peer", ex->connection->peer_text)),
	          "request");
}
