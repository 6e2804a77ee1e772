/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_QUERY_PRIV_H
#define INK_JUPYTER_QUERY_PRIV_H

/* query_priv: what query.c and comm.c share. */

#include "base/limits.h"
#include "kernel/jupyter/query.h"

struct ink_comm {
    char *id, *target; /* owned */
    void *state;       /* the application's */
    uint64_t used_ns;
    bool is_closed; /* by the application: goes when its callback has returned */
};

/* The query thread's own. */
struct ink_query {
    struct ink_kernel *kernel;
    struct ink_comm comms[INK_LIMIT_JUPYTER_COMMS]; /* [comm_count], in no order */
    size_t comm_count;
};

/* Drop comms that the application closed. */
void ink_comm_sweep(struct ink_query *query);

/* Close all, telling the application. */
void ink_comm_end(struct ink_query *query);

#endif
