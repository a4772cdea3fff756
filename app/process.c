#include "app/process.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "domain/mail.h"

int process_take_signals(int *ret_fd, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write, as a full disk is */
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || (*ret_fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return error_set(err, ERR_INTERNAL, "cannot watch for signals");
	return 0;
}

void process_log_warnings(const struct settings *settings)
{
	struct mail_warnings mail;

	for (size_t i = 0; i < settings->warnings.n; i++)
		log_write(LOG_WARNING, "app", "settings.warning", LOG_NO_FIELDS, "%.*s", STR_ARG(settings->warnings.items[i]));
	mail_check_settings(settings, &mail);
	for (size_t i = 0; i < mail.n; i++)
		log_write(LOG_WARNING, "app", "settings.warning", LOG_NO_FIELDS, "%s", mail.text[i]);
}
