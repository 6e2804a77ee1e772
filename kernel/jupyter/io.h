/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_IO_H
#define INK_JUPYTER_IO_H

/*
 * io: the thread that clients talk to. It runs no callback but `interrupt`, so
 * it always answers. io.c moves messages, serve.c knows what they mean.
 */

#include "kernel/jupyter/history.h"
#include "kernel/jupyter/kernel_priv.h"

/* The io thread's own. */
struct ink_io {
    struct ink_kernel *kernel;
    struct ink_history history;
    struct ink_jupyter_request *running;                      /* the cell that runs; a reference */
    struct ink_jupyter_request *waiting_first, *waiting_last; /* cells that wait; references */
    size_t query_count;  /* handed to the query thread and not done */
    size_t backlog_size; /* bytes of all requests that are waiting or handed over */
    int count;           /* execution count of the last cell */

    struct ink_jupyter_request *asking; /* the cell that waits for an input_reply: `running` */
    char question_id[64];               /* msg_id of its input_request */

    bool is_stopping;
    uint64_t stop_ns;
    uint64_t dropped_count, dropped_ns; /* messages dropped since, and time of, the last log line */
};

/* Serve a request: find its route, and handle it. Consumes the reference. */
void ink_serve(struct ink_io *io, struct ink_jupyter_request *request);

/* A request came back from another thread. Consumes the mail. */
void ink_serve_done(struct ink_io *io, struct ink_io_mail *mail);

/* Ask the running cell to end, if there is one. */
void ink_serve_interrupt(struct ink_io *io);

/* Begin to end: no cell starts any more, the running one is interrupted. */
void ink_serve_stop(struct ink_io *io, bool is_restart);

/* Whether nothing is left that a shutdown should wait for. */
bool ink_serve_is_quiet(const struct ink_io *io);

/* Send a message to the client that sent `request`. out_id may be NULL. */
void ink_io_send(struct ink_io *io, struct ink_jupyter_request *request, enum ink_socket channel,
                 const char *type, const struct ink_buf *content, char out_id[64]);

/* Read and serve what has arrived on a socket by now; at most `count_max` messages. */
void ink_io_read(struct ink_io *io, enum ink_socket channel, size_t count_max);

/* Whether shell is to be read: not while too much is waiting. */
bool ink_io_has_room(const struct ink_io *io);

#endif
