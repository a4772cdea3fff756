/*
 * Reports of chat messages: who takes part in a thread reports a message of it, once; staff settle it. Source: realtime.md 3;
 * database.md core_chatmessagereport. Errors are those of db_select and db_write besides those named; texts live in the arena.
 * Writes are one transaction with their audit entry. What is for staff: the caller checks.
 */
#ifndef DOMAIN_CHAT_REPORT_H
#define DOMAIN_CHAT_REPORT_H

#include "domain/account.h"
#include "domain/person.h"

struct chat_report {
	int64_t id, message_id;
	struct person reporter; /* null: the account is gone */
	struct str reason;
	struct str status;          /* pending, reviewed or dismissed */
	struct person reviewer;     /* null: not settled yet, or the account is gone */
	struct instant reviewed_at; /* may be null */
	struct instant created_at, updated_at;
};

/* The viewer sees his own; staff see all. */
int chat_report_count(struct db_conn *, const struct account *viewer, int64_t *ret_count);

/* Newest first. */
int chat_report_list(struct db_conn *, struct arena *, const struct account *viewer, int64_t limit, int64_t offset,
                     struct db_rows *ret_reports);

/* ERR_NOT_FOUND: also when the viewer may not see it. */
int chat_report_find(struct db_conn *, struct arena *, const struct account *viewer, int64_t id, struct chat_report *ret_report);

/* For references, whoever asks: whether there is such a message: 0; ERR_NOT_FOUND. */
int chat_report_message_known(struct db_conn *, int64_t message_id);

/*
 * Files a report, pending. ERR_NOT_FOUND: the message is gone; ERR_FORBIDDEN: the reporter takes no part in its thread;
 * ERR_CONFLICT: he has reported it already.
 */
int chat_report_create(struct db_conn *, struct arena *, const struct account *reporter, int64_t message_id, struct str reason,
                       struct chat_report *ret_report);

/* Sets the status to reviewed or dismissed, with who and when. For staff. ERR_NOT_FOUND. */
int chat_report_settle(struct db_conn *, const struct account *staff, int64_t id, const char *status);

/* What is to be changed; an absent text: it stays as it is. */
struct chat_report_change {
	struct str status, reason;
};

/* Changes a report; who moves it out of pending becomes its reviewer. For staff. ERR_NOT_FOUND. */
int chat_report_update(struct db_conn *, struct arena *, const struct account *staff, int64_t id, const struct chat_report_change *,
                       struct chat_report *ret_report);

/* For staff. ERR_NOT_FOUND. */
int chat_report_delete(struct db_conn *, const struct account *staff, int64_t id);

#endif
