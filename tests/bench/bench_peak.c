/* SPDX-License-Identifier: MIT */
/*
 * bench_peak: the most arithmetic that this machine does, for others to be compared with.
 *
 *   bench_peak [THREADS ...]     1 and all cores unless said otherwise
 *
 * The loops of peak.h. The best of the rounds counts: what is slower was
 * somebody else. One line of JSON.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "tests/bench/peak.h"

enum { REPEATS = 2000000, ROUNDS = 25, THREAD_MAX = 256 };

/* One thread's part; all start together. */
struct part {
    const struct kind *kind;
    atomic_int *waiting;
};

static void *
run_part(void *argument)
{
    const struct part *part = argument;

    atomic_fetch_sub(part->waiting, 1);
    while (atomic_load(part->waiting) > 0)
        ;
    part->kind->run(REPEATS);
    return NULL;
}

/* Thousand millions of operations a second of one round, 0 if a thread could not be started. */
static double
measure(const struct kind *kind, int threads)
{
    pthread_t thread[THREAD_MAX];
    atomic_int waiting = threads;
    struct part part = {kind, &waiting};
    uint64_t start = ink_clock_ns();
    int started = 1;

    while (started < threads && pthread_create(&thread[started], NULL, run_part, &part) == 0)
        started++;
    atomic_fetch_sub(&waiting, threads - started);
    (void)run_part(&part);
    for (int i = 1; i < started; i++)
        (void)pthread_join(thread[i], NULL);
    if (started < threads)
        return 0;
    return kind->operations * CHAINS * REPEATS * threads / (double)(ink_clock_ns() - start);
}

static void
print_peaks(int threads)
{
    struct kind kinds[3];
    size_t count = find_kinds(kinds);

    printf("\"%d\": {", threads);
    for (size_t k = 0; k < count; k++) {
        double best = 0;

        for (int round = 0; round < ROUNDS; round++) {
            double found = measure(&kinds[k], threads);

            best = found > best ? found : best;
        }
        printf("%s\"%s\": %.1f", k ? ", " : "", kinds[k].name, best);
    }
    printf("}");
}

int
main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int threads[THREAD_MAX] = {1, cores > THREAD_MAX ? THREAD_MAX : (int)cores};
    int count = argc > 1 ? argc - 1 : 1 + (cores > 1);

    for (int i = 0; i + 1 < argc && i < THREAD_MAX; i++) {
        struct ink_err err;
        int64_t value;

        if (ink_parse_int("threads", argv[i + 1], 1, THREAD_MAX, &value, &err)) {
            (void)fprintf(stderr, "bench_peak: %s\n", err.message);
            return 64;
        }
        threads[i] = (int)value;
    }
    printf("{");
    for (int i = 0; i < count && i < THREAD_MAX; i++) {
        printf("%s", i ? ", " : "");
        print_peaks(threads[i]);
    }
    printf("}\n");
    return 0;
}
