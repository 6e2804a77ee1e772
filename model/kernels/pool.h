/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_POOL_H
#define INK_MODEL_KERNELS_POOL_H

/*
 * pool: threads that wait for work in two states.
 *
 * A waiting thread spins for some microseconds, because the next mini-batch is
 * usually there by then, and sleeps after that, so that an idle pool costs
 * nothing and a busy machine is not made busier.
 *
 * Threads  run and barrier: one user at a time; work runs on all threads at once
 */

#include "base/status.h"
#include "base/threads.h"

enum { INK_POOL_THREAD_MAX = INK_THREADS_MAX };

struct ink_pool;

/* threads: 1..INK_POOL_THREAD_MAX including the caller's own; 0 = ink_threads_default. */
INK_MUST_CHECK enum ink_status ink_pool_create(int threads, struct ink_pool **out_pool,
                                               struct ink_err *err);
void ink_pool_destroy(struct ink_pool **pool);
int ink_pool_thread_count(const struct ink_pool *pool);

/* Call work(self, thread) for every thread 0..count-1 at once, 0 on the caller's; wait for all. */
typedef void ink_pool_fn(void *self, int thread);
void ink_pool_run(struct ink_pool *pool, ink_pool_fn *work, void *self);

/* Within work: wait until every thread of the pool is here. */
void ink_pool_barrier(struct ink_pool *pool);

#endif
