/*
 * A struct redis_reply is hiredis' redisReply under another name: the cast is here and nowhere else, so that no other
 * file depends on hiredis' version.
 */
#include "resilience/reply_reader_impl.h"

#include <hiredis/hiredis.h>

static const redisReply *reply_of(const struct redis_reply *r)
{
	return (const redisReply *)(const void *)r;
}

int reply_reader_init(struct reply_reader *reader)
{
	reply_guard_init(&reader->guard);
	reader->hiredis = redisReaderCreate();
	return reader->hiredis ? 0 : ERR_NOMEM;
}

void reply_reader_finish(struct reply_reader *reader)
{
	if (reader->hiredis)
		redisReaderFree(reader->hiredis);
	reader->hiredis = NULL;
}

static int reader_error(const struct reply_reader *reader, struct error *err)
{
	int code = reader->hiredis->err == REDIS_ERR_OOM ? ERR_NOMEM : ERR_CORRUPT;

	return error_set(err, code, "malformed reply: %s", reader->hiredis->errstr);
}

int reply_reader_feed(struct reply_reader *reader, const char *bytes, size_t n, struct error *err)
{
	switch (reply_guard_pass(&reader->guard, bytes, n)) {
	case REPLY_FINE:
		break;
	case REPLY_MALFORMED:
		return error_set(err, ERR_CORRUPT, "malformed reply");
	case REPLY_TOO_LARGE:
		return error_set(err, ERR_LIMIT, "reply too large");
	case REPLY_TOO_DEEP:
		return error_set(err, ERR_LIMIT, "reply nested too deep");
	}
	if (redisReaderFeed(reader->hiredis, bytes, n) != REDIS_OK)
		return reader_error(reader, err);
	return 0;
}

int reply_reader_next(struct reply_reader *reader, struct redis_reply **ret_reply, struct error *err)
{
	void *reply = NULL;

	if (redisReaderGetReply(reader->hiredis, &reply) != REDIS_OK)
		return reader_error(reader, err);
	if (!reply)
		return 0;
	*ret_reply = reply;
	reader->given++;
	return 1;
}

bool reply_reader_between(const struct reply_reader *reader)
{
	return reply_guard_between(&reader->guard);
}

bool reply_reader_empty(const struct reply_reader *reader)
{
	return reply_guard_between(&reader->guard) && reader->guard.whole == reader->given;
}

enum redis_reply_type redis_reply_type(const struct redis_reply *r)
{
	switch (reply_of(r)->type) {
	case REDIS_REPLY_STRING:
		return REDIS_REPLY_IS_TEXT;
	case REDIS_REPLY_STATUS:
		return REDIS_REPLY_IS_STATUS;
	case REDIS_REPLY_INTEGER:
		return REDIS_REPLY_IS_INT;
	case REDIS_REPLY_ARRAY:
		return REDIS_REPLY_IS_LIST;
	case REDIS_REPLY_ERROR:
		return REDIS_REPLY_IS_ERROR;
	default:
		return REDIS_REPLY_IS_NIL;
	}
}

struct str redis_reply_text(const struct redis_reply *r)
{
	const redisReply *reply = reply_of(r);

	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS && reply->type != REDIS_REPLY_ERROR)
		return (struct str){ NULL, 0 };
	return (struct str){ reply->str, (size_t)reply->len };
}

int64_t redis_reply_int(const struct redis_reply *r)
{
	return reply_of(r)->type == REDIS_REPLY_INTEGER ? reply_of(r)->integer : 0;
}

size_t redis_reply_size(const struct redis_reply *r)
{
	return reply_of(r)->type == REDIS_REPLY_ARRAY ? reply_of(r)->elements : 0;
}

const struct redis_reply *redis_reply_at(const struct redis_reply *r, size_t i)
{
	return i < redis_reply_size(r) ? (const struct redis_reply *)(const void *)reply_of(r)->element[i] : NULL;
}

void redis_replies_free(struct redis_reply **replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (replies[i])
			freeReplyObject(replies[i]);
		replies[i] = NULL;
	}
}
