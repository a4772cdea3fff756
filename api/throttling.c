#include "api/throttling.h"

#include "api/client_address.h"
#include "api/reply.h"
#include "api/route.h"
#include "domain/account.h"

/* 0: true. */
static bool let_pass(struct request *req, int64_t wait_s)
{
	if (!wait_s)
		return true;
	reply_detail(req, 429, "Trop de requêtes : réessayez plus tard.");
	reply_header(req, "Retry-After", arena_printf(&req->arena, "%lld", (long long)wait_s));
	return false;
}

static struct str account_ident(struct request *req)
{
	char *text = arena_printf(&req->arena, "%lld", (long long)req->caller->id);

	return text ? str_of(text) : (struct str)STR("unknown");
}

static size_t choose_claims(struct request *req, struct throttle_claim claims[2])
{
	size_t n = 0;

	if (req->resource->traits & TRAIT_MEASURES) {
		claims[n++] = (struct throttle_claim){ THROTTLE_METRICS, client_address(req) };
	} else if (req->caller) {
		claims[n++] = (struct throttle_claim){ THROTTLE_USER, account_ident(req) };
	} else {
		claims[n++] = (struct throttle_claim){ THROTTLE_ANON, client_address(req) };
		claims[n++] = (struct throttle_claim){ THROTTLE_USER, client_address(req) };
	}
	return n;
}

bool throttle_or_reply(struct request *req, bool from_memory)
{
	struct throttle *t = req->worker->context->throttle;
	struct throttle_claim claims[2];
	size_t n;

	if (!throttle_active(t))
		return true;
	n = choose_claims(req, claims);
	return let_pass(req, throttle_take(t, &req->budget, from_memory ? THROTTLE_MEMORY : THROTTLE_SHARED, claims, n));
}

bool throttle_credentials_or_reply(struct request *req, struct str address, struct str username)
{
	return let_pass(req, throttle_failed_credentials_check(req->worker->context->throttle, address, username));
}

bool throttle_failure_or_reply(struct request *req, struct str address, struct str username)
{
	return let_pass(req, throttle_failed_credentials_count(req->worker->context->throttle, &req->budget, address, username));
}
