/*
 * Chat: threads, who takes part in them, and their messages. Reports of messages: domain/chat_report.h. Source: realtime.md 1, 2, 7
 * and 10; database.md core_chatthread, core_chatmembership, core_chatmessage. Functions run on the caller's connection, texts and
 * rows live in the arena; errors are those of db_select and db_write besides those named.
 *
 * A caller sees the threads in which he takes part, and their messages; for him there are no others, staff included. Each write
 * is one transaction for its rows and the audit entry, in which his rights are looked at again.
 */
#ifndef DOMAIN_CHAT_H
#define DOMAIN_CHAT_H

#include "domain/account.h"
#include "domain/person.h"

struct chat_participant {
	int64_t thread_id;
	struct person person;
};

struct chat_thread {
	int64_t id;
	struct str title;   /* may be empty */
	int64_t project_id; /* may be null */
	bool is_private;
	struct person creator; /* null: the account is gone */
	struct instant created_at, updated_at;
	struct instant last_message_at; /* null: none yet */
	struct str role;                /* the viewer's: owner, moderator or member */
	struct db_rows participants;    /* of struct chat_participant, by their ids */
};

/* As others see it: of a deleted message neither text nor attachment. */
struct chat_message {
	int64_t id, thread_id;
	struct person author; /* null: the account is gone */
	struct str content;
	struct str attachment; /* path under the media root; null or empty: none */
	struct json_text metadata;
	bool is_deleted;
	struct instant deleted_at, created_at, edited_at; /* the first and the last may be null */
	int64_t members;                                  /* of one that was just written: chat_members_version of its thread; else 0 */
};

#define CHAT_TITLE_CHARS      255
#define CHAT_PARTICIPANTS_MAX 1000 /* that one call may name */
#define CHAT_TAIL_MAX         100  /* messages of ?limit= */

/* ---- rights ---- */

/* Who may change a thread that he sees: its creator, its owners and moderators, and staff. */
static inline bool chat_thread_may_change(const struct chat_thread *t, const struct account *a)
{
	return a->is_staff || t->creator.id == a->id || str_is(t->role, "owner") || str_is(t->role, "moderator");
}

/* Who may delete a thread that he sees: its creator, and staff. */
static inline bool chat_thread_may_delete(const struct chat_thread *t, const struct account *a)
{
	return a->is_staff || t->creator.id == a->id;
}

/* Who may change and delete a message that he sees: its author, and staff. */
static inline bool chat_message_may_change(const struct chat_message *m, const struct account *a)
{
	return a->is_staff || m->author.id == a->id;
}

/* ---- reading threads ---- */

int chat_thread_count(struct db_conn *, int64_t viewer_id, int64_t *ret_count);

/* The latest message first, threads without any last; two statements, however many they are. */
int chat_thread_list(struct db_conn *, struct arena *, int64_t viewer_id, int64_t limit, int64_t offset, struct db_rows *ret_threads);

/* One thread of the viewer's. ERR_NOT_FOUND. */
int chat_thread_find(struct db_conn *, struct arena *, int64_t viewer_id, int64_t id, struct chat_thread *ret_thread);

/* For references, whoever asks: 0; ERR_NOT_FOUND. */
int chat_thread_known(struct db_conn *, int64_t id);

/* Whether all of these ids (of type int64_t, repeated or not) are accounts, active or not. */
int chat_people_known(struct db_conn *, struct arena *, const struct db_rows *ids, bool *ret_known);

/* ---- reading messages ---- */

/* Which of the viewer's messages; NULL_INT: no condition. */
struct chat_message_filter {
	int64_t thread_id;
	int64_t before, after; /* ids, exclusive */
};

int chat_message_count(struct db_conn *, int64_t viewer_id, const struct chat_message_filter *, int64_t *ret_count);

/* The oldest first. */
int chat_message_list(struct db_conn *, struct arena *, int64_t viewer_id, const struct chat_message_filter *, int64_t limit,
                      int64_t offset, struct db_rows *ret_messages);

/* The last ones, ascending by id. */
int chat_message_tail(struct db_conn *, struct arena *, int64_t viewer_id, const struct chat_message_filter *, int64_t limit,
                      struct db_rows *ret_messages);

/* One message of a thread of the viewer's. ERR_NOT_FOUND. */
int chat_message_find(struct db_conn *, struct arena *, int64_t viewer_id, int64_t id, struct chat_message *ret_message);

/* ---- reading for the hub ---- */

