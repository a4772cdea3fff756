/*
 * The load of the fan-out: so many WebSockets of one group, messages into it, and a look at each frame that comes out.
 *
 * usage: fan_client PORT PATH TOKEN SESSIONS FEED_PORT CHANNEL PID BURST ROUNDS PACED INTERVAL_MS
 *
 * The sockets are opened on PORT (TOKEN "-": without one). Messages go to FEED_PORT: into CHANNEL of a Redis, in the envelope of
 * another process, or with CHANNEL "-" as lines. A message is a frame's text of 200 bytes with a number and the time in it; it
 * is the edit of message 1 of a thread, so that the hub does with it all that it does with a message of another process, and
 * no database comes between.
 *
 * First ROUNDS bursts: BURST messages in one write, and on when all have come everywhere. Then PACED messages, one each
 * INTERVAL_MS. Every frame is compared in length and number: what is missing, doubled or out of order is counted. Prints one
 * line of JSON. CPU is the one of process PID, from the scheduler's own count, in which starting and opening have no part.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TEXT_BYTES    200
#define FRAME_BYTES   (4 + TEXT_BYTES)
#define WAVE          64                         /* sockets whose opening is under way */
#define STALL_NS      (INT64_C(10) * 1000000000) /* nothing has come for so long: it is lost */
#define FIRST         10000000                   /* numbers and times of constant width */
#define EPOCH         INT64_C(1000000000000000000)
#define READ_BYTES    (256 * 1024)
#define MESSAGE_BYTES 1000 /* with its envelope and command */

static const char before_at[] = "{\"type\":\"chat_message\",\"payload\":{\"id\":1,\"at\":";
#define AT     (4 + sizeof(before_at) - 1) /* in the frame */
#define NUMBER (AT + 19 + 5)               /* behind ,"n": */

struct session {
	int fd;
	int64_t expected; /* number of the next message */
	size_t held;
	char part[FRAME_BYTES]; /* of a frame whose end is still to come */
};

static struct session *sessions;
static int n_sessions, events, feed;
static const char *channel;
static int64_t sent, received, lost, disordered, closed; /* sent, lost: of deliveries */
static int64_t next_number = FIRST;
static uint32_t *latencies; /* µs; NULL: not wanted */
static size_t n_latencies, max_latencies;

static void die(const char *what)
{
	fprintf(stderr, "fan_client: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What all threads of a process have used. */
static int64_t cpu_ns(const char *pid)
{
	char path[300];
	int64_t sum = 0;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		long long used = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f && fscanf(f, "%lld", &used) == 1)
			sum += used;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

/* ---- opening ---- */

static int connect_to(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

		if (done < 0)
			die("send");
		bytes += done;
		n -= (size_t)done;
	}
}

static void await_welcome(struct session *s)
{
	char head[2048] = "";
	size_t n = 0;

	while (!strstr(head, "\r\n\r\n")) {
		ssize_t got = recv(s->fd, head + n, sizeof(head) - 1 - n, 0);

		if (got <= 0)
			die("no answer to a handshake");
		n += (size_t)got;
		head[n] = '\0';
	}
	if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || strstr(head, "\r\n\r\n")[4])
		die(head);
}

static void open_sessions(int port, const char *path, const char *token)
{
	char request[4096];
	int n = snprintf(
	        request, sizeof(request),
	        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Forwarded-Proto: https\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
	        path, port, strcmp(token, "-") == 0 ? "" : "Authorization: Bearer ", strcmp(token, "-") == 0 ? "" : token,
	        strcmp(token, "-") == 0 ? "" : "\r\n");

	for (int from = 0; from < n_sessions; from += WAVE) {
		int to = from + WAVE < n_sessions ? from + WAVE : n_sessions;

		for (int i = from; i < to; i++) {
			sessions[i].fd = connect_to(port);
			send_all(sessions[i].fd, request, (size_t)n);
		}
		for (int i = from; i < to; i++) {
			struct epoll_event event = { .events = EPOLLIN, .data.ptr = &sessions[i] };

			await_welcome(&sessions[i]);
			fcntl(sessions[i].fd, F_SETFL, O_NONBLOCK);
			sessions[i].expected = FIRST;
			epoll_ctl(events, EPOLL_CTL_ADD, sessions[i].fd, &event);
		}
	}
}

