/* SPDX-License-Identifier: MIT */
/*
 * simd_first: convolutions of a picture that has one channel.
 *
 * Their sums have 9 or 25 products, too few for the loops of simd_conv.c to get
 * going. Here a whole window is unrolled: the weights, or the sums of their
 * gradients, stay in registers for all of a picture.
 */
#include "model/kernels/simd.h"

#include <string.h>

/* Panels at once, pixels side by side; a 5x5 window needs 25 registers. */
#if defined(__AVX512F__)
enum { WIDE = 2, SIDE = 4, SINGLE_SIDE = 8, LARGEST = 5 };
#else
enum { WIDE = 1, SIDE = 2, SINGLE_SIDE = 2, LARGEST = 3 };
#endif

bool
INK_SIMD_NAME(is_first)(const struct ink_conv *conv)
{
    int size = conv->kernel_width;

    return conv->in_channels == 1 && conv->stride == 1 && conv->kernel_height == size &&
           (size == 3 || size == LARGEST) && conv->out_channels % INK_PANEL == 0;
}

/* ---- forward, 3x3 ---- */

ALWAYS_INLINE void
forward_body(const int vectors, const int side, const struct ink_conv *conv, const float *x,
             const float *w, const float *bias, bool is_relu, float *y)
{
    const ptrdiff_t next = VECTORS == 1 ? 9 * INK_PANEL : LANES;
    vec weight[9][WIDE], start[WIDE];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = bias ? load(bias + v * LANES) : (vec){0};
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            weight[t][v] = load(w + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0; j < conv->out_width; j += side) {
            /* the last ones again rather than fewer */
            int column = least(j, conv->out_width - side);
            const float *from = x + (ptrdiff_t)i * conv->in_width + column;
            float *to = y + ((ptrdiff_t)i * conv->out_width + column) * conv->out_channels;
            vec acc[SINGLE_SIDE][WIDE];

#pragma GCC unroll 8
            for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    acc[p][v] = start[v];
#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
#pragma GCC unroll 8
                for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[p][v] += from[t / 3 * conv->in_width + t % 3 + p] * weight[t][v];
#pragma GCC unroll 8
            for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    store(to + (ptrdiff_t)p * conv->out_channels + v * LANES,
                          is_relu ? clamp(acc[p][v]) : acc[p][v]);
        }
}

static void
forward_wide(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
             bool is_relu, float *y)
{
    forward_body(WIDE, SIDE, conv, x, w, bias, is_relu, y);
}

static void
forward_single(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
               bool is_relu, float *y)
{
    forward_body(1, SINGLE_SIDE, conv, x, w, bias, is_relu, y);
}

bool
INK_SIMD_NAME(first_conv)(const struct ink_conv *conv, const float *x, const float *w,
                          const float *bias, bool is_relu, float *y)
{
    if (!INK_SIMD_NAME(is_first)(conv) || conv->kernel_width != 3 || conv->out_width < SINGLE_SIDE)
        return false;
    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        const float *from = w + (ptrdiff_t)(c / INK_PANEL) * 9 * INK_PANEL + c % INK_PANEL;
        bool is_wide = c + WIDE * LANES <= conv->out_channels;

        lanes = is_wide ? WIDE * LANES : LANES;
        (is_wide ? forward_wide : forward_single)(conv, x, from, bias ? bias + c : NULL, is_relu,
                                                  y + c);
    }
    return true;
}

/* ---- forward with a maxpool, 3x3 ---- */

#if defined(__AVX512F__)
ALWAYS_INLINE void
pooled_body(const int vectors, const struct ink_conv *conv, const float *x, const float *w,
            const float *bias, bool is_relu, float *y, uint8_t *place)
{
    const int windows = 3 - vectors; /* 8 sums either way */
    const ptrdiff_t next = 9 * INK_PANEL, channels = conv->out_channels;
    const int width = conv->out_width / 2;
    vec weight[9][2], start[2];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = bias ? load(bias + v * LANES) : (vec){0};
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            weight[t][v] = load(w + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < conv->out_height / 2; i++)
        for (int j = 0; j < width; j += windows) {
            int column = least(j, width - windows);
            const float *from = x + 2 * ((ptrdiff_t)i * conv->in_width + column);
            ptrdiff_t to = ((ptrdiff_t)i * width + column) * channels;
            vec acc[2][4][2];

#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
#pragma GCC unroll 8
                for (int p = 0; p < 4 * windows; p++)
                    acc[p / (2 * windows)][p % (2 * windows)][v] = start[v];
#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
#pragma GCC unroll 8
                for (int p = 0; p < 4 * windows; p++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[p / (2 * windows)][p % (2 * windows)][v] +=
                            from[(t / 3 + p / (2 * windows)) * conv->in_width + t % 3 +
                                 p % (2 * windows)] *
                            weight[t][v];
#pragma GCC unroll 2
            for (int p = 0; p < windows; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    ptrdiff_t at = to + p * channels + v * LANES;
                    const vec of[4] = {acc[0][2 * p][v], acc[0][2 * p + 1][v], acc[1][2 * p][v],
                                       acc[1][2 * p + 1][v]};

                    store_window(of, is_relu, y + at, place ? place + at : NULL);
                }
        }
}

static void
pooled_wide(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
            bool is_relu, float *y, uint8_t *place)
{
    pooled_body(2, conv, x, w, bias, is_relu, y, place);
}

static void
pooled_single(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
              bool is_relu, float *y, uint8_t *place)
{
    pooled_body(1, conv, x, w, bias, is_relu, y, place);
}
#endif

bool
INK_SIMD_NAME(first_pooled)(const struct ink_conv *conv, const float *x, const float *w,
                            const float *bias, bool is_relu, float *y, uint8_t *place)
{
#if defined(__AVX512F__)
    if (!INK_SIMD_NAME(is_first)(conv) || conv->kernel_width != 3 || conv->out_width < 4)
        return false;
    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        bool is_wide = c + 2 * LANES <= conv->out_channels;

        lanes = is_wide ? 2 * LANES : LANES;
        (is_wide ? pooled_wide : pooled_single)(conv, x, w + (ptrdiff_t)c * 9,
                                                bias ? bias + c : NULL, is_relu, y + c,
                                                place ? place + c : NULL);
    }
    return true;
#else /* too few registers: the general way is as good */
    (void)conv, (void)x, (void)w, (void)bias, (void)is_relu, (void)y, (void)place;
    return false;
#endif
}

