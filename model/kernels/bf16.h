/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_BF16_H
#define INK_MODEL_KERNELS_BF16_H

/*
 * bf16: convolutions and dense layers on numbers of 16 bits.
 *
 * A bf16 is the upper half of a float: its sign, its exponent, 7 bits of its
 * fraction. Inputs, weights and gradients are rounded to the nearest (ties to
 * even; what is too small for a normal float becomes zero), multiplied in pairs
 * and summed in float. Everything else stays float.
 *
 * Two neighbours make a pair, because the processor's instruction multiplies
 * and adds two at once:
 *
 *     forward    x [H][W][C], plain; weights [ceil(O/16)][KH][ceil(KW*I/2)][16][2]: a row of the
 *                window is one run of KW*I numbers, paired along the run
 *     weights'   x and dy as pairs of the same number of two pictures: x [pairs][H][W][I][2],
 *     gradient   dy [ceil(O/16)][pairs][OH][OW][16][2]
 *
 * Where the second of a pair is missing it is zero. The first of the tables that
 * knows this is avx512bf16; the reference knows it too and is its judge.
 *
 * Kernels read up to INK_KERNEL_SLACK numbers behind x and multiply them with
 * zero: they must be finite.
 *
 * Source   Intel, "bfloat16 - Hardware Numerics Definition", 2018
 * Threads  all functions are pure
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ink_conv;
struct ink_norm;
struct ink_dense;
struct ink_soon;
struct ink_span;
struct ink_tiles;
struct ink_products;

/* Tiles of 2x2 outputs of a 3x3 convolution of stride 1: 16 products in place of 36. */
enum { INK_BF16_TILES_OUT = 2, INK_BF16_TILES_IN = 4, INK_BF16_TILES_NUMBERS = 16 };

/* Two pictures' pixels, `step` numbers apart, to [ceil(channels/16)][pixels][16][2], panels
 * `panel_step` numbers apart. */
struct ink_zip {
    size_t pixels, channels, step, panel_step;
};

/* Pairs of pictures for the weights' gradient; x's are x_step numbers apart. */
struct ink_pairs {
    size_t count;
    const uint16_t *x, *dy;
    size_t x_step;
};

