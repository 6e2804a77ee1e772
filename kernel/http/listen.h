/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_LISTEN_H
#define INK_HTTP_LISTEN_H

/* listen: a listening TCP socket, with errors that a person can use. */

#include "base/status.h"

/*
 *   port       0 = any free one
 *   out_fd     the caller closes it; non-blocking, close-on-exec
 *   out_port   the one in use
 *
 * Errors   INK_BADARG  an address that is none;  INK_BUSY  the port is taken: says which
 *          INK_NOAUTH  a port below 1024 without the right;  INK_IO
 */
INK_MUST_CHECK enum ink_status ink_listen(const char *host, int port, int *out_fd, int *out_port,
                                          struct ink_err *err);

#endif
