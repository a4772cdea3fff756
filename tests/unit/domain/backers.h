/* Projects with escrow contracts, for tests of what is told to those who gave. */
#ifndef TESTS_UNIT_DOMAIN_BACKERS_H
#define TESTS_UNIT_DOMAIN_BACKERS_H

#include "base/buf.h"
#include "tests/unit/domain/fixture.h"

static inline void add_backed_project(struct fixture *f, int id, const char *title)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	         "saka_supporters_count, active_oracles) VALUES (%d, '%s', 'd', '2026-01-05 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')",
	         id, title);
	write_rows(f, sql);
}

/* An account with a wallet, from which all its contracts are paid. */
static inline void add_backer(struct fixture *f, int id, const char *email)
{
	char sql[800];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	         "first_name) VALUES (%d, '', false, 'user%d<', '', '%s', false, true, '2026-01-01 00:00:00', '');"
	         "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (%d, 0, '2026-01-01 00:00:00', "
	         "'2026-01-01 00:00:00', %d)",
	         id, id, email, id, id);
	write_rows(f, sql);
}

static inline void add_contract(struct buf *sql, int64_t id, int project, int user, int64_t cents, const char *status)
{
	buf_addf(sql,
	         "INSERT INTO finance_wallettransaction (id, amount, transaction_type, description, created_at, wallet_id, "
	         "related_project_id) VALUES (%lld, %lld.%02lld, 'PLEDGE_DONATION', '', '2026-01-01 00:00:00', %d, %d);"
	         "INSERT INTO finance_escrowcontract (id, amount, created_at, project_id, user_id, pledge_transaction_id, status) VALUES "
	         "(%lld, %lld.%02lld, '2026-01-01 00:00:00', %d, %d, %lld, '%s');",
	         (long long)id, (long long)(cents / 100), (long long)(cents % 100), user, project, (long long)id, (long long)(cents / 100),
	         (long long)(cents % 100), project, user, (long long)id, status);
}

/* So many released ones of the same amount. */
static inline void add_escrows(struct fixture *f, int project, int user, int n, int64_t cents)
{
	struct buf sql = BUF_EMPTY;
	int64_t last;

	assert_ok(db_select_int(f->conn, "SELECT COALESCE(MAX(id), 0) FROM finance_escrowcontract", DB_NO_PARAMS, &last));
	for (int i = 0; i < n; i++)
		add_contract(&sql, ++last, project, user, cents, "RELEASED");
	write_rows(f, sql.data);
	buf_finish(&sql);
}

static inline void add_escrow(struct fixture *f, int project, int user, int64_t cents, const char *status)
{
	struct buf sql = BUF_EMPTY;
	int64_t last;

	assert_ok(db_select_int(f->conn, "SELECT COALESCE(MAX(id), 0) FROM finance_escrowcontract", DB_NO_PARAMS, &last));
	add_contract(&sql, last + 1, project, user, cents, status);
	write_rows(f, sql.data);
	buf_finish(&sql);
}

#endif
