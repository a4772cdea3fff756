#include "tasks/alert_now.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/mail.h"
#include "tasks/alert.h"
#include "tasks/http.h"
#include "tasks/mail.h"

#define LOGGER           "alerts"
#define ARENA_BYTES      65536
#define ANSWER_MAX_BYTES ((size_t)64 * 1024)

struct sending {
	const struct task_services *services;
	const atomic_bool *stop;
	struct alert_view alert;
	int sent;
};

static void fail(const struct sending *s, const char *channel, const char *error)
{
	log_write(LOG_WARNING, LOGGER, "alert.channel_failed",
	          LOG_FIELDS(LOG_STR("channel", channel), LOG_VIEW("title", s->alert.title), LOG_STR("error", error)),
	          "A critical alert was not sent by %s: %s", channel, error);
}

static void mail_all(struct sending *s, const struct db_rows *admins, struct str subject, struct str text)
{
	for (size_t i = 0; i < admins->n; i++) {
		const struct mail mail = { .to = ((const struct str *)admins->items)[i], .subject = subject, .text = text };
		struct mail_report report;

		if (mail_send(s->services, MAIL_SMTP, &mail, s->stop, &report) == MAIL_SENT)
			s->sent++;
		else
			fail(s, "email", report.error);
	}
}

static void send_mails(struct sending *s)
{
	CLEANUP(buf_finish) struct buf subject = BUF_EMPTY, text = BUF_EMPTY;
	struct db_rows admins = { NULL, 0 };
	struct arena arena;

	if (!s->services->settings->alert_email_enabled)
		return;
	arena_init(&arena, ARENA_BYTES);
	alert_add_subject(&subject, &s->alert);
	alert_add_text(&text, &s->alert);
	if (mail_admins(s->services->settings, &arena, &admins) < 0 || subject.failed || text.failed)
		fail(s, "email", "out of memory");
	else if (!admins.n)
		fail(s, "email", "ADMINS is empty");
	else
		mail_all(s, &admins, buf_view(&subject), buf_view(&text));
	arena_finish(&arena);
}

static void send_webhook(struct sending *s)
{
	static const struct http_header headers[] = { { "Content-Type", STR("application/json") } };
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;
	const struct settings *settings = s->services->settings;
	struct http_request request = { .method = "POST",
		                        .url = settings->alert_webhook_url,
		                        .headers = headers,
		                        .n_headers = N_ELEMENTS(headers),
		                        .timeout_us = settings->alert_webhook_timeout_seconds * US_PER_S,
		                        .answer_max = ANSWER_MAX_BYTES,
		                        .stop = s->stop };
	struct http_answer answer;
	struct error err = { 0 };
	int r;

	if (!settings->alert_webhook_enabled || !settings->alert_webhook_url)
		return;
	if (str_is(str_of(settings->alert_webhook_type), "slack"))
		alert_add_slack(&body, &s->alert);
	else
		alert_add_generic(&body, &s->alert);
	request.body = buf_view(&body);
	r = body.failed ? error_set(&err, ERR_NOMEM, "out of memory") : http_send(&request, &answer, &err);
	if (r < 0)
		return fail(s, "webhook", err.text);
	if (answer.status >= 200 && answer.status < 300)
		s->sent++;
	else
		fail(s, "webhook", "its answer is no success");
	http_answer_finish(&answer);
}

void alert_send_now(const struct task_services *services, const struct alert *alert, const atomic_bool *stop)
{
	json_t *payload CLEANUP(json_decrefp) = json_loadb(alert->payload.text.s, alert->payload.text.len, 0, NULL);
	const char *prefix = services->settings->alert_email_subject_prefix;
	char now[CLOCK_ISO_SIZE];
	struct sending s = { .services = services,
		             .stop = stop,
		             .alert = { .prefix = str_of(prefix ? prefix : ""),
		                        .title = alert->title,
		                        .payload = payload,
		                        .dedupe_key = alert->dedupe_key,
		                        .timestamp = { now, clock_format_iso(clock_now(), now) } } };

	send_mails(&s);
	send_webhook(&s);
	if (!s.sent)
		log_write(LOG_ERROR, LOGGER, "alert.not_sent", LOG_FIELDS(LOG_VIEW("title", alert->title)),
		          "Nobody was told of a critical alert");
}
