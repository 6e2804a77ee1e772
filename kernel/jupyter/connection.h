/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_CONNECTION_H
#define INK_JUPYTER_CONNECTION_H

/*
 * connection: the connection file, and the five sockets bound as it says.
 *
 * Source: jupyter_client, "Making kernels for Jupyter", connection files;
 * "Security" for CURVE.
 */

#include <czmq.h>

#include "base/status.h"

enum ink_socket {
    INK_SOCKET_SHELL,
    INK_SOCKET_CONTROL,
    INK_SOCKET_STDIN,
    INK_SOCKET_IOPUB,
    INK_SOCKET_HEARTBEAT,
    INK_SOCKET_COUNT
};

struct ink_connection {
    char transport[8]; /* "tcp", "ipc" */
    char address[108]; /* an IP address or *; for ipc the start of a path, as long as they go */
    int ports[INK_SOCKET_COUNT]; /* 0: choose one */
    char key[256];
    char scheme[32];
    char curve_secret[41], curve_public[41]; /* Z85, or "" */
};

/*
 * Read a connection file. Warns on stderr where others may read it, and where its
 * key is empty.
 *
 * Errors   INK_NOTFOUND, INK_IO     cannot be read, or is not a regular file
 *          INK_BADDATA, INK_TOOBIG  the message names the file and the field
 */
INK_MUST_CHECK enum ink_status
ink_connection_load(const char *path, struct ink_connection *out_connection, struct ink_err *err);

/* The same from text[size]; messages start with `path`. */
INK_MUST_CHECK enum ink_status ink_connection_parse(const char *path, const char *text, size_t size,
                                                    struct ink_connection *out_connection,
                                                    struct ink_err *err);

/*
 * Make and bind the sockets. Ports that are 0 are chosen, set in `connection`
 * and written back into the file at `path`.
 *
 *   out_sockets   [INK_SOCKET_COUNT], for ink_connection_unbind; untouched on failure
 *
 * Errors   INK_IO  a port is taken, or another failure to bind: the message names it
 */
INK_MUST_CHECK enum ink_status ink_connection_bind(struct ink_connection *connection,
                                                   const char *path, zsock_t **out_sockets,
                                                   struct ink_err *err);

/* Remove the sockets' files, if they have any. */
void ink_connection_unlink(const struct ink_connection *connection);

/* Close the sockets; NULLs are fine. */
void ink_connection_unbind(const struct ink_connection *connection, zsock_t **sockets);

#endif
