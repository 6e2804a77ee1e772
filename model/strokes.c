/* SPDX-License-Identifier: MIT */
#include "model/strokes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "base/threads.h"
#include "model/generator.h"
#include "model/prepare.h"

enum { WORKER_MAX = 16, SHARE = 250 /* pictures taken at a time */ };

/* Arbitrary, and fixed for good: they are what the data set is. */
static const uint64_t seed_of[] = {[INK_TRAIN] = 20260101, [INK_TEST] = 20260202};

/* Both halves, once made. Guarded by cache_lock, which is also held while one is being made, so
 * that it is made once; no other lock is taken inside. */
static struct ink_dataset *cache[2];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

/* One half in the making: workers take shares of it by `next`. */
struct job {
    struct ink_dataset *dataset;
    uint64_t seed;
    const atomic_bool *cancel; /* may be NULL */
    atomic_size_t next;
    atomic_int status; /* the first failure */
};

static enum ink_status
make_picture(const struct job *job, size_t index)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    struct ink_dataset *dataset = job->dataset;
    struct ink_preparation preparation;
    struct ink_rng rng;
    int digit = (int)(index % INK_CLASS_COUNT);
    enum ink_status status;

    ink_rng_init(&rng, job->seed, index);
    status = ink_generator_draw(&rng, digit, &drawing, NULL);
    if (status)
        return status;
    ink_prepare_drawing(drawing, dataset->pixels + index * INK_PICTURE_SIZE, &preparation);
    dataset->labels[index] = (uint8_t)digit;
    if (dataset->drawings) {
        dataset->drawings[index] = drawing;
        drawing = NULL;
    }
    return INK_OK;
}

static void *
run_worker(void *argument)
{
    struct job *job = argument;
    size_t from;

    while ((from = atomic_fetch_add(&job->next, SHARE)) < job->dataset->count) {
        for (size_t i = from; i < from + SHARE && i < job->dataset->count; i++) {
            enum ink_status status =
                job->cancel && atomic_load(job->cancel) ? INK_CANCELLED : make_picture(job, i);

            if (status) {
                atomic_store(&job->status, (int)status);
                atomic_store(&job->next, job->dataset->count);
                return NULL;
            }
        }
    }
    return NULL;
}

/* Run the job on all cores, or as many threads as are wanted; this thread works too, so it succeeds
 * without any helper. */
static void
run_job(struct job *job)
{
    pthread_t helper[WORKER_MAX];
    int cores = ink_threads_default();
    int count = 0;

    while (count < WORKER_MAX && count + 1 < cores &&
           pthread_create(&helper[count], NULL, run_worker, job) == 0)
        count++;
    (void)run_worker(job);
    while (count > 0)
        (void)pthread_join(helper[--count], NULL);
}

static enum ink_status
make(enum ink_split split, const atomic_bool *cancel, struct ink_dataset **out_dataset,
     struct ink_err *err)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    size_t count = split == INK_TRAIN ? INK_STROKES_TRAIN_COUNT : INK_STROKES_TEST_COUNT;
    struct job job = {.seed = seed_of[split], .cancel = cancel};
    enum ink_status status;

    status = ink_dataset_create(split == INK_TRAIN ? "strokes train" : "strokes test", count,
                                &dataset, err);
    if (status)
        return status;
    if (split == INK_TEST) {
        dataset->drawings = calloc(count, sizeof(struct ink_drawing *));
        if (!dataset->drawings)
            return ink_fail(err, INK_NOMEM, "no memory for %zu drawings", count);
    }
    job.dataset = dataset;
    run_job(&job);
    status = (enum ink_status)atomic_load(&job.status);
    if (status)
        return ink_fail(err, status,
                        status == INK_CANCELLED
                            ? "the drawing of the strokes data set was cancelled"
                            : "the strokes data set could not be drawn");
    *out_dataset = dataset;
    dataset = NULL;
    return INK_OK;
}

enum ink_status
ink_strokes_load(enum ink_split split, const atomic_bool *cancel, struct ink_dataset **out_dataset,
                 struct ink_err *err)
{
    enum ink_status status = INK_OK;

    (void)pthread_mutex_lock(&cache_lock);
    if (!cache[split])
        status = make(split, cancel, &cache[split], err);
    if (!status)
        *out_dataset = ink_dataset_ref(cache[split]);
    (void)pthread_mutex_unlock(&cache_lock);
    return status;
}
