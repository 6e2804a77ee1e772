/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_CONNECTIONS_H
#define INK_HTTP_CONNECTIONS_H

/*
 * connections: who is connected, in which phase of a request, since when.
 *
 * The HTTP library only knows inactivity: a client that drips a byte a second
 * stays for ever. This table holds the deadlines, cuts those who miss one
 * (shutdown of the socket; the library then sees its end), and makes room for
 * newcomers by cutting those who wait the longest without a whole request.
 *
 * One lock, held for a walk over at most a few hundred rows; nothing else is
 * taken while it is held.
 *
 * Threads: any; but admit, add and sweep are for one thread, so that none is cut whose socket the
 * library just closed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/status.h"

/* Milliseconds; base/limits.h has the defaults and reasons. */
struct ink_connection_deadlines {
    int head_ms, body_ms, total_ms, idle_ms;
};

enum ink_connection_phase {
    INK_CONNECTION_NEW,   /* nothing received */
    INK_CONNECTION_HEAD,  /* a request line was received, the rest of the head not yet */
    INK_CONNECTION_BODY,  /* a head was received, its body not yet */
    INK_CONNECTION_REPLY, /* the answer is being made or sent */
    INK_CONNECTION_IDLE,  /* answered; waiting for another request */
};

struct ink_connections;
struct ink_connection;

INK_MUST_CHECK enum ink_status ink_connections_create(const struct ink_connection_deadlines *limit,
                                                      struct ink_connections **out_connections,
                                                      struct ink_err *err);
/* All connections must be removed before. */
void ink_connections_destroy(struct ink_connections **connections);

/*
 * Whether a newcomer from `address` may come in. When its address, or the whole table, has no
 * room, the one that has waited longest without a whole request is cut first.
 */
bool ink_connections_admit(struct ink_connections *connections, const struct sockaddr *address,
                           socklen_t size);

/* Add a connection, in phase NEW; NULL without memory. `fd` must be open until remove. */
struct ink_connection *ink_connections_add(struct ink_connections *connections, int fd,
                                           const struct sockaddr *address, socklen_t size);
/* The row of a socket, or NULL. */
struct ink_connection *ink_connections_find(struct ink_connections *connections, int fd);
void ink_connections_remove(struct ink_connections *connections, struct ink_connection *row);

/* The connection enters a phase. `row` may be NULL. */
void ink_connections_enter(struct ink_connections *connections, struct ink_connection *row,
                           enum ink_connection_phase phase);

/* Bytes of a body came in. `row` may be NULL. */
void ink_connections_received(struct ink_connections *connections, struct ink_connection *row,
                              size_t size);

/* Cut all that missed a deadline at the time `now_ns` (ink_clock_ns), and those whose peers have
 * gone; returns how many of the first kind. */
size_t ink_connections_sweep(struct ink_connections *connections, uint64_t now_ns);

/* Connections in all, and those with a request under way (HEAD, BODY or REPLY). */
size_t ink_connections_count(struct ink_connections *connections);
size_t ink_connections_active_count(struct ink_connections *connections);

#endif
