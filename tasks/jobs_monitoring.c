/*
 * The tasks that watch the others: whether compost still runs (and so whether beat does), whether it ran although there was something to
 * compost, whether a run of it was never finished, whether Redis answers. What they find is their result, a line of the log, and a mail.
 * Source: tasks.md 1, 3.2; saka.md 8, 11 D8; resilience.md 1.5. A mail that is not sent changes nothing of the result.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "domain/outage.h"
#include "domain/saka_compost.h"
#include "resilience/redis_health.h"
#include "tasks/jobs_impl.h"
#include "tasks/notify.h"

#define LOGGER       "tasks.monitoring"
#define HOUR_US      (INT64_C(3600) * US_PER_S)
#define DAY_US       (24 * HOUR_US)
#define BEAT_DAYS    8 /* compost is weekly */
#define MISSED_DAYS  7
#define MESSAGE_SIZE 400
#define OUTAGE_KEY   "redis_down" /* as the watch over Redis has it: one mail, whoever finds it */

/* The result; action absent: nothing is required. */
static enum task_outcome answer(struct task_run *run, const char *status, struct str message, struct str backend, const char *action)
{
	buf_addf(&run->result, "{\"status\": \"%s\", \"message\": ", status);
	json_add_str(&run->result, message);
	if (backend.s) {
		buf_add_text(&run->result, ", \"backend\": ");
		json_add_str(&run->result, backend);
	}
	if (action) {
		buf_add_text(&run->result, ", \"action_required\": ");
		json_add_text(&run->result, action);
	}
	buf_add_char(&run->result, '}');
	return TASK_SUCCEEDED;
}

/* A second delivery of the message finds the same fault, and tells it no more. */
static void mail_team(struct task_run *run, const char *subject, struct str message, const char *action)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

	buf_addf(&text, "%.*s\n\nÀ faire : %s\n", STR_ARG(message), action);
	if (!text.failed)
		notify_team_once(run, str_of(subject), buf_view(&text));
}

/* ---- core.tasks.check_celery_beat_health ---- */

enum task_outcome check_celery_beat_health(struct task_run *run)
{
	static const char action[] =
	        "vérifier qu'un processus beat tourne (serve avec BEAT=on, egoejo worker --beat ou egoejo beat), et que "
	        "SAKA_COMPOST_ENABLED est vrai.";
	static const struct str nothing = STR("Aucun compost SAKA terminé depuis 8 jours : beat est peut-être inactif.");
	char message[MESSAGE_SIZE];
	int64_t runs;
	int r = saka_compost_runs_since(run->db, (struct instant){ clock_now().us - BEAT_DAYS * DAY_US }, &runs);

	if (r < 0)
		return task_database_error(run, r);
	if (runs) {
		snprintf(message, sizeof(message), "Beat fonctionne : %lld compost(s) SAKA terminé(s) depuis %d jours.", (long long)runs,
		         BEAT_DAYS);
		return answer(run, "ok", str_of(message), (struct str){ NULL, 0 }, NULL);
	}
	log_write(LOG_ERROR, LOGGER, "monitoring.beat", LOG_FIELDS(LOG_INT("days", BEAT_DAYS)),
	          "No SAKA compost was finished in %d days: beat may be inactive", BEAT_DAYS);
	mail_team(run, "[EGOEJO] Beat est peut-être inactif", nothing, action);
	return answer(run, "error", nothing, (struct str){ NULL, 0 }, action);
}

/* ---- core.tasks.check_compost_failures ---- */

/* What is wrong with compost; zeros: nothing. */
struct compost_faults {
	int64_t missed;     /* wallets that should have been composted and were not */
	int64_t unfinished; /* runs that began more than an hour ago, in the last week that ended so */
};

static int find_faults(struct task_run *run, struct compost_faults *ret)
{
	struct instant now = clock_now(), hour_ago = { now.us - HOUR_US };
	int64_t runs = 0;
	int r = saka_compost_runs_since(run->db, (struct instant){ now.us - MISSED_DAYS * DAY_US }, &runs);

	*ret = (struct compost_faults){ 0, 0 };
	if (r == 0 && !runs)
		r = saka_compost_eligible(run->db, run->services->settings, &ret->missed);
	if (r < 0)
		return r;
	return saka_compost_unfinished(run->db, (struct instant){ hour_ago.us - MISSED_DAYS * DAY_US }, hour_ago, &ret->unfinished);
}

