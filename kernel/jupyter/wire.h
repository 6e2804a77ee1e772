/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_WIRE_H
#define INK_JUPYTER_WIRE_H

/*
 * wire: messages from frames and frames from messages.
 *
 *   [identity ...] <IDS|MSG> signature header parent metadata content [buffer ...]
 *
 * What comes in is checked in this order, and nothing is believed before its
 * turn: number and size of frames, delimiter, signature, replay. Only then may
 * somebody look at the JSON (request.h).
 *
 * Source: messaging protocol, "The Wire Protocol".
 */

#include <czmq.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "kernel/jupyter/kernel.h"
#include "kernel/jupyter/sign.h"

/* A message taken apart: all of it points into the frames it came in. */
struct ink_jmsg {
    const struct ink_frame *identities; /* [identity_count] */
    size_t identity_count;
    struct ink_frame signature;
    union {
        struct ink_frame parts[INK_SIGNED_PARTS];
        struct {
            struct ink_frame header, parent, metadata, content;
        };
    };
    const struct ink_frame *buffers; /* [buffer_count] */
    size_t buffer_count;
    size_t size; /* bytes in all */
};

/*
 * Take a message apart and check that it is genuine and new.
 *
 *   frames    [count]
 *   replays   where verified signatures are remembered; NULL: not here
 *
 * Errors   INK_BADDATA  no delimiter, or frames missing behind it
 *          INK_TOOBIG   a limit of base/limits.h
 *          INK_NOAUTH   the signature is wrong, or was used before
 * Memory   none
 */
INK_MUST_CHECK enum ink_status ink_jmsg_decode(const struct ink_signer *signer,
                                               struct ink_replays *replays,
                                               const struct ink_frame *frames, size_t count,
                                               struct ink_jmsg *out_msg, struct ink_err *err);

/* What every message of this kernel has in common. */
struct ink_wire {
    struct ink_signer signer;
    char session[33];     /* this process, for clients to see restarts by */
    atomic_uint sequence; /* of messages sent */
};

/* A message to send. Contents are JSON text of objects. */
struct ink_jmsg_out {
    const struct ink_frame *identities; /* [identity_count] */
    size_t identity_count;
    const char *type;
    struct ink_frame parent; /* the request's header as it came; size 0: {} */
    const struct ink_buf *content;
    const struct ink_jupyter_data *buffers; /* [buffer_count] */
    size_t buffer_count;
};

/*
 * Put a message together: header with a fresh id and date, and the signature.
 *
 *   out_id   this message's id, 0 bytes if not wanted
 *
 * Errors   INK_NOMEM
 * Memory   *out_frames is the caller's, for zmsg_destroy
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_jmsg_encode(struct ink_wire *wire,
                                               const struct ink_jmsg_out *msg, char out_id[64],
                                               zmsg_t **out_frames, struct ink_err *err);

#endif
