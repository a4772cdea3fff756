/*
 * Sending mails: one, or a batch, each once as far as that can be had (tasks/once.h).
 *
 * The mails of a batch that failed for now are a new batch, asked for in the transaction that stores the result of this one. Each
 * takes its key along, so it stays the same mail. Source: tasks.md 1, 1.2, 3.1, 8.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "db/outbox.h"
#include "tasks/jobs_impl.h"
#include "tasks/once.h"

#define LOGGER     "tasks.mail"
#define BATCH_NAME "core.tasks.send_batch_email_task"

#define PAUSES_MAX  3  /* for one mail, when the service asks for one; it wants to be asked but a few times a second */
#define PAUSE_MAX_S 10 /* a longer one is made by the retry */

static bool is_ending(const struct task_run *run)
{
	return run->stop && atomic_load(run->stop);
}

/* ---- core.tasks.send_email_task ---- */

enum task_outcome send_email(struct task_run *run)
{
	char key[ONCE_KEY_SIZE];
	const struct mail mail = { .to = task_text(run, "to_email"),
		                   .subject = task_text(run, "subject"),
		                   .html = task_text(run, "html_content"),
		                   .text = task_text(run, "text_content"),
		                   .idempotency_key = once_key(run, "", 0, key) };
	struct mail_report report;

	switch (once_mail(run, MAIL_ANY, &mail, &report)) {
	case MAIL_SENT:
		buf_add_text(&run->result, "{\"success\": true, \"email_id\": ");
		json_add_text(&run->result, report.id);
		buf_add_char(&run->result, '}');
		return TASK_SUCCEEDED;
	case MAIL_NOT_CONFIGURED:
		return task_answer_error(run, "%s", report.error);
	case MAIL_REFUSED:
		return task_fail(run, "ValueError", "%s", report.error);
	default:
		if (is_ending(run))
			return task_fail_late(run);
		return task_retry_after(run, report.retry_after_s, "ConnectionError", "%s", report.error);
	}
}

/* ---- core.tasks.send_batch_email_task ---- */

struct batch {
	struct task_run *run;
	const json_t *mails;
	json_t *again; /* those to be tried again, each with its key; owned */
	int64_t sent, failed, total;
	int64_t retry_after_s; /* the longest that was asked for */
	char error[300];       /* the last one */
	bool not_configured;
	bool put_off; /* the service wants a longer pause, or time is up: the rest is for the next batch */
};

static struct str member(const json_t *mail, const char *key)
{
	const json_t *value = json_object_get(mail, key);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

static struct mail mail_of(const json_t *json, struct str key)
{
	struct str own = member(json, "idempotency_key");

	return (struct mail){ .to = member(json, "to_email"),
		              .subject = member(json, "subject"),
		              .html = member(json, "html_content"),
		              .text = member(json, "text_content"),
		              .idempotency_key = own.s ? own : key };
}

/* Waits so long; false when the process ends or the task's time is up. */
static bool pause_for(const struct task_run *run, int64_t seconds)
{
	struct timespec step = { 0, 50 * 1000 * 1000 };
	int64_t until_us = clock_monotonic_us() + seconds * US_PER_S;

	while (clock_monotonic_us() < until_us && !task_is_late(run))
		nanosleep(&step, NULL);
	return !task_is_late(run);
}

/* A service that is well and only wants to be asked more slowly is asked more slowly. */
static enum mail_outcome send_patiently(struct batch *b, const struct mail *mail, struct mail_report *ret)
{
	enum mail_outcome outcome = once_mail(b->run, MAIL_ANY, mail, ret);

	for (int i = 0; i < PAUSES_MAX && outcome == MAIL_TRY_AGAIN && ret->too_many && ret->retry_after_s <= PAUSE_MAX_S; i++) {
		if (!pause_for(b->run, ret->retry_after_s > 0 ? ret->retry_after_s : 1))
			break;
		outcome = once_mail(b->run, MAIL_ANY, mail, ret);
	}
	b->put_off |= outcome == MAIL_TRY_AGAIN && ret->too_many;
	return outcome;
}

static void keep(struct batch *b, const json_t *json, struct str key)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)json);

	json_object_set_new(copy, "idempotency_key", json_stringn(key.s, key.len));
	if (!copy || json_array_append_new(b->again, copy) < 0)
		log_write(LOG_ERROR, LOGGER, "mail.lost", LOG_FIELDS(LOG_VIEW("key", key)), "A mail is lost: out of memory");
}

