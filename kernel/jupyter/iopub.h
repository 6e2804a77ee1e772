/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_IOPUB_H
#define INK_JUPYTER_IOPUB_H

/*
 * iopub: what every client sees.
 *
 * Nothing is lost on the way to a client that reads: the socket refuses what a
 * slow reader has no room for, instead of dropping it (XPUB_NODROP), and the
 * queue before it keeps what is refused. While it waits there, text of one
 * stream becomes one message, and of updates of one display the newest stays.
 * A reader that stands still for INK_LIMIT_JUPYTER_STALL_MS loses messages; the others
 * go on.
 *
 * Statuses. Servers and front ends take the last status they see for the
 * kernel's, whoever asked. So after the idle of a query, or of a comm, while a
 * cell runs, the cell's busy is sent again.
 *
 * Comms. What a comm's callback publishes goes out at once; the busy and idle
 * of the comm's message are held until 100 ms pass without another, or until
 * another request's status needs sending. Three small messages in a row, busy first, would wait
 * in the server for the browser's delayed acknowledgement: 47 ms instead of 5
 * to 9 from a stroke of the pen to its answer.
 */

#include "kernel/jupyter/kernel_priv.h"

enum ink_iopub_state { INK_IOPUB_STARTING, INK_IOPUB_BUSY, INK_IOPUB_IDLE };

/* Publish a status; request may be NULL. Threads: io. */
void ink_iopub_status(struct ink_kernel *kernel, struct ink_jupyter_request *request,
                      enum ink_iopub_state state);

/* Publish busy and idle of a comm's message, later. Threads: io. */
void ink_iopub_status_held(struct ink_kernel *kernel, struct ink_jupyter_request *request);

/* Publish text of a stream. Threads: any. */
void ink_iopub_stream(struct ink_jupyter_request *request, enum ink_jupyter_stream stream,
                      const char *text, size_t size);

/* An output with its content, which is taken over. */
struct ink_iopub_message {
    const char *type; /* static */
    struct ink_buf content;
    const char *display_id;                 /* for an update that a newer one replaces; or NULL */
    const struct ink_jupyter_data *buffers; /* [buffer_count], copied */
    size_t buffer_count;
};

/* Publish it. Threads: any; a cell that runs ahead of its readers waits here. */
void ink_iopub_send(struct ink_jupyter_request *request, struct ink_iopub_message *message);

/* Tell the clients that a comm is closed. Threads: query. (publish.c) */
void ink_publish_comm_close(struct ink_jupyter_request *request, const char *comm_id);

#endif
