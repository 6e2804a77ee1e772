/* SPDX-License-Identifier: MIT */
#include "base/threads.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"

static enum ink_status
read_wanted(int64_t *out_count, struct ink_err *err)
{
    const char *text = getenv("INKLING_THREADS"); /* NOLINT(concurrency-mt-unsafe): nobody sets */

    *out_count = 0;
    if (!text || !*text) /* set to nothing is not set */
        return INK_OK;
    return ink_parse_int("INKLING_THREADS", text, 0, INK_THREADS_MAX, out_count, err);
}

enum ink_status
ink_threads_check(struct ink_err *err)
{
    int64_t count;

    return read_wanted(&count, err);
}

int
ink_threads_wanted(void)
{
    int64_t count;

    return read_wanted(&count, NULL) == INK_OK ? (int)count : 0;
}

int
ink_threads_default(void)
{
    int wanted = ink_threads_wanted();
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (wanted > 0)
        return wanted;
    return processors < 1 ? 1 : processors > INK_THREADS_MAX ? INK_THREADS_MAX : (int)processors;
}
