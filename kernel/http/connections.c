/* SPDX-License-Identifier: MIT */
#include "kernel/http/connections.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"

enum { ADDRESS_SIZE = 16 };

struct ink_connection {
    struct ink_connection *next, *previous;
    unsigned char address[ADDRESS_SIZE];
    int fd;
    enum ink_connection_phase phase;
    uint64_t phase_ns;   /* when the phase began */
    uint64_t request_ns; /* when the request's first line came; of use in HEAD, BODY and REPLY */
    size_t received;     /* bytes of the body */
    bool has_answered;   /* at least one request is done */
    bool is_cut;
};

struct ink_connections {
    pthread_mutex_t lock; /* guards all below and the rows */
    struct ink_connection *first;
    size_t count;
    struct ink_connection_deadlines limit;
};

enum ink_status
ink_connections_create(const struct ink_connection_deadlines *limit,
                       struct ink_connections **out_connections, struct ink_err *err)
{
    struct ink_connections *connections = calloc(1, sizeof(*connections));

    if (!connections || pthread_mutex_init(&connections->lock, NULL) != 0) {
        free(connections);
        return ink_fail(err, INK_NOMEM, "no memory for the table of connections");
    }
    connections->limit = *limit;
    *out_connections = connections;
    return INK_OK;
}

void
ink_connections_destroy(struct ink_connections **connections)
{
    if (!*connections)
        return;
    assert((*connections)->count == 0);
    (void)pthread_mutex_destroy(&(*connections)->lock);
    free(*connections);
    *connections = NULL;
}

static void
copy_address(unsigned char out_address[static ADDRESS_SIZE], const struct sockaddr *address,
             socklen_t size)
{
    memset(out_address, 0, ADDRESS_SIZE);
    if (address && address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        memcpy(out_address, &in.sin_addr, sizeof(in.sin_addr));
    } else if (address && address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        memcpy(out_address, &in6.sin6_addr, sizeof(in6.sin6_addr));
    }
}

/* The library sees the end of the stream and closes the socket. Lock held. */
static void
cut(struct ink_connection *row)
{
    (void)shutdown(row->fd, SHUT_RDWR); /* fails when the peer was faster: as good */
    row->is_cut = true;
}

/* Which to cut first when room is needed: a head that never ends, then idlers, then slow bodies;
 * never one whose answer is under way. */
static int
expendability(enum ink_connection_phase phase)
{
    static const int order[] = {
        [INK_CONNECTION_REPLY] = 0, [INK_CONNECTION_BODY] = 1, [INK_CONNECTION_IDLE] = 2,
        [INK_CONNECTION_HEAD] = 3,  [INK_CONNECTION_NEW] = 3,
    };

    return order[phase];
}

/* The row to cut for a newcomer from `address` (NULL = any), or NULL. Lock held. */
static struct ink_connection *
find_expendable(struct ink_connections *connections, const unsigned char *address)
{
    struct ink_connection *found = NULL;

    for (struct ink_connection *row = connections->first; row; row = row->next) {
        int order = expendability(row->phase);

        if (row->is_cut || order == 0 ||
            (address && memcmp(row->address, address, ADDRESS_SIZE) != 0))
            continue;
        if (!found || order > expendability(found->phase) ||
            (order == expendability(found->phase) && row->phase_ns < found->phase_ns))
            found = row;
    }
    return found;
}

bool
ink_connections_admit(struct ink_connections *connections, const struct sockaddr *address,
                      socklen_t size)
{
    unsigned char key[ADDRESS_SIZE];
    size_t of_address = 0, in_all = 0;
    struct ink_connection *expendable = NULL;
    bool is_full, is_admitted;

    copy_address(key, address, size);
    (void)pthread_mutex_lock(&connections->lock);
    for (const struct ink_connection *row = connections->first; row; row = row->next) {
        if (row->is_cut)
            continue;
        in_all++;
        of_address += memcmp(row->address, key, ADDRESS_SIZE) == 0;
    }
    is_full = in_all >= INK_LIMIT_HTTP_CONNECTIONS || of_address >= INK_LIMIT_HTTP_PER_ADDRESS;
    if (is_full)
        expendable =
            find_expendable(connections, of_address >= INK_LIMIT_HTTP_PER_ADDRESS ? key : NULL);
    if (expendable)
        cut(expendable);
    is_admitted = !is_full || expendable;
    (void)pthread_mutex_unlock(&connections->lock);
    return is_admitted;
}

struct ink_connection *
ink_connections_add(struct ink_connections *connections, int fd, const struct sockaddr *address,
                    socklen_t size)
{
    struct ink_connection *row = calloc(1, sizeof(*row));

    if (!row)
        return NULL;
    copy_address(row->address, address, size);
    row->fd = fd;
    row->phase_ns = ink_clock_ns();
    (void)pthread_mutex_lock(&connections->lock);
    row->next = connections->first;
    if (row->next)
        row->next->previous = row;
    connections->first = row;
    connections->count++;
    (void)pthread_mutex_unlock(&connections->lock);
    return row;
}

