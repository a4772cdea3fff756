#include "tasks/notify.h"

#include "base/clock.h"
#include "base/log.h"
#include "domain/mail.h"
#include "tasks/once.h"

#define ARENA_BYTES 65536

static void tell(enum mail_outcome outcome, struct str subject, const struct mail_report *report)
{
	if (outcome == MAIL_SENT || outcome == MAIL_NOT_CONFIGURED) /* that has been logged */
		return;
	log_write(LOG_WARNING, "tasks.monitoring", "notify.failed",
	          LOG_FIELDS(LOG_VIEW("subject", subject), LOG_STR("error", report->error)),
	          "a mail to those who run the site was not sent: %s", report->error);
}

void notify_team_once(struct task_run *run, struct str subject, struct str text)
{
	const char *team = run->services->settings->notify_email;
	char key[ONCE_KEY_SIZE];
	const struct mail mail = { .to = str_of(team), .subject = subject, .text = text, .idempotency_key = once_key(run, "", 0, key) };
	struct mail_report report;

	if (team)
		tell(once_mail(run, MAIL_SMTP, &mail, &report), subject, &report);
}

static void send_to(const struct task_services *services, struct str to, struct str subject, struct str text, const atomic_bool *stop)
{
	const struct mail mail = { .to = to, .subject = subject, .text = text };
	struct mail_report report;

	tell(mail_send(services, MAIL_SMTP, &mail, stop, &report), subject, &report);
}

static void notify_team(const struct task_services *services, struct str subject, struct str text, const atomic_bool *stop)
{
	if (services->settings->notify_email)
		send_to(services, str_of(services->settings->notify_email), subject, text, stop);
}

static void notify_admins(const struct task_services *services, struct str subject, struct str text, const atomic_bool *stop)
{
	const struct settings *settings = services->settings;
	struct db_rows admins;
	struct arena arena;

	if (!settings->alert_email_enabled)
		return;
	arena_init(&arena, ARENA_BYTES);
	if (mail_admins(settings, &arena, &admins) == 0)
		for (size_t i = 0; i < admins.n; i++) {
			struct str to = ((const struct str *)admins.items)[i];

			if (!settings->notify_email || !str_equal_nocase(to, str_of(settings->notify_email)))
				send_to(services, to, subject, text, stop);
		}
	arena_finish(&arena);
}

void notify_redis_down(const struct task_services *services, const struct redis_probe_status *status, struct instant since,
                       const atomic_bool *stop)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	char began[CLOCK_ISO_SIZE];

	clock_format_iso(since, began);
	buf_addf(&text,
	         "Redis est injoignable depuis %s.\n\nBackend : %s\nErreur : %s\n\n"
	         "L'application fonctionne en mode dégradé, sur ses solutions de repli : le cache est en mémoire, les messages des autres "
	         "processus sont relus dans la base, les tâches sont exécutées sur place. Rien n'est perdu, et Redis sera repris de "
	         "lui-même "
	         "dès qu'il répondra.\n\nÀ faire : vérifier le serveur Redis et l'adresse REDIS_URL.\n",
	         began, status->backend, status->error);
	if (!text.failed)
		notify_team(services, (struct str)STR("[EGOEJO] Redis est injoignable"), buf_view(&text), stop);
}

void notify_redis_up(const struct task_services *services, struct instant since, bool admins, const atomic_bool *stop)
{
	static const struct str subject = STR("[EGOEJO] Redis répond de nouveau");
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	char began[CLOCK_ISO_SIZE];

	clock_format_iso(since, began);
	buf_addf(&text, "Redis répond de nouveau. L'interruption avait commencé le %s. Il n'y a rien à faire.\n", began);
	if (text.failed)
		return;
	notify_team(services, subject, buf_view(&text), stop);
	if (admins)
		notify_admins(services, subject, buf_view(&text), stop);
}
