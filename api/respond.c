/*
 * From a reply to what libmicrohttpd sends.
 *
 * Making an MHD_Response costs some thirty allocations, so those of ready objects (cached bodies, constants) are kept:
 * per thread, in a small table whose key is everything that the head depends on. A cached hit then queues a response
 * that exists. A response holds a reference on its object through its free callback, so neither goes before the last
 * byte is sent. Entries leave when another takes their place, or when one is made and they have not been used for a
 * while: that is when cached bodies change.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "api/conditional.h"
#include "api/ready.h"
#include "api/site.h"
#include "api/transport_impl.h"
#include "base/json_out.h"

#define MEMO_UNUSED_LIMIT_US (10 * US_PER_S)

/* http.md section 10: on every answer. */
static const struct reply_header protective[] = {
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "X-XSS-Protection", "1; mode=block" },
	{ "Referrer-Policy", "strict-origin-when-cross-origin" },
	{ "Permissions-Policy", "geolocation=(), microphone=(), camera=(), payment=(), usb=(), magnetometer=(), gyroscope=(), speaker=()" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Content-Security-Policy",
	  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
	  "https:; "
	  "font-src 'self' data:; connect-src 'self' https:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'; "
	  "upgrade-insecure-requests;" },
};

/* http.md section 9: on an OPTIONS of an allowed origin. */
static const struct reply_header cors_lists[] = {
	{ "Access-Control-Allow-Headers", "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with" },
	{ "Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT" },
	{ "Access-Control-Max-Age", "86400" },
};

static const char *const coding_names[CODINGS] = { NULL, "gzip", "br" };

/* A response that is being made; failure sticks. */
struct draft {
	struct MHD_Response *response;
	bool failed;
};

static void add(struct draft *d, const char *name, const char *value)
{
	if (value && *value && MHD_add_response_header(d->response, name, value) != MHD_YES)
		d->failed = true;
}

static void add_all(struct draft *d, const struct reply_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(d, headers[i].name, headers[i].value);
}

static const char *vary_of(const struct reply *reply)
{
	if (reply->ready)
		return reply->api ? "Accept, Cookie, origin, Accept-Encoding" : "origin, Accept-Encoding";
	return reply->api ? "Accept, Cookie, origin" : "origin";
}

static void add_headers(struct draft *d, const struct reply *reply, enum coding coding, const char *hsts)
{
	if (reply->status != 304) {
		add(d, "Content-Type", reply->content_type);
		add(d, "Content-Encoding", coding_names[coding]);
	}
	if (reply->ready)
		add(d, "ETag", reply->ready->etag);
	add(d, "Vary", vary_of(reply));
	add(d, "Allow", reply->allow);
	add_all(d, reply->headers, reply->n_headers);
	add(d, "Access-Control-Allow-Origin", reply->cors_origin);
	if (reply->cors_origin && reply->cors_methods)
		add_all(d, cors_lists, N_ELEMENTS(cors_lists));
	add_all(d, protective, N_ELEMENTS(protective));
	if (reply->hsts)
		add(d, "Strict-Transport-Security", hsts);
	if (reply->close)
		add(d, "Connection", "close");
}

static void release_ready(void *arg)
{
	cache_object_unref(arg);
}

/* The response of a ready object; takes a reference on it. *ret_bytes is the length of its body. */
static struct MHD_Response *create_from_ready(const struct reply *reply, enum coding *coding, size_t *ret_bytes)
{
	struct str body = { "", 0 };
	struct MHD_Response *response;

	if (reply->status != 304)
		body = ready_body(reply->ready, coding);
	response = MHD_create_response_from_buffer_with_free_callback_cls(body.len, (void *)(uintptr_t)body.s, release_ready, reply->ready);
	if (response)
		cache_object_ref(&reply->ready->object);
	*ret_bytes = body.len;
	return response;
}

/* The response of a file; takes the descriptor, which libmicrohttpd closes. */
static struct MHD_Response *create_from_file(struct reply *reply, size_t *ret_bytes)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(reply->file_bytes, reply->file, reply->file_offset);

	if (response)
		reply->has_file = false;
	*ret_bytes = reply->file_bytes;
	return response;
}

/* NULL without memory. */
static struct MHD_Response *create(struct exchange *ex, size_t *ret_bytes)
{
	struct reply *reply = &ex->request.reply;
	enum coding coding = reply->coding;
	struct draft d = { NULL, false };

	if (reply->ready) {
		d.response = create_from_ready(reply, &coding, ret_bytes);
	} else if (reply->has_file) {
		coding = CODING_IDENTITY;
		d.response = create_from_file(reply, ret_bytes);
	} else {
		coding = CODING_IDENTITY;
		*ret_bytes = reply->body.len;
		d.response = MHD_create_response_from_buffer(reply->body.len, (void *)(uintptr_t)reply->body.s, MHD_RESPMEM_PERSISTENT);
	}
	if (!d.response)
		return NULL;
	add_headers(&d, reply, coding, ex->thread->server->context->site->hsts);
	if (!d.failed)
		return d.response;
	MHD_destroy_response(d.response);
	return NULL;
}

/* ---- prepared answers ---- */

static bool fits(const char *text, size_t size)
{
	return !text || strlen(text) < size;
}

