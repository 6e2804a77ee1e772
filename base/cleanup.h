/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_CLEANUP_H
#define INK_BASE_CLEANUP_H

/*
 * cleanup: release on leaving the scope, whatever the way out.
 *
 * A destructor that takes T ** and accepts NULL works as it is: czmq's all do
 * (zmsg_destroy, zsock_destroy, ...), and so do ours. The ...p functions here
 * adapt the C library's. Declare such variables first, set to NULL.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INK_CLEANUP(fn) __attribute__((cleanup(fn)))
/* For a variable that is there only for what happens when it goes. */
#define INK_GUARD(fn) __attribute__((cleanup(fn), unused))

static inline void
ink_freep(void *pointer_to_pointer)
{
    void *memory;

    memcpy(&memory, pointer_to_pointer, sizeof(memory)); /* any T **: no alias */
    free(memory);
}

static inline void
ink_fclosep(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

/* A file descriptor; -1 means none. */
static inline void
ink_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#endif
