/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_KERNEL_PRIV_H
#define INK_JUPYTER_KERNEL_PRIV_H

/*
 * kernel_priv: what the threads of the library share.
 *
 *   thread      file         owns
 *   heartbeat   heartbeat.c  its socket
 *   io          io.c         shell, control, stdin; waiting cells, history, seen signatures
 *               serve.c      (what it does with each type of message)
 *   iopub       iopub.c      the iopub socket and the queue before it
 *   cell        execute.c      execution count, the running cell
 *   query       query.c      the table of comms
 *   (caller)    kernel.c     the life of the others; sleeps meanwhile
 *
 * They pass mail (mailbox.h) and never wait for one another. A request goes
 * io -> cell or query -> io, and io alone sends replies and decides on
 * statuses, in finish(): outputs, reply, idle.
 */

#include <stdatomic.h>
#include <sys/types.h>

#include "kernel/jupyter/connection.h"
#include "kernel/jupyter/kernel.h"
#include "kernel/jupyter/mailbox.h"
#include "kernel/jupyter/request.h"
#include "kernel/jupyter/wire.h"

struct ink_io;
struct ink_query;

struct ink_kernel {
    const struct ink_jupyter_app *app;
    struct ink_connection connection;
    zsock_t *sockets[INK_SOCKET_COUNT];
    struct ink_wire wire;
    struct ink_mailbox io_box, iopub_box, cell_box, query_box;
    atomic_size_t outbox_size;  /* bytes of outputs between publishing and sending */
    atomic_bool is_stopping;    /* no callback may wait any longer */
    struct ink_replays replays; /* the io thread's */
    struct ink_query *query;    /* the query thread's own, for callbacks on it */
    int signal_fd;
    pid_t parent; /* to die with; 0: nobody */
    /* Set by the io thread before it ends. */
    bool is_restart;
    bool is_abandoned; /* a callback did not return in time */
};

/* Who serves a type of message. */
enum {
    INK_ROUTE_SHELL = 1,   /* served on shell */
    INK_ROUTE_CONTROL = 2, /* served on control */
    INK_ROUTE_CELL = 4,    /* its busy and idle are those of the kernel */
    INK_ROUTE_HELD = 8     /* answers first, statuses later (iopub.h) */
};

struct ink_route {
    const char *type;
    const char *reply; /* NULL: it has none */
    unsigned flags;
    /* Serve it on the io thread, or hand it to another. */
    void (*handle)(struct ink_io *io, struct ink_jupyter_request *request);
    /* Serve it on the query thread: write the reply's content. */
    enum ink_status (*answer)(struct ink_query *query, struct ink_jupyter_request *request,
                              struct ink_buf *out_content, struct ink_err *err);
};

/* Mail to the io thread: a request is done, or a cell asks its user something. */
struct ink_io_mail {
    struct ink_mail mail; /* first */
    enum ink_io_kind { INK_IO_DONE, INK_IO_ASK } kind;
    struct ink_jupyter_request *request; /* a reference */
    struct ink_buf content;              /* of the reply or the question; empty: no reply */
    bool has_failed;
};

/* Mail to the cell thread: a cell, an answer, or only "look at the cancel flag". */
struct ink_execute_mail {
    struct ink_mail mail; /* first */
    enum { INK_EXECUTE_RUN, INK_EXECUTE_ANSWER, INK_EXECUTE_WAKE } kind;
    struct ink_jupyter_request *request; /* RUN: a reference */
    struct ink_buf answer;
};

/* Mail to the query thread: a request. */
struct ink_query_mail {
    struct ink_mail mail;                /* first */
    struct ink_jupyter_request *request; /* a reference */
};

/*
 * Report a request as done; the content is taken over. When memory is out the
 * process cannot answer any more, and ends (kernel.c).
 */
void ink_io_done(struct ink_jupyter_request *request, struct ink_buf *content, bool has_failed);
void ink_io_ask(struct ink_jupyter_request *request, struct ink_buf *content);

/* calloc that does not return without memory: for mail that must not get lost. The process then
 * ends, and Jupyter starts it again. */
void *ink_kernel_alloc(size_t size);

/* The threads, for zactor_new; args is a struct ink_kernel. */
void ink_heartbeat_actor(zsock_t *pipe, void *args);
void ink_io_actor(zsock_t *pipe, void *args);
void ink_iopub_actor(zsock_t *pipe, void *args);
void ink_execute_actor(zsock_t *pipe, void *args);
void ink_query_actor(zsock_t *pipe, void *args);

/* Name the calling thread for ps and gdb. */
void ink_kernel_name_thread(const char *name);

#endif
