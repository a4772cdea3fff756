/* Each test gives the variables that matter to it; all others are not set. */
#include "base/settings.h"

#include <stdio.h>

#include "base/fault.h"
#include "tests/lib/test.h"

#define KEY "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct variable {
	const char *name, *value;
};

static const char *from_table(const char *variable, void *arg)
{
	for (const struct variable *v = arg; v->name; v++)
		if (strcmp(v->name, variable) == 0)
			return v->value;
	return NULL;
}

static struct settings *loaded; /* of the running test */

static int teardown(void **state)
{
	fault_disarm_all();
	settings_destroy(loaded);
	loaded = NULL;
	return 0;
}

static const struct settings *load(struct variable *table, bool terminal)
{
	struct error err = { 0 };

	settings_destroy(loaded);
	loaded = NULL;
	if (settings_load(from_table, table, terminal, &loaded, &err) != 0)
		fail_msg("%s", err.text);
	return loaded;
}

/* LOAD({ "PORT", "80" }, …): the settings of these variables. LOAD_EMPTY(): of none. */
#define LOAD(...)    load((struct variable[]){ __VA_ARGS__, { NULL, NULL } }, false)
#define LOAD_EMPTY() load((struct variable[]){ { NULL, NULL } }, false)

static void assert_refused_table(struct variable *table, const char *expected)
{
	struct settings *s = NULL;
	struct error err = { 0 };

	assert_int_equal(settings_load(from_table, table, false, &s, &err), ERR_CONFIG);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_null(s);
	assert_string_equal(err.text, expected);
}

#define assert_refused(name, text, allowed) \
	assert_refused_table((struct variable[]){ { name, text }, { NULL, NULL } }, name "=" text ": " allowed)

static void assert_list(struct setting_list list, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < list.n; i++) {
		buf_add_str(&b, list.items[i]);
		buf_add_char(&b, ' ');
	}
	assert_string_equal(buf_view(&b).s, expected);
}

static void test_settings__defaults(void **state)
{
	const struct settings *s = LOAD_EMPTY();

	assert_null(s->secret_key);
	assert_false(s->debug);
	assert_string_equal(s->host, "127.0.0.1");
	assert_int_equal(s->port, 8000);
	assert_int_equal(s->allowed_hosts.n, 0);
	assert_null(s->redis_url);
	assert_true(s->migrate_on_start);
	assert_true(s->hsts_preload);
	assert_true(s->commission_rate == 0.05);
	assert_false(s->enable_saka);
	assert_int_equal(s->max_body_bytes, 2621440);
	assert_int_equal(s->log_level, LOG_INFO);
	assert_string_equal(s->founder_group_name, "Founders_V1_Protection");
	assert_string_equal(s->resolved_database_url, "sqlite:///egoejo.sqlite3");
	assert_list(s->trusted_proxies, "127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fe80::/10 ");
}

static void test_settings__an_empty_value_is_none(void **state)
{
	const struct settings *s =
	        LOAD({ "PORT", "" }, { "HOST", "" }, { "REDIS_URL", "" }, { "DATABASE_URL", "" }, { "LOG_LEVEL", "" },
	             { "EGOEJO_COMMISSION_RATE", "" }, { "HTTP_THREADS", "" }, { "LOG_FORMAT", "" }, { "CORS_ALLOWED_ORIGINS", "" });

	assert_int_equal(s->port, 8000);
	assert_string_equal(s->host, "127.0.0.1");
	assert_null(s->redis_url);
	assert_string_equal(s->resolved_database_url, "sqlite:///egoejo.sqlite3");
	assert_int_equal(s->log_level, LOG_INFO);
	assert_true(s->commission_rate == 0.05);
	assert_true(s->http_threads >= 4);
	assert_int_equal(s->cors_allowed_origins.n, 0);
}

