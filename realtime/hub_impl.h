/*
 * The hub's shared insides. All of it belongs to the hub's thread, but for the inbox (under its lock), the jobs while the
 * database thread has them, and what is atomic.
 *
 * A group keeps one list of entries, the newest last, that all its sessions read at their own pace: each stands at the entry
 * that it has still to send. The last entry is an empty one, where those stand who have sent all; appending fills it and
 * adds another. An entry that nobody stands at or before is freed.
 */
#ifndef REALTIME_HUB_IMPL_H
#define REALTIME_HUB_IMPL_H

#include <ev.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/blob.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "realtime/frame.h"
#include "realtime/hub.h"
#include "realtime/protocol_impl.h"

#define GROUP_BUCKETS   1024 /* a power of two */
#define MEMORY_BUCKETS  1024
#define LINGER_US       (30 * US_PER_S)   /* a group without sessions is kept, and what a user was sent last remembered */
#define HOLD_US         (100 * US_PER_MS) /* the longest that a caller's own sockets wait for his answer */
#define CLOSE_LIMIT_US  (5 * US_PER_S)    /* of a close handshake */
#define GOODBYE_US      (2 * US_PER_S)    /* … when the server stops, with all that waits before it */
#define TOO_MANY_US     (500 * US_PER_MS) /* … with who has too many sockets */
#define LINGER_CLOSE_US (2 * US_PER_S)    /* for a client who was closed while he sent */
#define WASTE_MAX       (1024 * 1024)     /* bytes that are read of him meanwhile */
#define BATCH_BYTES     (64 * 1024)       /* of one write */
#define REPLAY_PAGE     100
#define GAP_MAX         1000 /* messages that are read at once to fill a gap */
#define INVALID_MAX     10   /* frames that make no sense, before the connection is closed */
#define SWEEP_AWAY_US   US_PER_S
#define SWEEP_US        (30 * US_PER_S)
#define SWEEPS_AT_ONCE  64
#define SPARE_SESSIONS  1000 /* beyond the limit, so that those who are too many hear it from a close code */
#define TICK_US         (50 * US_PER_MS)
#define SESSIONS_US     (500 * US_PER_MS) /* between looks at the sessions' clocks */
#define SETTLE_US       US_PER_S          /* after a change that an older one may overtake: then the database is asked */
#define RETRY_US        (500 * US_PER_MS) /* after the database did not answer */
#define PENDING_MAX     256               /* events that wait in a group; what else there was a sweep finds */
#define TOLD            128
#define HEARD           1024     /* eids of a group that are known again */
#define LOST_US         US_PER_S /* between two words to the others that they were not told something */

enum entry_kind {
	ENTRY_END,     /* the empty one at the end */
	ENTRY_MESSAGE, /* never dropped */
	ENTRY_TYPING,  /* dropped first */
	ENTRY_POLL,    /* of which only the newest counts */
};

struct entry {
	struct entry *next;
	unsigned waiting; /* sessions that stand here */
	enum entry_kind kind;
	struct blob *bytes;              /* the frame; NULL at the end */
	int64_t message;                 /* id of a new message; 0: not one */
	struct hold *hold;               /* whose own sockets wait; NULL: nobody's */
	uint64_t frames, frames_bytes;   /* of the group before this one */
	uint64_t lasting, lasting_bytes; /* of those that are never dropped */
};

/* The caller's own sockets wait until the request is answered. */
struct hold {
	struct hold *next; /* of the hub's, while it lasts */
	unsigned refs;
	uint64_t request;
	int64_t user;
	int64_t until_us; /* monotonic, at the latest */
	bool released;
	enum hub_target target;
	int64_t id; /* of the group */
};

/* An event that waits until what comes before it is known. */
struct pending {
	struct pending *next;
	struct live_event event;
	struct blob *payload;
	int64_t since_us; /* monotonic: when it was told */
};

/* What was said last of a message. */
struct told {
	int64_t message;
	uint64_t digest;
};

