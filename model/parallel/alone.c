/* SPDX-License-Identifier: MIT */
/* alone: what a program without MPI says of it. */
#include "model/parallel/parallel.h"

bool
ink_parallel_is_built(void)
{
    return false;
}

enum ink_status
ink_parallel_start(struct ink_parallel *out_parallel, struct ink_err *err)
{
    (void)out_parallel;
    return ink_fail(err, INK_NOTNOW, "this program was built without MPI");
}

void
ink_parallel_stop(void)
{
}

void
ink_parallel_abort(int exit_code)
{
    (void)exit_code;
}
