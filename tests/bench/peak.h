/* SPDX-License-Identifier: MIT */
#ifndef INK_TESTS_BENCH_PEAK_H
#define INK_TESTS_BENCH_PEAK_H

/*
 * peak: loops that do nothing but arithmetic, for the benches to compare with.
 *
 * Twelve chains of fused multiply-adds on the widest registers there are, in
 * registers only; two operations each. bf16 and int8 are dot products into
 * 32-bit sums, where the processor has them.
 */
#include <stddef.h>

enum { CHAINS = 12 };

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

static inline size_t
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
static inline size_t
find_kinds(struct kind kinds[static 3])
{
    (void)kinds;
    return 0; /* no loop is written for this processor: its peak stays unknown */
}
#endif

#endif
