/*
 * What the settings allow, worked out once and then only compared: hosts, origins, proxies. Whatever is compared comes
 * from a client, so that each function says no to what it does not understand.
 */
#include "api/site.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_out.h"
#include "base/mem.h"

#define PROJECT_VERSION "1.0.0" /* of the API, which the client shows; not of this program */

static const char root_body[] =
        "{\"service\":\"egoejo-backend\",\"status\":\"running\",\"version\":\"" PROJECT_VERSION "\",\"endpoints\":{"
        "\"health\":\"/api/health/\",\"api_root\":\"/api/\",\"admin\":\"/admin/\","
        "\"intents\":{\"rejoindre\":\"/api/intents/rejoindre/\",\"admin\":\"/api/intents/admin/\",\"export\":\"/api/intents/export/\"},"
        "\"chat\":{\"threads\":\"/api/chat/threads/\",\"messages\":\"/api/chat/messages/\"},"
        "\"polls\":\"/api/polls/\",\"projets\":\"/api/projets/\",\"cagnottes\":\"/api/cagnottes/\","
        "\"moderation\":{\"reports\":\"/api/moderation/reports/\",\"audit_logs\":\"/api/audit/logs/\"}},"
        "\"documentation\":\"https://github.com/tresorkazama-design/egoejo\"}";

static struct ready *ready_from(const void *bytes, size_t n)
{
	struct blob *body CLEANUP(blob_unrefp) = blob_create(bytes, n);

	return body ? ready_create(body) : NULL;
}

static struct ready *features_body(const struct settings *s)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, "{\"investment_enabled\":");
	json_add_bool(&b, s->enable_investment);
	buf_add_text(&b, ",\"commission_rate\":");
	json_add_float(&b, s->commission_rate);
	buf_add_text(&b, ",\"stripe_fee_estimate\":");
	json_add_float(&b, s->stripe_fee_estimate);
	buf_add_text(&b, ",\"founder_group_name\":");
	json_add_text(&b, s->founder_group_name);
	buf_add_text(&b, ",\"saka_enabled\":");
	json_add_bool(&b, s->enable_saka);
	buf_add_text(&b, ",\"saka_vote_enabled\":");
	json_add_bool(&b, s->saka_vote_enabled);
	buf_add_text(&b, ",\"saka_project_boost_enabled\":");
	json_add_bool(&b, s->saka_project_boost_enabled);
	buf_add_text(&b, ",\"saka_compost_enabled\":");
	json_add_bool(&b, s->saka_compost_enabled);
	buf_add_char(&b, '}');
	return b.failed ? NULL : ready_from(b.data, b.len);
}

static bool parse_network(struct str text, struct network *ret_network)
{
	struct network net = { .family = AF_INET, .bits = 32 };
	ptrdiff_t slash = str_find(text, '/');
	struct str address = { text.s, slash < 0 ? text.len : (size_t)slash };
	char copy[INET6_ADDRSTRLEN];
	int64_t bits;

	if (address.len >= sizeof(copy))
		return false;
	memcpy(copy, address.s, address.len);
	copy[address.len] = '\0';
	if (inet_pton(AF_INET, copy, net.address) != 1) {
		net.family = AF_INET6;
		net.bits = 128;
		if (inet_pton(AF_INET6, copy, net.address) != 1)
			return false;
	}
	if (slash >= 0) {
		if (!str_to_uint((struct str){ text.s + slash + 1, text.len - (size_t)slash - 1 }, &bits) || bits > net.bits)
			return false;
		net.bits = (unsigned)bits;
	}
	*ret_network = net;
	return true;
}

static int add_proxies(struct site *site, struct error *err)
{
	const struct setting_list *list = &site->settings->trusted_proxies;

	site->proxies = mem_array(list->n, sizeof(*site->proxies));
	if (!site->proxies)
		return error_set(err, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < list->n; i++)
		if (!parse_network(list->items[i], &site->proxies[site->n_proxies++]))
			return error_set(err, ERR_CONFIG, "TRUSTED_PROXIES: \"%.*s\" is neither an address nor a CIDR block",
			                 STR_ARG(list->items[i]));
	return 0;
}

static void build_hsts(struct site *site)
{
	const struct settings *s = site->settings;

	if (s->debug || !s->hsts_seconds)
		return;
	snprintf(site->hsts, sizeof(site->hsts), "max-age=%lld%s%s", (long long)s->hsts_seconds,
	         s->hsts_include_subdomains ? "; includeSubDomains" : "", s->hsts_preload ? "; preload" : "");
}

int site_create(const struct settings *settings, struct site **ret_site, struct error *err)
{
	struct site *site = mem_alloc(sizeof(*site));
	int r;

	if (!site)
		return error_set(err, ERR_NOMEM, "out of memory");
	site->settings = settings;
	build_hsts(site);
	r = add_proxies(site, err);
	site->root = ready_from(root_body, sizeof(root_body) - 1);
	site->features = features_body(settings);
	if (r == 0 && (!site->root || !site->features))
		r = error_set(err, ERR_NOMEM, "out of memory");
	if (r < 0) {
		site_destroy(site);
		return r;
	}
	*ret_site = site;
	return 0;
}

static void release(struct ready *ready)
{
	if (ready)
		cache_object_unref(&ready->object);
}

