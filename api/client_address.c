#include "api/client_address.h"

#include <arpa/inet.h>

#include "api/site.h"

/* What inet_ntop writes for IPv4: this is done for each request, and printf behind it was to be seen in the profile. */
static size_t write_ipv4(const unsigned char bytes[4], char *text)
{
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		unsigned byte = bytes[i];

		if (i)
			text[n++] = '.';
		if (byte >= 100)
			text[n++] = (char)('0' + byte / 100);
		if (byte >= 10)
			text[n++] = (char)('0' + byte / 10 % 10);
		text[n++] = (char)('0' + byte % 10);
	}
	return n;
}

static struct str address_text(struct arena *arena, const struct sockaddr_storage *address)
{
	const unsigned char *bytes;
	int family = site_address_bytes(address, &bytes);
	char *text = arena_alloc(arena, INET6_ADDRSTRLEN);

	if (text && family == AF_INET)
		return (struct str){ text, write_ipv4(bytes, text) };
	if (text && family == AF_INET6 && inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN))
		return str_of(text);
	return (struct str)STR("unknown");
}

static bool read_address(struct str text, struct sockaddr_storage *ret_address)
{
	struct sockaddr_storage address = { .ss_family = AF_INET };
	char copy[INET6_ADDRSTRLEN];

	if (!text.len || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.s, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
		address.ss_family = AF_INET6;
		if (inet_pton(AF_INET6, copy, &((struct sockaddr_in6 *)&address)->sin6_addr) != 1)
			return false;
	}
	*ret_address = address;
	return true;
}

/* The last piece of a list, taken off it; false when nothing is left. */
static bool take_last(struct str *rest, struct str *ret_piece)
{
	size_t begin = rest->len;

	if (!rest->s)
		return false;
	while (begin && rest->s[begin - 1] != ',')
		begin--;
	*ret_piece = str_trim((struct str){ rest->s + begin, rest->len - begin });
	*rest = begin ? (struct str){ rest->s, begin - 1 } : (struct str){ NULL, 0 };
	return true;
}

static const struct sockaddr_storage *find_client(const struct request *req, struct sockaddr_storage *space)
{
	struct str rest = req->headers.x_forwarded_for, piece;

	while (req->peer_trusted && take_last(&rest, &piece)) {
		if (!read_address(piece, space))
			break;
		if (!site_trusts(req->worker->context->site, space))
			return space;
	}
	return &req->peer;
}

struct str client_address(struct request *req)
{
	struct sockaddr_storage space;

	if (!req->client.s)
		req->client = address_text(&req->arena, find_client(req, &space));
	return req->client;
}
