/*
 * The numbers are sums over what the account gave and sent, worked out in the transaction that stores them. Reading is cheap and
 * never older than an hour; who looks again sees what a task has made fresh meanwhile.
 */
#include "domain/dashboard.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "db/outbox.h"

#define STALE_US  (3600 * US_PER_S)
#define OLD_S     60
#define TOTAL_MAX 99999999.99 /* of the column */
#define KEY_SIZE  60
#define ARGS_SIZE 32

/* ---- the row ---- */

struct stored {
	struct decimal total;
	int64_t projects, cagnottes, intentions;
	struct instant last_updated;
};

static int find(struct db_conn *db, int64_t user_id, struct dashboard *ret_dashboard)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct stored, total, DECIMAL, "total_contributions"),
		DB_COLUMN(struct stored, projects, INT, "projects_supported"),
		DB_COLUMN(struct stored, cagnottes, INT, "cagnottes_contributed"),
		DB_COLUMN(struct stored, intentions, INT, "intentions_submitted"),
		DB_COLUMN(struct stored, last_updated, TIME, "last_updated"),
	};
	static const struct db_row row = DB_ROW(struct stored, columns);
	static const struct db_statement by_user = { "SELECT $cols FROM impact_dashboard WHERE user_id = $1", &row };
	struct stored s;
	int r = db_select_one(db, &by_user, DB_PARAMS(DB_INT(user_id)), NULL, &s);

	if (r == 0)
		*ret_dashboard =
		        (struct dashboard){ (double)s.total.cents / 100, s.projects, s.cagnottes, s.intentions, s.last_updated, 0 };
	return r;
}

/* ---- working it out ---- */

struct sums {
	double total; /* NaN: none */
	int64_t projects, cagnottes, intentions;
};

/* An infinite contribution is none. */
#define CONTRIBUTIONS "FROM core_contribution k LEFT JOIN core_cagnotte c ON c.id = k.cagnotte_id WHERE k.user_id = u.id"

static int work_out(struct db_conn *db, int64_t user_id, struct sums *ret_sums)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct sums, total, FLOAT, "(SELECT SUM(k.montant) " CONTRIBUTIONS " AND k.montant BETWEEN -1e12 AND 1e12)"),
		DB_COLUMN(struct sums, projects, INT, "(SELECT COUNT(DISTINCT COALESCE(c.projet_id, 0)) " CONTRIBUTIONS ")"),
		DB_COLUMN(struct sums, cagnottes, INT, "(SELECT COUNT(DISTINCT k.cagnotte_id) " CONTRIBUTIONS ")"),
		DB_COLUMN(struct sums, intentions, INT, "(SELECT COUNT(*) FROM core_intent i WHERE i.email = u.email)"),
	};
	static const struct db_row row = DB_ROW(struct sums, columns);
	static const struct db_statement sums = { "SELECT $cols FROM auth_user u WHERE u.id = $1", &row };

	return db_select_one(db, &sums, DB_PARAMS(DB_INT(user_id)), NULL, ret_sums);
}

static struct decimal to_cents(double total)
{
	if (isnan(total))
		return (struct decimal){ 0 };
	return (struct decimal){ llround(fmin(fmax(total, -TOTAL_MAX), TOTAL_MAX) * 100) };
}

int dashboard_refresh(struct db_conn *db, int64_t user_id, struct dashboard *ret_dashboard)
{
	static const struct db_statement store = {
		"INSERT INTO impact_dashboard (user_id, total_contributions, projects_supported, cagnottes_contributed, "
		"intentions_submitted, last_updated) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE SET "
		"total_contributions "
		"= excluded.total_contributions, projects_supported = excluded.projects_supported, cagnottes_contributed = "
		"excluded.cagnottes_contributed, intentions_submitted = excluded.intentions_submitted, last_updated = excluded.last_updated"
	};
	struct sums s;
	int r = work_out(db, user_id, &s);

	if (r == 0)
		r = db_execute(db, &store,
		               DB_PARAMS(DB_INT(user_id), DB_DECIMAL(to_cents(s.total)), DB_INT(s.projects), DB_INT(s.cagnottes),
		                         DB_INT(s.intentions), DB_TIME(clock_now())),
		               NULL);
	return r < 0 ? r : find(db, user_id, ret_dashboard);
}

struct refreshing {
	int64_t user_id;
	struct dashboard dashboard;
};

static int refresh(struct db_conn *db, void *arg)
{
	struct refreshing *f = arg;

	return dashboard_refresh(db, f->user_id, &f->dashboard);
}

static int refresh_now(struct db_conn *db, int64_t user_id, struct dashboard *ret_dashboard)
{
	struct refreshing f = { .user_id = user_id };
	int r = db_write(db, refresh, &f);

	if (r == 0)
		*ret_dashboard = f.dashboard;
	return r;
}

/* ---- reading ---- */

static int put_task(struct db_conn *db, void *args)
{
	const struct outbox_task task = { .name = DASHBOARD_REFRESH_TASK, .args = { str_of(args) }, .durable = true };

	return outbox_put(db, &task);
}

/* Two at the same moment may both ask: the work is the same, and done twice it does no harm. */
static int ask_for_refresh(struct db_conn *db, struct cache *cache, struct redis_budget *budget, int64_t user_id)
{
	char key[KEY_SIZE], args[ARGS_SIZE];
	CLEANUP(blob_unrefp) struct blob *asked = NULL;

	snprintf(key, sizeof(key), "impact_dashboard_asked:%lld", (long long)user_id);
	asked = safe_cache_get(cache, budget, key);
	if (asked)
		return 0;
	safe_cache_set(cache, budget, key, "1", 1, OLD_S);
	snprintf(args, sizeof(args), "[%lld]", (long long)user_id);
	return db_write(db, put_task, args);
}

int dashboard_read(struct db_conn *db, struct cache *cache, struct redis_budget *budget, int64_t user_id, struct dashboard *ret_dashboard)
{
	struct instant now = clock_now();
	struct dashboard d = { .asking = 0 };
	int r = find(db, user_id, &d);

	if (r == ERR_NOT_FOUND || (r == 0 && d.last_updated.us < now.us - STALE_US))
		return refresh_now(db, user_id, ret_dashboard);
	if (r < 0)
		return r;
	if (d.last_updated.us < now.us - OLD_S * US_PER_S)
		d.asking = ask_for_refresh(db, cache, budget, user_id);
	*ret_dashboard = d;
	return 0;
}

const char *dashboard_message(const struct dashboard *d)
{
	if (d->projects_supported > 0)
		return "Merci : vos contributions font avancer des projets du vivant.";
	if (d->intentions_submitted > 0)
		return "Votre intention est semée : un premier soutien à un projet la fera lever.";
	return "Votre chemin commence ici : découvrez les projets et semez une première intention.";
}
