/* The checks are in SQL, so that of thousands of wallets only those come here that must be told of. */
#include "domain/saka_integrity.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "domain/alert.h"
#include "domain/saka_impl.h"

#define KEY_SIZE        80
#define ARENA_MAX_BYTES ((size_t)256 * 1024) /* of names and addresses of SAKA_ALERTS_MAX people */

/* A wallet to be told of, and whose it is. */
struct suspect {
	int64_t wallet_id, user_id;
	int64_t balance, expected; /* expected: what the totals say */
	int64_t delta;             /* of the change just made; 0: none was */
	bool broken;
	struct str username, email;
};

/* 64 bits: a broken wallet's numbers may be anything. */
#define EXPECTED "CAST(w.total_harvested AS bigint) - w.total_planted - w.total_composted"
#define BROKEN   "(w.balance < 0 OR w.total_harvested < 0 OR w.total_planted < 0 OR w.total_composted < 0 OR w.balance <> " EXPECTED ")"
#define SUSPECT_COLUMNS                                                                                                   \
	DB_COLUMN(struct suspect, wallet_id, INT, "w.id"), DB_COLUMN(struct suspect, user_id, INT, "w.user_id"),          \
	        DB_COLUMN(struct suspect, balance, INT, "w.balance"), DB_COLUMN(struct suspect, expected, INT, EXPECTED), \
	        DB_COLUMN(struct suspect, broken, BOOL, BROKEN), DB_COLUMN(struct suspect, username, TEXT, "u.username"), \
	        DB_COLUMN(struct suspect, email, TEXT, "u.email")
#define FROM_WALLETS " FROM core_sakawallet w JOIN auth_user u ON u.id = w.user_id "

static const struct db_column still_columns[] = { SUSPECT_COLUMNS };
static const struct db_row still_row = DB_ROW(struct suspect, still_columns);

static const struct db_column changed_columns[] = {
	SUSPECT_COLUMNS,
	DB_COLUMN(struct suspect, delta, INT, "CASE t.direction WHEN 'EARN' THEN t.amount ELSE -t.amount END"),
};
static const struct db_row changed_row = DB_ROW(struct suspect, changed_columns);

/* ---- alerts ---- */

#define METHOD_CHANGE "after_change"
#define METHOD_SWEEP  "daily_check"
#define ACTION        "Contrôler sans attendre les données SAKA et trouver d'où vient ce changement."

static void add_text(struct buf *b, const char *key, const char *text)
{
	buf_add_text(b, ", ");
	json_add_key(b, key);
	json_add_text(b, text);
}

static void add_person(struct buf *b, const char *violation, const struct suspect *s, int64_t old_balance)
{
	buf_addf(b, "{\"violation_type\": \"%s\", \"user_id\": %lld, \"username\": ", violation, (long long)s->user_id);
	json_add_str(b, s->username);
	buf_add_text(b, ", \"email\": ");
	json_add_str(b, s->email);
	buf_addf(b, ", \"old_balance\": %lld, \"new_balance\": %lld, \"delta\": %lld", (long long)old_balance, (long long)s->balance,
	         (long long)(s->balance - old_balance));
}

/* Takes the payload's last brace, and asks. */
static int ask(struct db_conn *db, const char *title, struct buf *payload, const char *key)
{
	buf_add_char(payload, '}');
	if (payload->failed)
		return ERR_NOMEM;
	return alert_ask(db, &(struct alert){ str_of(title), { buf_view(payload) }, str_of(key) });
}

/* What both alerts say beside the numbers. */
static void add_explanation(struct buf *b, const char *method, const char *details, const char *cause)
{
	add_text(b, "detection_method", method);
	add_text(b, "detection_details", details);
	add_text(b, "likely_cause", cause);
	add_text(b, "constitution_violation", "no direct SAKA mutation");
	add_text(b, "action_required", ACTION);
}