struct ink_connection *
ink_connections_find(struct ink_connections *connections, int fd)
{
    struct ink_connection *row;

    (void)pthread_mutex_lock(&connections->lock);
    row = connections->first;
    while (row && row->fd != fd)
        row = row->next;
    (void)pthread_mutex_unlock(&connections->lock);
    return row;
}

void
ink_connections_remove(struct ink_connections *connections, struct ink_connection *row)
{
    if (!row)
        return;
    (void)pthread_mutex_lock(&connections->lock);
    if (row->previous)
        row->previous->next = row->next;
    else
        connections->first = row->next;
    if (row->next)
        row->next->previous = row->previous;
    connections->count--;
    (void)pthread_mutex_unlock(&connections->lock);
    free(row);
}

void
ink_connections_enter(struct ink_connections *connections, struct ink_connection *row,
                      enum ink_connection_phase phase)
{
    uint64_t now = ink_clock_ns();

    if (!row)
        return;
    (void)pthread_mutex_lock(&connections->lock);
    if (phase == INK_CONNECTION_HEAD) {
        /* The first head's time runs from the connection's start: silence counts too. */
        row->request_ns = row->has_answered ? now : row->phase_ns;
        now = row->request_ns;
    }
    if (phase == INK_CONNECTION_BODY)
        row->received = 0;
    if (phase == INK_CONNECTION_IDLE)
        row->has_answered = true;
    row->phase = phase;
    row->phase_ns = now;
    (void)pthread_mutex_unlock(&connections->lock);
}

void
ink_connections_received(struct ink_connections *connections, struct ink_connection *row,
                         size_t size)
{
    if (!row)
        return;
    (void)pthread_mutex_lock(&connections->lock);
    row->received += size;
    (void)pthread_mutex_unlock(&connections->lock);
}

static bool
has_missed(const struct ink_connection *row, const struct ink_connection_deadlines *limit,
           uint64_t now_ns)
{
    const double age_ms = now_ns > row->phase_ns ? (double)(now_ns - row->phase_ns) / 1e6 : 0;
    const double total_ms = now_ns > row->request_ns ? (double)(now_ns - row->request_ns) / 1e6 : 0;
    double grace_ms;

    switch (row->phase) {
    case INK_CONNECTION_NEW:
    case INK_CONNECTION_HEAD:
        return age_ms > limit->head_ms;
    case INK_CONNECTION_BODY:
        grace_ms = limit->body_ms / 6.0; /* the time in which a slow start is forgiven */
        return age_ms > limit->body_ms || total_ms > limit->total_ms ||
               (age_ms > grace_ms &&
                (double)row->received < age_ms / 1000 * INK_LIMIT_HTTP_BODY_RATE);
    case INK_CONNECTION_REPLY:
        return total_ms > limit->total_ms;
    case INK_CONNECTION_IDLE: /* a request line that drips counts as idle till it is whole */
        return age_ms > (double)limit->idle_ms + limit->head_ms;
    }
    return false;
}

/*
 * Whether the peer has closed its side and all it sent was read: no request can come any more. The
 * library misses an end that arrives together with data (0.9.75, epoll) and would keep the socket
 * until a deadline.
 */
static bool
has_hung_up(const struct ink_connection *row)
{
    char byte;

    if (row->phase == INK_CONNECTION_REPLY)
        return false; /* it may still read the answer */
    return recv(row->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

size_t
ink_connections_sweep(struct ink_connections *connections, uint64_t now_ns)
{
    size_t cut_count = 0;

    (void)pthread_mutex_lock(&connections->lock);
    for (struct ink_connection *row = connections->first; row; row = row->next)
        if (!row->is_cut && has_missed(row, &connections->limit, now_ns)) {
            cut(row);
            cut_count++;
        } else if (!row->is_cut && has_hung_up(row)) {
            cut(row);
        }
    (void)pthread_mutex_unlock(&connections->lock);
    return cut_count;
}

size_t
ink_connections_count(struct ink_connections *connections)
{
    size_t count;

    (void)pthread_mutex_lock(&connections->lock);
    count = connections->count;
    (void)pthread_mutex_unlock(&connections->lock);
    return count;
}

size_t
ink_connections_active_count(struct ink_connections *connections)
{
    size_t count = 0;

    (void)pthread_mutex_lock(&connections->lock);
    for (const struct ink_connection *row = connections->first; row; row = row->next)
        count += !row->is_cut &&
                 (row->phase == INK_CONNECTION_HEAD || row->phase == INK_CONNECTION_BODY ||
                  row->phase == INK_CONNECTION_REPLY);
    (void)pthread_mutex_unlock(&connections->lock);
    return count;
}