static void test_settings__flags_never_fail(void **state)
{
	static const char *const values[] = { "true", "TRUE", "True", "1", "yes", "on", "ON", "0", "false", "no", "", " true", "2", "oui" };
	static const bool flag[] = { 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const bool flag1[] = { 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const bool one[] = { 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	for (size_t i = 0; i < N_ELEMENTS(values); i++) {
		const struct settings *s = LOAD({ "ENABLE_SAKA", values[i] }, { "DEBUG", values[i] }, { "MIGRATE_ON_START", values[i] });

		assert_int_equal(s->enable_saka, flag[i]);
		assert_int_equal(s->debug, flag1[i]);
		assert_int_equal(s->migrate_on_start, one[i]);
	}
}

static void test_settings__integers_within_their_range(void **state)
{
	assert_int_equal(LOAD({ "PORT", "0" })->port, 0);
	assert_int_equal(LOAD({ "PORT", " +65535 " })->port, 65535);
	assert_int_equal(LOAD({ "CACHE_LOCAL_MAX_BYTES", "1099511627776" })->cache_local_max_bytes, INT64_C(1099511627776));
	assert_refused("PORT", "65536", "an integer from 0 to 65535 is allowed");
	assert_refused("PORT", "-1", "an integer from 0 to 65535 is allowed");
	assert_refused("PORT", "http", "an integer from 0 to 65535 is allowed");
	assert_refused("PORT", "80.0", "an integer from 0 to 65535 is allowed");
	assert_refused("PORT", "auto", "an integer from 0 to 65535 is allowed");
	assert_refused("API_PAGE_SIZE", "0", "an integer from 1 to 1000 is allowed");
	assert_refused("MAX_BODY_BYTES", "99999999999999999999", "an integer from 1 to 1073741824 is allowed");
	assert_refused("HTTP_THREADS", "0", "an integer from 1 to 256 is allowed");
}

static void test_settings__numbers_within_their_range(void **state)
{
	assert_true(LOAD({ "EGOEJO_COMMISSION_RATE", " 1e-1 " })->commission_rate == 0.1);
	assert_true(LOAD({ "EGOEJO_COMMISSION_RATE", "1" })->commission_rate == 1);
	assert_refused("EGOEJO_COMMISSION_RATE", "1.01", "a number from 0 to 1 is allowed");
	assert_refused("EGOEJO_COMMISSION_RATE", "-0.1", "a number from 0 to 1 is allowed");
	assert_refused("EGOEJO_COMMISSION_RATE", "nan", "a number from 0 to 1 is allowed");
	assert_refused("EGOEJO_COMMISSION_RATE", "1e999", "a number from 0 to 1 is allowed");
	assert_refused("EGOEJO_COMMISSION_RATE", "0,05", "a number from 0 to 1 is allowed");
	assert_true(LOAD({ "SAKA_COMPOST_RATE", "1" }, { "SAKA_COMPOST_INACTIVITY_DAYS", "365" })->saka_compost_rate == 1);
	assert_refused("SAKA_COMPOST_RATE", "0", "a number from 1e-09 to 1 is allowed");
	assert_refused("SAKA_SILO_REDIS_RATE", "1.5", "a number from 1e-09 to 1 is allowed");
	assert_refused("SAKA_COMPOST_INACTIVITY_DAYS", "366", "an integer from 1 to 365 is allowed");
}

static void test_settings__lists_drop_what_is_empty(void **state)
{
	assert_list(LOAD({ "ALLOWED_HOSTS", " a , ,b,,\tc\n," })->allowed_hosts, "a b c ");
	assert_list(LOAD({ "ALLOWED_HOSTS", ",, ," })->allowed_hosts, "");
}

static void test_settings__log_level_and_format(void **state)
{
	assert_int_equal(LOAD({ "LOG_LEVEL", "warning" })->log_level, LOG_WARNING);
	assert_int_equal(LOAD_EMPTY()->resolved_log_format, LOG_JSON);
	assert_int_equal(load((struct variable[]){ { NULL, NULL } }, true)->resolved_log_format, LOG_TEXT);
	assert_int_equal(load((struct variable[]){ { "LOG_FORMAT", "json" }, { NULL, NULL } }, true)->resolved_log_format, LOG_JSON);
	assert_int_equal(LOAD({ "LOG_FORMAT", "text" })->resolved_log_format, LOG_TEXT);
	assert_refused("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR or CRITICAL is allowed");
	assert_refused("LOG_FORMAT", "xml", "json or text is allowed");
}

static void test_settings__rates(void **state)
{
	static const struct {
		const char *text;
		int64_t calls, seconds;
	} cases[] = { { "10/minute", 10, 60 }, { "3/s", 3, 1 },        { "100000/h", 100000, 3600 },
		      { "0/day", 0, 86400 },   { " 7 /min", 7, 60 },   { "5/meticulous nonsense", 5, 60 },
		      { "", 10, 60 },          { "1/dozen", 1, 86400 } };
	static const char *const wrong[] = { "10",        "10/",        "/minute", "x/minute", "-1/m",     "1.5/m",
		                             "10/Minute", "10/ minute", "10/2m",   "10/m/m",   "100001/d", "99999999999999999999/s",
		                             "10 minute" };
	char expected[200];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const struct setting_rate rate = LOAD({ "THROTTLE_ANON", cases[i].text })->throttle_anon;

		assert_int_equal(rate.calls, cases[i].calls);
		assert_int_equal(rate.period_us, cases[i].seconds * 1000000);
	}
	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		snprintf(expected, sizeof(expected),
		         "THROTTLE_USER=%s: a number of calls up to 100000, / and second, minute, hour or day are allowed", wrong[i]);
		assert_refused_table((struct variable[]){ { "THROTTLE_USER", wrong[i] }, { NULL, NULL } }, expected);
	}
	assert_int_equal(LOAD_EMPTY()->throttle_user.calls, 100);
	assert_int_equal(LOAD_EMPTY()->throttle_metrics.calls, 60);
}

static void test_settings__nothing_throttled_in_production_is_said_loudly(void **state)
{
	const struct settings *s = LOAD({ "DJANGO_SECRET_KEY", KEY }, { "ALLOWED_HOSTS", "a" }, { "DISABLE_THROTTLE_FOR_TESTS", "1" });

	assert_true(s->throttle_disabled);
	assert_int_equal(s->warnings.n, 1);
	assert_true(str_starts(s->warnings.items[0], "DISABLE_THROTTLE_FOR_TESTS=1 IN PRODUCTION"));
	s = LOAD({ "DJANGO_SECRET_KEY", KEY }, { "DEBUG", "1" }, { "DISABLE_THROTTLE_FOR_TESTS", "1" });
	assert_int_equal(s->warnings.n, 0);
	assert_false(LOAD({ "DISABLE_THROTTLE_FOR_TESTS", "true" })->throttle_disabled);
}

static void test_settings__threads_follow_the_cores(void **state)
{
	int64_t n = LOAD_EMPTY()->http_threads;

	assert_int_equal(n % 4 == 0 || n == 256, 1);
	assert_in_range(n, 4, 256);
	assert_int_equal(LOAD({ "HTTP_THREADS", "auto" })->http_threads, n);
	assert_int_equal(LOAD({ "HTTP_THREADS", "3" })->http_threads, 3);
}

static void test_settings__hosts(void **state)
{
	const struct settings *s =
	        LOAD({ "ALLOWED_HOSTS", "Egoejo.ORG.,.Example.org,*" }, { "RAILWAY_PUBLIC_DOMAIN", "App.up.railway.app" },
	             { "RAILWAY_STATIC_URL", "https://user:pw@Static.example:8443/path@x?y" });

	assert_list(s->hosts, "egoejo.org .example.org * app.up.railway.app static.example ");
	assert_list(s->allowed_hosts, "Egoejo.ORG. .Example.org * "); /* as given */
	assert_list(LOAD({ "RAILWAY_STATIC_URL", "bare.up.railway.app" })->hosts, "bare.up.railway.app ");
	assert_list(LOAD({ "RAILWAY_STATIC_URL", "http://[::1]:80/" })->hosts, "[::1] ");
	assert_list(LOAD({ "RAILWAY_STATIC_URL", "https:///path" })->hosts, "");
	assert_list(LOAD({ "ALLOWED_HOSTS", "." })->hosts, "");
	assert_list(LOAD({ "RAILWAY_PUBLIC_DOMAIN", "  " })->hosts, "");
}

static void test_settings__origins_of_development(void **state)
{
	assert_list(LOAD({ "DEBUG", "1" })->origins, "http://localhost:3000 http://localhost:5173 http://localhost:5174 "
	                                             "http://127.0.0.1:3000 http://127.0.0.1:5173 http://127.0.0.1:5174 ");
	assert_list(LOAD({ "DEBUG", "1" }, { "CORS_ALLOWED_ORIGINS", "https://a.example" }, { "VERCEL_URL", "b.example" })->origins,
	            "https://a.example ");
}

static void test_settings__origins_of_production(void **state)
{
	assert_list(LOAD_EMPTY()->origins, "");
	assert_list(
	        LOAD({ "CORS_ALLOWED_ORIGINS", "HTTPS://A.example, http://b:81,null,app+x://h,http://[::1]:3000,http://[::1]" })->origins,
	        "https://A.example http://b:81 null app+x://h http://[::1]:3000 http://[::1] ");
	assert_list(LOAD({ "VERCEL_URL", "x.vercel.app" }, { "FRONTEND_URL", "https://f.example" })->origins, "https://x.vercel.app ");
	assert_list(LOAD({ "FRONTEND_URL", "https://f.example/" })->origins, "https://f.example ");
	assert_list(LOAD({ "FRONTEND_URL", "http://f.example" }, { "CORS_ALLOWED_ORIGINS", "https://a" })->origins,
	            "https://a http://f.example ");
}

#define ORIGIN "an origin is scheme://host[:port], without user, path, query or fragment"

static void test_settings__origins_that_are_none(void **state)
{
	assert_refused("CORS_ALLOWED_ORIGINS", "a.example", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "://a", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "1http://a", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "ht_tp://a", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a/", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a/b", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a?b", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a#b", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a b", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a:", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://:80", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a:0", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a:65536", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://a:b", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://[::1", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://[]", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "https://[::1]x", ORIGIN);
	assert_refused("CORS_ALLOWED_ORIGINS", "*", ORIGIN);
	assert_refused_table((struct variable[]){ { "CORS_ALLOWED_ORIGINS", "https://good,https://me:pw@a" }, { NULL, NULL } },
	                     "CORS_ALLOWED_ORIGINS=https://***@a: " ORIGIN);
	assert_refused_table((struct variable[]){ { "FRONTEND_URL", "https://f.example/app" }, { NULL, NULL } },
	                     "FRONTEND_URL=https://f.example/app: " ORIGIN);
	assert_refused_table((struct variable[]){ { "VERCEL_URL", "a b" }, { NULL, NULL } }, "VERCEL_URL=https://a b: " ORIGIN);
}

static void test_settings__database_url(void **state)
{
	assert_string_equal(LOAD({ "DATABASE_URL", "postgres://u@h/n" }, { "DB_NAME", "x" }, { "DB", "y" })->resolved_database_url,
	                    "postgres://u@h/n");
	assert_string_equal(LOAD({ "DB_NAME", "egoejo" }, { "DB", "y" })->resolved_database_url, "postgres://db:5432/egoejo");
	assert_string_equal(LOAD({ "DB_NAME", "a/b" }, { "DB_USER", "me@x" }, { "DB_PASSWORD", "p:/@?#é %" }, { "DB_HOST", "h.example" },
	                         { "DB_PORT", "6000" })
	                            ->resolved_database_url,
	                    "postgres://me%40x:p%3A%2F%40%3F%23%C3%A9%20%25@h.example:6000/a%2Fb");
	assert_string_equal(LOAD({ "DB_NAME", "n" }, { "DB_HOST", "::1" })->resolved_database_url, "postgres://[::1]:5432/n");
	assert_string_equal(LOAD({ "DB_NAME", "n" }, { "DB_HOST", "[::1]" })->resolved_database_url, "postgres://[::1]:5432/n");
	assert_string_equal(LOAD({ "DB_NAME", "n" }, { "DB_HOST", "/run/pg" })->resolved_database_url, "postgres://%2Frun%2Fpg:5432/n");
	assert_string_equal(LOAD({ "DB_NAME", "n" }, { "DB_PASSWORD", "p" })->resolved_database_url, "postgres://:p@db:5432/n");
	assert_string_equal(LOAD({ "DB", "/srv/e.sqlite3" })->resolved_database_url, "sqlite:////srv/e.sqlite3");
	assert_string_equal(LOAD({ "DB", "data/e.sqlite3" })->resolved_database_url, "sqlite:///data/e.sqlite3");
}

static void test_settings__trusted_proxies(void **state)
{
	static const char allowed[] = "addresses and CIDR blocks (10.0.0.0/8, fc00::/7) are allowed";
	static const char *const bad[] = { "10.0.0",
		                           "10.0.0.0/33",
		                           "10.0.0.0/",
		                           "10.0.0.0/-1",
		                           "::/129",
		                           "localhost",
		                           "10.0.0.256",
		                           "/8",
		                           "fe80::1%lo",
		                           "1.2.3.4/8/8",
		                           "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	char expected[300];

	assert_list(LOAD({ "TRUSTED_PROXIES", "1.2.3.4, 0.0.0.0/0,::/0,2001:db8::1/128" })->trusted_proxies,
	            "1.2.3.4 0.0.0.0/0 ::/0 2001:db8::1/128 ");
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		snprintf(expected, sizeof(expected), "TRUSTED_PROXIES=%s: %s", bad[i], allowed);
		assert_refused_table((struct variable[]){ { "TRUSTED_PROXIES", bad[i] }, { NULL, NULL } }, expected);
	}
}

static void test_settings__a_refusal_is_one_short_line(void **state)
{
	struct settings *s = NULL;
	struct error err;
	char value[5000];

	assert_refused_table((struct variable[]){ { "PORT", "8\n0\t\x7f" }, { NULL, NULL } },
	                     "PORT=8?0??: an integer from 0 to 65535 is allowed");
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(settings_load(from_table, (struct variable[]){ { "PORT", value }, { NULL, NULL } }, false, &s, &err), ERR_CONFIG);
	assert_in_range(strlen(err.text), 100, 140);
	memcpy(value, "http://u:", 9); /* the '@' comes after the cut */
	memcpy(value + 4900, "@h/p", 4);
	assert_int_equal(settings_load(from_table, (struct variable[]){ { "FRONTEND_URL", value }, { NULL, NULL } }, false, &s, &err),
	                 ERR_CONFIG);
	assert_non_null(strstr(err.text, "FRONTEND_URL=http://***@h/p"));
}

static int check(const struct settings *s, struct error *err)
{
	*err = (struct error){ 0 };
	return settings_check_serving(s, err);
}

static void test_settings__serving_needs_a_key(void **state)
{
	struct error err;

	assert_int_equal(check(LOAD({ "DEBUG", "1" }), &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "DJANGO_SECRET_KEY is not set"));
	assert_int_equal(check(LOAD({ "DEBUG", "1" }, { "DJANGO_SECRET_KEY", "x" }), &err), 0);
	assert_int_equal(check(LOAD({ "DJANGO_SECRET_KEY", "0123456789012345678901234567890" }), &err), ERR_CONFIG);
	assert_string_equal(err.text, "DJANGO_SECRET_KEY=***: 31 characters, at least 32 are required in production (DEBUG off)");
	assert_int_equal(check(LOAD({ "DJANGO_SECRET_KEY", "éééééééééééééééééééé" }), &err), ERR_CONFIG); /* 20 characters, 40 bytes */
	assert_non_null(strstr(err.text, ": 20 characters"));
}

#define PRODUCTION                                                                                   \
	{ "DJANGO_SECRET_KEY", KEY }, { "ENABLE_SAKA", "True" }, { "SAKA_COMPOST_ENABLED", "True" }, \
	{                                                                                            \
		"SAKA_SILO_REDIS_ENABLED", "True"                                                    \
	}

static void test_settings__production_keeps_saka_on(void **state)
{
	struct error err;

	assert_int_equal(check(LOAD(PRODUCTION), &err), 0);
	assert_int_equal(check(LOAD({ "ENABLE_SAKA", "0" }, PRODUCTION), &err), ERR_CONFIG);
	assert_string_equal(err.text, "ENABLE_SAKA=false: must be true in production (DEBUG off)");
	assert_int_equal(check(LOAD({ "SAKA_COMPOST_ENABLED", "0" }, PRODUCTION), &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "SAKA_COMPOST_ENABLED="));
	assert_int_equal(check(LOAD({ "SAKA_SILO_REDIS_ENABLED", "0" }, PRODUCTION), &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "SAKA_SILO_REDIS_ENABLED="));
	assert_int_equal(check(LOAD({ "ENABLE_SAKA", "0" }, { "DEBUG", "1" }, PRODUCTION), &err), 0);
}

static void test_settings__production_refuses_test_routes(void **state)
{
	struct error err;

	assert_int_equal(check(LOAD({ "E2E_TEST_MODE", "1" }, PRODUCTION), &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "E2E_TEST_MODE="));
	assert_int_equal(check(LOAD({ "E2E_TEST_MODE", "1" }, { "DEBUG", "1" }, PRODUCTION), &err), 0);
}

static void test_settings__railway_needs_a_host(void **state)
{
	struct error err;

	assert_int_equal(check(LOAD({ "RAILWAY_ENVIRONMENT", "production" }, PRODUCTION), &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "ALLOWED_HOSTS"));
	assert_int_equal(check(LOAD({ "RAILWAY_PROJECT_ID", "7" }, PRODUCTION), &err), ERR_CONFIG);
	assert_int_equal(check(LOAD({ "RAILWAY_PROJECT_ID", "7" }, { "ALLOWED_HOSTS", "a" }, PRODUCTION), &err), 0);
	assert_int_equal(check(LOAD({ "RAILWAY_PROJECT_ID", "7" }, { "RAILWAY_PUBLIC_DOMAIN", "a" }, PRODUCTION), &err), 0);
	assert_int_equal(check(LOAD({ "RAILWAY_PROJECT_ID", "7" }, { "DEBUG", "1" }, PRODUCTION), &err), 0);
}

static void test_settings__warnings(void **state)
{
	const struct settings *s = LOAD({ "DEBUG", "1" }, { "DJANGO_SECRET_KEY", KEY });

	assert_int_equal(s->warnings.n, 0);
	s = LOAD({ "DJANGO_SECRET_KEY", "0123456789012345678901234567890123456789012345678" });
	assert_int_equal(s->warnings.n, 2);
	assert_true(str_is(s->warnings.items[0], "DJANGO_SECRET_KEY has 49 characters: at least 50 are advised"));
	assert_true(str_starts(s->warnings.items[1], "ALLOWED_HOSTS is empty"));
	s = LOAD({ "DJANGO_SECRET_KEY", KEY }, { "ALLOWED_HOSTS", "a" });
	assert_int_equal(s->warnings.n, 0);
}

static void assert_masked(const char *url, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	settings_mask_url(&b, url);
	assert_string_equal(buf_view(&b).s, expected);
}

static void test_settings__urls_are_shown_without_credentials(void **state)
{
	assert_masked("redis://host:6379/0", "redis://host:6379/0");
	assert_masked("redis://:pa@ss@host:6379/0", "redis://***@host:6379/0");
	assert_masked("postgres://me:pw@h/n?sslmode=require&password=x&a=b", "postgres://***@h/n?sslmode=require&password=***&a=b");
	assert_masked("postgres:///n?PASSWORD=x", "postgres:///n?PASSWORD=***");
	assert_masked("postgres://u:p/w?x#y@h/n", "postgres://***@h/n");
	assert_masked("u:secret@host:6379", "***@host:6379");
	assert_masked("sqlite:///egoejo.sqlite3", "sqlite:///egoejo.sqlite3");
	assert_masked("", "");
	assert_masked("http://h/?", "http://h/?");
}

static void test_settings__printing_shows_no_secret(void **state)
{
	const struct settings *s = LOAD({ "DJANGO_SECRET_KEY", KEY }, { "DB_PASSWORD", "hunter2" }, { "METRICS_TOKEN", "t0ken" },
	                                { "REDIS_URL", "redis://:r3dis@h:6379/0" }, { "ALLOWED_HOSTS", "a,b" }, { "HOST", "x\ny" });
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct str rest, line;
	size_t lines = 0;

	settings_print(s, &b);
	assert_null(strstr(b.data, KEY));
	assert_null(strstr(b.data, "hunter2"));
	assert_null(strstr(b.data, "t0ken"));
	assert_null(strstr(b.data, "r3dis"));
	assert_non_null(
	        strstr(b.data, "DJANGO_SECRET_KEY=***\nDEBUG=false\nHOST=x?y\nPORT=8000\nALLOWED_HOSTS=a,b\nRAILWAY_PUBLIC_DOMAIN=\n"));
	assert_non_null(strstr(b.data, "\nREDIS_URL=redis://***@h:6379/0\n"));
	assert_non_null(strstr(b.data, "\nMIGRATE_ON_START=1\n"));
	assert_non_null(strstr(b.data, "\nEGOEJO_COMMISSION_RATE=0.05\n"));
	assert_non_null(strstr(b.data, "\nLOG_LEVEL=INFO\n"));
	assert_non_null(strstr(b.data, "\nTHROTTLE_ANON=10/minute\n"));
	rest = buf_view(&b);
	while (str_split(&rest, '\n', &line) && rest.s)
		lines += str_find(line, '=') > 0;
#define SETTING(...) lines--;
#include "base/settings.def"
#undef SETTING
	assert_int_equal(lines, 0); /* one line each */
}

static void test_settings__the_markdown_has_every_line(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	settings_print_markdown(&b);
	assert_true(
	        str_starts(buf_view(&b),
	                   "| variable | type | default | meaning |\n|---|---|---|---|\n| `DJANGO_SECRET_KEY` | secret | – | Required."));
#define SETTING(variable, ...) assert_non_null(strstr(b.data, "\n| `" #variable "` | "));
#include "base/settings.def"
#undef SETTING
	assert_non_null(strstr(b.data, "| `PORT` | integer 0–65535 | `8000` | "));
	assert_non_null(strstr(b.data, "| `EGOEJO_COMMISSION_RATE` | number 0–1 | `0.05` | "));
}

static void test_settings__the_environment_is_a_source(void **state)
{
	assert_int_equal(setenv("EGOEJO_TEST_VARIABLE", "x", 1), 0);
	assert_string_equal(settings_from_environment("EGOEJO_TEST_VARIABLE", NULL), "x");
	unsetenv("EGOEJO_TEST_VARIABLE");
	assert_null(settings_from_environment("EGOEJO_TEST_VARIABLE", NULL));
}

static void test_settings__each_failing_allocation_is_reported(void **state)
{
	struct variable table[] = { PRODUCTION,
		                    { "ALLOWED_HOSTS", "a,b" },
		                    { "DB_NAME", "n" },
		                    { "VERCEL_URL", "v" },
		                    { "CORS_ALLOWED_ORIGINS", "http://x" },
		                    { NULL, NULL } };
	int r = ERR_NOMEM, n = 0;

	for (; r != 0; n++) {
		struct error err = { 0 };

		fault_arm(FAULT_ALLOC, n + 1, false);
		r = settings_load(from_table, table, false, &loaded, &err);
		assert_true(r == 0 || r == ERR_NOMEM);
		assert_true(r == 0 || (err.code == ERR_NOMEM && !loaded));
	}
	assert_true(n > 3);
}

static void test_settings__destroy_takes_null(void **state)
{
	settings_destroy(NULL);
}

#define T(name) cmocka_unit_test_teardown(test_settings__##name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults),
		T(an_empty_value_is_none),
		T(flags_never_fail),
		T(integers_within_their_range),
		T(numbers_within_their_range),
		T(lists_drop_what_is_empty),
		T(log_level_and_format),
		T(rates),
		T(nothing_throttled_in_production_is_said_loudly),
		T(threads_follow_the_cores),
		T(hosts),
		T(origins_of_development),
		T(origins_of_production),
		T(origins_that_are_none),
		T(database_url),
		T(trusted_proxies),
		T(a_refusal_is_one_short_line),
		T(serving_needs_a_key),
		T(production_keeps_saka_on),
		T(production_refuses_test_routes),
		T(railway_needs_a_host),
		T(warnings),
		T(urls_are_shown_without_credentials),
		T(printing_shows_no_secret),
		T(the_markdown_has_every_line),
		T(the_environment_is_a_source),
		T(each_failing_allocation_is_reported),
		T(destroy_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
