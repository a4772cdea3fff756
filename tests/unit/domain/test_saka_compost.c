#include "domain/saka_compost.h"

#include <math.h>
#include <pthread.h>

#include "tests/unit/domain/grains.h"

/* ---- who gives what ---- */

static void test_saka_compost__who_is_idle_and_has_enough_gives_a_part(void **state)
{
	static const struct {
		int64_t grains, idle_days, left;
	} people[] = {
		{ 100, 91, 90 },                           /* 10 of 100 */
		{ 100, 89, 100 },                          /* was active */
		{ 100, NULL_INT, 90 },                     /* was never active */
		{ 99, 91, 99 },        { 60, 91, 60 },     /* would give 9, and 6 */
		{ 49, 91, 49 },        { 0, NULL_INT, 0 }, /* has too little */
		{ 1009, 91, 909 },     { 32767, 400, 29491 },
	};
	struct fixture *f = *state;
	struct saka_compost c;

	for (size_t i = 0; i < N_ELEMENTS(people); i++)
		add_wallet(f, (int)i + 1, people[i].grains, people[i].idle_days);
	c = compost(f, &rules, false);
	assert_int_equal(c.cycles, 1);
	assert_int_equal(c.wallets_affected, 4);
	assert_int_equal(c.total_composted, 10 + 10 + 100 + 3276);
	for (size_t i = 0; i < N_ELEMENTS(people); i++) {
		struct saka_wallet w = wallet_of(f, (int64_t)i + 1);

		assert_int_equal(w.balance, people[i].left);
		assert_int_equal(w.total_composted, people[i].grains - people[i].left);
	}
	assert_books_balance(f);
}

static void test_saka_compost__a_wallet_that_gave_counts_as_active(void **state)
{
	struct fixture *f = *state;

	add_wallet(f, 1, 1000, 91);
	assert_int_equal(compost(f, &rules, false).total_composted, 100);
	assert_true(wallet_of(f, 1).last_activity_date.us == silo_now(f).last_compost_at.us);
	assert_int_equal(compost(f, &rules, false).wallets_affected, 0);
	clock_advance_for_tests(90 * DAY_US + 60 * US_PER_S);
	assert_int_equal(compost(f, &rules, false).total_composted, 90);
	clock_advance_for_tests(-90 * DAY_US - 60 * US_PER_S);
	assert_int_equal(silo_now(f).total_cycles, 2);
	assert_int_equal(silo_now(f).total_balance, 190);
}

static void test_saka_compost__the_row_says_what_happened(void **state)
{
	struct fixture *f = *state;
	struct saka_transaction *t;
	char expected[200], cutoff[CLOCK_ISO_SIZE];
	struct db_rows rows;
	struct instant at;

	add_wallet(f, 1, 200, 91);
	compost(f, &rules, false);
	assert_ok(saka_transaction_list(f->conn, &f->arena, 1, TEXT("SPEND"), 10, 0, &rows));
	assert_int_equal(rows.n, 1);
	t = rows.items;
	assert_int_equal(t->amount, 20);
	assert_text(t->reason, "compost");
	at = silo_now(f).last_compost_at;
	assert_true(t->created_at.us == at.us);
	clock_format_iso((struct instant){ at.us - 90 * DAY_US }, cutoff);
	snprintf(expected, sizeof(expected), "{\"source\": \"compost_cycle\", \"cutoff\": \"%s\", \"rate\": 0.1}", cutoff);
	if (f->engine == DB_SQLITE) /* PostgreSQL has an order of its own */
		assert_text(t->metadata.text, expected);
	assert_int_equal(t->metadata.text.len, strlen(expected));
}

