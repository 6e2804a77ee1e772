/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_REQUEST_H
#define INK_JUPYTER_REQUEST_H

/*
 * request: a message from a client, checked, and what is needed to answer it.
 *
 * Made by the io thread. Reference counted, because outputs may outlive it in
 * the queues and in the application. Immutable once dispatched, but for the
 * cancel flag and for `cell`, which belongs to the cell thread until the
 * request is done and to the io thread then.
 */

#include <czmq.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/kernel.h"
#include "kernel/jupyter/wire.h"

struct ink_kernel;

/* What a cell leaves behind. */
struct ink_execution {
    int count;
    bool is_silent, is_stored, may_ask, stops_on_error;
    bool has_result;
    struct ink_buf result_text; /* text/plain of the result, for the history */
    struct ink_buf payload;     /* items of the reply's payload, with commas between */
};

struct ink_jupyter_request {
    struct ink_jupyter_request *next; /* in the io thread's list of waiting cells */
    atomic_int ref_count;
    struct ink_kernel *kernel;
    enum ink_socket channel;
    zmsg_t *frames; /* owned: what `wire` points into */
    struct ink_frame frame[INK_LIMIT_JUPYTER_FRAMES];
    struct ink_jmsg wire;
    struct ink_json *header, *content; /* owned; content NULL if it was no JSON object */
    const char *type;
    const struct ink_route *route; /* who serves it (io.c); NULL for an unknown type */
    struct ink_err content_err;    /* why content is NULL */
    atomic_bool is_cancelled;
    struct ink_execution cell;
};

/*
 * Decode and check a message from a client.
 *
 *   frames   consumed, also on failure
 *
 * Errors   as ink_jmsg_decode; INK_BADDATA, INK_TOOBIG for a header that is not one
 * Memory   *out_request has one reference
 */
INK_MUST_CHECK enum ink_status
ink_request_create(struct ink_kernel *kernel, enum ink_socket channel, struct ink_replays *replays,
                   zmsg_t **frames, struct ink_jupyter_request **out_request, struct ink_err *err);

/*
 * Check a parsed header: an object with msg_id, msg_type and session, and text that can be
 * pasted into other messages as it is.
 *
 * Errors   INK_BADDATA
 */
INK_MUST_CHECK enum ink_status
ink_request_check_header(struct ink_frame text, const struct ink_json *header, struct ink_err *err);

/* A member of the content, or NULL. */
const struct ink_json *ink_request_find(const struct ink_jupyter_request *request,
                                        const char *name);

#endif