struct group {
	struct group *next_in_bucket;
	enum hub_target target;
	int64_t id;
	struct session *sessions;
	unsigned n_sessions, jobs;
	bool all_woken; /* nobody has written since all were asked to */
	struct entry *oldest, *end;
	struct entry *newest_poll; /* an entry of the list, or NULL */
	int64_t last_id;           /* chat: highest message that was appended or known; -1: not known yet */
	bool filling;              /* chat: a gap is being read */
	bool checking;             /* members are being read: nothing is sent until it is known who they are */
	int64_t members;           /* chat: the version of those who take part that the sessions were checked against; 0: none yet */
	bool members_unknown;      /* … and could not be: asked again at the next tick */
	bool members_again;        /* … and somebody came meanwhile, who was not asked about */
	struct pending *pending, **pending_end;
	unsigned n_pending;
	struct instant swept_at; /* edits until then have been seen */
	int64_t swept_to;        /* … and of those behind it, those up to this message; 0: all, or none */
	uint64_t poll_digest;    /* of the poll's last payload; 0: none yet */
	struct told told[TOLD];  /* the newest of the edited and the repaired, so that a sweep says none again */
	unsigned n_told;         /* … how many there were, or, of a poll, its updates */
	int64_t retry_us;        /* the database is not asked again before */
	uint64_t *heard;         /* digests of the last HEARD events' eids; NULL: none was heard yet */
	unsigned n_heard;
	struct blob *origin;    /* scheme://host of the newest session, for what is rendered here */
	int64_t empty_since_us; /* monotonic; while it has no session */
	bool joined;            /* somebody was let in; on the bus */
	int64_t next_sweep_us;
};

/* Frames for one session alone. */
struct parcel {
	struct parcel *next;
	struct blob *bytes;
	bool replayed;   /* asked for page by page: not what a slow reader is judged by */
	int64_t message; /* id of a new one; 0: not one */
};

struct replay {
	int64_t from;          /* as the client said */
	int64_t after;         /* the last id sent */
	int64_t changed_after; /* edits up to `from`: the last id sent; -1: none, or all of them */
	struct instant since;
	int count;
	bool quiet;   /* no resume_complete at the end, which is the end of what there is */
	int64_t then; /* meanwhile asked for by the client; -1: nothing */
	bool reading;
};

/* What a client is saying. */
struct receiver {
	unsigned char head[FRAME_HEAD_MAX]; /* of a frame, as far as it has come */
	unsigned char n_head;
	bool in_payload; /* of this frame; at: its bytes that have come */
	struct frame_head frame;
	uint64_t at;
	struct buf control;        /* payload of a control frame, so far */
	enum frame_opcode message; /* text or binary: one has begun, and its end is still to come */
	struct buf text;           /* … so far */
	struct frame_text check;   /* … whether it is text */
	bool deaf;                 /* nothing that comes is read any more: he broke the protocol, or a limit */
	bool ended;                /* his close frame has come */
	bool answers_first;        /* either, while the session was open: what he was to be answered is sent before the close */
	size_t wasted;             /* bytes that came while it was closing */
};

enum session_state {
	SESSION_LOOKING, /* its verdict is being found out; nothing is said yet */
	SESSION_OPEN,
	SESSION_CLOSING, /* the close is to be sent, or has been */
	SESSION_GONE,    /* its socket is closed; jobs of it are still under way */
};

struct session {
	struct hub *hub;
	struct session *next, *prev;                   /* all of the hub */
	struct session *next_in_group, *prev_in_group; /* of its group */
	struct group *group;
	int fd;
	struct ev_io io;                  /* watched from the handshake's answer on */
	TAILQ_ENTRY(session) in_ready;    /* of those who have something to send, while queued */
	bool watched, queued, wants_room; /* wants_room: its socket was full, the loop tells when it is not */
	enum session_state state;
	unsigned jobs;
	struct hub_handshake handshake; /* texts in `texts` */
	struct blob *texts;
	int64_t user;                 /* NULL_INT: anonymous */
	struct instant token_expires; /* while user is set */
	struct entry *at;
	bool counted; /* among the sockets of its user or address */
	bool lean;    /* behind: what may be dropped is, until it has caught up */
	struct parcel *parcels, **parcels_end;
	unsigned n_parcels;
	size_t own_bytes; /* of those that were not replayed */
	unsigned n_own;
	struct replay *replay;
	int64_t cut_from, cut_after; /* a replay from there was cut among the edits, behind this one; 0: not */
	int64_t replayed_to;         /* new messages up to this id were in a replay, or are the client's own word */
	int64_t sent_to;             /* highest new message that was queued to it */
	struct receiver in;
	unsigned invalid;
	bool typing;
	double allowance; /* token bucket */
	int64_t allowance_us;
	int64_t ping_us, heard_us; /* monotonic: when it was pinged (0: not since), when it was last heard */
	int64_t next_ping_us, next_check_us;
	bool wants_ping;
	struct blob *rest; /* of what was written, that the socket did not take yet: from rest_at on */
	size_t rest_at;
	unsigned excused;       /* times that it need not be asked whether it is slow */
	enum close_cause cause; /* why it is closed, once that is known */
	int64_t kill_us;        /* monotonic: then the socket is dropped; 0: not closing */
	bool close_sent;        /* the close frame is written, at least to `rest` */
};