/* floor(balance × rate) in doubles, on both engines and here: 100 × 0.29 is below 29. */
static void test_saka_compost__amounts_are_rounded_down_as_doubles_are(void **state)
{
	const double rates[] = { 0.1, 0.29, 0.57, 0.07, 1.0 / 3, 0.999999, 1 };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(rates); i++) {
		struct settings every = rules;
		int64_t total = 0;

		every.saka_compost_rate = rates[i];
		every.saka_compost_min_balance = every.saka_compost_min_amount = 0;
		write_rows(f, empty_all_tables);
		add_wallets(f, 1, 400, 1, NULL_INT);
		write_rows(f, "UPDATE core_sakawallet SET balance = user_id, total_harvested = user_id");
		for (int64_t balance = 1; balance <= 400; balance++)
			total += (int64_t)floor((double)balance * rates[i]);
		assert_int_equal(compost(f, &every, false).total_composted, total);
		for (int64_t user = 1; user <= 400; user += 9)
			assert_int_equal(wallet_of(f, user).total_composted, (int64_t)floor((double)user * rates[i]));
	}
}

/* ---- the log ---- */

struct log {
	struct instant started_at, finished_at;
	bool dry_run;
	int64_t wallets_affected, total_composted, inactivity_days, min_balance, min_amount, cycle_id;
	double rate;
	struct str source;
};

static struct log log_of(struct fixture *f, int64_t id)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct log, started_at, TIME, "started_at"),
		DB_COLUMN(struct log, finished_at, TIME, "finished_at"),
		DB_COLUMN(struct log, dry_run, BOOL, "dry_run"),
		DB_COLUMN(struct log, wallets_affected, INT, "wallets_affected"),
		DB_COLUMN(struct log, total_composted, INT, "total_composted"),
		DB_COLUMN(struct log, inactivity_days, INT, "inactivity_days"),
		DB_COLUMN(struct log, min_balance, INT, "min_balance"),
		DB_COLUMN(struct log, min_amount, INT, "min_amount"),
		DB_COLUMN(struct log, cycle_id, INT, "cycle_id"),
		DB_COLUMN(struct log, rate, FLOAT, "rate"),
		DB_COLUMN(struct log, source, TEXT, "source"),
	};
	static const struct db_row row = DB_ROW(struct log, columns);
	static const struct db_statement find = { "SELECT $cols FROM core_sakacompostlog WHERE id = $1", &row };
	struct log log = { .rate = 0 };

	assert_ok(db_select_one(f->conn, &find, DB_PARAMS(DB_INT(id)), &f->arena, &log));
	return log;
}

static void test_saka_compost__each_run_has_a_row(void **state)
{
	struct fixture *f = *state;
	struct log log;

	add_wallets(f, 1, 3, 500, 91);
	write_rows(f, "INSERT INTO core_sakacycle (id, name, start_date, end_date, is_active, created_at, updated_at) VALUES "
	              "(1, 'a', '2026-01-01', '2026-03-31', true, '2026-01-01 00:00:00', '2026-01-01 00:00:00'),"
	              "(2, 'b', '2026-04-01', '2026-06-30', true, '2026-01-01 00:00:00', '2026-01-01 00:00:00'),"
	              "(3, 'c', '2026-07-01', '2026-09-30', false, '2026-01-01 00:00:00', '2026-01-01 00:00:00')");
	log = log_of(f, compost(f, &rules, false).log_id);
	assert_int_equal(log.cycle_id, 2);
	assert_false(log.dry_run);
	assert_int_equal(log.wallets_affected, 3);
	assert_int_equal(log.total_composted, 150);
	assert_int_equal(log.inactivity_days, 90);
	assert_int_equal(log.min_balance, 50);
	assert_int_equal(log.min_amount, 10);
	assert_true(log.rate == 0.1);
	assert_text(log.source, "admin");
	assert_true(log.started_at.us <= silo_now(f).last_compost_at.us && silo_now(f).last_compost_at.us <= log.finished_at.us);
	write_rows(f, "UPDATE core_sakacycle SET is_active = false");
	log = log_of(f, compost(f, &rules, false).log_id);
	assert_true(log.cycle_id == NULL_INT && log.finished_at.us != NULL_TIME.us);
	assert_int_equal(log.wallets_affected, 0);
}