/* ---- backward to the weights ---- */

/* Which taps of a window are summed at once, for how many vectors of channels. */
struct taps {
    int size, first, rows, vectors;
};

/* dw[t] += x[t] * dy of each output, or of each window the one that won. */
ALWAYS_INLINE void
weights_body(const struct taps taps, const bool is_pooled, const struct ink_conv *conv,
             const float *x, const float *dy, const uint8_t *place, float *dw)
{
    const int size = taps.size, vectors = taps.vectors, window = size * taps.rows;
    const int four = is_pooled ? 4 : 1, step = is_pooled ? 2 : 1;
    const ptrdiff_t next = VECTORS == 1 ? size * size * INK_PANEL : LANES;
    vec acc[LARGEST * 3][WIDE];

    x += (ptrdiff_t)taps.first * conv->in_width;
    dw += (ptrdiff_t)taps.first * size * INK_PANEL;
#pragma GCC unroll 15
    for (int t = 0; t < window; t++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            acc[t][v] = load(dw + t * INK_PANEL + v * next);
    for (int i = 0; i < conv->out_height / step; i++)
        for (int j = 0; j < conv->out_width / step; j++, dy += conv->out_channels) {
            const float *from = x + (ptrdiff_t)step * (i * conv->in_width + j);

#pragma GCC unroll 4
            for (int n = 0; n < four; n++) {
                vec gradient[WIDE];

#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    gradient[v] = load(dy + v * LANES);
                    if (is_pooled) {
                        mask winner = load_bytes(place + v * LANES);

                        gradient[v] = choose(winner == n, gradient[v], (vec){0});
                    }
                }
#pragma GCC unroll 15
                for (int t = 0; t < window; t++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[t][v] += from[(n / 2 + t / size) * conv->in_width + n % 2 + t % size] *
                                     gradient[v];
            }
            if (is_pooled)
                place += conv->out_channels;
        }
#pragma GCC unroll 15
    for (int t = 0; t < window; t++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            store(dw + t * INK_PANEL + v * next, acc[t][v]);
}

typedef void weights_fn(const struct ink_conv *conv, const float *x, const float *dy,
                        const uint8_t *place, float *dw);

/* 25 sums at once would leave no registers for the rest. */
#define DEFINE_WEIGHTS(name, size, vectors, is_pooled)                                           \
    static void name(const struct ink_conv *conv, const float *x, const float *dy,               \
                     const uint8_t *place, float *dw)                                            \
    {                                                                                            \
        weights_body((struct taps){size, 0, 3, vectors}, is_pooled, conv, x, dy, place, dw);     \
        if (size == 5)                                                                           \
            weights_body((struct taps){size, 3, 2, vectors}, is_pooled, conv, x, dy, place, dw); \
    }
DEFINE_WEIGHTS(wide_3, 3, WIDE, false)
DEFINE_WEIGHTS(single_3, 3, 1, false)
DEFINE_WEIGHTS(pooled_wide_3, 3, WIDE, true)
DEFINE_WEIGHTS(pooled_single_3, 3, 1, true)
#if defined(__AVX512F__)
DEFINE_WEIGHTS(single_5, 5, 1, false)
DEFINE_WEIGHTS(pooled_single_5, 5, 1, true)
#else
#define single_5        single_3
#define pooled_single_5 pooled_single_3
#endif

static void
weights_add(const struct ink_conv *conv, const float *x, const float *dy, const uint8_t *place,
            float *dw)
{
    int window = conv->kernel_height * conv->kernel_width;

    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        float *to = dw + (ptrdiff_t)(c / INK_PANEL) * window * INK_PANEL + c % INK_PANEL;
        bool is_wide = window == 9 && c + WIDE * LANES <= conv->out_channels;
        weights_fn *run = is_wide ? wide_3 : window == 9 ? single_3 : single_5;

        if (place)
            run = is_wide ? pooled_wide_3 : window == 9 ? pooled_single_3 : pooled_single_5;
        lanes = is_wide ? WIDE * LANES : LANES;
        run(conv, x, dy + c, place ? place + c : NULL, to);
    }
}

bool
INK_SIMD_NAME(first_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                             bool is_added, float *dw)
{
    if (!INK_SIMD_NAME(is_first)(conv))
        return false;
    if (!is_added)
        memset(dw, 0,
               (size_t)(conv->kernel_height * conv->kernel_width * conv->out_channels) *
                   sizeof(*dw));
    weights_add(conv, x, dy, NULL, dw);
    return true;
}

bool
INK_SIMD_NAME(first_pooled_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                                    const uint8_t *place, float *dw)
{
    if (!INK_SIMD_NAME(is_first)(conv))
        return false;
    weights_add(conv, x, dy, place, dw);
    return true;
}