void site_destroy(struct site *site)
{
	if (!site)
		return;
	release(site->root);
	release(site->features);
	free(site->proxies);
	free(site);
}

static bool is_name_char(char c)
{
	return str_is_alpha(c) || str_is_digit(c) || c == '.' || c == '-';
}

static bool is_address_char(char c)
{
	return str_is_digit(c) || (str_lower(c) >= 'a' && str_lower(c) <= 'f') || c == ':' || c == '.';
}

/* The name of a Host value without port and trailing dot; false when the value is malformed (RFC 9110 7.2, Django's rule). */
static bool host_name(struct str host, struct str *ret_name)
{
	ptrdiff_t end;

	if (host.len && host.s[0] == '[') {
		end = str_find(host, ']');
		if (end < 3)
			return false;
		end++;
		for (ptrdiff_t i = 1; i < end - 1; i++)
			if (!is_address_char(host.s[i]))
				return false;
	} else {
		end = str_find(host, ':');
		if (end < 0)
			end = (ptrdiff_t)host.len;
		for (ptrdiff_t i = 0; i < end; i++)
			if (!is_name_char(host.s[i]))
				return false;
	}
	if (end == 0)
		return false;
	if ((size_t)end < host.len) { /* a port */
		struct str port = { host.s + end + 1, host.len - (size_t)end - 1 };
		int64_t number;

		if (host.s[end] != ':' || !str_to_uint(port, &number) || number > 65535)
			return false;
	}
	if (end > 1 && host.s[end - 1] == '.')
		end--;
	*ret_name = (struct str){ host.s, (size_t)end };
	return true;
}

static bool is_within(struct str name, struct str domain)
{
	if (name.len < domain.len)
		return false;
	return str_equal_nocase((struct str){ name.s + name.len - domain.len, domain.len }, domain);
}

/* pattern: exact, "*", or ".example.org" */
static bool host_matches(struct str name, struct str pattern)
{
	if (str_is(pattern, "*"))
		return true;
	if (pattern.len && pattern.s[0] == '.')
		return is_within(name, pattern) || str_equal_nocase(name, (struct str){ pattern.s + 1, pattern.len - 1 });
	return str_equal_nocase(name, pattern);
}

bool site_allows_host(const struct site *site, struct str host)
{
	static const struct str local[] = { STR(".localhost"), STR("127.0.0.1"), STR("[::1]") };
	const struct setting_list *hosts = &site->settings->hosts;
	struct str name;

	if (!host.s || !host_name(host, &name))
		return false;
	for (size_t i = 0; i < hosts->n; i++)
		if (host_matches(name, hosts->items[i]))
			return true;
	for (size_t i = 0; !hosts->n && site->settings->debug && i < N_ELEMENTS(local); i++)
		if (host_matches(name, local[i]))
			return true;
	return false;
}

/* "scheme://host:port" of an Origin header: a path after it is tolerated, the scheme is case-insensitive (http.md 9). */
static bool same_origin(struct str header, struct str allowed)
{
	ptrdiff_t colon = str_find(allowed, ':');
	size_t scheme = colon < 0 ? 0 : (size_t)colon;

	if (header.len < allowed.len)
		return false;
	if (header.len > allowed.len && header.s[allowed.len] != '/')
		return false;
	return str_equal_nocase((struct str){ header.s, scheme }, (struct str){ allowed.s, scheme }) &&
	       memcmp(header.s + scheme, allowed.s + scheme, allowed.len - scheme) == 0;
}

const char *site_allowed_origin(const struct site *site, struct str origin)
{
	const struct setting_list *origins = &site->settings->origins;

	if (!origin.s)
		return NULL;
	for (size_t i = 0; i < origins->n; i++)
		if (same_origin(origin, origins->items[i]))
			return origins->items[i].s;
	return NULL;
}

static bool network_has(const struct network *net, int family, const unsigned char *address)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (net->family != family || memcmp(net->address, address, whole) != 0)
		return false;
	return rest == 0 || ((net->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

int site_address_bytes(const struct sockaddr_storage *peer, const unsigned char **ret_bytes)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (peer->ss_family == AF_INET) {
		*ret_bytes = (const unsigned char *)&((const struct sockaddr_in *)peer)->sin_addr;
		return AF_INET;
	}
	*ret_bytes = (const unsigned char *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
	if (peer->ss_family == AF_INET6 && memcmp(*ret_bytes, mapped, sizeof(mapped)) == 0) {
		*ret_bytes += sizeof(mapped);
		return AF_INET;
	}
	return peer->ss_family;
}

bool site_trusts(const struct site *site, const struct sockaddr_storage *peer)
{
	const unsigned char *bytes;
	int family = site_address_bytes(peer, &bytes);

	for (size_t i = 0; i < site->n_proxies; i++)
		if (network_has(&site->proxies[i], family, bytes))
			return true;
	return false;
}

bool site_is_loopback(const struct sockaddr_storage *peer)
{
	const unsigned char *bytes;
	int family = site_address_bytes(peer, &bytes);

	if (family == AF_INET)
		return bytes[0] == 127;
	return family == AF_INET6 && memcmp(bytes, &in6addr_loopback, 16) == 0;
}
