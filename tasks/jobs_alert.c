/*
 * egoejo.critical_alert: one alert by its channels, each for itself. Of several alerts with the same key within five minutes one is
 * sent: whoever claims the key sends, and gives it back when no channel took the alert, so that the next one is tried. The claim is the
 * task's, so the same task may go on where its forerunner ended. What no channel took for a reason that may pass is tried again.
 * Source: tasks.md 4, 8.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cache/claim.h"
#include "domain/alert.h"
#include "domain/mail.h"
#include "tasks/alert.h"
#include "tasks/http.h"
#include "tasks/jobs_impl.h"
#include "tasks/once.h"

#define LOGGER           "alerts"
#define CLAIM_TTL_S      300
#define ANSWER_MAX_BYTES ((size_t)64 * 1024) /* nobody reads it */

struct sending {
	struct task_run *run;
	struct alert_view alert;
	char now[CLOCK_ISO_SIZE];
	struct buf claim_key;
	bool by_mail, by_webhook; /* sent */
	bool may_pass;            /* a channel failed for a reason that may pass */
	char error[200];          /* of the last channel that failed */
};

static void fail(struct sending *s, const char *channel, bool may_pass, const char *error)
{
	s->may_pass |= may_pass;
	snprintf(s->error, sizeof(s->error), "%s: %.150s", channel, error);
	log_write(LOG_WARNING, LOGGER, "alert.channel_failed",
	          LOG_FIELDS(LOG_STR("channel", channel), LOG_VIEW("title", s->alert.title), LOG_STR("error", error)),
	          "A critical alert was not sent by %s: %s", channel, error);
}

/* ---- mail ---- */

static void mail_to(struct sending *s, struct str to, size_t i, struct str subject, struct str text)
{
	char key[ONCE_KEY_SIZE];
	const struct mail mail = { .to = to, .subject = subject, .text = text, .idempotency_key = once_key(s->run, "", i, key) };
	struct mail_report report;
	enum mail_outcome outcome = once_mail(s->run, MAIL_SMTP, &mail, &report);

	s->by_mail |= outcome == MAIL_SENT;
	if (outcome != MAIL_SENT)
		fail(s, "email", outcome == MAIL_TRY_AGAIN, report.error);
}

static void send_mails(struct sending *s)
{
	CLEANUP(buf_finish) struct buf subject = BUF_EMPTY, text = BUF_EMPTY;
	const struct settings *settings = s->run->services->settings;
	struct db_rows admins;

	if (!settings->alert_email_enabled)
		return;
	if (mail_admins(settings, s->run->arena, &admins) < 0)
		return fail(s, "email", true, "out of memory");
	if (!admins.n)
		return fail(s, "email", false, "ADMINS is empty");
	alert_add_subject(&subject, &s->alert);
	alert_add_text(&text, &s->alert);
	if (subject.failed || text.failed)
		return fail(s, "email", true, "out of memory");
	for (size_t i = 0; i < admins.n; i++)
		mail_to(s, ((const struct str *)admins.items)[i], i, buf_view(&subject), buf_view(&text));
}

/* ---- webhook ---- */

static void post(struct sending *s, const char *url, struct str body, struct str key)
{
	const struct settings *settings = s->run->services->settings;
	const struct http_header headers[] = { { "Content-Type", STR("application/json") }, { "Idempotency-Key", key } };
	const struct http_request request = { .method = "POST",
		                              .url = url,
		                              .headers = headers,
		                              .n_headers = N_ELEMENTS(headers),
		                              .body = body,
		                              .timeout_us = settings->alert_webhook_timeout_seconds * US_PER_S,
		                              .answer_max = ANSWER_MAX_BYTES,
		                              .stop = s->run->stop };
	struct http_answer answer;
	struct error err = { 0 };
	char status[40];
	int r = http_send(&request, &answer, &err);

	s->by_webhook = r == 0 && answer.status >= 200 && answer.status < 300;
	if (s->by_webhook)
		once_note(s->run, key, "");
	else if (r < 0)
		fail(s, "webhook", http_worth_retrying(r, &answer), err.text);
	else {
		snprintf(status, sizeof(status), "the answer is %d", answer.status);
		fail(s, "webhook", http_worth_retrying(r, &answer), status);
	}
	http_answer_finish(&answer);
}

static void send_webhook(struct sending *s)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;
	const struct settings *settings = s->run->services->settings;
	char text[ONCE_KEY_SIZE], note[ONCE_NOTE_SIZE];
	struct str key = once_key(s->run, "webhook", 0, text);
	int r;

	if (!settings->alert_webhook_enabled || !settings->alert_webhook_url)
		return;
	r = once_find(s->run, key, note);
	s->by_webhook = r == 0;
	if (r == 0)
		return;
	if (str_is(str_of(settings->alert_webhook_type), "slack"))
		alert_add_slack(&body, &s->alert);
	else
		alert_add_generic(&body, &s->alert);
	if (r != ERR_NOT_FOUND || body.failed)
		return fail(s, "webhook", true, r != ERR_NOT_FOUND ? error_name(r) : "out of memory");
	post(s, settings->alert_webhook_url, buf_view(&body), key);
}

/* ---- what came of it ---- */

static const char *channel_of(const struct sending *s)
{
	return s->by_mail && s->by_webhook ? "both" : s->by_mail ? "email" : s->by_webhook ? "webhook" : NULL;
}