static void test_saka_compost__a_dry_run_writes_its_row_alone(void **state)
{
	struct fixture *f = *state;
	struct saka_compost c;

	add_wallets(f, 1, 3, 500, 91);
	c = compost(f, &rules, true);
	assert_int_equal(c.cycles, 0);
	assert_int_equal(c.wallets_affected, 3);
	assert_int_equal(c.total_composted, 150);
	assert_true(log_of(f, c.log_id).dry_run);
	assert_int_equal(log_of(f, c.log_id).total_composted, 150);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakasilo"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND'"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 500"), 3);
}

static int do_cycle(struct db_conn *conn, void *arg)
{
	return saka_compost_cycle(conn, arg);
}

static void test_saka_compost__a_run_that_fails_changes_nothing_and_its_row_tells(void **state)
{
	struct fixture *f = *state;
	struct saka_compost c = { .settings = &rules, .source = "celery" };

	add_wallets(f, 1, 3, 500, 91);
	fill_silo(f, 0, INT32_MAX - 149);
	assert_int_equal(saka_compost_run(f->conn, &c), ERR_LIMIT);
	assert_true(log_of(f, c.log_id).finished_at.us == NULL_TIME.us);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND'"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 500"), 3);
	assert_int_equal(silo_now(f).total_cycles, 0);
	assert_ok(saka_compost_forget(f->conn, &c));
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 0);
	write_rows(f, "UPDATE core_sakasilo SET total_composted = total_composted - 1");
	assert_ok(saka_compost_run(f->conn, &c));
	assert_ok(saka_compost_forget(f->conn, &c)); /* it has been made: its row stays */
	assert_int_equal(silo_now(f).total_composted, INT32_MAX);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 1);
}

static void test_saka_compost__whatever_statement_fails_nothing_has_changed(void **state)
{
	struct fixture *f = *state;
	struct saka_compost c = { .settings = &rules, .source = "celery" };
	int r = 0, failures = 0;

	add_wallets(f, 1, 5, 500, 91);
	assert_ok(saka_compost_begin(f->conn, &c));
	for (int n = 1; n < 60; n++) {
		fault_arm(FAULT_SQL_STEP, n, false);
		r = db_write(f->conn, do_cycle, &c);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 500"), 5);
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND'"), 0);
	}
	assert_int_equal(r, 0);
	assert_true(failures >= 6);
	assert_int_equal(silo_now(f).total_balance, 250);
	assert_books_balance(f);
}

/* ---- many ---- */

static void test_saka_compost__each_of_very_many_gives_once(void **state)
{
	struct fixture *f = *state;
	struct saka_compost c;

	add_wallets(f, 1, 12501, 100, 91);
	add_wallets(f, 20000, 20001, 100, 1);
	c = compost(f, &rules, false);
	assert_int_equal(c.wallets_affected, 12501);
	assert_int_equal(c.total_composted, 125010);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 90 AND total_composted = 10"), 12501);
	assert_int_equal(silo_now(f).total_cycles, 1);
	assert_int_equal(share(f, &rules, 1).per_wallet, 9);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 99"), 12501);
	assert_books_balance(f);
}

#define THREADS 6

struct thread {
	pthread_t id;
	struct fixture *f;
	struct saka_compost compost;
	unsigned seed;
	int result;
};

static void *compost_once(void *arg)
{
	struct thread *t = arg;
	struct db_conn *conn = NULL;
	struct error err = { 0 };

	t->result = db_connect(t->f->db, &conn, &err);
	if (t->result == 0)
		t->result = saka_compost_run(conn, &t->compost);
	db_disconnect(conn);
	return NULL;
}

static void test_saka_compost__many_at_once_do_the_work_of_one(void **state)
{
	struct fixture *f = *state;
	struct thread threads[THREADS];
	int64_t affected = 0, cycles = 0;

	add_wallets(f, 1, 300, 100, 91);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = f, .compost = { .settings = &rules, .source = "celery" } };
		assert_int_equal(pthread_create(&threads[i].id, NULL, compost_once, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].id, NULL);
		assert_int_equal(threads[i].result, 0);
		affected += threads[i].compost.wallets_affected;
		cycles += threads[i].compost.cycles;
	}
	assert_int_equal(affected, 300);
	assert_int_equal(cycles, 1);
	assert_int_equal(silo_now(f).total_cycles, 1);
	assert_int_equal(silo_now(f).total_balance, 3000);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog WHERE finished_at IS NOT NULL"), THREADS);
	assert_books_balance(f);
}

