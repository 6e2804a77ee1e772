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

ALWAYS_INLINE void
line_of_weights(const vec g[static 3], vec out[static SIDE])
{
    const vec ends = (g[0] + g[2]) * 0.5F, middle = g[1] * 0.5F;

    out[0] = g[0];
    out[1] = ends + middle;
    out[2] = ends - middle;
    out[3] = g[2];
}

#include "model/kernels/simd_tiles.h"

/* ---- inputs ---- */

/* A row of tiles, and which of its SIDE rows of inputs exist: bits. */
struct row {
    const struct ink_tiles *tiles;
    unsigned exist;
    const float *x; /* the first of them, whether that exists or not */
};

enum { WHOLE = (1 << SIDE) - 1 };

/* Column `column` of the inputs, turned one way. */
ALWAYS_INLINE void
column_in(const struct row *row, const bool is_whole, int column, int channel, vec out[static SIDE])
{
    const ptrdiff_t pixel = row->tiles->channels, step = pixel * row->tiles->width;
    const float *from = row->x + column * pixel + channel;
    bool exists = column >= 0 && column < row->tiles->width;
    vec line[SIDE];

#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i++) {
        line[i] = (vec){0};
        if (exists && (is_whole || row->exist >> i & 1))
            line[i] = load(from + i * step);
    }
    line_in(line, out);
}

/* Its last two columns are the next tile's first two. */
ALWAYS_INLINE void
row_in(const struct row *row, const bool is_whole, uint16_t *v)
{
    const struct ink_tiles *tiles = row->tiles;

    for (int c = 0; c < tiles->channels; c += LANES) {
        uint16_t *to = v + c;
        vec half[SIDE][SIDE];

        column_in(row, is_whole, -tiles->pad, c, half[2]);
        column_in(row, is_whole, 1 - tiles->pad, c, half[3]);
        for (int j = 0; j < tiles->out_width; j += OUT, to += tiles->channels) {
#pragma GCC unroll 4
            for (int i = 0; i < SIDE; i++) {
                half[0][i] = half[2][i];
                half[1][i] = half[3][i];
            }
            column_in(row, is_whole, j + 2 - tiles->pad, c, half[2]);
            column_in(row, is_whole, j + 3 - tiles->pad, c, half[3]);
#pragma GCC unroll 4
            for (int i = 0; i < SIDE; i++) {
                const vec line[SIDE] = {half[0][i], half[1][i], half[2][i], half[3][i]};
                vec out[SIDE];

                line_in(line, out);
#pragma GCC unroll 4
                for (int k = 0; k < SIDE; k++)
                    _mm256_storeu_si256((void *)(to + (size_t)(i * SIDE + k) * tiles->step),
                                        (__m256i)_mm512_cvtneps_pbh(out[k]));
            }
        }
    }
}

static void
row_in_whole(const struct row *row, uint16_t *v)
{
    row_in(row, true, v);
}

static void
row_in_part(const struct row *row, uint16_t *v)
{
    row_in(row, false, v);
}

void
ink_bf16_tiles_in(const struct ink_tiles *tiles, const float *x, uint16_t *v)
{
    for (int i = tiles->first_row; i < tiles->last_row; i++) {
        int top = i * OUT - tiles->pad;
        struct row row = {.tiles = tiles, .x = x + (ptrdiff_t)top * tiles->width * tiles->channels};

        for (int k = 0; k < SIDE; k++)
            if (top + k >= 0 && top + k < tiles->height)
                row.exist |= 1U << k;
        (row.exist == WHOLE ? row_in_whole : row_in_part)(&row, v);
        v += (tiles->out_width + 1) / OUT * tiles->channels;
    }
}

/* ---- outputs and weights ---- */

void
ink_bf16_tiles_out(const struct ink_tiles *tiles, const float *m, const float *bias,
                   const float *start, float *y, uint8_t *place)
{
    tiles_out(tiles, m, bias, start, y, place);
}

void
ink_bf16_tiles_weights(size_t count, const float *w, size_t step, float *u)
{
    tiles_weights(count, w, step, u, count);
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