/* ---- sending ---- */

/* One message, as the feed wants it, in MESSAGE_BYTES; returns its length. */
static size_t write_message(char *ret, int64_t number, int64_t at_ns)
{
	char text[TEXT_BYTES + 1], envelope[600];
	int n = snprintf(text, sizeof(text), "%s%lld,\"n\":%lld,\"text\":\"", before_at, (long long)(EPOCH + at_ns), (long long)number);

	memset(text + n, 'x', (size_t)(TEXT_BYTES - n));
	memcpy(text + TEXT_BYTES - 3, "\"}}", 4);
	if (strcmp(channel, "-") == 0)
		return (size_t)snprintf(ret, MESSAGE_BYTES, "%s\n", text);
	n = snprintf(envelope, sizeof(envelope),
	             "{\"v\":1,\"eid\":\"%lld-%lld\",\"origin\":\"a-bench\",\"group\":\"%s\",\"type\":\"chat_message\",%s",
	             (long long)at_ns, (long long)number, strrchr(channel, ':') + 1, strstr(text, "\"payload\""));
	return (size_t)snprintf(ret, MESSAGE_BYTES, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(channel), channel, n,
	                        envelope);
}

static void publish(int messages)
{
	char *bytes = malloc((size_t)messages * MESSAGE_BYTES);
	int64_t at_ns = now_ns();
	size_t n = 0;

	if (!bytes)
		die("memory");
	for (int i = 0; i < messages; i++)
		n += write_message(bytes + n, next_number++, at_ns);
	sent += (int64_t)messages * n_sessions;
	send_all(feed, bytes, n);
	free(bytes);
}

/* ---- receiving ---- */

static int64_t digits(const char *at, int n)
{
	int64_t value = 0;

	while (n--)
		value = value * 10 + (*at++ - '0');
	return value;
}

static void look_at(struct session *s, const char *frame, int64_t read_ns)
{
	int64_t number = digits(frame + NUMBER, 8);

	received++;
	if (number != s->expected || (unsigned char)frame[0] != 0x81 || frame[1] != 126 || (unsigned char)frame[3] != TEXT_BYTES ||
	    memcmp(frame + FRAME_BYTES - 3, "\"}}", 3) != 0)
		disordered++;
	s->expected = number + 1;
	if (latencies && n_latencies < max_latencies)
		latencies[n_latencies++] = (uint32_t)((read_ns - (digits(frame + AT, 19) - EPOCH)) / 1000);
}

static void receive(struct session *s)
{
	static char bytes[READ_BYTES];
	ssize_t got = recv(s->fd, bytes + s->held, sizeof(bytes) - s->held, 0);
	int64_t read_ns = now_ns();
	size_t n, at = 0;

	if (got <= 0) {
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		closed++;
		close(s->fd);
		return;
	}
	memcpy(bytes, s->part, s->held);
	for (n = s->held + (size_t)got; n - at >= FRAME_BYTES; at += FRAME_BYTES)
		look_at(s, bytes + at, read_ns);
	s->held = n - at;
	memcpy(s->part, bytes + at, s->held);
}

/* What Redis says to a PUBLISH: how many have heard it. The last of what has come; -1: nothing. */
static int heard_by(void)
{
	static char answers[65536];
	ssize_t n = recv(feed, answers, sizeof(answers) - 1, MSG_DONTWAIT);
	char *colon;

	if (n <= 0)
		return -1;
	answers[n] = '\0';
	colon = strrchr(answers, ':');
	return colon ? (int)strtol(colon + 1, NULL, 10) : -1;
}

static void turn(int timeout_ms)
{
	static struct epoll_event ready[512];
	int n = epoll_wait(events, ready, 512, timeout_ms);

	for (int i = 0; i < n; i++)
		receive(ready[i].data.ptr);
}

/* Until everything that was sent has come everywhere, or nothing has for too long. */
static void await_all(void)
{
	int64_t seen = received, since_ns = now_ns();

	while (received < sent && !closed) {
		turn(100);
		if (received != seen) {
			seen = received;
			since_ns = now_ns();
		} else if (now_ns() - since_ns > STALL_NS) {
			break;
		}
	}
	lost += sent - received;
	sent = received;
}