/* ---- random histories against a model of saka.md's formulas ---- */

#define USERS 12
#define STEPS 160

struct account {
	int64_t balance, harvested, planted, composted, active_us; /* active_us: NULL_INT: never */
};

struct world {
	struct fixture *f;
	struct settings rules;
	struct account accounts[USERS];
	struct saka_silo silo;
	unsigned seed;
	int64_t moved_us;
};

static int64_t random_below(unsigned *seed, int64_t n)
{
	int64_t high, low;

	*seed = *seed * 1103515245 + 12345;
	high = *seed >> 16 & 0x7fff;
	*seed = *seed * 1103515245 + 12345;
	low = *seed >> 16 & 0x7fff;
	return (high << 15 | low) % n;
}

/* What one closure does to one wallet. */
struct act {
	const struct settings *settings;
	int64_t user, amount, id;
	enum saka_reason reason;
	bool spent;
};

static int do_act(struct db_conn *conn, void *arg)
{
	struct act *a = arg;
	struct json_text none = { { NULL, 0 } };

	if (a->reason == SAKA_PROJECT_BOOST)
		return saka_spend(conn, a->settings, a->user, a->reason, a->amount, none, &a->spent);
	return saka_harvest(conn, a->settings, a->user, a->reason, a->amount, none, &a->id);
}

static void random_act(struct act *a, unsigned *seed, int64_t users)
{
	static const enum saka_reason reasons[] = { SAKA_CONTENT_READ,  SAKA_POLL_VOTE,     SAKA_INVITE_ACCEPTED, SAKA_INVEST_BONUS,
		                                    SAKA_MANUAL_ADJUST, SAKA_PROJECT_BOOST, SAKA_PROJECT_BOOST };

	a->user = random_below(seed, users) + 1;
	a->reason = reasons[random_below(seed, N_ELEMENTS(reasons))];
	a->amount = random_below(seed, 3) ? random_below(seed, 200) : random_below(seed, 20000);
}

/* Harvest and planting have a model of their own in test_saka.c: here it is believed that they were accepted, not what they did. */
static void model_act(struct world *w)
{
	static const int64_t amounts[] = {
		[SAKA_CONTENT_READ] = 10, [SAKA_POLL_VOTE] = 5, [SAKA_INVITE_ACCEPTED] = 50, [SAKA_INVEST_BONUS] = 100
	};
	struct act a = { .settings = &w->rules };
	struct account *account;
	bool earned;
	int r;

	random_act(&a, &w->seed, USERS);
	account = &w->accounts[a.user - 1];
	r = db_write(w->f->conn, do_act, &a);
	assert_true(r == 0 || (a.reason == SAKA_MANUAL_ADJUST && (r == ERR_INVALID || r == ERR_FORBIDDEN)));
	if (a.reason == SAKA_PROJECT_BOOST)
		assert_int_equal(a.spent, a.amount > 0 && a.amount <= account->balance);
	earned = r == 0 && a.reason != SAKA_PROJECT_BOOST && a.id != NULL_INT;
	if (a.reason != SAKA_MANUAL_ADJUST && a.reason != SAKA_PROJECT_BOOST)
		a.amount = amounts[a.reason];
	if (earned)
		account->harvested += a.amount;
	else if (a.spent)
		account->planted += a.amount;
	account->balance += earned ? a.amount : a.spent ? -a.amount : 0;
	if (earned || a.spent)
		account->active_us = wallet_of(w->f, a.user).last_activity_date.us;
}

