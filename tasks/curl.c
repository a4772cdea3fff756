/* What calls by libcurl have in common. */
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "tasks/curl_impl.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode initialised;

static void initialise(void)
{
	initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The authorities are those of OpenSSL and not of libcurl's build, so that TLS to Redis and to services is moved by the same variables. */
static CURLcode trust(CURL *easy, void *context, void *arg)
{
	return SSL_CTX_set_default_verify_paths(context) == 1 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static int look_at_stop(void *arg, curl_off_t to_come, curl_off_t come, curl_off_t to_go, curl_off_t gone)
{
	const struct curl_call *call = arg;

	return call->stop && atomic_load(call->stop);
}

static bool set_tls(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust) == CURLE_OK;
}

/* QUICK_EXIT: a name that is not resolved in time would otherwise be waited for when the call is freed. */
static bool set_limits(struct curl_call *call, int64_t timeout_us)
{
	int64_t timeout_ms = timeout_us / US_PER_MS;

	return curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1)) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_XFERINFOFUNCTION, look_at_stop) == CURLE_OK &&
	       curl_easy_setopt(call->easy, CURLOPT_XFERINFODATA, call) == CURLE_OK;
}

int curl_call_begin(struct curl_call *call, const char *protocols, int64_t timeout_us, const atomic_bool *stop, struct error *err)
{
	*call = (struct curl_call){ .stop = stop };
	pthread_once(&once, initialise);
	if (initialised == CURLE_OK)
		call->easy = curl_easy_init();
	if (!call->easy)
		return error_set(err, ERR_NOMEM, "libcurl does not start");
	if (!set_tls(call->easy))
		return error_set(err, ERR_INTERNAL, "libcurl was built without OpenSSL");
	if (curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, protocols) != CURLE_OK || !set_limits(call, timeout_us))
		return error_set(err, ERR_NOMEM, "out of memory");
	return 0;
}

static int code_of(CURLcode result)
{
	switch (result) {
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_TIMEOUT;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return ERR_INVALID;
	case CURLE_WRITE_ERROR:
		return ERR_LIMIT;
	case CURLE_OUT_OF_MEMORY:
		return ERR_NOMEM;
	default:
		return ERR_UNAVAILABLE;
	}
}

/* libcurl's own description of the call is not used: parts of the request may be in it. */
int curl_call_run(struct curl_call *call, struct error *err)
{
	CURLcode result = curl_easy_perform(call->easy);
	long os_error = 0;

	if (result == CURLE_OK)
		return 0;
	if (result == CURLE_ABORTED_BY_CALLBACK)
		return error_set(err, ERR_UNAVAILABLE, "given up because the process ends");
	if (result == CURLE_COULDNT_CONNECT && curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_error) == CURLE_OK && os_error)
		return error_set(err, ERR_UNAVAILABLE, "%s: %s", curl_easy_strerror(result), strerror((int)os_error));
	return error_set(err, code_of(result), "%s", curl_easy_strerror(result));
}

void curl_call_finish(struct curl_call *call)
{
	curl_easy_cleanup(call->easy);
	call->easy = NULL;
}

bool curl_list_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer;
}
