/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PARALLEL_PARALLEL_H
#define INK_MODEL_PARALLEL_PARALLEL_H

/*
 * parallel: several processes that train one network together.
 *
 * Each has the whole data set and the same weights, and learns its part of every
 * mini-batch; sums over all processes make them one. mpi.c does it with MPI and
 * is linked into the program inkling-mpi only, because loading MPI's libraries
 * would cost every other start; alone.c stands in its place elsewhere.
 *
 * Threads  the functions: one at a time, the thread that called ink_parallel_start
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct ink_parallel {
    int rank, size; /* this process of how many */
    int threads; /* that it should compute on, so that all on this machine have cores of their own
                  */
    void *self;
    /* numbers[i] becomes the sum of all processes' numbers[i]: the very same bits everywhere. All
     * processes call it with the same count, and wait for each other in it. */
    void (*sum_floats)(void *self, float *numbers, size_t count);
    void (*sum_doubles)(void *self, double *numbers, size_t count);
};

/* Processes that mpirun started this one among; 0 = not started by it. */
int ink_parallel_wanted(void);

/* Whether this program can: mpi.c is in it. */
bool ink_parallel_is_built(void);

/*
 * Meet the others. Once, before any thread is made.
 *
 * Errors   INK_NOTNOW  MPI cannot start, or is not in this program
 */
INK_MUST_CHECK enum ink_status ink_parallel_start(struct ink_parallel *out_parallel,
                                                  struct ink_err *err);

/* Part from the others, after all of them are done. */
void ink_parallel_stop(void);

/* End all processes at once, this one with them. */
void ink_parallel_abort(int exit_code);

#endif