static void model_compost(struct world *w, bool dry_run)
{
	struct saka_compost c = compost(w->f, &w->rules, dry_run);
	struct instant at = dry_run || !c.total_composted ? clock_now() : silo_now(w->f).last_compost_at;
	int64_t affected = 0, total = 0;

	for (int i = 0; i < USERS; i++) {
		struct account *a = &w->accounts[i];
		int64_t amount = (int64_t)floor((double)a->balance * w->rules.saka_compost_rate);
		bool idle = a->active_us == NULL_INT || a->active_us < at.us - w->rules.saka_compost_inactivity_days * DAY_US;

		if (!idle || a->balance < w->rules.saka_compost_min_balance || amount < w->rules.saka_compost_min_amount)
			continue;
		affected++;
		total += amount;
		if (dry_run)
			continue;
		a->balance -= amount;
		a->composted += amount;
		a->active_us = wallet_of(w->f, i + 1).last_activity_date.us;
		assert_true(!c.total_composted || a->active_us == at.us);
	}
	assert_int_equal(c.wallets_affected, affected);
	assert_int_equal(c.total_composted, total);
	if (!dry_run && total > 0) {
		w->silo.total_balance += total;
		w->silo.total_composted += total;
		w->silo.total_cycles++;
	}
}

static void model_share(struct world *w)
{
	double rate = (double)random_below(&w->seed, 1001) / 1000;
	struct saka_share s = share(w->f, &w->rules, rate);
	int64_t part = (int64_t)floor((double)w->silo.total_balance * rate), n = 0, each;

	for (int i = 0; i < USERS; i++)
		n += w->accounts[i].harvested >= w->rules.saka_silo_redis_min_wallet_activity;
	each = n ? part / n : 0;
	assert_int_equal(s.outcome == SAKA_SHARED, each > 0);
	if (each == 0)
		return;
	assert_int_equal(s.per_wallet, each);
	assert_int_equal(s.redistributed, each * n);
	w->silo.total_balance -= each * n;
	assert_int_equal(s.total_after, w->silo.total_balance);
	for (int i = 0; i < USERS; i++)
		if (w->accounts[i].harvested >= w->rules.saka_silo_redis_min_wallet_activity) {
			w->accounts[i].balance += each;
			w->accounts[i].harvested += each;
		}
}

static void assert_world(struct world *w)
{
	struct saka_silo silo = silo_now(w->f);

	for (int i = 0; i < USERS; i++) {
		const struct account *a = &w->accounts[i];
		struct saka_wallet wallet = wallet_of(w->f, i + 1);

		assert_int_equal(wallet.balance, a->balance);
		assert_int_equal(wallet.total_harvested, a->harvested);
		assert_int_equal(wallet.total_planted, a->planted);
		assert_int_equal(wallet.total_composted, a->composted);
		assert_true(wallet.last_activity_date.us == a->active_us);
	}
	assert_int_equal(silo.total_balance, w->silo.total_balance);
	assert_int_equal(silo.total_composted, w->silo.total_composted);
	assert_int_equal(silo.total_cycles, w->silo.total_cycles);
}

static void start_world(struct world *w, struct fixture *f, unsigned seed)
{
	const double rates[] = { 0.1, 0.07, 0.29, 0.5, 1 };

	*w = (struct world){ .f = f, .rules = rules, .seed = seed };
	w->rules.saka_compost_rate = rates[random_below(&w->seed, N_ELEMENTS(rates))];
	w->rules.saka_compost_inactivity_days = 1 + random_below(&w->seed, 100);
	w->rules.saka_compost_min_balance = random_below(&w->seed, 80);
	w->rules.saka_compost_min_amount = random_below(&w->seed, 15);
	w->rules.saka_silo_redis_min_wallet_activity = random_below(&w->seed, 300);
	write_rows(f, empty_all_tables);
	for (int i = 0; i < USERS; i++) {
		struct account *a = &w->accounts[i];

		a->balance = a->harvested = random_below(&w->seed, 4) ? random_below(&w->seed, 30000) : 0;
		add_wallet(f, i + 1, a->balance, random_below(&w->seed, 3) ? random_below(&w->seed, 200) : NULL_INT);
		a->active_us = wallet_of(f, i + 1).last_activity_date.us;
	}
}

