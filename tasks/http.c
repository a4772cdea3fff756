/* Requests to outside services. */
#include "tasks/http.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "tasks/curl_impl.h"

#define HEAD_MAX_BYTES    ((size_t)64 * 1024) /* libcurl keeps the whole head of an answer */
#define RETRY_AFTER_MAX_S 86400               /* who says more has made a mistake: nothing of ours may wait for years */

/* What comes in, and how much of it may. */
struct receiver {
	struct buf *body;
	size_t body_max, head;
};

static size_t receive_head(char *bytes, size_t size, size_t n, void *arg)
{
	struct receiver *r = arg;

	r->head += n;
	return r->head <= HEAD_MAX_BYTES ? n : 0;
}

static size_t receive_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct receiver *r = arg;

	if (n > r->body_max - r->body->len)
		return 0;
	buf_add(r->body, bytes, n);
	return r->body->failed ? 0 : n;
}

static bool is_one_line(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] < ' ' || s.s[i] == 0x7f)
			return false;
	return true;
}

/* No "Expect: 100-continue": it would cost a second with a server that does not know it. */
static int add_headers(const struct http_request *request, struct curl_slist **list, struct error *err)
{
	CLEANUP(buf_finish) struct buf line = BUF_EMPTY;

	if (!curl_list_add(list, "Expect:"))
		return error_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < request->n_headers; i++) {
		const struct http_header *header = &request->headers[i];

		if (!is_one_line(header->value))
			return error_set(err, ERR_INVALID, "the header %s has a control character", header->name);
		buf_clear(&line);
		buf_addf(&line, "%s: %.*s", header->name, STR_ARG(header->value));
		if (line.failed || !curl_list_add(list, line.data))
			return error_set(err, ERR_NOMEM, "out of memory");
	}
	return 0;
}

static bool set_request(CURL *easy, const struct http_request *request, struct curl_slist *headers)
{
	bool good = curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK &&
	            curl_easy_setopt(easy, CURLOPT_USERAGENT, "egoejo/" EGOEJO_VERSION) == CURLE_OK &&
	            curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK;

	if (good && request->body.s)
		good = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) == CURLE_OK &&
		       curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.s) == CURLE_OK;
	return good && curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK; /* after the body, which means POST */
}

static bool set_receiver(CURL *easy, struct receiver *receiver)
{
	return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, receive_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, receiver) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_body) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver) == CURLE_OK;
}

static void read_answer(CURL *easy, struct http_answer *answer)
{
	curl_off_t retry_after = 0;
	const char *type = NULL;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
	answer->status = (int)status;
	answer->retry_after_s = retry_after < 0 ? 0 : retry_after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : retry_after;
	snprintf(answer->content_type, sizeof(answer->content_type), "%s", type ? type : "");
}

static int send_and_receive(const struct http_request *request, struct http_answer *answer, struct error *err)
{
	CLEANUP(curl_list_finish) struct curl_slist *headers = NULL;
	CLEANUP(curl_call_finish) struct curl_call call = { 0 };
	struct receiver receiver = { &answer->body, request->answer_max ? request->answer_max : HTTP_ANSWER_MAX_BYTES, 0 };
	int r = curl_call_begin(&call, "http,https", request->timeout_us ? request->timeout_us : HTTP_TIMEOUT_US, request->stop, err);

	if (r == 0)
		r = add_headers(request, &headers, err);
	if (r < 0)
		return r;
	if (!set_request(call.easy, request, headers) || !set_receiver(call.easy, &receiver))
		return error_set(err, ERR_NOMEM, "out of memory");
	r = curl_call_run(&call, err);
	if (r == ERR_LIMIT)
		return answer->body.failed ? error_set(err, ERR_NOMEM, "out of memory") : error_set(err, r, "the answer is too large");
	if (r == 0)
		read_answer(call.easy, answer);
	return r;
}

int http_send(const struct http_request *request, struct http_answer *ret, struct error *err)
{
	int r;

	*ret = (struct http_answer){ .body = BUF_EMPTY };
	r = send_and_receive(request, ret, err);
	if (r < 0)
		http_answer_finish(ret);
	return r;
}

void http_answer_finish(struct http_answer *answer)
{
	buf_finish(&answer->body);
}

bool http_worth_retrying(int r, const struct http_answer *answer)
{
	if (r < 0)
		return r == ERR_UNAVAILABLE || r == ERR_TIMEOUT;
	return answer->status == 429 || answer->status >= 500;
}