/* Until the other side listens, and one message has come everywhere. */
static void warm_up(void)
{
	struct timespec pause = { 0, 10000000 };
	int heard = 0;

	while (heard < 1) {
		sent = 0;
		next_number = FIRST;
		publish(1);
		if (strcmp(channel, "-") == 0)
			break;
		while ((heard = heard_by()) < 0 || (heard == 0 && nanosleep(&pause, NULL) != 0))
			turn(1);
	}
	await_all();
	if (lost || closed)
		die("the first message did not arrive everywhere");
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static unsigned percentile(double part)
{
	return n_latencies ? latencies[(size_t)(part * (double)(n_latencies - 1))] : 0;
}

static void measure_bursts(const char *pid, int messages, int rounds)
{
	int64_t cpu = cpu_ns(pid), before = received, elapsed = 0;
	double n;

	for (int i = 0; i < rounds; i++) {
		int64_t from_ns = now_ns();

		publish(messages);
		await_all();
		elapsed += now_ns() - from_ns;
		heard_by();
	}
	n = received > before ? (double)(received - before) : 1;
	printf("\"burst_rate\": %.1f, \"burst_cpu_us\": %.3f, ", n * 1e9 / (double)(elapsed ? elapsed : 1),
	       (double)(cpu_ns(pid) - cpu) / 1000 / n);
}

static void measure_pace(const char *pid, int messages, int interval_ms)
{
	struct rusage usage[2];
	int64_t cpu = cpu_ns(pid), before = received, next_ns = now_ns(), own_us;
	double n;

	getrusage(RUSAGE_SELF, &usage[0]);
	max_latencies = (size_t)messages * (size_t)n_sessions;
	latencies = calloc(max_latencies + 1, sizeof(*latencies));
	if (!latencies)
		die("memory");
	for (int i = 0; i < messages && !closed; i++) {
		publish(1);
		next_ns += (int64_t)interval_ms * 1000000;
		for (int64_t left; (left = next_ns - now_ns()) > 0;)
			turn((int)((left + 999999) / 1000000));
		heard_by();
	}
	await_all();
	n = received > before ? (double)(received - before) : 1;
	getrusage(RUSAGE_SELF, &usage[1]);
	own_us = (usage[1].ru_utime.tv_sec - usage[0].ru_utime.tv_sec + usage[1].ru_stime.tv_sec - usage[0].ru_stime.tv_sec) * 1000000 +
	         usage[1].ru_utime.tv_usec - usage[0].ru_utime.tv_usec + usage[1].ru_stime.tv_usec - usage[0].ru_stime.tv_usec;
	qsort(latencies, n_latencies, sizeof(*latencies), compare);
	printf("\"paced_cpu_us\": %.3f, \"client_cpu_us\": %.3f, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, ",
	       (double)(cpu_ns(pid) - cpu) / 1000 / n, (double)own_us / n, percentile(0.5), percentile(0.99), percentile(1));
}

static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		die("files");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < (rlim_t)n_sessions + 50)
		die("too few files may be open");
}

int main(int argc, char **argv)
{
	if (argc != 12) {
		fputs("usage: fan_client PORT PATH TOKEN SESSIONS FEED_PORT CHANNEL PID BURST ROUNDS PACED INTERVAL_MS\n", stderr);
		return 2;
	}
	n_sessions = atoi(argv[4]);
	channel = argv[6];
	sessions = calloc((size_t)n_sessions, sizeof(*sessions));
	events = epoll_create1(EPOLL_CLOEXEC);
	if (!sessions || events < 0)
		die("start");
	raise_limit();
	feed = connect_to(atoi(argv[5]));
	open_sessions(atoi(argv[1]), argv[2], argv[3]);
	warm_up();
	printf("{");
	measure_bursts(argv[7], atoi(argv[8]), atoi(argv[9]));
	measure_pace(argv[7], atoi(argv[10]), atoi(argv[11]));
	printf("\"lost\": %lld, \"disordered\": %lld, \"closed\": %lld}\n", (long long)lost, (long long)disordered, (long long)closed);
	return EXIT_SUCCESS;
}
