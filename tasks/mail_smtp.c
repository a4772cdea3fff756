/*
 * Mails by SMTP, with libcurl: STARTTLS or nothing when EMAIL_USE_TLS is 1, then the login, then the mail; tasks.md 3.1. The server's
 * answers tell what has come of it: 2xx it is his, 4xx later, 5xx never. When the connection breaks after the last line of the mail
 * he may have it all the same; then it is tried again under the same Message-ID.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "tasks/curl_impl.h"
#include "tasks/mail_impl.h"

#define ANSWER_SIZE 200

/* The last refusal that the server said: what it answers to QUIT is of no interest. */
struct listener {
	char line[ANSWER_SIZE];
};

static size_t hear(char *bytes, size_t size, size_t n, void *arg)
{
	struct listener *l = arg;

	if (n && (*bytes == '4' || *bytes == '5'))
		snprintf(l->line, sizeof(l->line), "%.*s", (int)n, bytes);
	return n;
}

static size_t read_message(char *bytes, size_t size, size_t n, void *arg)
{
	struct str *rest = arg;
	size_t take = rest->len < size * n ? rest->len : size * n;

	if (take)
		memcpy(bytes, rest->s, take);
	*rest = (struct str){ rest->s + take, rest->len - take };
	return take;
}

static void url_finish(CURLU **url)
{
	curl_url_cleanup(*url);
}

/* The host comes from the settings, and may be an address of IPv6 without its brackets. */
static bool set_host(CURLU *url, const char *host)
{
	char bracketed[256];

	if (strchr(host, ':') && host[0] != '[') {
		snprintf(bracketed, sizeof(bracketed), "[%s]", host);
		host = bracketed;
	}
	return curl_url_set(url, CURLUPART_HOST, host, 0) == CURLUE_OK;
}

static bool set_server(CURL *easy, CURLU *url, const struct settings *settings)
{
	char port[24];
	long tls = settings->email_use_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE;

	snprintf(port, sizeof(port), "%lld", (long long)settings->email_port);
	if (!url || curl_url_set(url, CURLUPART_SCHEME, "smtp", 0) != CURLUE_OK || !set_host(url, settings->email_host) ||
	    curl_url_set(url, CURLUPART_PORT, port, 0) != CURLUE_OK || curl_easy_setopt(easy, CURLOPT_CURLU, url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_USE_SSL, tls) != CURLE_OK)
		return false;
	if (!settings->email_host_user)
		return true;
	return curl_easy_setopt(easy, CURLOPT_USERNAME, settings->email_host_user) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PASSWORD, settings->email_host_password ? settings->email_host_password : "") == CURLE_OK;
}

/* FORBID_REUSE and RESPONSE_TIMEOUT: QUIT is said within the call, and a server that does not answer it is not waited for long. */
static bool set_message(CURL *easy, struct str *message, struct listener *listener)
{
	return curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)message->len) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_message) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_READDATA, message) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, listener) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(MAIL_SMTP_TIMEOUT_US / US_PER_S)) == CURLE_OK;
}

static bool set_envelope(CURL *easy, const struct letter *letter, struct curl_slist **recipients)
{
	char address[400];

	snprintf(address, sizeof(address), "<%.*s>", STR_ARG(letter->to.address));
	if (!curl_list_add(recipients, address) || curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, *recipients) != CURLE_OK)
		return false;
	snprintf(address, sizeof(address), "<%.*s>", STR_ARG(letter->from.address));
	return curl_easy_setopt(easy, CURLOPT_MAIL_FROM, address) == CURLE_OK;
}

/* A 5xx is for good, except to STARTTLS and EHLO: then it is the server that is not in order, and may be again. */
static enum mail_outcome end(struct curl_call *call, int r, const struct error *err, const struct listener *listener,
                             struct mail_report *report)
{
	enum mail_outcome outcome = MAIL_TRY_AGAIN;
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r == ERR_INVALID || (status >= 500 && status != 502 && status != 503))
		outcome = MAIL_REFUSED;
	if (status >= 400)
		return mail_end(report, outcome, "SMTP: %s: %s", err->text, listener->line);
	return mail_end(report, outcome, "SMTP: %s", err->text);
}

static enum mail_outcome send_message(const struct settings *settings, const struct letter *letter, struct str message,
                                      const atomic_bool *stop, struct mail_report *report)
{
	CLEANUP(curl_list_finish) struct curl_slist *recipients = NULL;
	CLEANUP(url_finish) CURLU *url = curl_url();
	CLEANUP(curl_call_finish) struct curl_call call = { 0 };
	struct listener listener = { "" };
	struct error err = { 0 };
	int r = curl_call_begin(&call, "smtp", MAIL_SMTP_TIMEOUT_US, stop, &err);

	if (r < 0)
		return mail_end(report, MAIL_TRY_AGAIN, "SMTP: %s", err.text);
	if (!set_server(call.easy, url, settings))
		return mail_end(report, MAIL_REFUSED, "SMTP: EMAIL_HOST is no name of a host");
	if (!set_envelope(call.easy, letter, &recipients) || !set_message(call.easy, &message, &listener))
		return mail_end(report, MAIL_TRY_AGAIN, "out of memory");
	r = curl_call_run(&call, &err);
	if (r < 0)
		return end(&call, r, &err, &listener, report);
	snprintf(report->id, sizeof(report->id), "%.127s", letter->message_id);
	return MAIL_SENT;
}

enum mail_outcome mail_by_smtp(const struct settings *settings, const struct letter *letter, const atomic_bool *stop,
                               struct mail_report *report)
{
	CLEANUP(buf_finish) struct buf message = BUF_EMPTY;

	mail_add_message(&message, letter, clock_now());
	if (message.failed)
		return mail_end(report, MAIL_TRY_AGAIN, "out of memory");
	return send_message(settings, letter, buf_view(&message), stop, report);
}
