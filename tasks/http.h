/*
 * One request to an outside service (Resend, OpenAI, a webhook …) over HTTP, by libcurl. Source: tasks.md 1, 3.1, 4.
 *
 * http and https only, peer and host name verified against the authorities that OpenSSL trusts (SSL_CERT_FILE and SSL_CERT_DIR move
 * them, as for Redis). A redirect is an answer, it is not followed: no service that we call needs one, and a key sent along would go
 * astray. Proxies as libcurl reads them from the environment (http_proxy, https_proxy, no_proxy).
 *
 * Nothing of the request is in an error text, neither URL nor header nor body: all may hold secrets. Any thread; each call has its
 * own connection.
 */
#ifndef TASKS_HTTP_H
#define TASKS_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define HTTP_TIMEOUT_US       INT64_C(30000000)
#define HTTP_ANSWER_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct http_header {
	const char *name;
	struct str value; /* UTF-8 without control characters */
};

struct http_request {
	const char *method; /* "POST" */
	const char *url;
	const struct http_header *headers;
	size_t n_headers;
	struct str body;         /* absent: none */
	int64_t timeout_us;      /* from the first look at the name to the last byte of the answer; 0: HTTP_TIMEOUT_US */
	size_t answer_max;       /* bytes; 0: HTTP_ANSWER_MAX_BYTES */
	const atomic_bool *stop; /* given up within a second once it is true; NULL: never */
};

struct http_answer {
	int status;
	int64_t retry_after_s; /* of the header, seconds or a date, a day at most; 0: none */
	char content_type[80]; /* "": none; longer ones are cut */
	struct buf body;
};

/*
 * Sends and waits: 0, an answer of any status, freed with http_answer_finish. ERR_INVALID (URL, or a header that would be two),
 * ERR_UNAVAILABLE (no connection, no trusted certificate, or stop), ERR_TIMEOUT, ERR_LIMIT (the answer is larger than may be),
 * ERR_NOMEM; *err (NULL is fine) says more, and *ret is empty.
 */
int http_send(const struct http_request *, struct http_answer *ret, struct error *err) __attribute__((warn_unused_result));

/* Frees; an empty one is fine. */
void http_answer_finish(struct http_answer *);

/*
 * Whether the same request may do better later: no connection, a time that ran out, 429, 5xx (tasks.md 3.1). r is what http_send
 * returned; the answer counts when it is 0.
 */
bool http_worth_retrying(int r, const struct http_answer *);

#endif