struct ink_bf16 {
    bool is_fast; /* faster than floats: the processor multiplies them */
    /* y[i] = bf16 of x[i] */
    void (*round)(size_t count, const float *x, uint16_t *y);
    /* x [rows][count] to y [ceil(rows/2)][count][2] */
    void (*pair_rows)(size_t rows, size_t count, const float *x, uint16_t *y);
    /* y[pixels][channels][2] = x[..] and second[..], which may be NULL: zeros; through two batch
     * norms' lines, norms[0] and [1], unless the first one's `scale` is NULL. */
    void (*pair)(const struct ink_norm *norms, size_t pixels, const float *x, const float *second,
                 uint16_t *y);
    /* The same of bf16 numbers, by panels, as a gradient lies in pairs. */
    void (*zip_panels)(const struct ink_zip *form, const uint16_t *x, const uint16_t *second,
                       uint16_t *y);
    /* What ink_kernels' norm and norm_backward give, rounded. */
    void (*norm)(const struct ink_norm *norm, size_t pixels, const float *x, uint16_t *y);
    void (*norm_backward)(const struct ink_norm *norm, size_t pixels, const float *x,
                          const float *dy, const float *abc, uint16_t *dx);
    /* y[OH][OW][O] = act(w * x + bias), or act(start + w * x): then bias is not read.
     * bias [panels][16] or NULL; start [OH][OW][O], may be y, or NULL. */
    void (*conv)(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                 const float *bias, bool is_relu, const float *start, float *y);
    /* y (+)= w * x where y's pixels are apart: floats from one to the next, and from row to row. */
    void (*conv_apart)(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                       bool is_added, float *y, const size_t apart[static 2]);
    /* conv of stride 1 and the largest of each 2x2 outputs, as ink_kernels' conv_pooled. */
    void (*conv_pooled)(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                        const float *bias, bool is_relu, float *y, uint8_t *place);
    /* The same for some of each row's windows, as ink_kernels' conv_pooled_spans. */
    void (*conv_pooled_spans)(const struct ink_conv *conv, const struct ink_span *spans,
                              const uint16_t *x, const uint16_t *w, const float *bias, bool is_relu,
                              float *y, uint8_t *place);
    /* As ink_kernels' of the same names: v[16][tiles][channels]; b of the products
     * [panels][ins / 2][16][2]. */
    void (*tiles_in)(const struct ink_tiles *tiles, const float *x, uint16_t *v);
    void (*tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias,
                      const float *start, float *y, uint8_t *place);
    void (*products)(const struct ink_products *form, const uint16_t *a, const uint16_t *b,
                     float *y);
    /* u[16][count] from w[9], `step` floats apart: what v's numbers are to be multiplied with. */
    void (*tiles_weights)(size_t count, const float *w, size_t step, float *u);
    /* dw[panels][KH][KW][I][16] (+)= the gradient from some pairs of pictures. */
    void (*conv_weights)(const struct ink_conv *conv, const struct ink_pairs *pairs, bool is_added,
                         float *dw);
    /* Weights [count][16] of 16 outputs, count inputs of them, as a panel's 16 inputs see them on
     * the way back: y [8][16][2], pairs of outputs; count <= 16, what is missing is zero. */
    void (*turn)(size_t count, const float *w, uint16_t *y);
    /* As ink_kernels' of the same names, with weights that are rounded as they lie in float.
     * x [pictures][inputs, in pairs], zero where there is none. */
    void (*dense)(const struct ink_dense *form, const uint16_t *x, const uint16_t *w,
                  const float *bias, bool is_relu, float *y);
    /* One picture, with weights in rows (ink_bf16_row_at): those of inputs that are zero are not
     * read. x is rounded. */
    void (*dense_one)(const struct ink_dense *form, const float *x, const uint16_t *w,
                      const float *bias, bool is_relu, float *y);
    /* dy [panels of pictures][outputs in panels / 2][16][2] */
    void (*dense_back)(const struct ink_dense *form, size_t count, const uint16_t *w,
                       const uint16_t *dy, const float *x, float *dx);
    /* x [ceil(pictures/2)][inputs][2], dy [ceil(pictures/2)][outputs, in panels][2] */
    void (*dense_weights)(const struct ink_dense *form, const uint16_t *x, const uint16_t *dy,
                          const struct ink_soon *soon, float *dw);
};

/* Outputs of a row: an input's weights to as many lie together. */
enum { INK_BF16_ROW_MAX = 256, INK_BF16_ROW_BLOCK = 32 };

/* Of the next row, if `left` outputs are left: less than a block of it is unused. */
static inline size_t
ink_bf16_row_size(size_t left)
{
    size_t size = INK_BF16_ROW_MAX;

    while (size >= left + INK_BF16_ROW_BLOCK && size > INK_BF16_ROW_BLOCK)
        size /= 2;
    return size;
}

/* Where a weight is among [rows][inputs][outputs of a row]. In a block of 32 the first and the
 * second half are in turn by four: two inputs' blocks shuffle to pairs of 16 neighbours. */
static inline size_t
ink_bf16_row_at(size_t inputs, size_t outputs, size_t out, size_t in)
{
    size_t first = 0, size = ink_bf16_row_size(outputs), o;

    while (out - first >= size) {
        first += size;
        size = ink_bf16_row_size(outputs - first);
    }
    o = (out - first) % INK_BF16_ROW_BLOCK;
    return first * inputs + in * size + (out - first) - o + o % 16 / 4 * 8 + o / 16 * 4 + o % 4;
}

static inline uint32_t
ink_bf16_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* The bf16 nearest to x. */
static inline uint16_t
ink_bf16_of(float x)
{
    uint32_t bits = ink_bf16_bits(x), is_normal = bits & 0x7f800000;

    if ((bits & 0x7fffffff) > 0x7f800000) /* NaN, a quiet one */
        return (uint16_t)(bits >> 16 | 0x40);
    bits = is_normal ? bits + 0x7fff + (bits >> 16 & 1) : bits & 0x80000000;
    return (uint16_t)(bits >> 16);
}

static inline float
ink_bf16_value(uint16_t number)
{
    uint32_t bits = (uint32_t)number << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

#endif
