/* SPDX-License-Identifier: MIT */
/*
 * bench_peak: the most arithmetic that this machine does, for others to be compared with.
 *
 *   bench_peak [THREADS ...]     1 and all cores unless said otherwise
 *
 * Twelve chains of fused multiply-adds on the widest registers there are, in
 * registers only; two operations each. bf16 and int8 are dot products into
 * 32-bit sums, where the processor has them. The best of the rounds counts:
 * what is slower was somebody else. One line of JSON.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

enum { CHAINS = 12, REPEATS = 2000000, ROUNDS = 25, THREAD_MAX = 256 };

struct kind {
    const char *name;
    void (*run)(long repeats);
    double operations; /* of one instruction */
};

#if defined(__x86_64__)
/* clang-format off */
#define ON(instruction, register) instruction " %%" register "12, %%" register "12, %%" register
#define CHAIN_STEP(instruction, r) \
    ON(instruction, r) "0\n" ON(instruction, r) "1\n" ON(instruction, r) "2\n" ON(instruction, r) "3\n" \
    ON(instruction, r) "4\n" ON(instruction, r) "5\n" ON(instruction, r) "6\n" ON(instruction, r) "7\n" \
    ON(instruction, r) "8\n" ON(instruction, r) "9\n" ON(instruction, r) "10\n" ON(instruction, r) "11\n"
/* clang-format on */

/* Written in assembly, so that no compiler moves a sum to memory. */
#define CHAIN_LOOP(name, instruction, registers)                                                   \
    static void name(long repeats)                                                                 \
    {                                                                                              \
        __asm__ volatile("vpxor %%xmm12, %%xmm12, %%xmm12\n1:\n" CHAIN_STEP(                       \
                             instruction, registers) "dec %0\njnz 1b\n"                            \
                         : "+r"(repeats)                                                           \
                         :                                                                         \
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                           "xmm9", "xmm10", "xmm11", "xmm12", "cc");                               \
    }

CHAIN_LOOP(run_f32_512, "vfmadd231ps", "zmm")
CHAIN_LOOP(run_f32_256, "vfmadd231ps", "ymm")
CHAIN_LOOP(run_bf16_512, "vdpbf16ps", "zmm")
CHAIN_LOOP(run_int8_512, "vpdpbusd", "zmm")

static size_t
find_kinds(struct kind kinds[static 3])
{
    size_t count = 0;

    if (__builtin_cpu_supports("avx512f"))
        kinds[count++] = (struct kind){"f32", run_f32_512, 32};
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        kinds[count++] = (struct kind){"f32", run_f32_256, 16};
    if (__builtin_cpu_supports("avx512bf16"))
        kinds[count++] = (struct kind){"bf16", run_bf16_512, 64};
    if (__builtin_cpu_supports("avx512vnni"))
        kinds[count++] = (struct kind){"int8", run_int8_512, 128};
    return count;
}
#else
static size_t
find_kinds(struct kind kinds[static 3])
{
    (void)kinds;
    return 0; /* no loop is written for this processor: its peak stays unknown */
}
#endif

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
