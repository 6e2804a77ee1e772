/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PROFILE_H
#define BENCH_PROFILE_H

/*
 * profile: a table of kernels that counts what it is asked to do.
 *
 * profile_begin puts it before the one in use (model/kernels/kernels.h): every
 * kernel is timed, and the multiplications and additions of convolutions and
 * dense layers are counted as they are done: where a kernel skips the windows
 * without a gradient, they are not counted.
 *
 * Threads  one; train with one thread between begin and end
 */

#include <stdint.h>

void profile_begin(void);
/* Put the table before it back. */
void profile_end(void);

/* Operations since begin, in floats and in bf16; an addition is one, a multiplication another. */
struct profile_operations {
    double f32, bf16;
};
struct profile_operations profile_operations(void);

/*
 * A JSON list: one object for each kernel and shape,
 * {"kernel", "shape", "calls", "us", "operations"}, all of them a step; us is the
 * median of the calls, times their number.
 */
void profile_print(int64_t steps);

#endif
