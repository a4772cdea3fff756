/*
 * Who is at the other end: http.md 8, accounts.md 8.4. The one answer for throttles and for the ip columns of rows.
 */
#ifndef API_CLIENT_ADDRESS_H
#define API_CLIENT_ADDRESS_H

#include "api/request.h"

/*
 * The client's address in its usual text form ("203.0.113.5", "2001:db8::1"; a mapped IPv4 address as IPv4): the peer, or,
 * behind a trusted proxy, the right-most address of X-Forwarded-For that no trusted proxy has. What stands left of that
 * is the client's own invention; when there is no such address, or it is none at all, the peer. Lives as long as the
 * request; "unknown" for a peer without an address (a Unix socket), or without memory. Worked out once.
 */
struct str client_address(struct request *);

#endif
