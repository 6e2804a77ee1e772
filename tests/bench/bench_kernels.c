/* SPDX-License-Identifier: MIT */
/*
 * bench_kernels: convolutions and dense layers alone, one thread, in float and in bf16.
 *
 *     make build/release/tests/bench_kernels && build/release/tests/bench_kernels
 *
 * GFLOP/s of the thread's own time (others on the machine count for little), the best of many;
 * a picture at a time as training does it (weights' gradients in bf16: two), dense layers 64
 * pictures. bf16 twice: the kernel alone, and with rounding its input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/net.h"

static const struct {
    const char *name;
    struct ink_conv conv;
} shapes[] = {
    /* in_width, in, out, kernel height, width, stride, out height, width */
    {"keras conv1", {28, 1, 32, 3, 3, 1, 26, 26}},
    {"keras conv2", {26, 32, 64, 3, 3, 1, 24, 24}},
    {"keras dense1", {64, 9216, 128, 1, 1, 1, 1, 64}},
    {"keras dense1 of 1", {1, 9216, 128, 1, 1, 1, 1, 1}},
    {"resnet block 1", {30, 16, 16, 3, 3, 1, 28, 28}},
    {"resnet block 2a", {30, 16, 32, 3, 3, 2, 14, 14}},
    {"resnet block 2b", {16, 32, 32, 3, 3, 1, 14, 14}},
    {"resnet shortcut", {28, 16, 32, 1, 1, 2, 14, 14}},
    {"resnet block 3b", {9, 64, 64, 3, 3, 1, 7, 7}},
    {"twobranch a_conv1", {16, 32, 64, 3, 3, 1, 14, 14}},
    {"twobranch a_conv2", {9, 64, 256, 3, 3, 1, 7, 7}},
    {"sprint conv1", {28, 1, 16, 5, 5, 1, 24, 24}},
};

struct numbers {
    float *x, *w, *y, *dw;
    uint16_t *x16, *x_pairs, *w16, *dy16, *dy_pairs;
    uint8_t *place;
    size_t in, run, panels;
};

static double
now_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

enum form {
    FLOAT,
    FLOAT_POOLED,
    FLOAT_WEIGHTS,
    BF16,
    BF16_ROUNDED,
    BF16_POOLED,
    BF16_WEIGHTS,
    BF16_PAIRED,
    FORMS
};

static void
compute(const struct ink_kernels *kernels, const struct ink_conv *conv, struct numbers *n,
        enum form form)
{
    const struct ink_bf16 *bf16 = kernels->bf16;

    if (form == FLOAT)
        kernels->conv(conv, n->x, n->w, NULL, true, n->y);
    else if (form == FLOAT_POOLED)
        kernels->conv_pooled(conv, n->x, n->w, NULL, true, n->y, n->place);
    else if (form == FLOAT_WEIGHTS)
        kernels->conv_weights(conv, n->x, n->y, true, n->dw);
    if (form == BF16_ROUNDED)
        bf16->round(n->in, n->x, n->x16);
    if (form == BF16 || form == BF16_ROUNDED)
        bf16->conv(conv, n->x16, n->w16, NULL, true, NULL, n->y);
    if (form == BF16_POOLED)
        bf16->conv_pooled(conv, n->x16, n->w16, NULL, true, n->y, n->place);
    if (form == BF16_PAIRED) {
        const struct ink_norm plain[2] = {{.channels = 1}};
        size_t pixels = (size_t)(conv->out_height * conv->out_width);
        size_t outs = (size_t)conv->out_channels;
        const struct ink_zip zip = {pixels, outs, outs, 2 * INK_PANEL * pixels};

        bf16->pair(plain, n->in, n->x, n->x, n->x_pairs);
        bf16->round(pixels * outs, n->y, n->dy16);
        bf16->zip_panels(&zip, n->dy16, n->dy16, n->dy_pairs);
    }
    if (form == BF16_WEIGHTS || form == BF16_PAIRED) {
        const struct ink_pairs pairs = {1, n->x_pairs, n->dy_pairs, 0};

        bf16->conv_weights(conv, &pairs, true, n->dw);
    }
}

static double
gflops(const struct ink_kernels *kernels, const struct ink_conv *conv, struct numbers *n,
       enum form form)
{
    double flop = 2.0 * (double)(n->run * (size_t)conv->kernel_height) * conv->out_channels *
                  conv->out_height * conv->out_width;
    double best = 1e9;
    double pictures = form == BF16_WEIGHTS || form == BF16_PAIRED ? 2 : 1;
    int times = (int)(2e7 / flop) + 1;

    for (int i = 0; i < 30; i++) {
        double start = now_s(), one;

        for (int j = 0; j < times; j++)
            compute(kernels, conv, n, form);
        one = (now_s() - start) / times;
        best = one < best ? one : best;
    }
    return pictures * flop / best * 1e-9;
}

static float *
noise(size_t count)
{
    struct ink_rng rng;
    float *block = ink_floats(count + INK_KERNEL_SLACK);

    if (!block)
        abort();
    ink_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < count; i++)
        block[i] = ink_rng_between(&rng, -1, 1);
    return block;
}

static void
bench(const struct ink_kernels *kernels, const char *name, const struct ink_conv *conv)
{
    size_t pixels = (size_t)(conv->out_height * conv->out_width);
    struct numbers n = {.run = (size_t)(conv->kernel_width * conv->in_channels)};
    size_t weights, pairs;

    n.in = (size_t)((conv->out_height - 1) * conv->stride + conv->kernel_height) *
           (size_t)conv->in_width * (size_t)conv->in_channels;
    n.panels = (size_t)(conv->out_channels + 15) / 16;
    weights = n.panels * 16 * (size_t)conv->kernel_height * n.run;
    pairs = n.panels * 16 * (size_t)conv->kernel_height * ((n.run + 1) / 2);
    n.x = noise(n.in);
    n.w = noise(weights);
    n.dw = noise(weights);
    n.y = noise(pixels * (size_t)conv->out_channels * 2);
    n.x16 = (uint16_t *)noise(n.in);
    n.x_pairs = (uint16_t *)noise(n.in);
    n.w16 = (uint16_t *)noise(pairs);
    n.dy16 = (uint16_t *)noise(pixels * (size_t)conv->out_channels);
    n.dy_pairs = (uint16_t *)noise(pixels * n.panels * INK_PANEL);
    n.place = (uint8_t *)noise(pixels * (size_t)conv->out_channels);
    kernels->bf16->round(2 * pairs, noise(2 * pairs), n.w16);
    printf("%-18s", name);
    for (int form = 0; form < FORMS; form++) {
        bool is_pooled = form == FLOAT_POOLED || form == BF16_POOLED;

        if (is_pooled && (conv->stride > 1 || conv->out_height < 2))
            printf(" %9s", "-");
        else
            printf(" %9.1f", gflops(kernels, conv, &n, (enum form)form));
    }
    printf("\n");
}

int
main(void)
{
    const struct ink_kernels *kernels = ink_kernels();

    if (!kernels->bf16) {
        printf("%s has no bf16\n", kernels->name);
        return 0;
    }
    printf("GFLOP/s with %s\n%-18s %9s %9s %9s %9s %9s %9s %9s %9s\n", kernels->name, "", "float",
           "pooled", "weights", "bf16", "rounded", "pooled", "weights", "paired");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        bench(kernels, shapes[i].name, &shapes[i].conv);
    return 0;
}
