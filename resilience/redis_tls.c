/*
 * TLS by OpenSSL over the same non-blocking socket. One client context for the process, made at the first use: TLS 1.2 or
 * later, the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR move them), peer and host name verified. The socket is
 * reached through a BIO of our own because OpenSSL's would raise SIGPIPE.
 */
#include "resilience/redis_conn_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static SSL_CTX *context;       /* NULL when OpenSSL cannot be used */
static BIO_METHOD *bio_method; /* the same */

static int fd_of(BIO *bio)
{
	return ((const struct redis_conn *)BIO_get_data(bio))->fd;
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	ssize_t done = send(fd_of(bio), bytes, (size_t)n, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)done;
}

static int bio_read(BIO *bio, char *bytes, int n)
{
	ssize_t got = recv(fd_of(bio), bytes, (size_t)n, 0);

	BIO_clear_retry_flags(bio);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static void make_context(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redis socket");
	context = SSL_CTX_new(TLS_client_method());
	if (bio_method) {
		BIO_meth_set_write(bio_method, bio_write);
		BIO_meth_set_read(bio_method, bio_read);
		BIO_meth_set_ctrl(bio_method, bio_ctrl);
	}
	if (context) {
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_default_verify_paths(context);
		SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Which name the certificate must carry. */
static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	/* SSL_set_tlsext_host_name, whose own cast clang takes for ours. */
	return SSL_set1_host(ssl, host) == 1 &&
	       SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host) == 1;
}

static bool make_session(struct redis_conn *c, const char *host)
{
	BIO *bio;

	c->ssl = SSL_new(context);
	bio = BIO_new(bio_method);
	if (!c->ssl || !bio) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio); /* takes it */
	return expect_host(c->ssl, host);
}

/* What a result <= 0 of an SSL call means: 0 = it would block. */
static int ssl_result(struct redis_conn *c, const char *what, int result)
{
	int error_number = errno;
	long verified;

	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		c->waits_for = POLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		c->waits_for = POLLOUT;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_RESET, "connection closed by the server");
	case SSL_ERROR_SYSCALL:
		return redis_conn_fail_errno(c, what, error_number ? error_number : ECONNRESET);
	default:
		break;
	}
	verified = SSL_get_verify_result(c->ssl);
	if (verified != X509_V_OK)
		return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_AUTH, "TLS: certificate refused: %s",
		                       X509_verify_cert_error_string(verified));
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_RESET, "connection closed by the server");
	return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_OTHER, "TLS: %s", ERR_reason_error_string(ERR_peek_error()));
}

static void forget_errors(void)
{
	ERR_clear_error();
	errno = 0;
}

int tls_start(struct redis_conn *c, const struct redis_url *url, int64_t deadline_us)
{
	pthread_once(&once, make_context);
	if (!context || !bio_method || !make_session(c, url->host))
		return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_OTHER, "TLS cannot be set up");
	for (;;) {
		int r;

		forget_errors();
		r = SSL_connect(c->ssl);
		if (r == 1)
			return 0;
		r = ssl_result(c, "TLS handshake", r);
		if (r < 0)
			return r;
		if (!wire_wait(c, c->waits_for, deadline_us))
			return redis_conn_fail(c, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout in the TLS handshake");
	}
}

ssize_t tls_read(struct redis_conn *c, char *bytes, size_t n)
{
	int got;

	forget_errors();
	got = SSL_read(c->ssl, bytes, (int)n);
	return got > 0 ? got : ssl_result(c, "read", got);
}

ssize_t tls_write(struct redis_conn *c, const char *bytes, size_t n)
{
	int done;

	forget_errors();
	done = SSL_write(c->ssl, bytes, n > INT32_MAX ? INT32_MAX : (int)n);
	return done > 0 ? done : ssl_result(c, "write", done);
}

bool tls_idle_ok(struct redis_conn *c)
{
	char byte;
	int got;

	forget_errors();
	got = SSL_peek(c->ssl, &byte, 1);
	return got <= 0 && SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ;
}

void tls_finish(struct redis_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
}
