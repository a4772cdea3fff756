/*
 * The jobs of the grains: compost, redistribution, the daily look at all wallets. What the first two do is committed with the
 * message's id, so that a second delivery answers what the first did; of those that beat asks for, a week has one live compost.
 * Source: tasks.md 1, 1.2; saka.md 8.
 */
#include <time.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"
#include "domain/saka_compost.h"
#include "domain/saka_integrity.h"
#include "domain/saka_silo.h"
#include "tasks/jobs_impl.h"

#define LOGGER "tasks.saka"

/* ---- compost ---- */

#define WEEK_SIZE 9 /* "2026-W48" */

static void iso_week(struct instant now, char ret_week[WEEK_SIZE])
{
	time_t seconds = (time_t)(now.us / US_PER_S);
	struct tm tm;

	ret_week[0] = '\0';
	if (gmtime_r(&seconds, &tm))
		strftime(ret_week, WEEK_SIZE, "%G-W%V", &tm);
}

struct composting {
	struct task_run *run;
	struct saka_compost compost;
};

static int compost_now(struct db_conn *db, void *arg)
{
	struct composting *c = arg;
	struct saka_compost *done = &c->compost;
	int r = saka_compost_cycle(db, done);

	if (r == 0)
		buf_addf(&c->run->result,
		         "{\"cycles\": %lld, \"wallets_affected\": %lld, \"total_composted\": %lld, \"dry_run\": %s, \"log_id\": %lld}",
		         (long long)done->cycles, (long long)done->wallets_affected, (long long)done->total_composted,
		         done->dry_run ? "true" : "false", (long long)done->log_id);
	return r;
}

static enum task_outcome compost(struct task_run *run, bool dry_run)
{
	struct composting c = { .run = run, .compost = { .settings = run->services->settings, .dry_run = dry_run, .source = "celery" } };
	char week[WEEK_SIZE];
	int r = saka_compost_begin(run->db, &c.compost);

	iso_week(clock_now(), week);
	if (r == 0)
		r = task_commit(run, compost_now, &c, run->from_beat && !dry_run ? week : NULL);
	if (r < 0)
		return task_database_error(run, r);
	if (r == 1 && saka_compost_forget(run->db, &c.compost) < 0)
		log_write(LOG_WARNING, LOGGER, "saka.compost_log", LOG_FIELDS(LOG_INT("log_id", c.compost.log_id)),
		          "A compost run that was not needed has left its unfinished row");
	log_write(LOG_INFO, LOGGER, "saka.compost", LOG_FIELDS(LOG_VIEW("result", buf_view(&run->result))), "SAKA compost cycle%s",
	          r == 1 ? " had been made" : "");
	return TASK_SUCCEEDED;
}

/* What is neither true nor false is refused: taken for false it would compost. */
enum task_outcome saka_run_compost_cycle(struct task_run *run)
{
	if (!json_is_boolean(task_value(run, "dry_run")))
		return task_fail(run, "TypeError", "dry_run must be true or false");
	if (run->services->settings->saka_compost_enabled)
		return compost(run, task_bool(run, "dry_run"));
	buf_add_text(&run->result, "{\"cycles\": 0, \"wallets_affected\": 0, \"total_composted\": 0, \"skipped\": \"disabled\"}");
	return TASK_SUCCEEDED;
}

/* ---- redistribution ---- */

static void add_share(struct buf *b, const struct saka_share *s)
{
	const char *reason = saka_share_reason(s->outcome);

	if (!reason) {
		buf_addf(b,
		         "{\"ok\": true, \"total_before\": %lld, \"total_after\": %lld, \"redistributed\": %lld, \"per_wallet\": %lld, "
		         "\"eligible_wallets\": %lld}",
		         (long long)s->total_before, (long long)s->total_after, (long long)s->redistributed, (long long)s->per_wallet,
		         (long long)s->eligible_wallets);
		return;
	}
	buf_addf(b, "{\"ok\": false, \"reason\": \"%s\", \"total_before\": %lld", reason, (long long)s->total_before);
	if (s->outcome == SAKA_SHARE_NO_WALLETS || s->outcome == SAKA_SHARE_TOO_LITTLE)
		buf_add_text(b, ", \"redistributed\": 0");
	if (s->outcome == SAKA_SHARE_TOO_LITTLE)
		buf_addf(b, ", \"eligible_wallets\": %lld", (long long)s->eligible_wallets);
	buf_add_char(b, '}');
}

struct redistribution {
	struct task_run *run;
	struct saka_share share;
};

static int share_now(struct db_conn *db, void *arg)
{
	struct redistribution *d = arg;
	const struct settings *settings = d->run->services->settings;
	int r = saka_silo_share(db, settings, settings->saka_silo_redis_rate, &d->share);

	if (r == 0)
		add_share(&d->run->result, &d->share);
	return r;
}

enum task_outcome run_saka_silo_redistribution(struct task_run *run)
{
	struct redistribution d = { .run = run };
	int r;

	if (!run->services->settings->saka_silo_redis_enabled) {
		buf_add_text(&run->result, "{\"ok\": false, \"reason\": \"disabled\"}");
		return TASK_SUCCEEDED;
	}
	r = task_commit(run, share_now, &d, NULL);
	if (r < 0)
		return task_database_error(run, r);
	log_write(d.share.outcome == SAKA_SHARED ? LOG_INFO : LOG_WARNING, LOGGER, "saka.redistribution",
	          LOG_FIELDS(LOG_VIEW("result", buf_view(&run->result))), "SAKA silo redistribution%s", r == 1 ? " had been made" : "");
	return TASK_SUCCEEDED;
}

/* ---- integrity ---- */

static bool is_late(void *run)
{
	return task_is_late(run);
}

enum task_outcome saka_integrity(struct task_run *run)
{
	struct saka_sweep sweep;
	int r = saka_sweep(run->db, is_late, run, &sweep);

	if (r < 0)
		return task_database_error(run, r);
	if (task_is_late(run))
		return task_fail_late(run);
	if (sweep.breaches)
		log_write(LOG_CRITICAL, LOGGER, "saka.integrity",
		          LOG_FIELDS(LOG_INT("wallets", sweep.wallets), LOG_INT("breaches", sweep.breaches)),
		          "SAKA wallets or the silo do not hold what they must");
	buf_addf(&run->result, "{\"wallets\": %lld, \"breaches\": %lld}", (long long)sweep.wallets, (long long)sweep.breaches);
	return TASK_SUCCEEDED;
}