/* What the database thread is asked. */
enum job_kind { JOB_HANDSHAKE, JOB_REPLAY, JOB_GAP, JOB_SWEEP, JOB_POLL, JOB_CHECK, JOB_MEMBERS };

/* A message that was read for the hub. */
struct found {
	struct found *next;
	struct blob *bytes; /* the frame */
	int64_t id, author; /* author: NULL_INT, the account is gone */
	bool is_new;
};

struct job {
	struct job *next;
	struct news *news; /* with which it comes back */
	enum job_kind kind;
	struct session *session; /* or NULL */
	struct group *group;     /* or NULL */
	/* asked */
	enum hub_target target;
	int64_t id, after, up_to, changed_after, user;
	int limit;
	struct instant since;
	struct blob *texts; /* token, origin: views below */
	struct str token, origin;
	unsigned told;                /* n_told of the group then: of what was told since, the answer may be older */
	struct group_member *members; /* JOB_MEMBERS */
	int64_t members_version;
	size_t n_members;
	/* found */
	int error;                /* ERR_ code: the database did not answer */
	enum close_cause verdict; /* CLOSE_NONE: welcome */
	struct instant token_expires, until;
	int64_t last_id;
	bool complete; /* new messages: all that there were */
	bool changes_complete;
	struct found *found, **found_end;
	int n_found;
	struct blob *poll;
	uint64_t digest;
};

struct group_member {
	int64_t user;
	bool takes_part;
};

/* What other threads tell the hub. */
enum news_kind {
	NEWS_TAKE,
	NEWS_EVENT,
	NEWS_ANSWERED,
	NEWS_JOB,
	NEWS_BUS,    /* the subscription is live, or not */
	NEWS_JOINED, /* from now on what is published for the group is heard */
	NEWS_LOST,   /* another process could not publish something */
	NEWS_DRAIN,
};

struct news {
	struct news *next;
	enum news_kind kind;
	struct session *session; /* TAKE */
	struct live_event event; /* EVENT, JOINED */
	uint64_t eid;            /* EVENT: digest of its eid; 0: of this process */
	struct blob *payload;
	uint64_t request; /* ANSWERED */
	struct job *job;
	bool live;              /* BUS */
	enum hub_target target; /* JOINED, with event.id */
};

/* Who has how many sockets. */
struct holder {
	struct holder *next;
	int64_t user; /* NULL_INT: the address counts */
	char client[64];
	unsigned n;
};

/* What a user was sent last on a thread, for when he comes back: of his sockets that closed since, the one that was sent least. */
struct memory {
	struct memory *next;
	int64_t user, thread, sent_to;
	unsigned n;       /* sockets that closed, and have not come back */
	int64_t until_us; /* counted from the first's end */
};

enum bus_state { BUS_OFF, BUS_LIVE, BUS_DEGRADED, BUS_STATES };

/* The hub's series of base/metrics.def. */
struct figures {
	struct metric *connections, *groups[2]; /* by target */
	struct metric *queue_frames, *queue_bytes, *queue_frames_max, *queue_bytes_max;
	struct metric *received, *sent, *sent_bytes, *repaired;
	struct metric *dropped_typing, *dropped_superseded, *dropped_slow;
	struct metric *closed[CLOSES];
	struct metric *bus[BUS_STATES];
	struct metric *canary; /* NULL without a bus */
};

