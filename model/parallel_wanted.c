/* SPDX-License-Identifier: MIT */
/* parallel_wanted: who started this process. */
#include <stdint.h>
#include <stdlib.h>

#include "base/parse.h"
#include "model/parallel/parallel.h"

int
ink_parallel_wanted(void)
{
    /* Open MPI's, and that of others' launchers. */
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    int64_t size = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *text = getenv(names[i]); /* NOLINT(concurrency-mt-unsafe): before any thread */

        if (text && ink_parse_int(names[i], text, 1, INT32_MAX, &size, NULL) == INK_OK)
            return (int)size;
    }
    return 0;
}
