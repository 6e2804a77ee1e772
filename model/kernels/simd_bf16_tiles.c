/* SPDX-License-Identifier: MIT */
/*
 * simd_bf16_tiles: convolutions of 3x3 in bf16 with less than half of the multiplications.
 *
 * As simd_winograd.c, with tiles of 2x2 outputs that see 4x4 inputs: these are
 * summed in float before they are rounded, four at a time and with no factors,
 * so that an output is hardly further off than by plain products. Larger tiles
 * would have larger factors, and their numbers need more digits.
 */
#include "model/kernels/simd_bf16.h"

enum { SIDE = INK_BF16_TILES_IN, OUT = INK_BF16_TILES_OUT };

ALWAYS_INLINE void
line_in(const vec d[static SIDE], vec out[static SIDE])
{
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
}

ALWAYS_INLINE void
line_out(const vec m[static SIDE], vec out[static OUT])
{
    out[0] = m[0] + m[1] + m[2];
    out[1] = m[1] - m[2] - m[3];
}

/* Which rows and columns of a tile's inputs exist: bits. */
struct part {
    unsigned rows, columns;
};

enum { WHOLE = (1 << SIDE) - 1 };

/* Of SIDE numbers from `first` on, those that are 0..size - 1. */
static unsigned
existing(int first, int size)
{
    unsigned bits = 0;

    for (int i = 0; i < SIDE; i++)
        if (first + i >= 0 && first + i < size)
            bits |= 1U << i;
    return bits;
}

/* Not by a mask: where a page is missing that takes longer than all else. */
ALWAYS_INLINE vec
load_if(bool exists, const float *from)
{
    static const float zeros[LANES];

    return load(exists ? from : zeros);
}

/* One tile, all channels; x is its first input, whether that exists or not. */
ALWAYS_INLINE void
tile_in(const struct ink_tiles *tiles, const bool is_whole, struct part part, const float *x,
        uint16_t *v)
{
    const ptrdiff_t pixel = tiles->channels, row = pixel * tiles->width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec half[SIDE][SIDE], line[SIDE];

#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++) {
#pragma GCC unroll 4
            for (int i = 0; i < SIDE; i++) {
                const float *from = x + i * row + j * pixel + c;

                line[i] =
                    is_whole ? load(from) : load_if(part.rows >> i & part.columns >> j & 1, from);
            }
            line_in(line, half[j]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < SIDE; i++) {
            vec out[SIDE];

#pragma GCC unroll 4
            for (int j = 0; j < SIDE; j++)
                line[j] = half[j][i];
            line_in(line, out);
#pragma GCC unroll 4
            for (int j = 0; j < SIDE; j++)
                _mm256_storeu_si256((void *)(v + (size_t)(i * SIDE + j) * tiles->step + c),
                                    (__m256i)_mm512_cvtneps_pbh(out[j]));
        }
    }
}

static void
tile_in_whole(const struct ink_tiles *tiles, const float *x, uint16_t *v)
{
    tile_in(tiles, true, (struct part){0}, x, v);
}

static void
tile_in_part(const struct ink_tiles *tiles, struct part part, const float *x, uint16_t *v)
{
    tile_in(tiles, false, part, x, v);
}

void
ink_bf16_tiles_in(const struct ink_tiles *tiles, const float *x, uint16_t *v)
{
    for (int i = tiles->first_row; i < tiles->last_row; i++) {
        int top = i * OUT - tiles->pad;
        const float *from = x + (ptrdiff_t)top * tiles->width * tiles->channels;
        struct part part = {.rows = existing(top, tiles->height)};

        for (int left = -tiles->pad; left + tiles->pad < tiles->out_width; left += OUT) {
            part.columns = existing(left, tiles->width);
            if ((part.rows & part.columns) == WHOLE)
                tile_in_whole(tiles, from + (ptrdiff_t)left * tiles->channels, v);
            else
                tile_in_part(tiles, part, from + (ptrdiff_t)left * tiles->channels, v);
            v += tiles->channels;
        }
    }
}

/* A tile's outputs of LANES channels. */
ALWAYS_INLINE void
sum_tile(const struct ink_tiles *tiles, const float *m, vec out[OUT][OUT])
{
    vec half[SIDE][OUT];

#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        vec line[SIDE];

#pragma GCC unroll 4
        for (int i = 0; i < SIDE; i++)
            line[i] = load(m + (size_t)(i * SIDE + j) * tiles->step);
        line_out(line, half[j]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < OUT; i++) {
        vec line[SIDE];

#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++)
            line[j] = half[j][i];
        line_out(line, out[i]);
    }
}

struct size {
    int height, width;
};

/* One tile, of whose outputs there may be fewer; y is the first. */
static void
tile_out(const struct ink_tiles *tiles, const float *m, const float *bias, const float *start,
         float *y, struct size size)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * tiles->out_width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 2
        for (int i = 0; i < OUT; i++)
#pragma GCC unroll 2
            for (int j = 0; j < OUT; j++)
                if (i < size.height && j < size.width) {
                    const ptrdiff_t at = i * row + j * pixel + c;
                    vec sum = out[i][j] + (start ? load(start + at) : shift);

                    store(y + at, tiles->is_relu ? clamp(sum) : sum);
                }
    }
}

/* The largest of a whole tile. */
static void
tile_out_pooled(const struct ink_tiles *tiles, const float *m, const float *bias, float *y)
{
    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
        store_window((const vec[4]){out[0][0] + shift, out[0][1] + shift, out[1][0] + shift,
                                    out[1][1] + shift},
                     tiles->is_relu, y + c, NULL);
    }
}