/*
 * What is being written to a session. While it is nothing but entries of a group in a row, the next session that stands where it
 * begins is sent it as it is: in a broadcast most do.
 */
struct batch {
	unsigned char *bytes;
	size_t n, room;
	const struct group *group; /* NULL: it is of one session alone */
	uint64_t from, frames;     /* the first entry's place in the group, and how many there are */
	struct entry *behind;      /* the entry after the last */
	int64_t lowest, highest;   /* new messages; 0: none */
	int64_t held_from;         /* the user for whom it has something that is held; NULL_INT: none */
};

struct refusals;
struct bus;
struct lookup;

struct hub {
	struct hub_config config;
	const struct settings *settings;
	struct ev_loop *loop;
	ev_async woken;
	ev_timer tick;
	ev_prepare before_wait; /* before the loop waits, those who are ready write */
	ev_idle not_yet;        /* keeps it from waiting while some are */
	TAILQ_HEAD(, session) ready;
	unsigned n_ready;
	pthread_t thread;
	bool started;
	atomic_bool stopping, draining;
	atomic_int n_sessions; /* sockets, those whose verdict is awaited included */
	_Atomic int64_t pulse_us;
	pthread_mutex_t lock; /* of the inbox */
	struct news *inbox, **inbox_end;
	struct session *sessions;
	struct group *groups[GROUP_BUCKETS];
	struct holder *holders[GROUP_BUCKETS];
	struct memory *memories[MEMORY_BUCKETS];
	struct hold *holds;
	unsigned n_sweeps; /* on their way */
	size_t tick_from;  /* bucket of groups: those behind it were ticked first last time */
	struct refusals *refusals;
	struct lookup *lookup;
	struct bus *bus;
	bool degraded;                   /* Redis is configured and away */
	int64_t drain_us, drain_from_us; /* the waves together, and when they began; from: 0: not yet */
	struct batch batch;
	struct figures figures;
	int64_t sessions_ticked_us;
};

/* ---- hub.c ---- */
/* Takes one, or a list of them in order. Any thread. */
void hub_tell(struct hub *, struct news *take_news);
struct news *news_create(enum news_kind);
void news_free(struct news *);

/* ---- figures.c ---- */
void figures_init(struct hub *);
/* Those that are read rather than counted. */
void figures_tick(struct hub *);

/* ---- group.c ---- */
struct group *group_find(struct hub *, enum hub_target, int64_t id);
struct group *group_get(struct hub *, enum hub_target, int64_t id);
void group_join(struct group *, struct session *);
void group_leave(struct group *, struct session *);
/* Somebody is let in: the group is one of the bus from then on, and links are made of his way to us. */
void group_welcome(struct hub *, struct group *, struct str origin_prefix);
/* Fills the last entry; takes the frame and the hold (NULL: none). False: there is no frame, no memory, or nobody to send it to. */
bool group_append(struct hub *, struct group *, enum entry_kind, struct blob *take_bytes, int64_t message, struct hold *take_hold);
/* The session goes on to an entry behind its own. */
void group_step(struct group *, struct session *, struct entry *to);
void group_wake(struct group *);
void group_close_all(struct group *, enum close_cause);
void group_trim(struct group *);
void groups_tick(struct hub *, int64_t now_us);
void groups_free(struct hub *);
uint64_t digest_of(struct str);

/* ---- hold.c ---- */
struct hold *hold_create(struct hub *, const struct group *, const struct live_event *, int64_t since_us);
void hold_release(struct hub *, uint64_t request);
void holds_tick(struct hub *, int64_t now_us);
void hold_unref(struct hold *);

/* ---- events.c ---- */
/* What was announced here or elsewhere. */
void event_told(struct hub *, const struct live_event *, struct blob *payload, int64_t since_us);
/* The same for one from elsewhere: one that was heard before is dropped. */
void event_heard(struct hub *, const struct live_event *, struct blob *payload, uint64_t eid);
/* Reads who of those that listen still takes part. */
void events_ask_members(struct hub *, struct group *);
/* Events that waited, if they need not wait any more. */
void events_go_on(struct hub *, struct group *);
/* The database's answer to a job of the group. */
void event_found(struct hub *, struct group *, struct job *);
void events_free(struct group *);

