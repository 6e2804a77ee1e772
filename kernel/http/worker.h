/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_WORKER_H
#define INK_HTTP_WORKER_H

/*
 * worker: what one request at a time needs to ask the network.
 *
 * A pool has as many workers as the server has threads, so taking one never
 * waits. Each keeps its predictors and buffers from request to request, on the
 * session's newest network.
 *
 * Threads  take and give: any; a taken worker: its taker
 */

#include "kernel/command/session.h"
#include "kernel/command/view.h"
#include "kernel/http/tensor_json.h"
#include "model/predictor.h"

struct ink_worker_pool;

struct ink_worker {
    struct ink_worker *next; /* the pool's */
    struct ink_worker_pool *pool;
    struct ink_session *session;
    bool has_wide;                /* holds the pool's predictor that uses all cores */
    struct ink_predictor *single; /* see ink_worker_single */
    struct ink_predictor *batch;  /* see ink_worker_batch */
    struct ink_viewer *viewer;    /* see ink_worker_viewer */
    struct ink_tensor_request tensors;
    float *probabilities; /* [probability_count] */
    size_t probability_count;
};

INK_MUST_CHECK enum ink_status ink_worker_pool_create(struct ink_session *session, int count,
                                                      struct ink_compute compute,
                                                      struct ink_worker_pool **out_pool,
                                                      struct ink_err *err);
/* All workers must have been given back. */
struct ink_compute ink_worker_pool_compute(const struct ink_worker_pool *pool);
void ink_worker_pool_destroy(struct ink_worker_pool **pool);

struct ink_worker *ink_worker_take(struct ink_worker_pool *pool);
void ink_worker_give(struct ink_worker_pool *pool, struct ink_worker *worker);

/*
 * A predictor for one picture, on this thread; one for `count`; a viewer. All on the newest
 * network, the worker's until it is given back. A large batch has all cores if no other has them
 * already: two of that kind would only push each other off.
 *
 * Errors   of the network; INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_worker_single(struct ink_worker *worker,
                                                 struct ink_predictor **out_predictor,
                                                 struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_worker_batch(struct ink_worker *worker, size_t count,
                                                struct ink_predictor **out_predictor,
                                                struct ink_err *err);
INK_MUST_CHECK enum ink_status
ink_worker_viewer(struct ink_worker *worker, struct ink_viewer **out_viewer, struct ink_err *err);

/* Room for `count` pictures' probabilities in worker->probabilities. */
INK_MUST_CHECK enum ink_status ink_worker_reserve(struct ink_worker *worker, size_t count,
                                                  struct ink_err *err);

#endif
