/* SPDX-License-Identifier: MIT */
#include "kernel/ranks.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

static void (*handler_before)(int signal_number);

/* Become the program with MPI; comes back if there is none. */
static enum ink_status
become_other(char *argv[], int count, struct ink_err *err)
{
    static const char suffix[] = "-mpi";
    char path[PATH_MAX + sizeof(suffix)];
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX);

    if (size < 0)
        return ink_fail_errno(err, "mpirun started %d processes, but where is this program", count);
    memcpy(path + size, suffix, sizeof(suffix));
    (void)execv(path, argv);
    return ink_fail(err, INK_NOTNOW,
                    "mpirun started %d processes, but this program is without MPI and '%.100s' is "
                    "not there: install libopenmpi-dev and build again",
                    count, path);
}

enum ink_status
ink_ranks_begin(char *argv[], struct ink_ranks *out_ranks, struct ink_err *err)
{
    int count = ink_parallel_wanted();
    enum ink_status status;

    *out_ranks = (struct ink_ranks){0};
    if (count == 0 || (count == 1 && !ink_parallel_is_built()))
        return INK_OK;
    if (!ink_parallel_is_built())
        return become_other(argv, count, err);
    status = ink_parallel_start(&out_ranks->parallel, err);
    out_ranks->is_begun = status == INK_OK;
    return status;
}

const struct ink_parallel *
ink_ranks_parallel(const struct ink_ranks *ranks)
{
    return ranks->parallel.size > 1 ? &ranks->parallel : NULL;
}

static void
on_end(int signal_number)
{
    static const char text[] =
        "inkling: mpirun ends this run: one of its processes was lost, or it "
        "was told to stop; train --resume goes on from the last checkpoint\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    if (handler_before != SIG_DFL && handler_before != SIG_IGN)
        handler_before(signal_number);
}

void
ink_ranks_watch(const struct ink_ranks *ranks)
{
    struct sigaction action = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND}, before;

    if (ranks->parallel.size < 2 || ranks->parallel.rank != 0)
        return;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, &before);
    handler_before = before.sa_handler;
}

enum ink_status
ink_ranks_check(const struct ink_ranks *ranks, const char *command, struct ink_err *err)
{
    if (ranks->parallel.size < 2 || strcmp(command, "train") == 0)
        return INK_OK;
    return ink_fail(err, INK_BADARG,
                    "'%.64s' runs in one process, mpirun started %d: only train uses several",
                    command, ranks->parallel.size);
}

int
ink_ranks_end(const struct ink_ranks *ranks, int exit_code)
{
    if (!ranks->is_begun)
        return exit_code;
    (void)fflush(NULL);
    if (exit_code != 0 && exit_code != ink_status_exit(INK_CANCELLED) && exit_code != 128 + SIGTERM)
        ink_parallel_abort(exit_code);
    ink_parallel_stop();
    return exit_code;
}