static void describe(const struct compost_faults *faults, char ret_message[MESSAGE_SIZE])
{
	size_t n = 0;

	ret_message[0] = '\0';
	if (faults->missed)
		n = (size_t)snprintf(ret_message, MESSAGE_SIZE,
		                     "Aucun compost SAKA terminé depuis %d jours, alors que %lld portefeuille(s) y sont éligibles.",
		                     MISSED_DAYS, (long long)faults->missed);
	if (faults->unfinished)
		snprintf(ret_message + n, MESSAGE_SIZE - n,
		         "%s%lld compost(s) SAKA commencé(s) depuis plus d'une heure sans être terminé(s).", n ? " " : "",
		         (long long)faults->unfinished);
}

static void log_faults(const struct compost_faults *faults)
{
	if (faults->missed)
		log_write(LOG_WARNING, LOGGER, "monitoring.compost",
		          LOG_FIELDS(LOG_INT("days", MISSED_DAYS), LOG_INT("wallets", faults->missed)),
		          "No SAKA compost was finished in %d days although %lld wallets are eligible", MISSED_DAYS,
		          (long long)faults->missed);
	if (faults->unfinished)
		log_write(LOG_WARNING, LOGGER, "monitoring.compost_unfinished", LOG_FIELDS(LOG_INT("runs", faults->unfinished)),
		          "%lld runs of the SAKA compost began more than an hour ago and were never finished",
		          (long long)faults->unfinished);
}

enum task_outcome check_compost_failures(struct task_run *run)
{
	static const char action[] = "vérifier beat, les journaux de core.tasks.saka_run_compost_cycle, et SAKA_COMPOST_ENABLED.";
	struct compost_faults faults;
	char message[MESSAGE_SIZE];
	int r = find_faults(run, &faults);

	if (r < 0)
		return task_database_error(run, r);
	if (!faults.missed && !faults.unfinished)
		return answer(run, "ok", (struct str)STR("Aucun compost SAKA manqué depuis 7 jours."), (struct str){ NULL, 0 }, NULL);
	describe(&faults, message);
	log_faults(&faults);
	mail_team(run, faults.missed ? "[EGOEJO] Le compost SAKA n'a pas eu lieu" : "[EGOEJO] Un compost SAKA n'est pas terminé",
	          str_of(message), action);
	return answer(run, "warning", str_of(message), (struct str){ NULL, 0 }, action);
}

/* ---- core.tasks.check_redis_health ---- */

struct redis_claim {
	struct outage outage;
	struct instant now;
};

static int claim_mail(struct db_conn *db, void *arg)
{
	const struct redis_claim *c = arg;

	return outage_claim(db, &c->outage, c->now);
}

static void mail_outage(void *arg, const struct redis_probe_status *status)
{
	struct task_run *run = arg;
	const struct settings *settings = run->services->settings;
	struct redis_usage_status usage;
	struct redis_claim claim = { .now = clock_now() };

	redis_usage_status(run->services->redis, REDIS_CACHE, &usage);
	claim.outage = (struct outage){ (struct str)STR(OUTAGE_KEY), usage.available ? claim.now : usage.since,
		                        settings->redis_check_s * US_PER_S, settings->redis_alert_after_s * US_PER_S };
	if (db_write(run->db, claim_mail, &claim) != 0) /* 0: others have; what cannot be claimed is told all the same */
		notify_redis_down(run->services, status, claim.outage.since, run->stop);
}

enum task_outcome check_redis_health_task(struct task_run *run)
{
	static const char action[] =
	        "vérifier le serveur Redis et l'adresse REDIS_URL; l'application fonctionne sur ses solutions de repli.";
	char message[MESSAGE_SIZE];
	struct redis_probe_status status = { .available = true, .backend = "LocMemCache" };

	if (run->services->redis)
		check_redis_health(run->services->redis, REDIS_HEALTH_PROBE, mail_outage, run, &status);
	if (status.available)
		return answer(run, "ok", (struct str)STR("Redis est disponible."), str_of(status.backend), NULL);
	snprintf(message, sizeof(message), "Redis est injoignable : %s", status.error);
	return answer(run, "error", str_of(message), str_of(status.backend), action);
}
