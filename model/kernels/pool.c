/* SPDX-License-Identifier: MIT */
#include "model/kernels/pool.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Longer than a hand-over between spinning threads (0.1 us), as long as waking a sleeping one. */
enum { SPIN_NS = 50000, SPIN_CHECK = 64 };

/* A number that threads wait to change: the sleepers' lock guards nothing else. */
struct signal_count {
    atomic_uint value;
    atomic_uint sleepers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct ink_pool {
    int thread_count;
    int started; /* threads to join */
    struct worker {
        struct ink_pool *pool;
        int index;
        pthread_t thread;
    } * worker; /* [thread_count], the first unused */
    ink_pool_fn *work;
    void *self;
    atomic_bool is_ending;
    struct signal_count round;   /* grows with every run */
    struct signal_count passage; /* grows with every barrier passed */
    atomic_int arrived;          /* threads at the barrier */
};

static bool
signal_init(struct signal_count *count)
{
    if (pthread_mutex_init(&count->lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&count->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&count->lock);
        return false;
    }
    return true;
}

static void
signal_fini(struct signal_count *count)
{
    (void)pthread_cond_destroy(&count->changed);
    (void)pthread_mutex_destroy(&count->lock);
}

static void
signal_raise(struct signal_count *count)
{
    (void)atomic_fetch_add(&count->value, 1);
    if (atomic_load(&count->sleepers) == 0)
        return;
    (void)pthread_mutex_lock(&count->lock);
    (void)pthread_cond_broadcast(&count->changed);
    (void)pthread_mutex_unlock(&count->lock);
}

static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Wait until the value is not `old`: spin, then sleep. */
static void
signal_wait(struct signal_count *count, unsigned old)
{
    uint64_t start = ink_clock_ns();

    do {
        for (int i = 0; i < SPIN_CHECK; i++) {
            if (atomic_load(&count->value) != old)
                return;
            relax();
        }
    } while (ink_clock_ns() - start < SPIN_NS);

    (void)pthread_mutex_lock(&count->lock);
    (void)atomic_fetch_add(&count->sleepers, 1);
    while (atomic_load(&count->value) == old)
        (void)pthread_cond_wait(&count->changed, &count->lock);
    (void)atomic_fetch_sub(&count->sleepers, 1);
    (void)pthread_mutex_unlock(&count->lock);
}

void
ink_pool_barrier(struct ink_pool *pool)
{
    unsigned passage = atomic_load(&pool->passage.value);

    if (pool->thread_count == 1)
        return;
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->thread_count) {
        atomic_store(&pool->arrived, 0);
        signal_raise(&pool->passage);
    } else {
        signal_wait(&pool->passage, passage);
    }
}

static void *
worker_main(void *argument)
{
    struct worker *worker = argument;
    struct ink_pool *pool = worker->pool;

    for (unsigned round = 0;; round++) {
        signal_wait(&pool->round, round);
        if (atomic_load(&pool->is_ending))
            return NULL;
        pool->work(pool->self, worker->index);
        ink_pool_barrier(pool);
    }
}

void
ink_pool_run(struct ink_pool *pool, ink_pool_fn *work, void *self)
{
    pool->work = work;
    pool->self = self;
    if (pool->thread_count > 1)
        signal_raise(&pool->round);
    work(self, 0);
    ink_pool_barrier(pool);
}

/* Signals are for the program's own threads: ours block all. */
static enum ink_status
start_workers(struct ink_pool *pool, struct ink_err *err)
{
    sigset_t all, old;
    int failure = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < pool->thread_count && failure == 0; i++) {
        pool->worker[i] = (struct worker){.pool = pool, .index = i};
        failure = pthread_create(&pool->worker[i].thread, NULL, worker_main, &pool->worker[i]);
        pool->started += failure == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failure != 0)
        return ink_fail(err, INK_NOMEM, "cannot start thread %d of %d", pool->started + 2,
                        pool->thread_count);
    return INK_OK;
}

enum ink_status
ink_pool_create(int threads, struct ink_pool **out_pool, struct ink_err *err)
{
    INK_CLEANUP(ink_pool_destroy) struct ink_pool *pool = NULL;
    enum ink_status status;

    if (threads < 0 || threads > INK_POOL_THREAD_MAX)
        return ink_fail(err, INK_BADARG, "%d threads, expected 0 to %d", threads,
                        INK_POOL_THREAD_MAX);
    if (threads == 0)
        threads = ink_threads_default();
    pool = calloc(1, sizeof(*pool));
    if (!pool)
        return ink_fail(err, INK_NOMEM, "no memory for a thread pool");
    pool->thread_count = threads;
    if (!signal_init(&pool->round)) {
        free(pool);
        pool = NULL;
        return ink_fail(err, INK_NOMEM, "no memory for a thread pool");
    }
    if (!signal_init(&pool->passage)) {
        signal_fini(&pool->round);
        free(pool);
        pool = NULL;
        return ink_fail(err, INK_NOMEM, "no memory for a thread pool");
    }
    pool->worker = calloc((size_t)threads, sizeof(*pool->worker));
    if (!pool->worker)
        return ink_fail(err, INK_NOMEM, "no memory for %d threads", threads);
    status = start_workers(pool, err);
    if (status)
        return status;
    *out_pool = pool;
    pool = NULL;
    return INK_OK;
}

void
ink_pool_destroy(struct ink_pool **pool)
{
    struct ink_pool *gone = *pool;

    if (!gone)
        return;
    atomic_store(&gone->is_ending, true);
    signal_raise(&gone->round);
    for (int i = 1; i <= gone->started; i++)
        (void)pthread_join(gone->worker[i].thread, NULL);
    signal_fini(&gone->round);
    signal_fini(&gone->passage);
    free(gone->worker);
    free(gone);
    *pool = NULL;
}

int
ink_pool_thread_count(const struct ink_pool *pool)
{
    return pool->thread_count;
}
