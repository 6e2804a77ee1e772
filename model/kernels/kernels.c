/* SPDX-License-Identifier: MIT */
/* kernels: which table of functions this process computes with. */
#include "model/kernels/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/predictor.h"

extern const struct ink_kernels ink_kernels_baseline, ink_kernels_reference;
#if defined(__x86_64__)
extern const struct ink_kernels ink_kernels_avx512, ink_kernels_avx2;
extern const struct ink_bf16 ink_bf16_avx512;

/* avx512 with bf16 beside it; filled once. */
static struct ink_kernels avx512bf16;

static void
fill_avx512bf16(void)
{
    avx512bf16 = ink_kernels_avx512;
    avx512bf16.name = "avx512bf16";
    avx512bf16.bf16 = &ink_bf16_avx512;
}
#endif

size_t
ink_kernels_list(const struct ink_kernels *out_tables[static INK_KERNELS_MAX])
{
    size_t count = 0;

#if defined(__x86_64__)
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");

    (void)pthread_once(&once, fill_avx512bf16);
    if (has_avx512 && __builtin_cpu_supports("avx512bf16"))
        out_tables[count++] = &avx512bf16;
    if (has_avx512)
        out_tables[count++] = &ink_kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        out_tables[count++] = &ink_kernels_avx2;
#endif
    out_tables[count++] = &ink_kernels_baseline;
    out_tables[count++] = &ink_kernels_reference;
    return count;
}

size_t
ink_pooled_size(const struct ink_conv *conv)
{
    size_t row = (size_t)conv->kernel_width * (size_t)conv->in_channels;
    size_t panels = ((size_t)conv->out_channels + INK_PANEL - 1) / INK_PANEL;

    return panels * INK_PANEL * (size_t)conv->kernel_height * ((row + INK_PANEL - 1) / INK_PANEL) *
           INK_PANEL;
}

static const struct ink_kernels *chosen;

static void
choose(void)
{
    const struct ink_kernels *tables[INK_KERNELS_MAX];
    size_t count = ink_kernels_list(tables);
    const char *wanted = getenv("INKLING_CPU"); /* NOLINT(concurrency-mt-unsafe): never set by us */

    chosen = tables[0];
    for (size_t i = 0; wanted && i < count; i++)
        if (strcmp(tables[i]->name, wanted) == 0)
            chosen = tables[i];
}

const struct ink_kernels *
ink_kernels(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, choose);
    return chosen;
}

void
ink_kernels_use(const struct ink_kernels *kernels)
{
    (void)ink_kernels(); /* so that nothing is chosen later */
    chosen = kernels;
}

const char *
ink_compute_name(void)
{
    return ink_kernels()->name;
}
