/*
 * What our server is measured against: libmicrohttpd alone, giving the same answer.
 *
 * It takes one answer of our server from a file (status line, headers, empty line, body) and gives it to every request:
 * the same headers, the same bytes, from as many daemons with the same flags as ours, in the second call of the handler.
 * It knows no routes, no hosts, no methods and no limits. It has no door: its main thread accepts and hands each
 * connection on, unseen, to the next daemon (tried: faster than daemons that listen themselves, which leave threads idle).
 * With a database, a file of SQLite or a URL of PostgreSQL, it runs the SELECT of the project's page first, prepared once
 * per daemon, and reads every column; the bytes it sends are still those of the file. So it does less than any server could
 * that is to be of use.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_DAEMONS      256
#define MAX_ANSWER_BYTES (1024 * 1024)

/* The statement that GET /api/projets/{id}/ runs (domain/project.c). */
static const char select_project[] =
        "SELECT p.id, p.titre, p.description, p.categorie, p.impact_score, p.image, p.embedding, p.coordinates_3d, p.funding_type, "
        "p.donation_goal, p.investment_goal, p.share_price, p.total_shares, p.valuation_pre_money, p.created_at, p.saka_score, "
        "p.saka_supporters_count, p.active_oracles, p.community_id, COALESCE(i.financial_score, 0), COALESCE(i.saka_score, 0), "
        "COALESCE(i.social_score, 0), COALESCE(i.purpose_score, 0), i.updated_at "
        "FROM core_projet p LEFT JOIN project_impact_4p i ON i.project_id = p.id WHERE p.id = $1";

/* One daemon and what only its thread uses. */
struct worker {
	struct MHD_Daemon *daemon;
	struct MHD_Response *response;
	sqlite3 *db; /* NULL without SQLite */
	sqlite3_stmt *select;
	PGconn *postgresql; /* NULL without PostgreSQL */
	size_t read_bytes;  /* keeps the reading of the columns from being optimised away */
};

static struct worker workers[MAX_DAEMONS];
static char answer[MAX_ANSWER_BYTES];
static unsigned answer_status;

static void die(const char *what)
{
	fprintf(stderr, "bare_mhd: %s\n", what);
	exit(EXIT_FAILURE);
}

/* The number that ends a path like /api/projets/7/. */
static long id_of(const char *path)
{
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	return strtol(path + n, NULL, 10);
}

static bool read_postgresql(struct worker *w, long id)
{
	char text[24];
	const char *const values[] = { text };
	PGresult *result;
	bool found;

	snprintf(text, sizeof(text), "%ld", id);
	result = PQexecPrepared(w->postgresql, "project", 1, values, NULL, NULL, 0);
	found = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
	for (int i = 0; found && i < PQnfields(result); i++)
		w->read_bytes += PQgetvalue(result, 0, i)[0] ? (size_t)PQgetlength(result, 0, i) : 0;
	PQclear(result);
	return found;
}

static bool read_sqlite(struct worker *w, long id)
{
	bool found;

	sqlite3_bind_int64(w->select, 1, id);
	found = sqlite3_step(w->select) == SQLITE_ROW;
	for (int i = 0; found && i < sqlite3_column_count(w->select); i++) {
		if (sqlite3_column_text(w->select, i))
			w->read_bytes += (size_t)sqlite3_column_bytes(w->select, i);
	}
	sqlite3_reset(w->select);
	return found;
}

/* The second call answers: an answer queued in the first makes libmicrohttpd 0.9 close the connection. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *body, size_t *body_len, void **state)
{
	struct worker *w = arg;

	if (!*state) {
		*state = w;
		return MHD_YES;
	}
	if ((w->db && !read_sqlite(w, id_of(path))) || (w->postgresql && !read_postgresql(w, id_of(path))))
		return MHD_NO;
	return MHD_queue_response(connection, answer_status, w->response);
}

/* ---- the answer ---- */

/* What libmicrohttpd writes itself. */
static bool is_written_by_library(const char *name)
{
	return strcmp(name, "Date") == 0 || strcmp(name, "Content-Length") == 0 || strcmp(name, "Connection") == 0;
}

