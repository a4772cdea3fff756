/*
 * What several settings say together: the hosts and origins served, the database, the log format, the number of threads,
 * and the warnings of the start.
 */
#include <arpa/inet.h>
#include <sched.h>

#include "base/settings_impl.h"

#define SECRET_KEY_ADVISED_CHARS 50
#define THREADS_PER_CORE         4

static int refuse_origin(struct error *err, const char *variable, struct str value)
{
	return settings_refuse(err, variable, value, "an origin is scheme://host[:port], without user, path, query or fragment");
}

/* Lower case; a host name is compared without its trailing dot. */
static int add_host(struct settings *s, struct str host)
{
	char *lower;

	host = str_trim(host);
	if (host.len && host.s[host.len - 1] == '.')
		host.len--;
	if (!host.len)
		return 0;
	lower = arena_strndup(s->memory, host.s, host.len);
	if (!lower)
		return ERR_NOMEM;
	for (char *p = lower; *p; p++)
		*p = str_lower(*p);
	return settings_list_add(s, &s->hosts, (struct str){ lower, host.len });
}

static struct str before_any(struct str s, const char *stops)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(stops, s.s[i]))
			s.len = i;
	return s;
}

/* The text after "://", or all of it: Railway gives its static URL without a scheme. */
static struct str after_scheme(struct str url)
{
	const char *at = url.len ? memmem(url.s, url.len, "://", 3) : NULL;

	return at ? (struct str){ at + 3, url.len - (size_t)(at + 3 - url.s) } : url;
}

static struct str host_of_url(struct str url)
{
	struct str host = before_any(after_scheme(url), "/?#");
	ptrdiff_t at;

	while ((at = str_find(host, '@')) >= 0)
		host = (struct str){ host.s + at + 1, host.len - (size_t)at - 1 };
	if (host.len && host.s[0] == '[') {
		at = str_find(host, ']');
		return (struct str){ host.s, at < 0 ? host.len : (size_t)at + 1 };
	}
	return before_any(host, ":");
}

static int derive_hosts(struct settings *s)
{
	int r = 0;

	for (size_t i = 0; i < s->allowed_hosts.n && r == 0; i++)
		r = add_host(s, s->allowed_hosts.items[i]);
	if (r == 0)
		r = add_host(s, str_of(s->railway_public_domain));
	if (r == 0)
		r = add_host(s, host_of_url(str_trim(str_of(s->railway_static_url))));
	return r;
}

static bool is_scheme(struct str s)
{
	if (!s.len || !str_is_alpha(s.s[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_alpha(s.s[i]) && !str_is_digit(s.s[i]) && s.s[i] != '+' && s.s[i] != '-' && s.s[i] != '.')
			return false;
	return true;
}

static bool is_port(struct str s)
{
	int64_t port;

	return str_to_uint(s, &port) && port >= 1 && port <= 65535;
}

/* host or host:port, where a host is a name, an IPv4 address or an IPv6 address in brackets */
static bool is_host_port(struct str s)
{
	ptrdiff_t at;

	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.s[i] <= 0x20 || strchr("/?#@\\\"<>\x7f", s.s[i]))
			return false;
	if (s.len && s.s[0] == '[') {
		at = str_find(s, ']');
		if (at < 2)
			return false;
		s = (struct str){ s.s + at, s.len - (size_t)at };
		if (s.len > 1 && s.s[1] != ':')
			return false;
	}
	at = str_find(s, ':');
	return at < 0 ? s.len > 0 : at > 0 && is_port((struct str){ s.s + at + 1, s.len - (size_t)at - 1 });
}

/* The scheme in lower case (it is compared so), the rest as it is; "null" may be listed (http.md section 9). */
static int add_origin(struct settings *s, const char *variable, struct str origin, struct error *err)
{
	const char *at = memmem(origin.s, origin.len, "://", 3);
	size_t scheme_len = at ? (size_t)(at - origin.s) : 0;
	char *copy;

	if (str_is(origin, "null"))
		return settings_list_add(s, &s->origins, origin);
	if (!is_scheme((struct str){ origin.s, scheme_len }) || !is_host_port(after_scheme(origin)))
		return refuse_origin(err, variable, origin);
	copy = arena_strndup(s->memory, origin.s, origin.len);
	if (!copy)
		return ERR_NOMEM;
	for (size_t i = 0; i < scheme_len; i++)
		copy[i] = str_lower(copy[i]);
	return settings_list_add(s, &s->origins, (struct str){ copy, origin.len });
}

/* The address of the site itself; one trailing slash is what people write, and means the same origin. */
static int add_site_origin(struct settings *s, struct error *err)
{
	const char *variable = s->vercel_url ? "VERCEL_URL" : "FRONTEND_URL";
	struct str url = str_trim(str_of(s->vercel_url ? s->vercel_url : s->frontend_url));
	char *text;

	if (!url.len)
		return 0;
	if (url.s[url.len - 1] == '/')
		url.len--;
	text = settings_format(s, "%s%.*s", str_starts(url, "http") ? "" : "https://", STR_ARG(url));
	return text ? add_origin(s, variable, str_of(text), err) : ERR_NOMEM;
}

static int add_development_origins(struct settings *s)
{
	static const char *const origins[] = { "http://localhost:3000", "http://localhost:5173", "http://localhost:5174",
		                               "http://127.0.0.1:3000", "http://127.0.0.1:5173", "http://127.0.0.1:5174" };
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(origins) && r == 0; i++)
		r = settings_list_add(s, &s->origins, str_of(origins[i]));
	return r;
}

