/* Between outbox_claim.c (taking rows) and outbox_lease.c (what becomes of them). */
#ifndef DB_OUTBOX_IMPL_H
#define DB_OUTBOX_IMPL_H

#include "base/clock.h"
#include "db/db.h"

/* The ids of a JSON list, parameter n */
#define OUTBOX_IDS_SQLITE(n)     "id IN (SELECT value FROM json_each($" #n "))"
#define OUTBOX_IDS_POSTGRESQL(n) "id = ANY (CAST(translate($" #n ", '[]', '{}') AS bigint[]))"

/* A statement about the ids of parameter n, in both dialects; more initializers may follow. */
#define OUTBOX_BY_IDS(text, n, rest, ...)                                                                                               \
	{                                                                                                                               \
		.sqlite = text OUTBOX_IDS_SQLITE(n) rest, .postgresql = text OUTBOX_IDS_POSTGRESQL(n) rest, .replan = true, __VA_ARGS__ \
	}

static inline struct instant outbox_later(int64_t us)
{
	return (struct instant){ clock_now().us + us };
}

#endif
