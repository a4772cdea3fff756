/* What reading (chat.c, chat_message.c) and writing (chat_thread_write.c, chat_message_write.c) share. */
#ifndef DOMAIN_CHAT_IMPL_H
#define DOMAIN_CHAT_IMPL_H

#include "domain/chat.h"

/* As chat_thread_find and chat_message_find inside a closure: the row is locked until the commit. A thread comes without participants. */
int chat_thread_lock(struct db_conn *, struct arena *, int64_t viewer_id, int64_t id, struct chat_thread *ret_thread);
int chat_message_lock(struct db_conn *, struct arena *, int64_t viewer_id, int64_t id, struct chat_message *ret_message);

/* Ids as JSON, for statements that take many: "[3,7]". ERR_NOMEM. */
int chat_ids_json(struct arena *, const struct db_rows *ids, struct json_text *ret_json);

/* The numbers of such a parameter as a subquery. */
#define CHAT_IDS_SQLITE(parameter)     "(SELECT value FROM json_each(" parameter "))"
#define CHAT_IDS_POSTGRESQL(parameter) "(SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(" parameter "))"

#endif