static void live_on(struct world *w)
{
	int64_t what = random_below(&w->seed, 20), days_us;

	if (what < 12) {
		model_act(w);
	} else if (what < 15) {
		days_us = random_below(&w->seed, 40) * DAY_US;
		clock_advance_for_tests(days_us);
		w->moved_us += days_us;
	} else if (what < 18) {
		model_compost(w, random_below(&w->seed, 4) == 0);
	} else {
		model_share(w);
	}
}

static void test_saka_compost__random_histories_are_what_the_formulas_say(void **state)
{
	static struct world w;

	for (unsigned seed = 1; seed <= 5; seed++) {
		start_world(&w, *state, seed * 7919);
		for (int step = 0; step < STEPS; step++) {
			live_on(&w);
			assert_world(&w);
		}
		assert_books_balance(*state);
		assert_true(w.silo.total_cycles > 0);
		clock_advance_for_tests(-w.moved_us);
	}
}

/* ---- all of it at the same time ---- */

static const struct settings quick = {
	.enable_saka = true,
	.saka_silo_redis_enabled = true,
	.saka_compost_rate = 0.3,
	.saka_compost_min_balance = 1,
	.saka_compost_min_amount = 1,
	.saka_compost_inactivity_days = 0, /* so that there is always something to compost; the settings allow 1 to 365 */
};

/* What others disturb too often is tried again: ERR_UNAVAILABLE. */
static int try_write(struct db_conn *conn, db_write_fn fn, void *arg)
{
	int r;

	while ((r = db_write(conn, fn, arg)) == ERR_UNAVAILABLE)
		;
	return r;
}

static int do_something(struct db_conn *conn, unsigned *seed)
{
	struct saka_compost c = { .settings = &quick, .source = "celery" };
	struct sharing s = { .settings = &quick, .rate = 0.9 };
	struct act a = { .settings = &quick };
	int64_t what = random_below(seed, 20);
	int r;

	if (what == 0) {
		r = saka_compost_begin(conn, &c);
		return r < 0 ? r : try_write(conn, do_cycle, &c);
	}
	if (what == 1)
		return try_write(conn, do_share, &s);
	random_act(&a, seed, USERS);
	r = try_write(conn, do_act, &a);
	return r == ERR_INVALID || r == ERR_FORBIDDEN ? 0 : r;
}

static void *live(void *arg)
{
	struct thread *t = arg;
	struct db_conn *conn = NULL;
	struct error err = { 0 };

	t->result = db_connect(t->f->db, &conn, &err);
	for (int i = 0; t->result == 0 && i < 60; i++)
		t->result = do_something(conn, &t->seed);
	db_disconnect(conn);
	return NULL;
}

static void test_saka_compost__all_at_the_same_time_keeps_the_books(void **state)
{
	struct fixture *f = *state;
	struct thread threads[THREADS];

	add_wallets(f, 1, USERS, 3000, 91);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = f, .seed = (unsigned)i * 104729 + 7 };
		assert_int_equal(pthread_create(&threads[i].id, NULL, live, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].id, NULL);
		assert_int_equal(threads[i].result, 0);
	}
	for (int user = 1; user <= USERS; user++)
		wallet_of(f, user);
	assert_books_balance(f);
	assert_true(silo_now(f).total_cycles > 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_saka_compost__who_is_idle_and_has_enough_gives_a_part),
		CASE(test_saka_compost__a_wallet_that_gave_counts_as_active),
		CASE(test_saka_compost__the_row_says_what_happened),
		CASE(test_saka_compost__amounts_are_rounded_down_as_doubles_are),
		CASE(test_saka_compost__each_run_has_a_row),
		CASE(test_saka_compost__a_dry_run_writes_its_row_alone),
		CASE(test_saka_compost__a_run_that_fails_changes_nothing_and_its_row_tells),
		CASE(test_saka_compost__whatever_statement_fails_nothing_has_changed),
		CASE(test_saka_compost__each_of_very_many_gives_once),
		CASE(test_saka_compost__many_at_once_do_the_work_of_one),
		CASE(test_saka_compost__random_histories_are_what_the_formulas_say),
		CASE(test_saka_compost__all_at_the_same_time_keeps_the_books),
	};

	return RUN_ON_BOTH(tests);
}