static int tell_broken(struct db_conn *db, const struct suspect *s, const char *method)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	char key[KEY_SIZE];

	add_person(&b, "saka_wallet_bypass", s, s->expected);
	add_explanation(&b, method, "Le solde n'est pas ce que donnent les totaux récolté, planté et composté du portefeuille.",
	                "Écriture directe dans la base, hors des services SAKA.");
	snprintf(key, sizeof(key), "saka_wallet_bypass:%lld:%lld", (long long)s->user_id, (long long)s->wallet_id);
	return ask(db, "INTEGRITY BREACH DETECTED", &b, key);
}

static int tell_massive(struct db_conn *db, const struct suspect *s)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	char key[KEY_SIZE];

	add_person(&b, "saka_wallet_massive_change", s, s->balance - s->delta);
	buf_addf(&b, ", \"critical_threshold\": %d, \"threshold_exceeded\": true", SAKA_MASSIVE);
	add_explanation(&b, METHOD_CHANGE, "Un seul changement du portefeuille dépasse le seuil.",
	                "Une opération hors de proportion, ou un solde gonflé auparavant hors des services SAKA.");
	add_text(&b, "philosophy_violation", "Un changement de cette taille évoque l'accumulation ou la monétisation des grains.");
	snprintf(key, sizeof(key), "saka_wallet_massive:%lld:%lld", (long long)s->user_id, (long long)s->wallet_id);
	return ask(db, "INTEGRITY BREACH DETECTED (MASSIVE MODIFICATION)", &b, key);
}

static bool is_massive(int64_t delta)
{
	return llabs((long long)delta) > SAKA_MASSIVE;
}

static int tell(struct db_conn *db, const struct suspect *s, const char *method)
{
	int r = s->broken ? tell_broken(db, s, method) : 0;

	return r == 0 && is_massive(s->delta) ? tell_massive(db, s) : r;
}

static int tell_all(struct db_conn *db, const struct db_rows *suspects, const char *method)
{
	const struct suspect *s = suspects->items;
	int r = 0;

	for (size_t i = 0; r == 0 && i < suspects->n; i++)
		r = tell(db, &s[i], method);
	return r;
}

/* ---- after a change ---- */

int saka_watch(struct db_conn *db, int64_t user_id, const struct saka_wallet *after, int64_t delta)
{
	static const struct db_statement find = { "SELECT $cols" FROM_WALLETS "WHERE w.user_id = $1", &still_row };
	struct suspect s = { 0 };
	struct arena arena;
	int r;

	if (saka_wallet_is_sane(after) && !is_massive(delta))
		return 0;
	arena_init(&arena, ARENA_MAX_BYTES);
	r = db_select_one(db, &find, DB_PARAMS(DB_INT(user_id)), &arena, &s);
	s.delta = delta;
	if (r == 0)
		r = tell(db, &s, METHOD_CHANGE);
	arena_finish(&arena);
	return r;
}

static int last_row(struct db_conn *db, int64_t *ret_id)
{
	return db_select_int(db, "SELECT COALESCE(MAX(id), 0) FROM core_sakatransaction", DB_NO_PARAMS, ret_id);
}

int saka_watch_begin(struct db_conn *db, struct saka_watching *w)
{
	w->alerts = SAKA_ALERTS_MAX;
	return last_row(db, &w->since);
}

/* What is newer than the newest is what this transaction has written: it sees nobody else's. */
int saka_watch_part(struct db_conn *db, struct saka_watching *w)
{
	static const struct db_statement find = {
		"SELECT $cols" FROM_WALLETS
		"JOIN core_sakatransaction t ON t.user_id = w.user_id WHERE t.id > $1 AND (t.amount > $2 OR " BROKEN
		") ORDER BY t.id LIMIT $3",
		&changed_row
	};
	struct db_rows suspects = { NULL, 0 };
	struct arena arena;
	int r;

	if (w->alerts <= 0)
		return 0;
	arena_init(&arena, ARENA_MAX_BYTES);
	r = db_select(db, &find, DB_PARAMS(DB_INT(w->since), DB_INT(SAKA_MASSIVE), DB_INT(w->alerts)), &arena, &suspects);
	if (r == 0)
		r = tell_all(db, &suspects, METHOD_CHANGE);
	w->alerts -= (int64_t)suspects.n;
	arena_finish(&arena);
	return r < 0 ? r : last_row(db, &w->since);
}

