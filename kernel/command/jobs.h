/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_JOBS_H
#define INK_COMMAND_JOBS_H

/*
 * jobs: what goes on after its cell has ended: one training at a time.
 *
 * A job runs in a thread of its own, with a cancel flag of its own, so an
 * interrupt of a cell does not touch it. Jobs that have ended are remembered.
 * One lock guards the list and the jobs' news; it is held for copies only.
 *
 * Threads  any, but for what says otherwise
 */

#include <stdatomic.h>

#include "base/buf.h"
#include "base/status.h"
#include "model/trainer.h"

struct ink_jobs;
struct ink_job;

enum { INK_JOB_KEEP = 16, INK_JOB_TITLE_SIZE = 192, INK_JOB_MESSAGE_SIZE = 400 };

enum ink_job_state { INK_JOB_RUNS, INK_JOB_DONE, INK_JOB_STOPPED, INK_JOB_FAILED };

/* A job as it is at a moment: a copy. */
struct ink_job_view {
    int number; /* from 1 */
    char title[INK_JOB_TITLE_SIZE];
    enum ink_job_state state;
    struct ink_train_progress progress;
    char message[INK_JOB_MESSAGE_SIZE]; /* how it ended; "" while it runs */
};

struct ink_job_work {
    void *self;
    /* In the job's thread. INK_CANCELLED = it was stopped; out_text: what came out. */
    enum ink_status (*run)(void *self, struct ink_job *job, struct ink_buf *out_text,
                           struct ink_err *err);
    void (*destroy)(void *self); /* in the job's thread, after run */
};

INK_MUST_CHECK enum ink_status ink_jobs_create(struct ink_jobs **out_jobs, struct ink_err *err);
/* Stops the one that runs, and waits for it. */
void ink_jobs_destroy(struct ink_jobs **jobs);
void ink_jobs_end(struct ink_jobs *jobs);

/* Errors: INK_NOTNOW a job runs: says which, and how to end it. */
INK_MUST_CHECK enum ink_status ink_jobs_check_idle(struct ink_jobs *jobs, struct ink_err *err);

/*
 * Start a job, and wait until it has reported once.
 *
 *   work         taken over: destroy is called whatever happens
 *   out_number   of the job
 *
 * Errors   INK_NOTNOW another one runs;  INK_NOMEM;  its own if it fails before it reports
 */
INK_MUST_CHECK enum ink_status ink_jobs_start(struct ink_jobs *jobs, const char *title,
                                              const struct ink_job_work *work, int *out_number,
                                              struct ink_err *err);

/* From within the job: its flag, and its news. */
const atomic_bool *ink_job_cancel_flag(const struct ink_job *job);
void ink_job_report(struct ink_job *job, const struct ink_train_progress *progress);

/* All jobs, the oldest first; the caller frees them. */
INK_MUST_CHECK enum ink_status ink_jobs_list(struct ink_jobs *jobs, struct ink_job_view **out_views,
                                             size_t *out_count, struct ink_err *err);
/* The job of that number; 0 = the newest. Errors: INK_NOTFOUND. */
INK_MUST_CHECK enum ink_status ink_jobs_get(struct ink_jobs *jobs, int number,
                                            struct ink_job_view *out_view, struct ink_err *err);

/*
 * Stop a job and wait until it has ended.
 *
 *   number   0 = the one that runs
 *   cancel   set = do not wait any longer (it ends all the same)
 *
 * Errors   INK_NOTFOUND  no such job;  INK_NOTNOW  it has ended already, or none runs;
 * INK_CANCELLED
 */
INK_MUST_CHECK enum ink_status ink_jobs_stop(struct ink_jobs *jobs, int number,
                                             const atomic_bool *cancel,
                                             struct ink_job_view *out_view, struct ink_err *err);

#endif
