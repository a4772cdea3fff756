/*
 * Who asks: from the Authorization header to req->caller. Source: http.md 1.5, 6; accounts.md 3.4, 3.5.
 *
 * A Bearer is judged in place: one HMAC and one indexed read. Basic credentials cost a password hash, which no http
 * thread may spend, so they are judged on the executor for passwords, whatever the route (design.md 9.19).
 */
#ifndef API_AUTHENTICATE_H
#define API_AUTHENTICATE_H

#include "api/request.h"

/* Basic credentials: those must be judged elsewhere. Pure. */
bool authenticate_is_basic(const struct request *);

/*
 * Sets req->caller; NULL when there are no credentials, or of a scheme that we do not know. False: 403 has been answered,
 * 429, or 5xx. The thread that serves the request; for Basic credentials that of the executor for passwords.
 */
bool authenticate_or_reply(struct request *);

/* Logs a result of account_authenticate that an administrator should know of: a stored hash that asks too much. */
void authenticate_log_refusal(const struct request *, int result);

#endif
