/*
 * A daemon of libmicrohttpd with a thread of its own. It is not the server of the API: no door, no deadlines, no database; what it has to
 * fear is as many clients as it may have connections, and who can reach PROBE_PORT is the operator's choice.
 */
#include "api/probes.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "api/listen.h"
#include "api/site.h"
#include "base/mem.h"
#include "base/metrics.h"

#define MAX_CONNECTIONS 32
#define IDLE_S          10

struct probes {
	struct probes_config config;
	struct MHD_Daemon *daemon;
	int fd, port; /* fd: the daemon's, once there is one */
};

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const struct buf *body, const char *type)
{
	struct MHD_Response *response;
	enum MHD_Result r;

	if (body->failed)
		return MHD_NO;
	response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(c, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result answer_word(struct MHD_Connection *c, unsigned status, const char *word)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;

	buf_addf(&body, "%s\n", word);
	return answer(c, status, &body, "text/plain; charset=utf-8");
}

static enum MHD_Result answer_probe(struct probes *p, struct MHD_Connection *c, bool (*probe)(void *arg, struct buf *verbose))
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;
	bool verbose = MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, "verbose", 7, NULL, NULL) == MHD_YES;
	bool good = probe(p->config.arg, verbose ? &body : NULL);

	buf_add_text(&body, good ? "ok\n" : "failed\n");
	return answer(c, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &body, "text/plain; charset=utf-8");
}

static bool forwards(struct MHD_Connection *c)
{
	static const char *const names[] = { "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded" };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (MHD_lookup_connection_value(c, MHD_HEADER_KIND, names[i]))
			return true;
	return false;
}

/* As for /metrics of the server: a loopback peer that forwards for nobody, or the token. */
static bool may_read_metrics(const struct probes *p, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct str token = str_of(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"));
	struct sockaddr_storage peer = { 0 };

	if (info && info->client_addr)
		memcpy(&peer, info->client_addr,
		       info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
	if (site_is_loopback(&peer) && !forwards(c))
		return true;
	if (!p->config.settings->metrics_token || !str_starts(token, "Bearer "))
		return false;
	return str_equal_secret((struct str){ token.s + 7, token.len - 7 }, str_of(p->config.settings->metrics_token));
}

static enum MHD_Result answer_metrics(struct MHD_Connection *c)
{
	CLEANUP(buf_finish) struct buf body = BUF_EMPTY;

	metrics_render(&body);
	return answer(c, MHD_HTTP_OK, &body, "text/plain; version=0.0.4; charset=utf-8");
}

/* Answers in its second call for a request, as libmicrohttpd wants it; a body is not read: the connection ends. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                              const char *bytes, size_t *n, void **seen)
{
	struct probes *p = arg;

	if (!*seen) {
		*seen = p;
		return MHD_YES;
	}
	if (*n) {
		*n = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return answer_word(c, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed");
	if (strcmp(url, "/livez") == 0)
		return answer_probe(p, c, p->config.alive);
	if (strcmp(url, "/readyz") == 0)
		return answer_probe(p, c, p->config.ready);
	if (strcmp(url, "/metrics") == 0 && may_read_metrics(p, c))
		return answer_metrics(c);
	return answer_word(c, MHD_HTTP_NOT_FOUND, "not found");
}

static int listen_and_start(struct probes *p, struct error *err)
{
	struct settings own = *p->config.settings;

	own.port = own.probe_port;
	p->fd = listen_open(&own, &p->port, err);
	if (p->fd < 0)
		return p->fd;
	p->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, handle, p, MHD_OPTION_LISTEN_SOCKET,
	                             p->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
	                             (unsigned)IDLE_S, MHD_OPTION_END);
	return p->daemon ? 0 : error_set(err, ERR_IO, "cannot start the server of the probes");
}

int probes_create(const struct probes_config *config, struct probes **ret_probes, struct error *err)
{
	struct probes *p = mem_alloc(sizeof(*p));
	int r;

	if (!p)
		return error_set(err, ERR_NOMEM, "out of memory");
	p->config = *config;
	p->fd = -1;
	r = listen_and_start(p, err);
	if (r < 0) {
		probes_destroy(p);
		return r;
	}
	*ret_probes = p;
	return 0;
}

int probes_port(const struct probes *p)
{
	return p->port;
}

void probes_destroy(struct probes *p)
{
	if (!p)
		return;
	if (p->daemon)
		MHD_stop_daemon(p->daemon); /* closes the socket */
	else if (p->fd >= 0)
		close(p->fd);
	free(p);
}
