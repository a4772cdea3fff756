/*
 * Single flight: of the threads that need the same key at the same time, one (the leader) computes it and the others
 * wait for what he gets. Any thread.
 */
#ifndef CACHE_FLIGHT_IMPL_H
#define CACHE_FLIGHT_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"

struct flights;
struct flight;

/* No flights yet; NULL without memory. */
struct flights *flights_create(void);

/* Frees; nobody flies any more. NULL is fine. */
void flights_destroy(struct flights *);

/*
 * Joins the flight of a key and token, or begins it: *ret_leader says which. The token keeps those who come after a
 * deletion from joining a computation that began before it. NULL without memory: compute alone. Ends with flight_leave.
 */
struct flight *flight_join(struct flights *, struct str key, uint64_t token, bool *ret_leader);

/* Leader only: nobody joins any more, those who wait wake up. result is 0 with a value (each waiter gets a reference), or an error. */
void flight_land(struct flights *, struct flight *, int result, struct blob *value);

/*
 * Waits for the leader, at most timeout_us of real time; false when he has not landed by then. *ret_result is his, and
 * when that is 0 *ret_value his value (the caller's reference).
 */
bool flight_wait(struct flights *, struct flight *, int64_t timeout_us, int *ret_result, struct blob **ret_value);

/* Gives the flight back; each who joined, once. */
void flight_leave(struct flights *, struct flight *);

#endif
