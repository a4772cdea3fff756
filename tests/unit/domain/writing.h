/* What tests of writes need beside a database: a cache, accounts, and a struct project_writing over both. */
#ifndef TESTS_UNIT_DOMAIN_WRITING_H
#define TESTS_UNIT_DOMAIN_WRITING_H

#include "domain/project.h"
#include "tests/unit/domain/fixture.h"

struct writing {
	struct redis *redis;
	struct cache *cache;
	struct redis_budget budget;
	struct project_writing w;
};

/* A cache without Redis, and a writer: account 1. */
static inline void writing_start(struct writing *t, struct fixture *f)
{
	static const struct redis_config config = {
		.connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1
	};

	*t = (struct writing){ .redis = redis_create(&config), .budget = { 1000000 } };
	t->cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = t->redis });
	assert_non_null(t->cache);
	t->w = (struct project_writing){ .db = f->conn, .cache = t->cache, .budget = &t->budget, .arena = &f->arena, .actor_id = 1 };
}

static inline void writing_stop(struct writing *t)
{
	cache_destroy(t->cache);
	redis_destroy(t->redis);
}

static inline void keep_key(struct writing *t, const char *key)
{
	safe_cache_set(t->cache, &t->budget, key, "x", 1, 60);
}

static inline bool has_key(struct writing *t, const char *key)
{
	struct blob *value = safe_cache_get(t->cache, &t->budget, key);

	blob_unref(value);
	return value != NULL;
}

static inline void add_account(struct fixture *f, int id)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	         "first_name) VALUES (%d, '', false, 'user%d', '', '', false, true, '2026-01-01 00:00:00', '')",
	         id, id);
	write_rows(f, sql);
}

static inline void add_saka(struct fixture *f, int user, int balance)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_sakawallet (balance, total_harvested, total_planted, total_composted, updated_at, created_at, user_id) "
	         "VALUES (%d, %d, 0, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', %d)",
	         balance, balance, user);
	write_rows(f, sql);
}

/* The result of a query for one number; the text is a literal, as its address is its identity. */
#define NUMBER(sql) number_(f, "" sql, __FILE__, __LINE__)

static inline int64_t number_(struct fixture *f, const char *sql, const char *file, int line)
{
	int64_t n = -1;

	assert_ok_(f, db_select_int(f->conn, sql, DB_NO_PARAMS, &n), file, line);
	return n;
}

#endif
