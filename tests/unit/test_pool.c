/* SPDX-License-Identifier: MIT */
/* pool: every thread works once a run, barriers hold, sleepers wake. */

#include "tests/unit/ink_test.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "model/kernels/pool.h"

enum { THREAD_MAX = 5, BARRIERS = 50 };

struct work {
    struct ink_pool *pool;
    atomic_int calls[THREAD_MAX];
    atomic_int phase_sum;
    atomic_int mistakes;
};

static void
count_call(void *self, int thread)
{
    struct work *work = self;

    (void)atomic_fetch_add(&work->calls[thread], 1);
}

static void
every_thread_works_once_a_run(void **state)
{
    struct ink_err err;

    (void)state;
    for (int threads = 1; threads <= THREAD_MAX; threads++) {
        INK_CLEANUP(ink_pool_destroy) struct ink_pool *pool = NULL;
        struct work work = {0};

        assert_ok(ink_pool_create(threads, &pool, &err), &err);
        assert_int_equal(ink_pool_thread_count(pool), threads);
        for (int run = 1; run <= 200; run++) {
            ink_pool_run(pool, count_call, &work);
            for (int i = 0; i < THREAD_MAX; i++)
                assert_int_equal(atomic_load(&work.calls[i]), i < threads ? run : 0);
            if (run % 100 == 0) { /* longer than the pool spins: the next run wakes sleepers */
                struct timespec pause = {.tv_nsec = 2000000};

                (void)nanosleep(&pause, NULL);
            }
        }
    }
}

static void
meet(void *self, int thread)
{
    struct work *work = self;
    int threads = ink_pool_thread_count(work->pool);

    (void)thread;
    for (int i = 1; i <= BARRIERS; i++) {
        (void)atomic_fetch_add(&work->phase_sum, 1);
        ink_pool_barrier(work->pool);
        if (atomic_load(&work->phase_sum) != i * threads)
            (void)atomic_fetch_add(&work->mistakes, 1);
        ink_pool_barrier(work->pool);
    }
}

static void
nobody_passes_a_barrier_alone(void **state)
{
    struct ink_err err;

    (void)state;
    for (int threads = 1; threads <= THREAD_MAX; threads++) {
        INK_CLEANUP(ink_pool_destroy) struct ink_pool *pool = NULL;
        struct work work = {0};

        assert_ok(ink_pool_create(threads, &pool, &err), &err);
        work.pool = pool;
        ink_pool_run(pool, meet, &work);
        assert_int_equal(atomic_load(&work.mistakes), 0);
        assert_int_equal(atomic_load(&work.phase_sum), threads * BARRIERS);
    }
}

static void
thread_counts_have_a_range(void **state)
{
    INK_CLEANUP(ink_pool_destroy) struct ink_pool *all = NULL;
    struct ink_pool *none = NULL;
    struct ink_err err;

    (void)state;
    assert_fails(INK_BADARG, "-1 threads, expected 0 to", ink_pool_create(-1, &none, &err), &err);
    assert_fails(INK_BADARG, "257 threads", ink_pool_create(INK_POOL_THREAD_MAX + 1, &none, &err),
                 &err);
    assert_null(none);
    assert_ok(ink_pool_create(0, &all, &err), &err);
    assert_true(ink_pool_thread_count(all) >= 1);
}

static void
the_environment_says_how_many(void **state)
{
    static const char *const wrong[] = {"-1", "257", "two", "1.5", " 2", "2x"};
    int usual = ink_threads_default();
    struct ink_err err;

    (void)state;
    for (int wanted = 0; wanted <= 3; wanted++) {
        INK_CLEANUP(ink_pool_destroy) struct ink_pool *pool = NULL;
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", wanted);
        assert_int_equal(setenv("INKLING_THREADS", text, 1), 0);
        assert_ok(ink_threads_check(&err), &err);
        assert_int_equal(ink_threads_wanted(), wanted);
        assert_ok(ink_pool_create(0, &pool, &err), &err);
        assert_int_equal(ink_pool_thread_count(pool), wanted > 0 ? wanted : usual);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(setenv("INKLING_THREADS", wrong[i], 1), 0);
        assert_fails(INK_BADARG, "INKLING_THREADS: ", ink_threads_check(&err), &err);
        assert_int_equal(ink_threads_default(), usual);
    }
    assert_int_equal(setenv("INKLING_THREADS", "", 1), 0);
    assert_ok(ink_threads_check(&err), &err);
    assert_int_equal(ink_threads_wanted(), 0);
    assert_int_equal(unsetenv("INKLING_THREADS"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_works_once_a_run),
        cmocka_unit_test(nobody_passes_a_barrier_alone),
        cmocka_unit_test(thread_counts_have_a_range),
        cmocka_unit_test(the_environment_says_how_many),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
