/* Inside of control: control.c is the mailbox, control_methods.c and control_inspect.c the methods. */
#ifndef TASKS_CONTROL_IMPL_H
#define TASKS_CONTROL_IMPL_H

#include <jansson.h>

#include "tasks/control.h"
#include "tasks/worker_impl.h"

#define PIDBOX       "celery.pidbox"
#define REPLY_PIDBOX "reply.celery.pidbox"

/* What a method answers: a new reference; NULL: no answer is sent. arguments is an object. On the control thread. */
typedef json_t *(*control_method)(struct worker *, const json_t *arguments);

struct control_line {
	const char *name;
	control_method fn;
};

/* The methods; an unknown name or bad arguments answer {"error": text}. */
json_t *control_answer(struct worker *, const char *method, const json_t *arguments);

json_t *control_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *control_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- control_inspect.c ---- */
json_t *control_active(struct worker *, const json_t *arguments);
json_t *control_reserved(struct worker *, const json_t *arguments);
json_t *control_scheduled(struct worker *, const json_t *arguments);
json_t *control_registered(struct worker *, const json_t *arguments);
json_t *control_stats(struct worker *, const json_t *arguments);
json_t *control_active_queues(struct worker *, const json_t *arguments);
json_t *control_conf(struct worker *, const json_t *arguments);
json_t *control_query_task(struct worker *, const json_t *arguments);
json_t *control_report(struct worker *, const json_t *arguments);

#endif
