/* Shared by the files of the broker: keys, and how one script is called. */
#ifndef TASKS_BROKER_IMPL_H
#define TASKS_BROKER_IMPL_H

#include "base/arena.h"
#include "tasks/broker.h"

#define SEPARATOR     "\x06\x16" /* kombu's, inside keys and members */
#define UNACKED       "unacked"
#define UNACKED_INDEX "unacked_index"
#define UNACKED_MUTEX "unacked_mutex"
#define META_PREFIX   "celery-task-meta-"
#define BINDING       "_kombu.binding."
#define BINDING_TWIN  "_kombu.binding_permanent." /* since kombu 5.7 */

/* A number's name as its text, for scripts: of those in decimal digits. */
#define LUA_NUMBER_TEXT(digits) #digits
#define LUA_NUMBER(name)        LUA_NUMBER_TEXT(name)

/*
 * For scripts. stored(key): the text there, or nil, whatever else lies under that name. bury(dead, reason, list, item, at): a dead letter.
 * add(how, list, item, dead): LPUSH or RPUSH; where the list's name, which a message may choose, is that of something else, the item goes
 * to the dead letters: 0 = on its list, 1 = dead, or an error reply, to be returned. Nothing may have been taken away before: what a script
 * has written stays when it fails. LUA_ADD brings LUA_BURY.
 */
#define LUA_STORED                                   \
	"local function stored(key) "                \
	"  local v = redis.pcall('GET', key) "       \
	"  return type(v) == 'string' and v or nil " \
	"end "
#define LUA_TRIM(dead) "redis.call('LTRIM', " dead ", 0, " LUA_NUMBER(BROKER_DEAD_MAX) " - 1) "
#define LUA_BURY                                             \
	"local function bury(dead, reason, list, item, at) " \
	"  redis.call('LPUSH', dead, cjson.encode({reason = reason, queue = list, item = item, at = at})) " LUA_TRIM("dead") "end "
#define LUA_ADD                                                                                         \
	LUA_BURY                                                                                        \
	"local function add(how, list, item, dead) "                                                    \
	"  local r = redis.pcall(how, list, item) "                                                     \
	"  if type(r) == 'number' then return 0 end "                                                   \
	"  if not string.find(r.err, 'WRONGTYPE', 1, true) then return r end "                          \
	"  bury(dead, 'what has the name of its queue is no list', list, item, redis.call('TIME')[1]) " \
	"  return 1 "                                                                                   \
	"end "

#define CALL_ARGS_MAX 512
#define CALL_MEMORY   ((size_t)64 * 1024 * 1024)

/* A command in the making; call_begin to call_finish. */
struct call {
	struct str args[CALL_ARGS_MAX];
	size_t n;
	size_t n_keys; /* of a script: how many of the first arguments are keys */
	struct arena arena;
	bool failed; /* no memory, or too many arguments */
};

void call_begin(struct call *);
void call_finish(struct call *);
void call_add(struct call *, struct str);                                                     /* borrowed until call_finish */
void call_addf(struct call *, const char *format, ...) __attribute__((format(printf, 2, 3))); /* copied */
void call_add_key(struct call *, struct str);                                                 /* before all other arguments */

/* Seconds with six digits, as scores are written: the same time gives the same text, which finds the entry again. */
void call_add_time(struct call *, int64_t at_us);

/* 0, 3, 6 or 9. */
int broker_step(int priority);

/* The list of a queue and priority, as a key. */
void call_add_list(struct call *, struct str queue, int priority);

/* The queue's two bindings as keys; call_add_member its member of them. */
void call_add_bindings(struct call *, struct str queue);
void call_add_member(struct call *, struct str queue);

/* The key of a task's result. */
void call_add_meta_key(struct call *, struct str id);

/* The script as a command, which points into the call. ERR_NOMEM. */
int call_script_command(struct call *, const char *script, struct redis_command *ret_command);

/* A message went to the dead letters instead of a queue: ERROR. */
void call_log_dead(const char *op, struct str id);

/* An error reply is logged, and ERR_INTERNAL. */
int call_check(const char *op, const struct redis_reply *);

/* Arguments of a take, and what it answers: broker_take.c. */
extern const char broker_take_script[];
void call_add_take(struct call *, const struct broker_queues *, size_t most, int64_t taken_at_us);
int broker_read_batch(struct broker_queues *, const struct redis_reply *, struct broker_batch *ret_batch);

/* The one reply is the caller's. Errors as redis_call; an error reply of the script itself is logged, and ERR_INTERNAL. */
int call_script(struct call *, struct redis *, struct redis_budget *, const char *op, const char *script, struct redis_reply **ret_reply);

/* call_script whose reply is a number. */
int call_script_int(struct call *, struct redis *, struct redis_budget *, const char *op, const char *script, int64_t *ret_n);

#endif