static int derive_origins(struct settings *s, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < s->cors_allowed_origins.n && r == 0; i++)
		r = add_origin(s, "CORS_ALLOWED_ORIGINS", s->cors_allowed_origins.items[i], err);
	if (r < 0)
		return r;
	if (!s->debug)
		return add_site_origin(s, err);
	return s->cors_allowed_origins.n ? 0 : add_development_origins(s);
}

static void add_percent_encoded(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (str_is_alpha(*text) || str_is_digit(*text) || strchr("-._~", *text))
			buf_add_char(b, *text);
		else
			buf_addf(b, "%%%02X", (unsigned char)*text);
	}
}

/* postgres://user:password@host:port/name from DB_NAME and its companions. A host with a colon is an IPv6 address. */
static void build_postgres_url(const struct settings *s, struct buf *b)
{
	bool brackets = strchr(s->db_host, ':') && s->db_host[0] != '[';

	buf_add_text(b, "postgres://");
	if (s->db_user)
		add_percent_encoded(b, s->db_user);
	if (s->db_password) {
		buf_add_char(b, ':');
		add_percent_encoded(b, s->db_password);
	}
	if (s->db_user || s->db_password)
		buf_add_char(b, '@');
	if (brackets)
		buf_addf(b, "[%s]", s->db_host);
	else if (s->db_host[0] == '[')
		buf_add_text(b, s->db_host);
	else
		add_percent_encoded(b, s->db_host);
	buf_addf(b, ":%lld/", (long long)s->db_port);
	add_percent_encoded(b, s->db_name);
}

static int derive_database_url(struct settings *s)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	if (s->database_url)
		buf_add_text(&b, s->database_url);
	else if (s->db_name)
		build_postgres_url(s, &b);
	else
		buf_addf(&b, "sqlite:///%s", s->db_path ? s->db_path : "egoejo.sqlite3");
	s->resolved_database_url = b.failed ? NULL : arena_strndup(s->memory, b.data, b.len);
	return s->resolved_database_url ? 0 : ERR_NOMEM;
}

static int check_beat(const struct settings *s, struct error *err)
{
	struct str beat = str_of(s->beat);

	if (str_is(beat, "on") || str_is(beat, "off") || str_is(beat, "auto"))
		return 0;
	return settings_refuse(err, "BEAT", beat, "on, off or auto is allowed");
}

static int derive_log_format(struct settings *s, bool terminal, struct error *err)
{
	struct str format = str_of(s->log_format);

	if (str_is(format, "auto"))
		s->resolved_log_format = terminal ? LOG_TEXT : LOG_JSON;
	else if (str_is(format, "json") || str_is(format, "text"))
		s->resolved_log_format = str_is(format, "json") ? LOG_JSON : LOG_TEXT;
	else
		return settings_refuse(err, "LOG_FORMAT", format, "json or text is allowed");
	return 0;
}

/* An address, or address/bits. */
static bool is_address_block(struct str s)
{
	unsigned char binary[sizeof(struct in6_addr)];
	struct str address = before_any(s, "/");
	int64_t bits = 0, most;
	char text[INET6_ADDRSTRLEN];

	if (address.len >= sizeof(text))
		return false;
	memcpy(text, address.s, address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET, text, binary) == 1)
		most = 32;
	else if (inet_pton(AF_INET6, text, binary) == 1)
		most = 128;
	else
		return false;
	if (address.len == s.len)
		return true;
	return str_to_uint((struct str){ s.s + address.len + 1, s.len - address.len - 1 }, &bits) && bits <= most;
}

static int check_trusted_proxies(const struct settings *s, struct error *err)
{
	for (size_t i = 0; i < s->trusted_proxies.n; i++)
		if (!is_address_block(s->trusted_proxies.items[i]))
			return settings_refuse(err, "TRUSTED_PROXIES", s->trusted_proxies.items[i],
			                       "addresses and CIDR blocks (10.0.0.0/8, fc00::/7) are allowed");
	return 0;
}

/* The cores that this process may use: what a container or taskset leaves it. */
static int64_t count_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void derive_threads(struct settings *s)
{
	if (s->http_threads == 0)
		s->http_threads = THREADS_PER_CORE * count_cores();
	if (s->http_threads > 256)
		s->http_threads = 256;
}

static int add_warning(struct settings *s, const char *text)
{
	return text ? settings_list_add(s, &s->warnings, str_of(text)) : ERR_NOMEM;
}

static int derive_warnings(struct settings *s)
{
	size_t chars = str_count_chars(str_of(s->secret_key));
	int r = 0;

	if (chars && chars < SECRET_KEY_ADVISED_CHARS)
		r = add_warning(s, settings_format(s, "DJANGO_SECRET_KEY has %zu characters: at least %d are advised", chars,
		                                   SECRET_KEY_ADVISED_CHARS));
	if (r == 0 && !s->debug && s->hosts.n == 0)
		r = add_warning(s, "ALLOWED_HOSTS is empty: every request is refused with 400");
	if (r == 0 && !s->debug && s->throttle_disabled)
		r = add_warning(s,
		                "DISABLE_THROTTLE_FOR_TESTS=1 IN PRODUCTION: nothing limits how often anybody may call or guess passwords");
	return r;
}

int settings_derive(struct settings *s, bool terminal, struct error *err)
{
	int r;

	derive_threads(s);
	r = derive_log_format(s, terminal, err);
	if (r == 0)
		r = check_beat(s, err);
	if (r == 0)
		r = check_trusted_proxies(s, err);
	if (r == 0)
		r = derive_hosts(s);
	if (r == 0)
		r = derive_origins(s, err);
	if (r == 0)
		r = derive_database_url(s);
	return r == 0 ? derive_warnings(s) : r;
}