static void count(struct batch *b, enum mail_outcome outcome, const struct mail_report *report, const json_t *json, struct str key)
{
	b->sent += outcome == MAIL_SENT;
	b->failed += outcome != MAIL_SENT;
	b->not_configured |= outcome == MAIL_NOT_CONFIGURED;
	if (outcome == MAIL_SENT)
		return;
	snprintf(b->error, sizeof(b->error), "%s", report->error);
	if (report->retry_after_s > b->retry_after_s)
		b->retry_after_s = report->retry_after_s;
	if (outcome == MAIL_TRY_AGAIN)
		keep(b, json, key);
	if (outcome == MAIL_REFUSED)
		log_write(LOG_WARNING, LOGGER, "mail.refused", LOG_FIELDS(LOG_VIEW("key", key), LOG_STR("error", report->error)),
		          "A mail of a batch cannot be sent: %s", report->error);
}

static void send_each(struct batch *b)
{
	for (size_t i = 0; i < (size_t)b->total && !b->not_configured; i++) {
		const json_t *json = json_array_get(b->mails, i);
		struct mail_report report = { .error = "put off" };
		enum mail_outcome outcome = MAIL_TRY_AGAIN;
		char key[ONCE_KEY_SIZE];
		struct mail mail = mail_of(json, once_key(b->run, "", i, key));

		b->put_off |= task_is_late(b->run);
		if (!b->put_off)
			outcome = send_patiently(b, &mail, &report);
		if (is_ending(b->run))
			return;
		count(b, outcome, &report, json, mail.idempotency_key);
	}
}

static int ask_again(struct db_conn *db, const struct batch *b)
{
	CLEANUP(cleanup_free) char *mails = json_dumps(b->again, JSON_COMPACT);
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	const struct task_run *run = b->run;
	int64_t delay_s = run->policy->delays_s[run->retries];

	if (!mails)
		return ERR_NOMEM;
	buf_addf(&args, "[%s]", mails);
	if (args.failed)
		return ERR_NOMEM;
	return outbox_put(db, &(struct outbox_task){ .name = BATCH_NAME,
	                                             .args = { buf_view(&args) },
	                                             .delay_s = delay_s > b->retry_after_s ? delay_s : b->retry_after_s,
	                                             .retries = run->retries + 1,
	                                             .durable = true });
}

static bool may_retry(const struct batch *b)
{
	return json_array_size(b->again) && b->run->retries < b->run->max_retries;
}

static int end_batch(struct db_conn *db, void *arg)
{
	const struct batch *b = arg;

	buf_addf(&b->run->result, "{\"success\": %s, \"sent\": %lld, \"failed\": %lld, \"total\": %lld}", b->failed ? "false" : "true",
	         (long long)b->sent, (long long)b->failed, (long long)b->total);
	return may_retry(b) ? ask_again(db, b) : 0;
}

static void tell(const struct batch *b)
{
	size_t again = json_array_size(b->again);

	if (again && may_retry(b))
		log_write(LOG_WARNING, LOGGER, "mail.batch_retried",
		          LOG_FIELDS(LOG_INT("mails", (int64_t)again), LOG_STR("error", b->error)),
		          "%zu of %lld mails of a batch are tried again as a batch of their own", again, (long long)b->total);
	else if (again)
		log_write(LOG_ERROR, LOGGER, "mail.lost", LOG_FIELDS(LOG_INT("mails", (int64_t)again), LOG_STR("error", b->error)),
		          "%zu mails are given up: they could not be sent in %d attempts", again, b->run->max_retries + 1);
}

static enum task_outcome send_batch(struct batch *b)
{
	int r;

	send_each(b);
	if (is_ending(b->run))
		return task_fail_late(b->run); /* what was sent is noted */
	if (b->not_configured) {
		buf_add_text(&b->run->result, "{\"success\": false, \"error\": ");
		json_add_text(&b->run->result, b->error);
		buf_addf(&b->run->result, ", \"sent\": 0, \"failed\": %lld}", (long long)b->total);
		return TASK_SUCCEEDED;
	}
	r = task_commit(b->run, end_batch, b, NULL);
	if (r < 0)
		return task_database_error(b->run, r);
	if (r == 0)
		tell(b);
	return TASK_SUCCEEDED;
}

enum task_outcome send_batch_email(struct task_run *run)
{
	struct batch b = { .run = run, .mails = task_value(run, "emails_batch") };
	enum task_outcome outcome;
	int r;

	if (!json_is_array(b.mails))
		return task_fail(run, "TypeError", "emails_batch must be a list");
	r = task_was_done(run); /* then its failed mails are another batch's by now */
	if (r != 0)
		return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
	b.total = (int64_t)json_array_size(b.mails);
	b.again = json_array();
	outcome = b.again ? send_batch(&b) : task_retry(run, "MemoryError", "out of memory");
	json_decref(b.again);
	return outcome;
}
