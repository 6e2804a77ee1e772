/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_SERVER_H
#define INK_HTTP_SERVER_H

/*
 * server: the headless face of a session: the page, and the routes of the
 * native interface, of TensorFlow Serving and of MNISTified.
 *
 *     ink_server_start -> ink_server_port -> ... -> ink_server_stop
 *
 * Requests are answered on the newest network of the session, also while a
 * cell trains it.
 *
 * Threads  start and stop: one owner. Requests run in threads of the server's own.
 */

#include "base/status.h"
#include "kernel/command/session.h"
#include "kernel/http/connections.h"
#include "kernel/http/gate.h"

/* Zeroed members mean the default. Strings are borrowed for the call. */
struct ink_server_options {
    const char *host;           /* NULL = 127.0.0.1; beyond this machine a token is asked for, or */
    bool is_open;               /* ... this: anybody may ask */
    int port;                   /* 0 = any free one */
    int threads;                /* 0 = one a processor, 2 to 8 */
    struct ink_compute compute; /* of answers; what layers give is f32 */
    const char *model_name; /* as TensorFlow Serving's clients call it; NULL = the network's name */
    const char *token;      /* clients must send it: Authorization: Bearer; NULL = none */
    const char *const *allow_host; /* [allow_host_count] names besides the loopback's */
    size_t allow_host_count;       /* at most INK_GATE_HOST_MAX */
    struct ink_connection_deadlines deadlines;
};

struct ink_server;

/*
 * Start answering. The network is loaded first, so that the first request does not wait for it.
 *
 * Errors   INK_BADARG  an address that is none, a model name or token that cannot be one;
 *          INK_NOAUTH  an address beyond this machine without token or is_open;
 *          INK_NOTNOW  no such precision here;  INK_BUSY the port is taken;  those of the network;
 * INK_IO, INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_server_start(const struct ink_server_options *options,
                                                struct ink_session *session,
                                                struct ink_server **out_server,
                                                struct ink_err *err);

/* The port it listens on, and the page's address ("http://127.0.0.1:8501/"), valid till stop. */
int ink_server_port(const struct ink_server *server);
const char *ink_server_url(const struct ink_server *server);

/* Stop: take no more, finish what runs (up to INK_LIMIT_HTTP_DRAIN_MS), close all. Returns the
 * number of requests that were cut off. NULL is fine. */
size_t ink_server_stop(struct ink_server **server);

#endif
