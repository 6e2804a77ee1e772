/* SPDX-License-Identifier: MIT */
/* mpi: processes that mpirun started. Source: the MPI standard 3.1. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include "base/threads.h"
#include "model/parallel/parallel.h"

/* One sum, in the order that MPI keeps to, handed to all: MPI_Allreduce may differ in last bits. */
static void
sum(void *numbers, size_t count, size_t width, MPI_Datatype type)
{
    char *at = numbers;
    int rank;

    (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    while (count > 0) {
        int part = count < INT_MAX ? (int)count : INT_MAX;

        if (rank == 0)
            (void)MPI_Reduce(MPI_IN_PLACE, at, part, type, MPI_SUM, 0, MPI_COMM_WORLD);
        else
            (void)MPI_Reduce(at, NULL, part, type, MPI_SUM, 0, MPI_COMM_WORLD);
        (void)MPI_Bcast(at, part, type, 0, MPI_COMM_WORLD);
        at += (size_t)part * width;
        count -= (size_t)part;
    }
}

static void
sum_floats(void *self, float *numbers, size_t count)
{
    (void)self;
    sum(numbers, count, sizeof(*numbers), MPI_FLOAT);
}

static void
sum_doubles(void *self, double *numbers, size_t count)
{
    (void)self;
    sum(numbers, count, sizeof(*numbers), MPI_DOUBLE);
}

bool
ink_parallel_is_built(void)
{
    return true;
}

/* As many as INKLING_THREADS says; else mpirun gives each process cores of its own, or leaves all
 * to all of them. */
static int
thread_count(int local_size)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t allowed;
    int own = ink_threads_wanted();

    if (own > 0)
        return own;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 1;
    own = CPU_COUNT(&allowed);
    if (own >= cores)
        own /= local_size;
    return own > 0 ? own : 1;
}

enum ink_status
ink_parallel_start(struct ink_parallel *out_parallel, struct ink_err *err)
{
    struct ink_parallel parallel = {.sum_floats = sum_floats, .sum_doubles = sum_doubles};
    MPI_Comm machine;
    int provided, local_size;

    /* An error of MPI's own ends the job with its message: the default, MPI_ERRORS_ARE_FATAL. */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return ink_fail(err, INK_NOTNOW, "MPI cannot start");
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &parallel.rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &parallel.size);
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, parallel.rank, MPI_INFO_NULL,
                            &machine) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED)
        return ink_fail(err, INK_NOTNOW, "this MPI allows no threads beside its own");
    (void)MPI_Comm_size(machine, &local_size);
    parallel.threads = thread_count(local_size);
    (void)MPI_Comm_free(&machine);
    *out_parallel = parallel;
    return INK_OK;
}

void
ink_parallel_stop(void)
{
    (void)MPI_Finalize();
}

void
ink_parallel_abort(int exit_code)
{
    (void)MPI_Abort(MPI_COMM_WORLD, exit_code);
}