/* ---- session.c ---- */
/* Something has come, or there is room again; and those who are ready have their turn. */
void session_on_event(struct ev_loop *, ev_io *, int events);
void sessions_write(struct hub *);
/* Closes the socket, whatever its state, and forgets the session. */
void session_hang_up(struct session *);
void session_adopt(struct session *, const struct job *verdict);
void session_close(struct session *, enum close_cause);
void session_push(struct session *, struct blob *take_bytes);
void session_push_replayed(struct session *, const struct found *);
void session_want_write(struct session *);
/* The socket can take something: 0, or -1 to close it. */
int session_write(struct session *);
void session_overloaded(struct session *);
void session_unref(struct session *);
void sessions_tick(struct hub *, int64_t now_us);
bool session_may_read_group(const struct session *);

/* ---- receive.c ---- */
/* Bytes came, which may be changed. 0, or -1 to drop the socket. */
int receive_bytes(struct session *, unsigned char *bytes, size_t n);
void receive_finish(struct receiver *);

/* ---- inbound.c ---- */
/* Whether such messages are listened to. */
bool inbound_takes(enum frame_opcode);
/* A whole message; text is valid UTF-8. */
void inbound_message(struct session *, enum frame_opcode, struct str message);
void inbound_tell_typing(struct session *, bool typing);

/* ---- lookup_find.c ---- */
/* What the database thread reads with. */
struct reader {
	struct hub *hub;
	struct db_conn *db;
	struct arena arena;
};
/* Finds what the job asks; 0, or an ERR_ code. */
int lookup_find(struct reader *, struct job *);

/* ---- lookup.c ---- */
int lookup_create(struct hub *, struct lookup **);
int lookup_start(struct lookup *);
void lookup_ask(struct lookup *, struct job *take_job);
void lookup_stop(struct lookup *);
void lookup_destroy(struct lookup *);
struct job *job_create(enum job_kind, struct session *, struct group *);
void job_free(struct job *);

/* ---- replay.c ---- */
void replay_begin(struct session *, int64_t from, bool quiet);
void replay_go_on(struct session *);
void replay_found(struct session *, struct job *);

/* ---- memory.c ---- */
bool holder_enter(struct hub *, const struct session *, unsigned limit);
void holder_leave(struct hub *, const struct session *);
void memory_keep(struct hub *, const struct session *, int64_t now_us);
int64_t memory_take(struct hub *, int64_t user, int64_t thread, int64_t now_us); /* -1: none */
void memories_tick(struct hub *, int64_t now_us);
void memories_free(struct hub *);

/* ---- refusals.c ---- */
struct refusals *refusals_create(int limit);
bool refusals_exhausted(struct refusals *, struct str client, struct str path, int64_t now_us); /* notes the attempt */
void refusals_note(struct refusals *, struct str client, struct str path, int64_t now_us);
void refusals_destroy(struct refusals *);

/* ---- envelope.c ---- */
#define GROUP_NAME_SIZE 40
/* The name of a group: chat_thread_12, poll_3. */
void group_name(enum hub_target, int64_t id, char ret_name[GROUP_NAME_SIZE]);
bool group_read_name(struct str name, enum hub_target *ret_target, int64_t *ret_id);
enum hub_target event_target(enum live_kind);
/* Any thread. News of an event or of one that was lost, the caller's; NULL: no envelope, one of our own, or no memory. */
struct news *envelope_read(struct str text, const char *own_origin);
void envelope_write(const struct live_event *, const char *eid, const char *origin, struct buf *);
void envelope_write_lost(const char *origin, struct buf *);

/* ---- bus.c ---- */
int bus_create(struct hub *, struct bus **, struct error *);
bool bus_publish(struct bus *, const struct live_event *);
void bus_join(struct bus *, const struct group *);
void bus_leave(struct bus *, const struct group *);
/* What could not be published is found by the others' sweeps: they are told to look, once they can be. */
void bus_tick(struct bus *, int64_t now_us);
void bus_destroy(struct bus *);

#endif
