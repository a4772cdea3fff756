/*
 * Effects outside of the database, once: a mail, a post to a webhook. What has been done is noted in egoejo_task_done under a key of its
 * own as soon as the service has taken it, so that a second delivery of the task, or its retry, passes it over. What remains is a process
 * that dies, or loses its database, between the service's answer and that note, and a connection that breaks before the answer: then it
 * is done again under the same key (tasks/mail.h says what comes of it). Source: tasks.md 1.2.
 */
#ifndef TASKS_ONCE_H
#define TASKS_ONCE_H

#include "tasks/mail.h"

#define ONCE_KEY_SIZE  (TASK_ID_SIZE + 16) /* "<task id>:<what><index>" */
#define ONCE_NOTE_SIZE sizeof((struct mail_report){ 0 }.id)

/* The key of a task's i-th mail (what is ""), or of another of its effects. */
struct str once_key(const struct task_run *, const char *what, size_t i, char text[ONCE_KEY_SIZE]);

/* The note of the key; ERR_NOT_FOUND: it has not been done. Errors as db_select. */
int once_find(struct task_run *, struct str key, char *ret_note);

/* Notes it. Should that fail it is done all the same; then a WARNING is logged. */
void once_note(struct task_run *, struct str key, const char *note);

/* mail_send, unless it was sent before; the mail has a key. While the database does not say: MAIL_TRY_AGAIN. */
enum mail_outcome once_mail(struct task_run *, enum mail_way, const struct mail *, struct mail_report *ret);

#endif
