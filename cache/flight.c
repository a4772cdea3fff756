/*
 * Single flight: of the threads that need the same value at the same time one, the leader, gets it, and the others wait for
 * him. A flight belongs to a key and to the token under which it began, so a load that began before a deletion is not
 * joined by those who came after it. The leader lands with the value or the error; the last to leave frees the flight.
 */
#include "cache/flight_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

/* Flights are as few as the threads that load at one time: a list is enough. */
struct flight {
	struct flight *next; /* under way */
	pthread_cond_t landed;
	unsigned passengers; /* the leader among them; the last frees */
	bool done;
	int result;
	struct blob *value;
	uint64_t token;
	size_t key_len;
	char key[];
};

struct flights {
	pthread_mutex_t lock;
	struct flight *first;
};

struct flights *flights_create(void)
{
	struct flights *all = mem_alloc(sizeof(*all));

	if (all)
		pthread_mutex_init(&all->lock, NULL);
	return all;
}

void flights_destroy(struct flights *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

static struct flight *find_flight(struct flights *all, struct str key, uint64_t token)
{
	struct flight *f = all->first;

	while (f && !(f->token == token && f->key_len == key.len && memcmp(f->key, key.s, key.len) == 0))
		f = f->next;
	return f;
}

/* Real time, which a test that moves our clock does not move: pthreads wait on nothing else. */
static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attr);
	pthread_condattr_destroy(&attr);
}

static struct flight *begin_flight(struct flights *all, struct str key, uint64_t token)
{
	struct flight *f = mem_alloc(sizeof(*f) + key.len);

	if (!f)
		return NULL;
	init_condition(&f->landed);
	f->token = token;
	f->key_len = key.len;
	memcpy(f->key, key.s, key.len);
	f->next = all->first;
	all->first = f;
	return f;
}

struct flight *flight_join(struct flights *all, struct str key, uint64_t token, bool *ret_leader)
{
	struct flight *f;

	pthread_mutex_lock(&all->lock);
	f = find_flight(all, key, token);
	*ret_leader = !f;
	if (!f)
		f = begin_flight(all, key, token);
	if (f)
		f->passengers++;
	pthread_mutex_unlock(&all->lock);
	return f;
}

void flight_land(struct flights *all, struct flight *f, int result, struct blob *value)
{
	struct flight **at;

	pthread_mutex_lock(&all->lock);
	for (at = &all->first; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	f->done = true;
	f->result = result;
	f->value = result == 0 ? blob_ref(value) : NULL;
	pthread_cond_broadcast(&f->landed);
	pthread_mutex_unlock(&all->lock);
}

bool flight_wait(struct flights *all, struct flight *f, int64_t timeout_us, int *ret_result, struct blob **ret_value)
{
	struct timespec until = clock_wait_until(timeout_us);
	bool landed;
	int r = 0;

	pthread_mutex_lock(&all->lock);
	while (!f->done && r == 0)
		r = pthread_cond_timedwait(&f->landed, &all->lock, &until);
	landed = f->done;
	if (landed)
		*ret_result = f->result;
	if (landed && f->result == 0)
		*ret_value = blob_ref(f->value);
	pthread_mutex_unlock(&all->lock);
	return landed;
}

void flight_leave(struct flights *all, struct flight *f)
{
	bool last;

	pthread_mutex_lock(&all->lock);
	last = --f->passengers == 0;
	pthread_mutex_unlock(&all->lock);
	if (!last)
		return;
	pthread_cond_destroy(&f->landed);
	blob_unref(f->value);
	free(f);
}