static void count(const char *outcome)
{
	metric_add(metric_seriesf(METRIC_ALERTS, "outcome=\"%s\"", outcome), 1);
}

static void add_result(struct sending *s, bool sent, bool deduplicated)
{
	struct buf *b = &s->run->result;

	buf_clear(b);
	buf_addf(b, "{\"sent\": %s, \"deduplicated\": %s, \"channel\": ", sent ? "true" : "false", deduplicated ? "true" : "false");
	json_add_text(b, channel_of(s));
	buf_add_char(b, '}');
}

static int keep_row(struct db_conn *db, void *arg)
{
	struct sending *s = arg;
	CLEANUP(buf_finish) struct buf fingerprint = BUF_EMPTY, excerpt = BUF_EMPTY;
	int r;

	alert_add_fingerprint(&fingerprint, &s->alert);
	alert_add_excerpt(&excerpt, &s->alert);
	if (fingerprint.failed || excerpt.failed)
		return ERR_NOMEM;
	r = alert_note(db, &(struct alert_event){ .title = s->alert.title,
	                                          .channel = channel_of(s),
	                                          .fingerprint = buf_view(&fingerprint),
	                                          .excerpt = { excerpt.len ? buf_view(&excerpt) : (struct str){ NULL, 0 } } });
	add_result(s, true, false);
	return r;
}

static enum task_outcome end_sent(struct sending *s)
{
	int r = task_commit(s->run, keep_row, s, NULL);

	count(channel_of(s));
	log_write(LOG_INFO, LOGGER, "alert.sent", LOG_FIELDS(LOG_VIEW("title", s->alert.title), LOG_STR("channel", channel_of(s))),
	          "A critical alert was sent");
	if (r < 0) {
		log_write(LOG_WARNING, LOGGER, "alert.not_noted",
		          LOG_FIELDS(LOG_VIEW("title", s->alert.title), LOG_STR("error", error_name(r))),
		          "A critical alert was sent, and is not in core_criticalalertevent");
		add_result(s, true, false);
	}
	return TASK_SUCCEEDED;
}

static enum task_outcome end_unsent(struct sending *s)
{
	const struct task_run *run = s->run;

	if (run->stop && atomic_load(run->stop))
		return task_fail_late(s->run);
	if (s->may_pass && run->retries < run->max_retries)
		return task_retry(s->run, "ConnectionError", "%s", s->error);
	count("failed");
	log_write(LOG_ERROR, LOGGER, "alert.not_sent", LOG_FIELDS(LOG_VIEW("title", s->alert.title), LOG_STR("error", s->error)),
	          "Nobody was told of a critical alert: %s", s->error[0] ? s->error : "mails and webhook are switched off");
	add_result(s, false, false);
	return TASK_SUCCEEDED;
}

static enum task_outcome end_deduplicated(struct sending *s)
{
	count("deduplicated");
	log_write(LOG_INFO, LOGGER, "alert.deduplicated",
	          LOG_FIELDS(LOG_VIEW("title", s->alert.title), LOG_VIEW("dedupe_key", s->alert.dedupe_key)),
	          "A critical alert is not sent: one like it was, a moment ago");
	add_result(s, true, true);
	return TASK_SUCCEEDED;
}

/* ---- the task ---- */

static bool claim(struct sending *s)
{
	if (!s->alert.dedupe_key.s || !s->run->services->cache)
		return true;
	buf_addf(&s->claim_key, "critical_alert:%.*s", STR_ARG(s->alert.dedupe_key));
	return cache_claim(s->run->services->cache, buf_view(&s->claim_key), str_of(s->run->id), CLAIM_TTL_S);
}

static enum task_outcome send_alert(struct sending *s)
{
	if (!claim(s))
		return end_deduplicated(s);
	send_mails(s);
	send_webhook(s);
	if (channel_of(s))
		return end_sent(s);
	if (s->claim_key.len)
		cache_claim_release(s->run->services->cache, buf_view(&s->claim_key), str_of(s->run->id));
	return end_unsent(s);
}

/* The time of the asking; a message of another's making may have none. */
static struct str time_of(const struct task_run *run, char now[CLOCK_ISO_SIZE])
{
	struct str text = task_text(run, "timestamp");
	struct instant asked;

	if (text.s && clock_parse(text, &asked))
		return text;
	return (struct str){ now, clock_format_iso(clock_now(), now) };
}

static struct sending sending_of(struct task_run *run)
{
	const char *prefix = run->services->settings->alert_email_subject_prefix;

	return (struct sending){ .run = run,
		                 .alert = { .prefix = str_of(prefix ? prefix : ""),
		                            .title = task_text(run, "title"),
		                            .payload = task_value(run, "payload"),
		                            .dedupe_key = task_text(run, "dedupe_key") } };
}

enum task_outcome critical_alert(struct task_run *run)
{
	struct sending s = sending_of(run);
	enum task_outcome outcome;

	if (!s.alert.title.len || !json_is_object(s.alert.payload))
		return task_fail(run, "TypeError", "title must be a text, payload an object");
	if (task_was_done(run) == 1) /* a database that does not say keeps no alert back */
		return TASK_SUCCEEDED;
	s.alert.timestamp = time_of(run, s.now);
	outcome = send_alert(&s);
	buf_finish(&s.claim_key);
	return outcome;
}
