/* SPDX-License-Identifier: MIT */
#include "kernel/command/jobs.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

enum { LOOK_MS = 50 }; /* how soon a cancel flag is seen while waiting */

struct ink_job {
    struct ink_jobs *jobs;
    struct ink_job_work work;
    atomic_bool cancel;
    pthread_t thread;
    bool has_thread;          /* to be joined: the list's */
    bool has_reported;        /* below: under the lock */
    enum ink_status status;   /* how it ended */
    struct ink_job_view view; /* its news */
};

struct ink_jobs {
    pthread_mutex_t lock;   /* guards all below, and each job's news */
    pthread_cond_t changed; /* a job has reported for the first time, or ended */
    struct ink_job *job[INK_JOB_KEEP];
    size_t count;
    int last_number;
};

enum ink_status
ink_jobs_create(struct ink_jobs **out_jobs, struct ink_err *err)
{
    struct ink_jobs *jobs = calloc(1, sizeof(*jobs));
    pthread_condattr_t clock;

    if (!jobs)
        return ink_fail(err, INK_NOMEM, "out of memory");
    (void)pthread_mutex_init(&jobs->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&jobs->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    *out_jobs = jobs;
    return INK_OK;
}

/* The job that runs, or NULL; under the lock. */
static struct ink_job *
find_running(const struct ink_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->job[i]->view.state == INK_JOB_RUNS)
            return jobs->job[i];
    return NULL;
}

/* The job of that number, 0 for the newest; under the lock. */
static struct ink_job *
find_number(const struct ink_jobs *jobs, int number)
{
    if (number == 0 && jobs->count > 0)
        return jobs->job[jobs->count - 1];
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->job[i]->view.number == number)
            return jobs->job[i];
    return NULL;
}

static enum ink_status
fail_not_found(int number, struct ink_err *err)
{
    if (number == 0)
        return ink_fail(err, INK_NOTFOUND, "there are no jobs: 'train --background' starts one");
    return ink_fail(err, INK_NOTFOUND, "no job %d: 'jobs' lists them", number);
}

void
ink_jobs_end(struct ink_jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < jobs->count; i++)
        atomic_store(&jobs->job[i]->cancel, true);
    while (find_running(jobs))
        (void)pthread_cond_wait(&jobs->changed, &jobs->lock);
    (void)pthread_mutex_unlock(&jobs->lock);
}

static void
destroy_job(struct ink_job *job)
{
    if (job->has_thread)
        (void)pthread_join(job->thread, NULL);
    free(job);
}

void
ink_jobs_destroy(struct ink_jobs **jobs)
{
    struct ink_jobs *mine = *jobs;

    if (!mine)
        return;
    ink_jobs_end(mine);
    for (size_t i = 0; i < mine->count; i++)
        destroy_job(mine->job[i]);
    (void)pthread_cond_destroy(&mine->changed);
    (void)pthread_mutex_destroy(&mine->lock);
    free(mine);
    *jobs = NULL;
}

/* ---- starting ---- */

/* The first line of what came out. */
static void
take_message(struct ink_job *job, const struct ink_buf *text, const struct ink_err *err)
{
    const char *message = job->status == INK_OK ? ink_buf_text(text) : err->message;

    (void)snprintf(job->view.message, sizeof(job->view.message), "%.*s",
                   (int)strcspn(message, "\n"), message);
}

static void *
run_job(void *self)
{
    struct ink_job *job = self;
    struct ink_jobs *jobs = job->jobs;
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    struct ink_err err = {0};
    enum ink_status status = job->work.run(job->work.self, job, &text, &err);

    job->work.destroy(job->work.self); /* what it held is free before others hear of its end */
    (void)pthread_mutex_lock(&jobs->lock);
    job->status = status;
    take_message(job, &text, &err);
    job->view.state = status == INK_OK          ? INK_JOB_DONE
                      : status == INK_CANCELLED ? INK_JOB_STOPPED
                                                : INK_JOB_FAILED;
    (void)pthread_cond_broadcast(&jobs->changed);
    (void)pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static enum ink_status
fail_busy(const struct ink_job *job, struct ink_err *err)
{
    return ink_fail(err, INK_NOTNOW, "job %d (%.60s) is training: wait for it, or 'stop' it",
                    job->view.number, job->view.title);
}

enum ink_status
ink_jobs_check_idle(struct ink_jobs *jobs, struct ink_err *err)
{
    const struct ink_job *running;
    enum ink_status status;

    (void)pthread_mutex_lock(&jobs->lock);
    running = find_running(jobs);
    status = running ? fail_busy(running, err) : INK_OK;
    (void)pthread_mutex_unlock(&jobs->lock);
    return status;
}

/* Put a job into the list, in the oldest one's place if need be, and give it its thread; under the
 * lock. */
static enum ink_status
launch(struct ink_jobs *jobs, struct ink_job *job, struct ink_err *err)
{
    const struct ink_job *running = find_running(jobs);
    sigset_t all, old;

    if (running)
        return fail_busy(running, err);
    (void)sigfillset(&all); /* signals are for the program's own threads */
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    job->has_thread = pthread_create(&job->thread, NULL, run_job, job) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!job->has_thread)
        return ink_fail(err, INK_NOMEM, "cannot start a thread for a job");
    if (jobs->count == INK_JOB_KEEP) {
        destroy_job(jobs->job[0]); /* it has ended: nothing is waited for */
        memmove(&jobs->job[0], &jobs->job[1], (INK_JOB_KEEP - 1) * sizeof(struct ink_job *));
        jobs->count--;
    }
    job->view.number = ++jobs->last_number;
    jobs->job[jobs->count++] = job;
    return INK_OK;
}

