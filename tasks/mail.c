#include "tasks/mail.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/metrics.h"
#include "domain/mail.h"
#include "tasks/mail_impl.h"

enum mail_outcome mail_end(struct mail_report *report, enum mail_outcome outcome, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->error, sizeof(report->error), format, args);
	va_end(args);
	for (char *p = report->error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return outcome;
}

static bool goes_by_smtp(const struct settings *settings, enum mail_way way)
{
	return settings->email_host && (way == MAIL_SMTP || !settings->resend_api_key);
}

static enum mail_outcome send_letter(const struct settings *settings, enum mail_way way, const struct mail *mail, const atomic_bool *stop,
                                     struct mail_report *report)
{
	struct letter letter;
	int r = letter_make(settings, mail, &letter, report);

	if (r < 0)
		return r == ERR_INVALID ? MAIL_REFUSED : MAIL_TRY_AGAIN;
	if (goes_by_smtp(settings, way))
		return mail_by_smtp(settings, &letter, stop, report);
	return mail_by_resend(settings, &letter, stop, report);
}

enum mail_outcome mail_send(const struct task_services *services, enum mail_way way, const struct mail *mail, const atomic_bool *stop,
                            struct mail_report *ret)
{
	static const char *const names[] = { [MAIL_SENT] = "sent", [MAIL_TRY_AGAIN] = "failed", [MAIL_REFUSED] = "refused" };
	const struct settings *settings = services->settings;
	enum mail_outcome outcome;

	*ret = (struct mail_report){ 0 };
	if (!mail_is_configured(settings)) {
		log_write(LOG_WARNING, "mail", "mail.not_configured", LOG_NO_FIELDS,
		          "A mail is not sent: neither RESEND_API_KEY nor EMAIL_HOST is set");
		return mail_end(ret, MAIL_NOT_CONFIGURED, "neither RESEND_API_KEY nor EMAIL_HOST is set");
	}
	outcome = send_letter(settings, way, mail, stop, ret);
	metric_add(
	        metric_seriesf(METRIC_MAILS, "way=\"%s\",outcome=\"%s\"", goes_by_smtp(settings, way) ? "smtp" : "resend", names[outcome]),
	        1);
	return outcome;
}
