/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_TRANSPORT_H
#define INK_HTTP_TRANSPORT_H

/*
 * transport: HTTP/1.1 on a socket: libmicrohttpd, and what it lacks.
 *
 * It listens, lets requests through the gate, collects bodies within the
 * limits, keeps the deadlines, and hands whole requests to one function, which
 * fills the reply. It knows no route. transport.c alone sees libmicrohttpd.
 *
 *     start -> port -> (the handler is called) -> stop
 *
 * Cost     about 6 us of processor time an exchange, the handler not included
 * Threads  start and stop: one owner; the handler is called in the library's threads, one request
 *          a thread at a time
 */

#include <stdbool.h>

#include "base/status.h"
#include "kernel/http/connections.h"
#include "kernel/http/gate.h"
#include "kernel/http/message.h"

/* `reply` comes zeroed but for status 200. */
typedef void (*ink_http_handler_fn)(void *self, const struct ink_http_request *request,
                                    struct ink_http_reply *reply);

struct ink_transport_options {
    const char *host; /* a name or a numeric address */
    int port;         /* 0 = any free one */
    int threads;      /* 1..64 */
    /* Copied, the strings in it are borrowed till stop; its port is filled in. */
    struct ink_gate gate;
    struct ink_connection_deadlines deadlines;
    ink_http_handler_fn handler;
    void *self; /* for handler */
};

struct ink_transport;

/*
 * Errors   INK_BADARG  an address that is none;  INK_BUSY  the port is taken: says which
 *          INK_NOAUTH  a port below 1024 without the right;  INK_IO, INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_transport_start(const struct ink_transport_options *options,
                                                   struct ink_transport **out_transport,
                                                   struct ink_err *err);

/* The port it listens on. */
int ink_transport_port(const struct ink_transport *transport);

/*
 * Stop: no new connections, what runs is finished, up to `drain_ms`, then all is closed. Returns
 * the number of requests that were cut off. NULL is fine.
 */
size_t ink_transport_stop(struct ink_transport **transport, int drain_ms);

#endif