enum ink_status
ink_jobs_start(struct ink_jobs *jobs, const char *title, const struct ink_job_work *work,
               int *out_number, struct ink_err *err)
{
    struct ink_job *job = calloc(1, sizeof(*job));
    enum ink_status status;

    if (!job) {
        work->destroy(work->self);
        return ink_fail(err, INK_NOMEM, "out of memory");
    }
    job->jobs = jobs;
    job->work = *work;
    (void)snprintf(job->view.title, sizeof(job->view.title), "%s", title);
    (void)pthread_mutex_lock(&jobs->lock); /* the job's thread waits for it before it says a word */
    status = launch(jobs, job, err);
    if (status != INK_OK) {
        (void)pthread_mutex_unlock(&jobs->lock);
        work->destroy(work->self);
        free(job);
        return status;
    }
    while (!job->has_reported && job->view.state == INK_JOB_RUNS)
        (void)pthread_cond_wait(&jobs->changed, &jobs->lock);
    if (!job->has_reported && job->status != INK_OK)
        status = ink_fail(err, job->status, "%s", job->view.message);
    *out_number = job->view.number;
    (void)pthread_mutex_unlock(&jobs->lock);
    return status;
}

/* ---- the job's own ---- */

const atomic_bool *
ink_job_cancel_flag(const struct ink_job *job)
{
    return &job->cancel;
}

void
ink_job_report(struct ink_job *job, const struct ink_train_progress *progress)
{
    (void)pthread_mutex_lock(&job->jobs->lock);
    job->view.progress = *progress;
    if (!job->has_reported) {
        job->has_reported = true;
        (void)pthread_cond_broadcast(&job->jobs->changed);
    }
    (void)pthread_mutex_unlock(&job->jobs->lock);
}

/* ---- looking ---- */

enum ink_status
ink_jobs_list(struct ink_jobs *jobs, struct ink_job_view **out_views, size_t *out_count,
              struct ink_err *err)
{
    struct ink_job_view *views = calloc(INK_JOB_KEEP, sizeof(*views));

    if (!views)
        return ink_fail(err, INK_NOMEM, "out of memory");
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < jobs->count; i++)
        views[i] = jobs->job[i]->view;
    *out_count = jobs->count;
    (void)pthread_mutex_unlock(&jobs->lock);
    *out_views = views;
    return INK_OK;
}

enum ink_status
ink_jobs_get(struct ink_jobs *jobs, int number, struct ink_job_view *out_view, struct ink_err *err)
{
    const struct ink_job *job;

    (void)pthread_mutex_lock(&jobs->lock);
    job = find_number(jobs, number);
    if (job)
        *out_view = job->view;
    (void)pthread_mutex_unlock(&jobs->lock);
    return job ? INK_OK : fail_not_found(number, err);
}

/* Wait for a change, or a moment; under the lock. */
static void
wait_a_moment(struct ink_jobs *jobs)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&jobs->changed, &jobs->lock, &until);
}

enum ink_status
ink_jobs_stop(struct ink_jobs *jobs, int number, const atomic_bool *cancel,
              struct ink_job_view *out_view, struct ink_err *err)
{
    struct ink_job *job;
    enum ink_status status = INK_OK;

    (void)pthread_mutex_lock(&jobs->lock);
    job = number == 0 ? find_running(jobs) : find_number(jobs, number);
    if (!job && number == 0)
        status = ink_fail(err, INK_NOTNOW, "no job is running");
    else if (!job)
        status = fail_not_found(number, err);
    else if (job->view.state != INK_JOB_RUNS)
        status = ink_fail(err, INK_NOTNOW, "job %d has ended already", number);
    if (status == INK_OK)
        atomic_store(&job->cancel, true);
    while (status == INK_OK && job->view.state == INK_JOB_RUNS) {
        if (atomic_load(cancel))
            status = ink_fail(err, INK_CANCELLED, "job %d is still stopping", job->view.number);
        else
            wait_a_moment(jobs);
    }
    if (status == INK_OK)
        *out_view = job->view;
    (void)pthread_mutex_unlock(&jobs->lock);
    return status;
}
