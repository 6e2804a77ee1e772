/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SIMD_POOLED_TILES_H
#define INK_MODEL_KERNELS_SIMD_POOLED_TILES_H

/*
 * simd_pooled_tiles: a convolution and the largest of each 2x2 of its outputs,
 * in one, for floats and for pairs of bf16 alike.
 *
 * The four outputs of a window lie in registers when they are compared, so that
 * only the largest is written.
 *
 * A source that includes this says before it what a number is, how many are
 * multiplied in one step, and how:
 *
 *     typedef number;
 *     enum { UNIT };
 *     vec multiply_add(vec sum, const number *a, vec b);   sum + a * b
 */

#include "model/kernels/simd.h"

/* Windows side by side that a tile computes, and vectors of output channels. */
#if defined(__AVX512F__)
enum { PAIR = 2, PAIR_WINDOWS = 2, SINGLE_WINDOWS = 4 };
#else
enum { PAIR = 2, PAIR_WINDOWS = 1, SINGLE_WINDOWS = 2 };
#endif
enum { COLUMNS_MAX = 2 * SINGLE_WINDOWS };
/* How far it is from a vector of weights to the next: to the next panel if a vector fills one. */
#define NEXT_VECTOR(panel) (VECTORS == 1 ? (panel) : LANES)

/* All strides in numbers; count: steps of a segment, which is a row of the window. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_row;     /* the input's strides */
    ptrdiff_t b_segment, b_panel; /* the weights' */
    ptrdiff_t y_window;
    const struct ink_span *spans; /* NULL: all windows */
    bool is_relu;
};

