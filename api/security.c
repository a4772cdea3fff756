/* /api/security/: accounts.md 7, D10. Truthful: each word comes from a look at what it is about. */
#include "domain/security.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "base/clock.h"

#define UNUSED_DAYS 90
#define MANY_ADMINS 5

static const struct field check_shape_list[] = { SHAPE("status", TEXT), SHAPE("count", INT), SHAPE("message", TEXT) };
static const struct fields check_shape = SHAPES(check_shape_list);
static const struct field checks_shape_list[] = {
	SHAPE("weak_passwords", OBJECT, .of = &check_shape),
	SHAPE("inactive_users", OBJECT, .of = &check_shape),
	SHAPE("admin_accounts", OBJECT, .of = &check_shape),
};
static const struct fields checks_shape = SHAPES(checks_shape_list);
static const struct field security_audit_shape_list[] = { SHAPE("timestamp", TIME), SHAPE("checks", OBJECT, .of = &checks_shape) };
const struct fields security_audit_shape = SHAPES(security_audit_shape_list);

static const struct field security_metrics_shape_list[] = {
	SHAPE("timestamp", TIME),
	SHAPE("cache_status", TEXT, .meaning = "« ok » quand une valeur écrite a été relue, sinon « unknown »."),
	SHAPE("database_status", TEXT, .meaning = "« ok » ou « error »."),
	SHAPE("rate_limiting_active", BOOL),
	SHAPE("csp_enabled", BOOL),
	SHAPE("https_enforced", BOOL),
	SHAPE("redis_errors", MAP, .each = EACH(TEXT), .flags = FIELD_OPTIONAL,
	      .meaning = "Par usage de Redis en panne, le texte complet de l'erreur ; absent quand rien n'est en panne."),
};
const struct fields security_metrics_shape = SHAPES(security_metrics_shape_list);

static void add_now(struct buf *b)
{
	buf_add_text(b, "{\"timestamp\":");
	json_add_time(b, clock_now());
}

static void add_check(struct buf *b, const char *before, const char *name, const char *status, int64_t count, const char *message)
{
	buf_add_text(b, before);
	json_add_key(b, name);
	buf_addf(b, "{\"status\":\"%s\",\"count\":%lld,\"message\":\"%lld %s\"}", status, (long long)count, (long long)count, message);
}

void security_audit(struct request *req)
{
	struct instant since = { clock_now().us - UNUSED_DAYS * INT64_C(86400) * US_PER_S };
	struct security_counts n;
	struct buf b = BUF_EMPTY;
	int r = security_count(req->worker->db, &req->arena, since, &n);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	add_now(&b);
	buf_add_text(&b, ",\"checks\":");
	add_check(&b, "{", "weak_passwords", n.weak_passwords ? "warning" : "ok", n.weak_passwords,
	          "compte(s) dont le mot de passe n'est pas protégé par Argon2");
	add_check(&b, ",", "inactive_users", "info", n.inactive_users, "compte(s) actif(s) sans connexion depuis 90 jours");
	add_check(&b, ",", "admin_accounts", n.admin_accounts > MANY_ADMINS ? "warning" : "ok", n.admin_accounts,
	          "compte(s) administrateur");
	buf_add_text(&b, "}}");
	reply_json_take(req, 200, &b);
}

/* Written, and read again. */
static bool cache_works(struct request *req)
{
	struct cache *cache = req->worker->context->cache;
	struct blob *read CLEANUP(blob_unrefp) = NULL;

	if (!safe_cache_set(cache, &req->budget, "security_probe", req->id, strlen(req->id), 5))
		return false;
	read = safe_cache_get(cache, &req->budget, "security_probe");
	return read != NULL; /* perhaps what somebody else has just written */
}

/* The full text is for staff only: /health gives everybody a class of error (resilience.md 2.6). */
static void add_redis_errors(struct buf *b, const struct redis *redis)
{
	struct redis_usage_status status;
	const char *before = ",\"redis_errors\":{";

	for (int usage = 0; usage < REDIS_USAGES; usage++) {
		redis_usage_status(redis, (enum redis_usage)usage, &status);
		if (status.available)
			continue;
		buf_add_text(b, before);
		json_add_key(b, redis_usage_name((enum redis_usage)usage));
		json_add_text(b, *status.error_text ? status.error_text : status.error);
		before = ",";
	}
	if (*before == ',' && before[1] == '\0')
		buf_add_char(b, '}');
}

static void add_flag(struct buf *b, const char *name, bool value)
{
	buf_add_char(b, ',');
	json_add_key(b, name);
	json_add_bool(b, value);
}

void security_metrics(struct request *req)
{
	const struct api_context *context = req->worker->context;
	struct buf b = BUF_EMPTY;

	add_now(&b);
	buf_addf(&b, ",\"cache_status\":\"%s\"", cache_works(req) ? "ok" : "unknown");
	buf_addf(&b, ",\"database_status\":\"%s\"", db_ping(req->worker->db) == 0 ? "ok" : "error");
	add_flag(&b, "rate_limiting_active", throttle_active(context->throttle));
	add_flag(&b, "csp_enabled", true);
	add_flag(&b, "https_enforced", !context->settings->debug);
	add_redis_errors(&b, context->redis);
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}
