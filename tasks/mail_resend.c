/* Mails by Resend's API: https://resend.com/docs/api-reference/emails/send-email; tasks.md 3.1. */
#include <jansson.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tasks/http.h"
#include "tasks/mail_impl.h"

#define ANSWER_MAX_BYTES ((size_t)64 * 1024)

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* An answer that is no answer of Resend's: the key makes another try harmless, whatever has come of this one. */
static enum mail_outcome end_sent(const json_t *json, struct mail_report *report)
{
	const char *id = text_of(json, "id");

	if (!*id)
		return mail_end(report, MAIL_TRY_AGAIN, "Resend answers without an id");
	snprintf(report->id, sizeof(report->id), "%s", id);
	return MAIL_SENT;
}

/* 409 is the answer to a key that is in use this very moment, or, for good, that was used for another mail. */
static bool is_passing(const struct http_answer *answer, const json_t *json)
{
	if (answer->status == 409)
		return strcmp(text_of(json, "name"), "concurrent_idempotent_requests") == 0;
	return http_worth_retrying(0, answer);
}

static enum mail_outcome read_answer(const struct http_answer *answer, struct mail_report *report)
{
	json_t *json CLEANUP(json_decrefp) = answer->body.len ? json_loadb(answer->body.data, answer->body.len, 0, NULL) : NULL;

	if (answer->status >= 200 && answer->status < 300)
		return end_sent(json, report);
	report->retry_after_s = answer->retry_after_s;
	report->too_many = answer->status == 429;
	return mail_end(report, is_passing(answer, json) ? MAIL_TRY_AGAIN : MAIL_REFUSED, "Resend answers %d: %s %.200s", answer->status,
	                text_of(json, "name"), text_of(json, "message"));
}

static enum mail_outcome ask(const struct http_request *request, struct mail_report *report)
{
	struct http_answer answer;
	struct error err = { 0 };
	enum mail_outcome outcome;
	int r = http_send(request, &answer, &err);

	if (r < 0)
		return mail_end(report, r == ERR_INVALID ? MAIL_REFUSED : MAIL_TRY_AGAIN, "Resend: %s", err.text);
	outcome = read_answer(&answer, report);
	http_answer_finish(&answer);
	return outcome;
}

enum mail_outcome mail_by_resend(const struct settings *settings, const struct letter *letter, const atomic_bool *stop,
                                 struct mail_report *report)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY, url = BUF_EMPTY, authorization = BUF_EMPTY;
	struct str base = str_of(settings->resend_api_url);

	while (base.len && base.s[base.len - 1] == '/')
		base.len--;
	buf_addf(&url, "%.*s/emails", STR_ARG(base));
	buf_addf(&authorization, "Bearer %s", settings->resend_api_key);
	mail_add_resend(&body, letter);
	const struct http_header headers[] = { { "Authorization", buf_view(&authorization) },
		                               { "Accept", STR("application/json") },
		                               { "Content-Type", STR("application/json") },
		                               { "Idempotency-Key", str_of(letter->key) } };
	const struct http_request request = { .method = "POST",
		                              .url = url.data,
		                              .headers = headers,
		                              .n_headers = N_ELEMENTS(headers) - !letter->key[0],
		                              .body = buf_view(&body),
		                              .timeout_us = MAIL_RESEND_TIMEOUT_US,
		                              .answer_max = ANSWER_MAX_BYTES,
		                              .stop = stop };

	if (body.failed || url.failed || authorization.failed)
		return mail_end(report, MAIL_TRY_AGAIN, "out of memory");
	return ask(&request, report);
}
