/*
 * How many connections each address has open. Any thread; one short lock per connection opened or closed.
 */
#ifndef API_ADDRESSES_H
#define API_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct addresses;

/* Room for that many addresses at once; NULL without memory. */
struct addresses *addresses_create(size_t capacity);
void addresses_destroy(struct addresses *);

/* Counts one more connection of the address; false when it has limit of them already (or the table is full): not counted. */
bool addresses_enter(struct addresses *, const struct sockaddr_storage *, int limit);

/* One less; each successful enter has one. */
void addresses_leave(struct addresses *, const struct sockaddr_storage *);

/* How many the address has now. */
int addresses_count(struct addresses *, const struct sockaddr_storage *);

#endif