/* struct chat_participant of a thread, by their ids; none when there is no such thread. */
int chat_thread_participants(struct db_conn *, struct arena *, int64_t thread_id, struct db_rows *ret_participants);

/* A number that differs whenever other people take part in the thread than before; 0: nobody ever did. */
int chat_members_version(struct db_conn *, int64_t thread_id, int64_t *ret_version);

/* Whether the user takes part: 1, 0 (also when there is no such thread), or an error. */
int chat_takes_part(struct db_conn *, int64_t thread_id, int64_t user_id);

/* Whether there is such a thread: 1, 0, or an error. */
int chat_thread_exists(struct db_conn *, int64_t thread_id);

/* The messages with after_id < id <= up_to_id, ascending, at most limit. */
int chat_messages_between(struct db_conn *, struct arena *, int64_t thread_id, int64_t after_id, int64_t up_to_id, int64_t limit,
                          struct db_rows *ret_messages);

/* Those of them that were edited or deleted later than since. */
int chat_messages_changed(struct db_conn *, struct arena *, int64_t thread_id, struct instant since, int64_t after_id, int64_t up_to_id,
                          int64_t limit, struct db_rows *ret_messages);

/* The highest id of the thread; 0: it has no message. */
int chat_last_message_id(struct db_conn *, int64_t thread_id, int64_t *ret_id);

/* ERR_NOT_FOUND: the thread has no such message. */
int chat_message_created_at(struct db_conn *, int64_t thread_id, int64_t id, struct instant *ret_at);

/* ---- writing threads ---- */

struct chat_thread_in {
	struct str title;
	int64_t project_id;
	bool is_private;
	struct db_rows participants; /* ids, int64_t; NULL .items: they stay as they are */
};

/* Opens a thread with these participants and its creator. */
int chat_thread_create(struct db_conn *, struct arena *, const struct account *creator, const struct chat_thread_in *,
                       struct chat_thread *ret_thread);

/* What is to be changed: called on what the row holds, locked; perhaps more than once, on another thread. */
struct chat_thread_edit {
	void (*apply)(const void *arg, struct chat_thread_in *);
	const void *arg;
};

/*
 * Changes a thread; new participants replace the old ones, but the caller stays. *ret_members_changed: whether somebody has come or
 * gone. ERR_NOT_FOUND; ERR_FORBIDDEN (chat_thread_may_change).
 */
int chat_thread_update(struct db_conn *, struct arena *, const struct account *caller, int64_t id, const struct chat_thread_edit *,
                       struct chat_thread *ret_thread, bool *ret_members_changed);

/* A file that a message had. */
struct chat_attachment {
	struct str path;
};

/*
 * Deletes a thread with its memberships, messages and their reports. *ret_attachments: the files (struct chat_attachment) that
 * nothing names any more. ERR_NOT_FOUND; ERR_FORBIDDEN (chat_thread_may_delete).
 */
int chat_thread_delete(struct db_conn *, struct arena *, const struct account *caller, int64_t id, struct db_rows *ret_attachments);

/* ---- writing messages ---- */

struct chat_message_in {
	int64_t thread_id;
	struct str content;
	struct str attachment; /* as in struct chat_message */
};

/*
 * Adds a message to a thread. The thread's row is locked first, so that within a thread ids and times follow the order of the commits;
 * *ret_previous is the highest smaller id of the thread, 0 for its first. ERR_NOT_FOUND: the thread is gone; ERR_FORBIDDEN: the
 * author takes no part in it.
 */
int chat_message_create(struct db_conn *, struct arena *, const struct account *author, const struct chat_message_in *,
                        struct chat_message *ret_message, int64_t *ret_previous);

struct chat_message_edit {
	void (*apply)(const void *arg, struct chat_message_in *); /* thread_id stays whatever it does */
	const void *arg;
};

/*
 * Changes a message, and notes when. *ret_old_attachment: the path of the attachment that it had and has no more; empty: none.
 * ERR_NOT_FOUND; ERR_FORBIDDEN (chat_message_may_change); ERR_CONFLICT: it is deleted.
 */
int chat_message_update(struct db_conn *, struct arena *, const struct account *caller, int64_t id, const struct chat_message_edit *,
                        struct chat_message *ret_message, struct str *ret_old_attachment);

/*
 * Marks a message as deleted, now, also when it was deleted before; its text is kept for moderation. ERR_NOT_FOUND;
 * ERR_FORBIDDEN (chat_message_may_change).
 */
int chat_message_delete(struct db_conn *, struct arena *, const struct account *caller, int64_t id, struct chat_message *ret_message);

#endif
