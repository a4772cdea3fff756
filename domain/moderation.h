/*
 * Moderation: what people report to the team (a message, a person, a poll, a project), and what the team decides. The target is a
 * text that need not name anything that exists. Source: realtime.md 6 and 10.16; database.md core_moderationreport. Errors are
 * those of db_select and db_write besides those named; texts live in the arena. Writes are one transaction with their audit entry.
 * Everything but filing is for staff: the caller checks.
 */
#ifndef DOMAIN_MODERATION_H
#define DOMAIN_MODERATION_H

#include "domain/account.h"
#include "domain/person.h"

struct moderation_report {
	int64_t id;
	struct person reporter; /* null: the account is gone */
	struct person resolver; /* null: nobody has decided yet, or the account is gone */
	struct str report_type; /* message, user, poll or project */
	struct str target_id;
	struct str status; /* pending, accepted or rejected */
	struct str reason;
	struct str resolution; /* may be empty */
	struct instant created_at, updated_at;
};

#define MODERATION_TARGET_CHARS 64

int moderation_count(struct db_conn *, int64_t *ret_count);

/* Newest first. */
int moderation_list(struct db_conn *, struct arena *, int64_t limit, int64_t offset, struct db_rows *ret_reports);

/* ERR_NOT_FOUND. */
int moderation_find(struct db_conn *, struct arena *, int64_t id, struct moderation_report *ret_report);

/* Files a report: of *report the type, target, status, reason and resolution are read. One may report the same thing twice. */
int moderation_create(struct db_conn *, struct arena *, const struct account *reporter, const struct moderation_report *report,
                      struct moderation_report *ret_report);

/*
 * Changes a report: of *change the same texts are read, an absent one stays as it is. Who leaves it with a status that is not
 * pending has decided it; going back to pending keeps who decided before. ERR_NOT_FOUND.
 */
int moderation_update(struct db_conn *, struct arena *, const struct account *staff, int64_t id, const struct moderation_report *change,
                      struct moderation_report *ret_report);

/* ERR_NOT_FOUND. */
int moderation_delete(struct db_conn *, const struct account *staff, int64_t id);

#endif
