/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_VIEW_H
#define INK_COMMAND_VIEW_H

/*
 * view: the kernel's side of an alive output, protocol version 1.
 *
 * A viewer answers what views send: strokes become a row, the network's answer
 * and its first layers' activations. It keeps a predictor of its own that
 * follows the session's newest network, so it works while a cell trains.
 * create -> open and answer as often as wanted -> destroy.
 *
 * Cost     about 0.3 ms an answer with two layers; buffers are reused
 * Threads  one viewer a thread; viewers of one session work side by side
 */

#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "kernel/command/session.h"

struct ink_viewer;

INK_MUST_CHECK enum ink_status
ink_viewer_create(struct ink_session *session, struct ink_viewer **out_viewer, struct ink_err *err);
void ink_viewer_destroy(struct ink_viewer **viewer);

/*
 * Answer the JSON that opens a view, {"v":1,"view":"draw","id":"..."}: appends the hello message.
 *
 * Errors   INK_BADARG not version 1, an unknown view;  INK_BADDATA not JSON; of the network
 *          On an error the buffer gets the view's error message instead, {"type":"error",...}: it
 *          can be sent in any case.
 */
INK_MUST_CHECK enum ink_status ink_viewer_open(struct ink_viewer *viewer, const char *json,
                                               size_t size, struct ink_buf *out_reply,
                                               struct ink_err *err);

/*
 * Answer a frame, {"type":"strokes",...}: appends the answer message. A final frame that is not
 * empty becomes `drawn`.
 *
 * Errors   INK_BADARG, INK_BADDATA, INK_TOOBIG  the frame; as with open, the buffer gets an error
 *          message then
 */
INK_MUST_CHECK enum ink_status ink_viewer_answer(struct ink_viewer *viewer, const char *json,
                                                 size_t size, struct ink_buf *out_reply,
                                                 struct ink_err *err);

/*
 * One JSON text of either kind, as POST /api/v1/view gets it: those of "type" "open", or of none,
 * open.
 */
INK_MUST_CHECK enum ink_status ink_viewer_reply(struct ink_viewer *viewer, const char *json,
                                                size_t size, struct ink_buf *out_reply,
                                                struct ink_err *err);

#endif
