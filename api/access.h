/*
 * Who may call a route: the words of the access column of api/routes.def, and what each asks. Source: accounts.md 5.
 * Pure but for admin_token_or_reply; any thread.
 */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include "api/request.h"
#include "domain/account.h"

/* ACCESS_WORD(name, what the caller must be) */
#define ACCESS_WORDS(WORD)                                                          \
	WORD(ANYONE, "anyone")                                                      \
	WORD(USER, "signed in")                                                     \
	WORD(OWNER, "signed in; only what is the caller's own is seen and changed") \
	WORD(STAFF, "staff")                                                        \
	WORD(EDITOR, "a content editor: staff, superuser, or in Content_Editors")   \
	WORD(ADMIN, "staff or superuser")                                           \
	WORD(FOUNDER, "in the group FOUNDER_GROUP_NAME")                            \
	WORD(ADMIN_TOKEN, "who sends the secret ADMIN_TOKEN")

enum access {
#define WORD(name, meaning) ACCESS_##name,
	ACCESS_WORDS(WORD)
#undef WORD
};

/* "anyone", "user", …: the word in lower case, for `egoejo routes` and OpenAPI. */
const char *access_name(enum access);

/* Whether the caller (NULL: nobody signed in) may. ADMIN_TOKEN is not a matter of accounts: false. */
bool access_allows(enum access, const struct account *caller);

/*
 * The gate of ADMIN_TOKEN: the first non-empty one of ?token=, X-Admin-Token and Authorization: Bearer decides, compared
 * in constant time; without a configured token nobody passes. False: 401 {"ok":false,"error"} has been answered.
 */
bool admin_token_or_reply(struct request *);

#endif
