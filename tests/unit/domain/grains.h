/* Wallets of grains for tests: people, wallets with a balance and the row that explains it, what all of them hold. */
#ifndef TESTS_UNIT_DOMAIN_GRAINS_H
#define TESTS_UNIT_DOMAIN_GRAINS_H

#include "domain/saka.h"
#include "domain/saka_compost.h"
#include "domain/saka_silo.h"
#include "tests/unit/domain/fixture.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

/* SAKA_* as they are when nobody sets them, but switched on. */
static const struct settings rules = {
	.enable_saka = true,
	.saka_compost_enabled = true,
	.saka_silo_redis_enabled = true,
	.saka_compost_inactivity_days = 90,
	.saka_compost_rate = 0.1,
	.saka_compost_min_balance = 50,
	.saka_compost_min_amount = 10,
	.saka_silo_redis_rate = 0.05,
	.saka_silo_redis_min_wallet_activity = 1,
};

static inline int64_t number(struct fixture *f, const char *sql)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

/* Users from..to, each with a wallet of so many grains, harvested at once so many days ago (NULL_INT: no activity known). */
static inline void add_wallets(struct fixture *f, int from, int to, int64_t grains, int64_t idle_days)
{
	char *sql, when[CLOCK_ISO_SIZE + 2] = "NULL", text[CLOCK_ISO_SIZE];

	if (idle_days != NULL_INT) {
		clock_format_sql((struct instant){ clock_now().us - idle_days * DAY_US }, text);
		snprintf(when, sizeof(when), "'%s'", text);
	}
	assert_true(
	        asprintf(&sql,
	                 "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, "
	                 "date_joined, first_name) WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT "
	                 "i, '', false, 'user' || i, '', '', false, true, '2026-01-01 00:00:00', '' FROM n;"
	                 "INSERT INTO core_sakawallet (balance, total_harvested, total_planted, total_composted, last_activity_date, "
	                 "updated_at, created_at, user_id) SELECT %lld, %lld, 0, 0, %s, '2026-01-01 00:00:00', "
	                 "'2026-01-01 00:00:00', id FROM auth_user WHERE id BETWEEN %d AND %d ORDER BY id;"
	                 "INSERT INTO core_sakatransaction (direction, amount, reason, metadata, created_at, user_id, transaction_type) "
	                 "SELECT 'EARN', %lld, 'manual_adjust', '{}', '2026-01-01 00:00:00', id, 'HARVEST' FROM auth_user WHERE id "
	                 "BETWEEN %d AND %d AND %lld > 0",
	                 from, to, (long long)grains, (long long)grains, when, from, to, (long long)grains, from, to,
	                 (long long)grains) > 0);
	write_rows(f, sql);
	free(sql);
}

static inline void add_wallet(struct fixture *f, int user, int64_t grains, int64_t idle_days)
{
	add_wallets(f, user, user, grains, idle_days);
}

static inline struct saka_wallet wallet_of(struct fixture *f, int64_t user)
{
	struct saka_wallet w = { .id = 0 };

	assert_ok(saka_wallet_find(f->conn, user, &w));
	assert_true(saka_wallet_is_sane(&w));
	return w;
}

/* Zeros while there is none. */
static inline struct saka_silo silo_now(struct fixture *f)
{
	struct saka_silo s = { .last_compost_at = NULL_TIME };
	int r = saka_silo_find(f->conn, &s);

	assert_true(r == 0 || r == ERR_NOT_FOUND);
	assert_true(saka_silo_is_sane(&s));
	return s;
}

static inline void fill_silo(struct fixture *f, int64_t balance, int64_t composted)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_sakasilo (id, total_balance, total_composted, total_cycles, created_at, updated_at) VALUES (1, %lld, "
	         "%lld, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
	         (long long)balance, (long long)composted);
	write_rows(f, sql);
}

/* Invariants 1, 2, 4 and 5 of saka.md, over everything: what wallets and silo hold is what the rows say. */
static inline void assert_books_balance(struct fixture *f)
{
#define SUM_OF(type) "(SELECT COALESCE(SUM(amount), 0) FROM core_sakatransaction t WHERE transaction_type = '" type "'"
#define OF_WALLET    " AND t.user_id = w.user_id)"
	assert_int_equal(
	        number(f, "SELECT COUNT(*) FROM core_sakawallet w WHERE balance < 0 OR balance <> total_harvested - total_planted - "
	                  "total_composted OR total_planted <> " SUM_OF("SPEND") OF_WALLET " OR total_composted <> " SUM_OF("COMPOST")
	                          OF_WALLET " OR total_harvested <> " SUM_OF("HARVEST") OF_WALLET " + " SUM_OF("REDISTRIBUTION") OF_WALLET),
	        0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE NOT ((direction = 'EARN' AND transaction_type IN "
	                           "('HARVEST', 'REDISTRIBUTION')) OR (direction = 'SPEND' AND transaction_type IN ('SPEND', 'COMPOST')))"),
	                 0);
	assert_int_equal(number(f, "SELECT CAST(" SUM_OF("COMPOST") ") - " SUM_OF("REDISTRIBUTION") ") AS bigint)"),
	                 silo_now(f).total_balance);
#undef SUM_OF
#undef OF_WALLET
}

/* One compost, asked for by tests. */
static inline struct saka_compost compost(struct fixture *f, const struct settings *settings, bool dry_run)
{
	struct saka_compost c = { .settings = settings, .dry_run = dry_run, .source = "admin" };

	assert_ok(saka_compost_run(f->conn, &c));
	return c;
}

struct sharing {
	const struct settings *settings;
	double rate;
	struct saka_share share;
};

static inline int do_share(struct db_conn *conn, void *arg)
{
	struct sharing *s = arg;

	return saka_silo_share(conn, s->settings, s->rate, &s->share);
}

static inline struct saka_share share(struct fixture *f, const struct settings *settings, double rate)
{
	struct sharing s = { .settings = settings, .rate = rate };

	assert_ok(db_write(f->conn, do_share, &s));
	return s.share;
}

#endif