/* ---- the sweep ---- */

struct sweeping {
	struct saka_part part;
	int64_t alerts; /* that may still be asked for */
	int64_t told;
};

static int tell_part(struct db_conn *db, void *arg)
{
	static const struct db_statement find = { "SELECT $cols" FROM_WALLETS "WHERE w.id > $1 AND w.id <= $2 AND " BROKEN
		                                  " ORDER BY w.id LIMIT $3",
		                                  &still_row };
	struct sweeping *s = arg;
	struct db_rows suspects = { NULL, 0 };
	struct arena arena;
	int r;

	arena_init(&arena, ARENA_MAX_BYTES);
	r = db_select(db, &find, DB_PARAMS(DB_INT(s->part.after), DB_INT(s->part.last), DB_INT(s->alerts)), &arena, &suspects);
	if (r == 0)
		r = tell_all(db, &suspects, METHOD_SWEEP);
	s->told = (int64_t)suspects.n;
	arena_finish(&arena);
	return r;
}

struct tally {
	int64_t wallets, broken;
};

static int sweep_part(struct db_conn *db, struct sweeping *s, struct saka_sweep *sweep)
{
	static const struct db_column columns[] = { DB_COLUMN(struct tally, wallets, INT, "COUNT(*)"),
		                                    DB_COLUMN(struct tally, broken, INT,
		                                              "CAST(COALESCE(SUM(CASE WHEN " BROKEN " THEN 1 ELSE 0 END), 0) AS bigint)") };
	static const struct db_row row = DB_ROW(struct tally, columns);
	static const struct db_statement count = { "SELECT $cols FROM core_sakawallet w WHERE id > $1 AND id <= $2", &row };
	struct tally tally;
	int r = db_select_one(db, &count, DB_PARAMS(DB_INT(s->part.after), DB_INT(s->part.last)), NULL, &tally);

	if (r < 0)
		return r;
	sweep->wallets += tally.wallets;
	sweep->breaches += tally.broken;
	if (tally.broken == 0 || s->alerts <= 0)
		return 0;
	r = db_write(db, tell_part, s);
	s->alerts -= s->told;
	return r;
}

static int tell_silo(struct db_conn *db, void *arg)
{
	const struct saka_silo *silo = arg;
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_addf(&b, "{\"violation_type\": \"saka_silo_bypass\", \"total_balance\": %lld, \"total_composted\": %lld",
	         (long long)silo->total_balance, (long long)silo->total_composted);
	add_text(&b, "detection_method", METHOD_SWEEP);
	add_text(&b, "action_required", ACTION);
	return ask(db, "INTEGRITY BREACH DETECTED", &b, "saka_silo_bypass");
}

static int sweep_silo(struct db_conn *db, struct saka_sweep *sweep)
{
	struct saka_silo silo;
	int r = saka_silo_find(db, &silo);

	if (r == ERR_NOT_FOUND || (r == 0 && saka_silo_is_sane(&silo)))
		return 0;
	if (r < 0)
		return r;
	sweep->breaches++;
	return db_write(db, tell_silo, &silo);
}

int saka_sweep(struct db_conn *db, bool (*stop)(void *arg), void *arg, struct saka_sweep *ret_sweep)
{
	struct sweeping s = { .part = SAKA_FIRST_PART, .alerts = SAKA_ALERTS_MAX };
	struct saka_sweep sweep = { 0, 0 };
	int r = sweep_silo(db, &sweep), more = 1;

	while (r == 0 && !(stop && stop(arg)) && (more = saka_next_part(db, &s.part)) == 1)
		r = sweep_part(db, &s, &sweep);
	if (r == 0 && more < 0)
		r = more;
	if (r == 0)
		*ret_sweep = sweep;
	return r;
}