void
ink_bf16_tiles_out(const struct ink_tiles *tiles, const float *m, const float *bias,
                   const float *start, float *y)
{
    int side = tiles->is_pooled ? 1 : OUT;
    ptrdiff_t row = tiles->is_pooled ? tiles->out_width / OUT : tiles->out_width;

    for (int i = tiles->first_row; i < tiles->last_row; i++)
        for (int j = 0; j * OUT < tiles->out_width; j++, m += tiles->channels) {
            const struct size size = {.height = least(tiles->out_height - i * OUT, OUT),
                                      .width = least(tiles->out_width - j * OUT, OUT)};
            const ptrdiff_t to = (i * row + j) * side * tiles->y_pixel;

            if (!tiles->is_pooled)
                tile_out(tiles, m, bias, start ? start + to : NULL, y + to, size);
            else if (size.height == OUT && size.width == OUT)
                tile_out_pooled(tiles, m, bias, y + to);
        }
}

/* ---- products ---- */

enum { PAIR_ROWS = 8, SINGLE_ROWS = 14 };

/* y[rows][16 a panel] = a[rows][pairs] * b[panels][pairs][16]. The weights of a layer may be more
 * than the second-level cache holds: those that come next, `soon`, are asked for. */
ALWAYS_INLINE void
product_body(const int rows, const int panels, const struct ink_products *form, const uint16_t *a,
             const uint16_t *b, const uint16_t *soon, float *y)
{
    const ptrdiff_t row = (ptrdiff_t)form->ins, panel = row * INK_PANEL;
    const uint16_t *at[5];
    vec acc[SINGLE_ROWS][2];

#pragma GCC unroll 14
    for (int p = 0; p < rows; p++)
        acc[p][0] = acc[p][1] = (vec){0};
        /* A base every three rows, as in simd_bf16.c. */
#pragma GCC unroll 5
    for (int q = 0; q < 5; q++) {
        at[q] = q == 0 || 3 * q >= rows ? a : at[q - 1] + 3 * row;
        __asm__("" : "+r"(at[q]));
    }
    for (size_t k = 0; k < form->ins; k += 2) {
        __m512i weight[2];

#pragma GCC unroll 2
        for (int v = 0; v < panels; v++) {
            weight[v] = load_pairs(b + v * panel + k * INK_PANEL);
            __builtin_prefetch(soon + v * panel + k * INK_PANEL);
        }
#pragma GCC unroll 14
        for (int p = 0; p < rows; p++)
#pragma GCC unroll 2
            for (int v = 0; v < panels; v++)
                acc[p][v] = dot(acc[p][v], at[p / 3] + (p % 3) * row + k, weight[v]);
    }
#pragma GCC unroll 14
    for (int p = 0; p < rows; p++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++)
            store(y + (size_t)p * form->outs + v * INK_PANEL, acc[p][v]);
}

typedef void product_fn(const struct ink_products *form, const uint16_t *a, const uint16_t *b,
                        const uint16_t *soon, float *y);

#define DEFINE_PRODUCT(name, rows, panels)                                                  \
    static void name(const struct ink_products *form, const uint16_t *a, const uint16_t *b, \
                     const uint16_t *soon, float *y)                                        \
    {                                                                                       \
        product_body(rows, panels, form, a, b, soon, y);                                    \
    }
#define DEFINE_SINGLE(n) DEFINE_PRODUCT(single_##n, n, 1)
#define DEFINE_PAIR(n)   DEFINE_PRODUCT(pair_##n, n, 2)
#define SINGLE(n)        single_##n,
#define PAIR(n)          pair_##n,

/* clang-format off */
#define EACH_PAIR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define EACH_SINGLE(X) EACH_PAIR(X) X(9) X(10) X(11) X(12) X(13) X(14)
EACH_SINGLE(DEFINE_SINGLE)
EACH_PAIR(DEFINE_PAIR)
static product_fn *const singles[] = {NULL, EACH_SINGLE(SINGLE)};
static product_fn *const pairs[] = {NULL, EACH_PAIR(PAIR)};
/* clang-format on */

/* One product, panels two by two; next: the weights of the one behind it. */
static void
multiply(const struct ink_products *form, const uint16_t *a, const uint16_t *b,
         const uint16_t *next, float *y)
{
    for (size_t o = 0, count; o < form->outs; o += count) {
        bool is_pair = o + 2 * INK_PANEL <= form->outs;
        int rows = (int)form->rows, most = is_pair ? PAIR_ROWS : SINGLE_ROWS;
        const uint16_t *soon;

        count = is_pair ? 2 * INK_PANEL : INK_PANEL;
        soon = o + count < form->outs ? b + (o + count) * form->ins : next;
        for (int r = 0, some; r < rows; r += some) {
            some = part_of(rows - r, most);
            (is_pair ? pairs : singles)[some](form, a + (size_t)r * form->ins, b + o * form->ins,
                                              soon, y + (size_t)r * form->outs + o);
        }
    }
}

void
ink_bf16_products(const struct ink_products *form, const uint16_t *a, const uint16_t *b, float *y)
{
    for (size_t i = 0; i < form->count; i++) {
        const uint16_t *of = b + i * form->b_step;

        multiply(form, a + i * form->a_step, of, i + 1 < form->count ? of + form->b_step : of,
                 y + i * form->y_step);
    }
}
