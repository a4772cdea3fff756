/*
 * What calls by libcurl have in common, HTTP and SMTP: verified TLS, one deadline for all of it, a stop flag, and errors in our codes.
 * A call is made, given its own options, run once and finished; one thread. Private to tasks/.
 */
#ifndef TASKS_CURL_IMPL_H
#define TASKS_CURL_IMPL_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct curl_call {
	CURL *easy;
	const atomic_bool *stop;
};

/*
 * Makes a call for the protocols, as CURLOPT_PROTOCOLS_STR names them. The first one in the process initialises libcurl. ERR_NOMEM,
 * ERR_INTERNAL (a libcurl without OpenSSL); finish it in any case.
 */
int curl_call_begin(struct curl_call *, const char *protocols, int64_t timeout_us, const atomic_bool *stop, struct error *err);

/* Runs it. ERR_INVALID, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_LIMIT (a callback refused what came), ERR_NOMEM. */
int curl_call_run(struct curl_call *, struct error *err);

/* Frees; a zeroed one is fine. For CLEANUP. */
void curl_call_finish(struct curl_call *);

/* Appends to a list; false without memory, the list then is as it was. */
bool curl_list_add(struct curl_slist **, const char *line);

/* For CLEANUP. */
static inline void curl_list_finish(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

#endif
