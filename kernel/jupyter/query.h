/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_QUERY_H
#define INK_JUPYTER_QUERY_H

/*
 * query: the thread that answers what may be asked while a cell runs, and the
 * comms. Requests come in order and are answered in order.
 *
 * At INK_LIMIT_JUPYTER_COMMS open comms the one that was silent longest is closed: pages
 * that were reloaded leave theirs open for ever.
 */

#include "kernel/jupyter/kernel_priv.h"

/*
 * Serve a request: write the content of its reply, if it has one.
 *
 * Errors   INK_BADARG  a member is missing or of the wrong type;  INK_NOMEM
 */
#define INK_QUERY(name)                                                      \
    INK_MUST_CHECK enum ink_status name(struct ink_query *query,             \
                                        struct ink_jupyter_request *request, \
                                        struct ink_buf *out_content, struct ink_err *err)
INK_QUERY(ink_query_complete);
INK_QUERY(ink_query_inspect);
INK_QUERY(ink_query_is_complete);
INK_QUERY(ink_query_comm_info);
INK_QUERY(ink_query_comm_open);
INK_QUERY(ink_query_comm_message);
INK_QUERY(ink_query_comm_close);

#endif
