/* SPDX-License-Identifier: MIT */
/* Whatever the connection file says: no crash, and what is accepted is within bounds. */

#include <assert.h>
#include <string.h>

#include "kernel/jupyter/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_connection connection;
    struct ink_err err;

    if (ink_connection_parse("file", (const char *)bytes, size, &connection, &err)) {
        assert(strncmp(err.message, "connection file file: ", 22) == 0);
        assert(!strchr(err.message, '\n'));
        return 0;
    }
    for (size_t i = 0; i < INK_SOCKET_COUNT; i++)
        assert(connection.ports[i] >= 0 && connection.ports[i] <= 65535);
    assert(strcmp(connection.transport, "tcp") == 0 || strcmp(connection.transport, "ipc") == 0);
    assert(!connection.curve_secret[0] == !connection.curve_public[0]);
    return 0;
}