ALWAYS_INLINE void
tile_body(const int windows, const int vectors, const struct tile *tile, const number *a,
          const number *b, const float *bias, float *y, uint8_t *place)
{
    vec acc[2][COLUMNS_MAX][PAIR];
    const int columns = 2 * windows;
    const ptrdiff_t pa = tile->a_pixel, next = NEXT_VECTOR(tile->b_panel);

#pragma GCC unroll 2
    for (int r = 0; r < 2; r++)
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                acc[r][c][v] = bias ? load(bias + v * LANES) : (vec){0};
    for (size_t s = 0; s < tile->segments; s++) {
        /* A base every three pixels, as in simd_conv.c. */
        const number *at[2][3], *bs = b + (ptrdiff_t)s * tile->b_segment;

#pragma GCC unroll 2
        for (int r = 0; r < 2; r++)
#pragma GCC unroll 3
            for (int q = 0; q < 3; q++) {
                at[r][q] = q == 0            ? a + ((ptrdiff_t)s + r) * tile->a_row
                           : 3 * q < columns ? at[r][q - 1] + 3 * pa
                                             : at[r][0];
                __asm__("" : "+r"(at[r][q]));
            }
        for (size_t k = 0; k < tile->count; k++) {
            vec weight[PAIR];

#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                weight[v] = load((const void *)(bs + v * next));
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
#pragma GCC unroll 8
                for (int c = 0; c < columns; c++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[r][c][v] =
                            multiply_add(acc[r][c][v], at[r][c / 3] + (c % 3) * pa, weight[v]);
            bs += INK_PANEL * UNIT;
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
#pragma GCC unroll 3
                for (int q = 0; q < 3; q++)
                    at[r][q] += UNIT;
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < windows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            store_window((const vec[4]){acc[0][2 * i][v], acc[0][2 * i + 1][v], acc[1][2 * i][v],
                                        acc[1][2 * i + 1][v]},
                         tile->is_relu, y + i * tile->y_window + v * LANES,
                         place ? place + i * tile->y_window + v * LANES : NULL);
}

typedef void tile_fn(const struct tile *tile, const number *a, const number *b, const float *bias,
                     float *y, uint8_t *place);

#define DEFINE_TILE(name, windows, vectors)                                                        \
    static void name(const struct tile *tile, const number *a, const number *b, const float *bias, \
                     float *y, uint8_t *place)                                                     \
    {                                                                                              \
        tile_body(windows, vectors, tile, a, b, bias, y, place);                                   \
    }
#if defined(__AVX512F__)
DEFINE_TILE(pair_1, 1, 2)
DEFINE_TILE(pair_2, 2, 2)
DEFINE_TILE(single_1, 1, 1)
DEFINE_TILE(single_2, 2, 1)
DEFINE_TILE(single_3, 3, 1)
DEFINE_TILE(single_4, 4, 1)
static tile_fn *const tiles[2][5] = {{NULL, single_1, single_2, single_3, single_4},
                                     {NULL, pair_1, pair_2, NULL, NULL}};
#else
DEFINE_TILE(pair_1, 1, 2)
static tile_fn *const tiles[2][5] = {{NULL}, {NULL, pair_1}};
#endif

/* A tile of which only `lanes` channels exist: through a full one on the stack. */
static void
tile_at_edge(tile_fn *run, const struct tile *tile, const number *a, const number *b,
             const float *bias, float *y, uint8_t *place, const int size[static 2])
{
    float whole[SINGLE_WINDOWS][PAIR * LANES];
    uint8_t places[SINGLE_WINDOWS][PAIR * LANES];
    struct tile edge = *tile;

    edge.y_window = PAIR * LANES;
    run(&edge, a, b, bias, whole[0], places[0]);
    for (int i = 0; i < size[0]; i++)
        for (int lane = 0; lane < size[1]; lane++) {
            y[i * tile->y_window + lane] = whole[i][lane];
            if (place)
                place[i * tile->y_window + lane] = places[i][lane];
        }
}

/* All windows of `vectors` vectors of output channels, of which `lanes` exist. */
static void
pooled_channels(const struct ink_conv *conv, const struct tile *tile, const number *x,
                const number *w, const float *bias, float *y, uint8_t *place,
                const int width[static 2])
{
    int vectors = width[0], lanes = width[1];
    tile_fn *const *run = tiles[vectors - 1];

    for (int i = 0; i < conv->out_height / 2; i++) {
        int from = tile->spans ? tile->spans[i].from : 0;
        int end = tile->spans ? tile->spans[i].to : conv->out_width / 2;

        for (int j = from, n; j < end; j += n) {
            const number *a = x + 2 * (i * tile->a_row + j * tile->a_pixel);
            ptrdiff_t to = ((ptrdiff_t)i * (conv->out_width / 2) + j) * tile->y_window;

            n = part_of(end - j, vectors == PAIR ? PAIR_WINDOWS : SINGLE_WINDOWS);
            if (lanes == vectors * LANES)
                run[n](tile, a, w, bias, y + to, place ? place + to : NULL);
            else
                tile_at_edge(run[n], tile, a, w, bias, y + to, place ? place + to : NULL,
                             (const int[2]){n, lanes});
        }
    }
}

ALWAYS_INLINE void
conv_pooled(const struct ink_conv *conv, const struct ink_span *spans, const number *x,
            const number *w, const float *bias, bool is_relu, float *y, uint8_t *place)
{
    size_t count = ((size_t)conv->kernel_width * (size_t)conv->in_channels + UNIT - 1) / UNIT;
    struct tile tile = {
        .segments = (size_t)conv->kernel_height,
        .count = count,
        .a_pixel = conv->in_channels,
        .a_row = (ptrdiff_t)conv->in_width * conv->in_channels,
        .b_segment = (ptrdiff_t)count * INK_PANEL * UNIT,
        .b_panel = (ptrdiff_t)count * INK_PANEL * UNIT * conv->kernel_height,
        .y_window = conv->out_channels,
        .spans = spans,
        .is_relu = is_relu,
    };

    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        int left = conv->out_channels - channel;
        int vectors = VECTORS > 1 || left >= PAIR * LANES ? PAIR : 1;

        lanes = least(left, vectors * LANES);
        pooled_channels(conv, &tile, x,
                        w + channel / INK_PANEL * tile.b_panel + channel % INK_PANEL,
                        bias ? bias + channel : NULL, y + channel, place ? place + channel : NULL,
                        (const int[2]){vectors, lanes});
    }
}

#endif
