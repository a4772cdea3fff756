/*
 * Support: the concierge, a chat thread of one's own for those who have given or invested enough, and the contact form. Source:
 * realtime.md 4; database.md core_chatthread. Functions run on the caller's connection, texts and rows live in the arena; errors
 * are those of db_select and db_write besides those named.
 */
#ifndef DOMAIN_SUPPORT_H
#define DOMAIN_SUPPORT_H

#include "base/settings.h"
#include "domain/chat.h"

/*
 * Whether an account has a concierge: donations of 500 € from its wallet, or contributions of 500 €, or, while investing is
 * enabled, shares for 1000 €.
 */
int support_is_eligible(struct db_conn *, int64_t account_id, bool investing, bool *ret_eligible);

/*
 * The account's thread with the concierge, made at the first call; the account is its owner, and comes back when it was taken
 * out. *ret_created: this call made it; of many at once one does. Whether it may have one, the caller asks before.
 */
int support_concierge(struct db_conn *, struct arena *, const struct account *, struct chat_thread *ret_thread, bool *ret_created);

#define SUPPORT_NAME_CHARS    200
#define SUPPORT_EMAIL_CHARS   254
#define SUPPORT_MESSAGE_CHARS 10000

/* What somebody wrote into the contact form; name and e-mail may be empty. */
struct support_message {
	struct str name, email, message;
};

/*
 * Asks for a mail with the message to each of ADMINS. *ret_sent is false, and nothing is kept, when mail is not configured or
 * ADMINS is empty.
 */
int support_contact(struct db_conn *, struct arena *, const struct settings *, const struct account *author, const struct support_message *,
                    bool *ret_sent);

#endif