static bool can_be_kept(const struct reply *reply)
{
	const struct memo *m = NULL;

	return reply->ready && reply->n_headers == 0 && !reply->close && fits(reply->cors_origin, sizeof(m->cors_origin)) &&
	       fits(reply->allow, sizeof(m->allow)) && fits(reply->content_type, sizeof(m->content_type));
}

static bool same_text(const char *kept, const char *text)
{
	return strcmp(kept, text ? text : "") == 0;
}

static bool is_for(const struct memo *m, const struct reply *reply)
{
	return m->ready == reply->ready && m->coding == reply->coding && m->status == reply->status &&
	       m->cors_methods == reply->cors_methods && m->hsts == reply->hsts && m->api == reply->api &&
	       same_text(m->cors_origin, reply->cors_origin) && same_text(m->allow, reply->allow) &&
	       same_text(m->content_type, reply->content_type);
}

static struct memo *slot_of(struct http_thread *t, const struct reply *reply)
{
	uint64_t h = (uint64_t)(uintptr_t)reply->ready;

	h ^= (uint64_t)(uintptr_t)reply->cors_origin << 1 ^ (uint64_t)reply->coding << 9 ^ (uint64_t)reply->status << 17 ^
	     (uint64_t)reply->hsts << 33;
	return &t->memos[(h * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
}
_Static_assert(MEMO_ENTRIES == 1 << (64 - 58), "slot_of takes as many bits of the hash as there are entries");

static void forget(struct memo *m)
{
	if (m->response)
		MHD_destroy_response(m->response); /* those being sent hold it until they are done */
	*m = (struct memo){ NULL };
}

void respond_forget(struct http_thread *t)
{
	for (size_t i = 0; i < MEMO_ENTRIES; i++)
		forget(&t->memos[i]);
}

static void forget_unused(struct http_thread *t, int64_t now_us)
{
	for (size_t i = 0; i < MEMO_ENTRIES; i++)
		if (t->memos[i].ready && now_us - t->memos[i].used_us > MEMO_UNUSED_LIMIT_US)
			forget(&t->memos[i]);
}

static void copy_text(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

static struct memo *keep(struct exchange *ex, struct memo *m, int64_t now_us)
{
	const struct reply *reply = &ex->request.reply;

	forget(m);
	forget_unused(ex->thread, now_us);
	m->response = create(ex, &m->bytes);
	if (!m->response)
		return NULL;
	m->ready = reply->ready;
	m->coding = reply->coding;
	m->status = reply->status;
	m->cors_methods = reply->cors_methods;
	m->hsts = reply->hsts;
	m->api = reply->api;
	copy_text(m->cors_origin, sizeof(m->cors_origin), reply->cors_origin);
	copy_text(m->allow, sizeof(m->allow), reply->allow);
	copy_text(m->content_type, sizeof(m->content_type), reply->content_type);
	return m;
}

static bool respond_kept(struct exchange *ex, int64_t now_us)
{
	const struct reply *reply = &ex->request.reply;
	struct memo *m = slot_of(ex->thread, reply);

	if (!is_for(m, reply)) {
		m = keep(ex, m, now_us);
		if (!m)
			return false;
	}
	m->used_us = now_us;
	ex->answer_bytes = m->bytes;
	return MHD_queue_response(ex->mhd, (unsigned)reply->status, m->response) == MHD_YES;
}

bool respond(struct exchange *ex, int64_t now_us)
{
	const struct reply *reply = &ex->request.reply;
	struct MHD_Response *response;
	bool queued;

	if (can_be_kept(reply))
		return respond_kept(ex, now_us);
	response = create(ex, &ex->answer_bytes);
	if (!response)
		return false;
	queued = MHD_queue_response(ex->mhd, (unsigned)reply->status, response) == MHD_YES;
	MHD_destroy_response(response);
	return queued;
}

/* ---- answers written on the socket itself ---- */

static void add_line(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "%s: %s\r\n", name, value);
}

static void add_date(struct buf *b)
{
	char text[HTTP_DATE_SIZE];

	http_date_format(clock_now().us / US_PER_S, text);
	add_line(b, "Date", text);
}

void respond_raw(int fd, int status, const char *detail)
{
	struct buf head CLEANUP(buf_finish) = BUF_EMPTY;
	struct buf body CLEANUP(buf_finish) = BUF_EMPTY;

	metric_add(metric_seriesf(METRIC_HTTP_REFUSED, "reason=\"%d\"", status), 1);
	buf_add_text(&body, "{\"detail\":");
	json_add_text(&body, detail);
	buf_add_char(&body, '}');
	buf_addf(&head, "HTTP/1.1 %d %s\r\n", status, MHD_get_reason_phrase_for((unsigned)status));
	add_date(&head);
	add_line(&head, "Content-Type", "application/json");
	buf_addf(&head, "Content-Length: %zu\r\n", body.len);
	if (status == 503 || status == 429) /* 429: of WebSockets, which let a minute pass (realtime.md 7, Handshake 4) */
		add_line(&head, "Retry-After", status == 503 ? "1" : "60");
	add_line(&head, "Vary", "origin");
	for (size_t i = 0; i < N_ELEMENTS(protective); i++)
		add_line(&head, protective[i].name, protective[i].value);
	add_line(&head, "Connection", "close");
	buf_add_text(&head, "\r\n");
	buf_add_str(&head, buf_view(&body));
	if (!head.failed && !body.failed)
		(void)!send(fd, head.data, head.len, MSG_DONTWAIT | MSG_NOSIGNAL); /* a fresh socket has room; else the close says it */
}
