/* SPDX-License-Identifier: MIT */
#include "kernel/http/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BATCH_MAX = 64, /* more are done in parts: larger ones gain nothing and fill the cache */
    WIDE_MIN = 32,  /* pictures: below, waking other threads costs more than it brings */
};

struct ink_worker_pool {
    pthread_mutex_t lock; /* guards idle; held for a pointer or two */
    struct ink_worker *idle;
    int count;
    struct ink_compute compute;
    pthread_mutex_t wide_lock; /* guards wide; only ever tried, held for one batch */
    struct ink_predictor *wide;
    struct ink_worker worker[]; /* [count] */
};

enum ink_status
ink_worker_pool_create(struct ink_session *session, int count, struct ink_compute compute,
                       struct ink_worker_pool **out_pool, struct ink_err *err)
{
    struct ink_worker_pool *pool =
        calloc(1, sizeof(*pool) + (size_t)count * sizeof(pool->worker[0]));

    if (!pool || pthread_mutex_init(&pool->lock, NULL) != 0 ||
        pthread_mutex_init(&pool->wide_lock, NULL) != 0) {
        free(pool);
        return ink_fail(err, INK_NOMEM, "no memory for %d workers", count);
    }
    pool->count = count;
    pool->compute = compute;
    for (int i = 0; i < count; i++) {
        pool->worker[i].pool = pool;
        pool->worker[i].session = session;
        pool->worker[i].next = pool->idle;
        pool->idle = &pool->worker[i];
    }
    *out_pool = pool;
    return INK_OK;
}

struct ink_compute
ink_worker_pool_compute(const struct ink_worker_pool *pool)
{
    return pool->compute;
}

void
ink_worker_pool_destroy(struct ink_worker_pool **pool)
{
    if (!*pool)
        return;
    for (int i = 0; i < (*pool)->count; i++) {
        struct ink_worker *worker = &(*pool)->worker[i];

        ink_predictor_destroy(&worker->single);
        ink_predictor_destroy(&worker->batch);
        ink_viewer_destroy(&worker->viewer);
        ink_tensor_request_fini(&worker->tensors);
        free(worker->probabilities);
    }
    ink_predictor_destroy(&(*pool)->wide);
    (void)pthread_mutex_destroy(&(*pool)->wide_lock);
    (void)pthread_mutex_destroy(&(*pool)->lock);
    free(*pool);
    *pool = NULL;
}

struct ink_worker *
ink_worker_take(struct ink_worker_pool *pool)
{
    struct ink_worker *worker;

    (void)pthread_mutex_lock(&pool->lock);
    worker = pool->idle;
    assert(worker); /* as many as threads that take one */
    pool->idle = worker->next;
    (void)pthread_mutex_unlock(&pool->lock);
    return worker;
}

void
ink_worker_give(struct ink_worker_pool *pool, struct ink_worker *worker)
{
    if (worker->has_wide)
        (void)pthread_mutex_unlock(&pool->wide_lock);
    worker->has_wide = false;
    (void)pthread_mutex_lock(&pool->lock);
    worker->next = pool->idle;
    pool->idle = worker;
    (void)pthread_mutex_unlock(&pool->lock);
}

enum ink_status
ink_worker_single(struct ink_worker *worker, struct ink_predictor **out_predictor,
                  struct ink_err *err)
{
    enum ink_status status =
        ink_session_follow(worker->session, 1, 1, worker->pool->compute, &worker->single, err);

    *out_predictor = worker->single;
    return status;
}

enum ink_status
ink_worker_batch(struct ink_worker *worker, size_t count, struct ink_predictor **out_predictor,
                 struct ink_err *err)
{
    struct ink_predictor **predictor = &worker->batch;
    enum ink_status status;

    if (count >= WIDE_MIN && pthread_mutex_trylock(&worker->pool->wide_lock) == 0) {
        worker->has_wide = true;
        predictor = &worker->pool->wide;
    }
    status = ink_session_follow(worker->session, BATCH_MAX, worker->has_wide ? 0 : 1,
                                worker->pool->compute, predictor, err);
    *out_predictor = *predictor;
    return status;
}

enum ink_status
ink_worker_viewer(struct ink_worker *worker, struct ink_viewer **out_viewer, struct ink_err *err)
{
    enum ink_status status = INK_OK;

    if (!worker->viewer)
        status = ink_viewer_create(worker->session, &worker->viewer, err);
    *out_viewer = worker->viewer;
    return status;
}

enum ink_status
ink_worker_reserve(struct ink_worker *worker, size_t count, struct ink_err *err)
{
    float *grown;

    if (count * INK_CLASS_COUNT <= worker->probability_count)
        return INK_OK;
    grown = realloc(worker->probabilities, count * INK_CLASS_COUNT * sizeof(*grown));
    if (!grown)
        return ink_fail(err, INK_NOMEM, "no memory for %zu answers", count);
    worker->probabilities = grown;
    worker->probability_count = count * INK_CLASS_COUNT;
    return INK_OK;
}
