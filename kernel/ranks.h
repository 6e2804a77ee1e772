/* SPDX-License-Identifier: MIT */
#ifndef INK_RANKS_H
#define INK_RANKS_H

/*
 * ranks: what the program does when mpirun started it, several times over.
 *
 * The program without MPI becomes inkling-mpi, which lies beside it; processes
 * started one at a time are programs like any other. A process that fails takes
 * the others down with it, and mpirun does the same when one is lost.
 */

#include "model/parallel/parallel.h"

struct ink_ranks {
    bool is_begun;                /* MPI is to be ended */
    struct ink_parallel parallel; /* size 0 or 1: alone */
};

/*
 * Before anything else. May not come back: it becomes the other program.
 *
 * Errors   INK_NOTNOW  mpirun started several, and there is no inkling-mpi, or MPI fails
 */
INK_MUST_CHECK enum ink_status ink_ranks_begin(char *argv[], struct ink_ranks *out_ranks,
                                               struct ink_err *err);

/* The others for a session; NULL = there are none. */
const struct ink_parallel *ink_ranks_parallel(const struct ink_ranks *ranks);

/* After the signals are set: SIGTERM, by which mpirun ends what has lost a process, says so. */
void ink_ranks_watch(const struct ink_ranks *ranks);

/* Whether several processes can run a command at once. Errors: INK_BADARG */
INK_MUST_CHECK enum ink_status ink_ranks_check(const struct ink_ranks *ranks, const char *command,
                                               struct ink_err *err);

/* At the end, with the program's exit code: hands it back, or ends all others with it. */
int ink_ranks_end(const struct ink_ranks *ranks, int exit_code);

#endif