/* Reads the file; returns its body inside answer, the head being left as lines that end in NUL. */
static char *load_answer(const char *path, size_t *ret_body_len, char **ret_headers)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(answer, 1, sizeof(answer) - 1, f) : 0;
	char *end = n ? strstr(answer, "\r\n\r\n") : NULL;

	if (f)
		fclose(f);
	if (!end || sscanf(answer, "HTTP/1.1 %3u", &answer_status) != 1)
		die("the file holds no answer");
	*end = '\0';
	*ret_headers = strstr(answer, "\r\n");
	*ret_body_len = n - (size_t)(end + 4 - answer);
	return end + 4;
}

/* "\r\nName: value" up to the end of the head. */
static void add_headers(struct MHD_Response *response, const char *headers)
{
	char name[100], value[2000];

	for (; headers; headers = strstr(headers + 2, "\r\n")) {
		if (sscanf(headers, "\r\n%99[^:]: %1999[^\r]", name, value) != 2)
			die("a header line cannot be read");
		if (!is_written_by_library(name) && MHD_add_response_header(response, name, value) != MHD_YES)
			die("a header cannot be set");
	}
}

/* ---- life ---- */

static void open_postgresql(struct worker *w, const char *url)
{
	PGresult *result;

	w->postgresql = PQconnectdb(url);
	result = PQprepare(w->postgresql, "project", select_project, 1, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die(PQerrorMessage(w->postgresql));
	PQclear(result);
}

static void open_sqlite(struct worker *w, const char *path)
{
	if (sqlite3_open_v2(path, &w->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(w->db, select_project, -1, &w->select, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(w->db));
}

static void start_daemon(struct worker *w)
{
	w->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0,
	                             NULL, NULL, handle, w, MHD_OPTION_CONNECTION_LIMIT, 10000u, MHD_OPTION_END);
	if (!w->daemon)
		die("a daemon cannot be started");
}

static void start_worker(struct worker *w, char *body, size_t body_len, const char *headers, const char *database)
{
	w->response = MHD_create_response_from_buffer(body_len, body, MHD_RESPMEM_PERSISTENT);
	if (!w->response)
		die("out of memory");
	add_headers(w->response, headers);
	if (database && strncmp(database, "postgres", strlen("postgres")) == 0)
		open_postgresql(w, database);
	else if (database)
		open_sqlite(w, database);
	start_daemon(w);
}

static void stop_worker(struct worker *w)
{
	MHD_stop_daemon(w->daemon);
	MHD_destroy_response(w->response);
	sqlite3_finalize(w->select);
	sqlite3_close(w->db);
	PQfinish(w->postgresql);
}

/* Listens on a free port of the loopback address and prints it. */
static int listen_somewhere(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), seconds = 5;
	socklen_t len = sizeof(address);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		die("no port can be listened on");
	printf("%u\n", (unsigned)ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void accept_one(int listener, struct MHD_Daemon *daemon)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	MHD_add_connection(daemon, fd, (struct sockaddr *)&peer, len);
}

/* Blocks the signals in all threads to come; a descriptor that is readable when one arrives. */
static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void serve(int signals, size_t n)
{
	struct pollfd watched[] = { { .fd = signals, .events = POLLIN }, { .fd = listen_somewhere(), .events = POLLIN } };

	for (size_t next = 0; !watched[0].revents; next = (next + 1) % n) {
		if (poll(watched, 2, -1) > 0 && watched[1].revents)
			accept_one(watched[1].fd, workers[next].daemon);
	}
	close(watched[1].fd);
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, body_len;
	char *headers, *body;
	int signals;

	if (argc < 3 || argc > 4 || n < 1 || n > MAX_DAEMONS) {
		fprintf(stderr, "usage: bare_mhd ANSWER DAEMONS [DATABASE]\nPrints its port, serves until SIGTERM.\n");
		return 2;
	}
	signals = take_signals();
	body = load_answer(argv[1], &body_len, &headers);
	for (size_t i = 0; i < n; i++)
		start_worker(&workers[i], body, body_len, headers, argc > 3 ? argv[3] : NULL);
	serve(signals, n);
	for (size_t i = 0; i < n; i++)
		stop_worker(&workers[i]);
	return EXIT_SUCCESS;
}
