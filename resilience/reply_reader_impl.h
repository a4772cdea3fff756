/*
 * The reply reader: the guard in front of hiredis' reader. Bytes go in, replies come out. One thread at a time.
 */
#ifndef RESILIENCE_REPLY_READER_IMPL_H
#define RESILIENCE_REPLY_READER_IMPL_H

#include "resilience/redis.h"
#include "resilience/reply_guard_impl.h"

struct redisReader;

struct reply_reader {
	struct redisReader *hiredis; /* owned */
	struct reply_guard guard;
	size_t given; /* replies that reply_reader_next has handed out */
};

/* ERR_NOMEM. */
int reply_reader_init(struct reply_reader *);

/* Accepts a zeroed one. */
void reply_reader_finish(struct reply_reader *);

/* ERR_CORRUPT (malformed), ERR_LIMIT (too large, too deep) or ERR_NOMEM, text in *err; nothing may be fed after that. */
int reply_reader_feed(struct reply_reader *, const char *bytes, size_t n, struct error *err);

/* 1 and *ret_reply (the caller's), 0 when no whole reply is there yet, or as reply_reader_feed. */
int reply_reader_next(struct reply_reader *, struct redis_reply **ret_reply, struct error *err);

/* No part of a reply waits for its rest. */
bool reply_reader_between(const struct reply_reader *);

/* Nothing at all is left: neither a part of a reply nor one that has not been handed out. */
bool reply_reader_empty(const struct reply_reader *);

#endif
