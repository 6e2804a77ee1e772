/* SPDX-License-Identifier: MIT */
/*
 * simd_bf16: convolutions in bf16, and answers' dense layers, for processors with AVX-512-BF16.
 *
 * The loop is simd_conv.c's tile with pairs of numbers in place of numbers,
 *     acc[p][0..15] += a[k][0] * b[k][0..15][0] + a[k][1] * b[k][0..15][1],
 * and so has half the steps. A tile of two panels and seven pixels asks for
 * fewer loads than one of one panel and fourteen, which the processor's two
 * loads a cycle hold up. One panel of a window three pixels wide reads a pixel for all three.
 */
#include "model/kernels/simd_bf16.h"

#include <string.h>

/* Where a tile's numbers are; all strides in numbers of 16 bits, y's in floats. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_segment;      /* a's strides from pixel to pixel, ... */
    ptrdiff_t b_segment, b_panel;      /* b_panel, y_panel: to the second panel of two */
    ptrdiff_t y_pixel, y_panel, y_row; /* y_row: from tile to tile */
    bool is_added, is_relu; /* sums start with numbers that lie as y's do, else with biases */
};

/* taps: 3 if neighbouring pixels meet the same numbers with three rows of weights, `count` apart:
 * each is then read once for all three. */
ALWAYS_INLINE void
tile_body(const int pixels, const int panels, const int taps, const struct tile *tile,
          const uint16_t *a, const uint16_t *b, const float *start, float *y)
{
    __m512 acc[14][2];
    const ptrdiff_t pa = tile->a_pixel, tap = (ptrdiff_t)tile->count * 2 * INK_PANEL;

#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++) {
            acc[p][v] = _mm512_setzero_ps();
            if (tile->is_added)
                acc[p][v] = _mm512_loadu_ps(start + p * tile->y_pixel + v * tile->y_panel);
            else if (start)
                acc[p][v] = _mm512_loadu_ps(start + v * INK_PANEL);
        }
    for (size_t s = 0; s < tile->segments; s++) {
        /* A base every three pixels: base, base + pa, base + 2 pa are addressing modes. The empty
         * asm keeps the compiler from making a pointer of each. */
        const uint16_t *at[6], *bs = b + (ptrdiff_t)s * tile->b_segment;

        at[0] = a + (ptrdiff_t)s * tile->a_segment;
#pragma GCC unroll 5
        for (int q = 1; q < 6; q++) {
            at[q] = 3 * q < pixels + taps - 1 ? at[q - 1] + 3 * pa : at[0] + 3 * q * pa;
            __asm__("" : "+r"(at[q]));
        }
        for (size_t k = 0; k < tile->count; k++) {
            __m512i weight[3][2];

#pragma GCC unroll 3
            for (int t = 0; t < taps; t++)
#pragma GCC unroll 2
                for (int v = 0; v < panels; v++)
                    weight[t][v] = load_pairs(bs + t * tap + v * tile->b_panel);
#pragma GCC unroll 16
            for (int q = 0; q < pixels + taps - 1; q++)
#pragma GCC unroll 3
                for (int t = 0; t < taps; t++)
#pragma GCC unroll 2
                    for (int v = 0; v < panels; v++)
                        if (q >= t && q - t < pixels)
                            acc[q - t][v] =
                                dot(acc[q - t][v], at[q / 3] + (q % 3) * pa, weight[t][v]);
            bs += 2 * INK_PANEL;
#pragma GCC unroll 6
            for (int q = 0; q < 6; q++)
                at[q] += 2;
        }
    }
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++)
            _mm512_storeu_ps(y + p * tile->y_pixel + v * tile->y_panel,
                             tile->is_relu ? positive(acc[p][v]) : acc[p][v]);
}

typedef void tile_fn(const struct tile *tile, const uint16_t *a, const uint16_t *b,
                     const float *start, float *y);

#define DEFINE_TILE(name, pixels, panels, taps)                                     \
    static void name(const struct tile *tile, const uint16_t *a, const uint16_t *b, \
                     const float *start, float *y)                                  \
    {                                                                               \
        tile_body(pixels, panels, taps, tile, a, b, start, y);                      \
    }
#define DEFINE_SINGLE(n) DEFINE_TILE(rows_##n, n, 1, 1) DEFINE_TILE(row_threes_##n, n, 1, 3)
#define DEFINE_PAIR(n)   DEFINE_TILE(row_pairs_##n, n, 2, 1)

/* clang-format off */
enum { SINGLE_PIXELS = 14, DOUBLE_PIXELS = 7 };
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_PAIR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
EACH_SINGLE(DEFINE_SINGLE)
EACH_PAIR(DEFINE_PAIR)
#define ROWS(n) rows_##n,
#define ROW_THREES(n) row_threes_##n,
#define ROW_PAIRS(n) row_pairs_##n,
static tile_fn *const rows[] = {NULL, EACH_SINGLE(ROWS)};
static tile_fn *const row_threes[] = {NULL, EACH_SINGLE(ROW_THREES)};
static tile_fn *const row_pairs[] = {NULL, EACH_PAIR(ROW_PAIRS)};
/* clang-format on */

/* Run a tile of which only `lanes` channels exist: through a full one on the stack. */
static void
tile_at_edge(tile_fn *run, const struct tile *tile, const uint16_t *a, const uint16_t *b,
             const float *start, float *y, int pixels, int lanes)
{
    float whole[SINGLE_PIXELS][INK_PANEL] = {{0}};
    struct tile edge = *tile;

    if (tile->is_added)
        for (int p = 0; p < pixels; p++)
            for (int lane = 0; lane < INK_PANEL; lane++)
                whole[p][lane] = lane < lanes ? start[p * tile->y_pixel + lane] : 0;
    edge.y_pixel = INK_PANEL;
    run(&edge, a, b, tile->is_added ? whole[0] : start, whole[0]);
    for (int p = 0; p < pixels; p++)
        for (int lane = 0; lane < lanes; lane++)
            y[p * tile->y_pixel + lane] = whole[p][lane];
}

/* How many of the channels from `channel` on the next tile takes: two panels, one, or a rest. */
ALWAYS_INLINE int
lanes_at(const struct ink_conv *conv, int channel)
{
    int left = conv->out_channels - channel;

    return left >= 2 * INK_PANEL ? 2 * INK_PANEL : least(left, INK_PANEL);
}

/* ---- forward ---- */

/* Whether a row of the window is three pixels of whole pairs, and a tile's steps are one: with a
 * single row they may be cut into some. */
static bool
has_threes(const struct ink_conv *conv)
{
    return conv->kernel_width == 3 && conv->kernel_height > 1 && conv->stride == 1 &&
           conv->in_channels % 2 == 0;
}

/* All pixels of the output channels of one panel, or of two. */
static void
conv_panel(const struct ink_conv *conv, const struct tile *tile, const uint16_t *x,
           const uint16_t *w, const float *start, float *y, int lanes)
{
    ptrdiff_t row = (ptrdiff_t)conv->in_width * conv->in_channels * conv->stride;
    struct tile steps = *tile;
    bool pair = lanes > INK_PANEL;
    bool three = !pair && has_threes(conv);
    tile_fn *const *run = pair ? row_pairs : three ? row_threes : rows;

    steps.count /= three ? 3 : 1;
    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0, n; j < conv->out_width; j += n) {
            const uint16_t *a = x + i * row + j * tile->a_pixel;
            ptrdiff_t to = i * tile->y_row + j * tile->y_pixel;
            const float *from = tile->is_added ? start + to : start;

            n = part_of(conv->out_width - j, pair ? DOUBLE_PIXELS : SINGLE_PIXELS);
            if (lanes >= INK_PANEL)
                run[n](&steps, a, w, from, y + to);
            else
                tile_at_edge(run[n], &steps, a, w, from, y + to, n, lanes);
        }
}

/* All outputs, summed over the tile's steps. */
static void
conv_slice(const struct ink_conv *conv, const struct tile *tile, const uint16_t *x,
           const uint16_t *w, const float *start, float *y)
{
    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        lanes = lanes_at(conv, channel);
        conv_panel(conv, tile, x, w + channel / INK_PANEL * tile->b_panel,
                   start ? start + channel : NULL, y + channel, lanes);
    }
}

/* ---- one picture ----
 *
 * A dense layer of one picture waits for its weights. Those of inputs that are zero are not read:
 * the pairs that are not are listed first. Eight sums go on at once, of as many panels, or of fewer
 * panels and every second, fourth or eighth pair.
 */

enum { ONE_STEPS = 1024, ONE_CHAINS = 8 };

struct live {
    size_t count; /* a multiple of ONE_CHAINS, filled up with pairs of zeros */
    int pair[ONE_STEPS + 2 * INK_PANEL];
    int index[ONE_STEPS + 2 * INK_PANEL];
};

static void
list_live(size_t count, const uint16_t *x, struct live *live)
{
    const __m512i value_bits = _mm512_set1_epi32(0x7fff7fff);
    __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t n = 0;

    for (size_t i = 0; i < count; i += 16, index = _mm512_add_epi32(index, _mm512_set1_epi32(16))) {
        __m512i pairs = _mm512_maskz_loadu_epi32(first_lanes(count - i), x + 2 * i);
        __mmask16 is_live = _mm512_test_epi32_mask(pairs, value_bits);

        _mm512_storeu_si512(live->pair + n, _mm512_maskz_compress_epi32(is_live, pairs));
        _mm512_storeu_si512(live->index + n, _mm512_maskz_compress_epi32(is_live, index));
        n += (size_t)__builtin_popcount(is_live);
    }
    _mm512_storeu_si512(live->pair + n, _mm512_setzero_si512());
    _mm512_storeu_si512(live->index + n, _mm512_setzero_si512());
    live->count = (n + ONE_CHAINS - 1) / ONE_CHAINS * ONE_CHAINS;
}

/* y (+)= w x for `panels` panels, lanes of the last one as many as there are. */
ALWAYS_INLINE void
one_body(const int panels, const struct tile *tile, const struct live *live, const uint16_t *w,
         const float *start, float *y, int lanes)
{
    __m512 acc[ONE_CHAINS];
    const int chains = ONE_CHAINS / panels;

#pragma GCC unroll 8
    for (int i = 0; i < ONE_CHAINS; i++) {
        __mmask16 some = first_lanes((size_t)(lanes - i * INK_PANEL));

        acc[i] = _mm512_setzero_ps();
        if (i < panels && tile->is_added)
            acc[i] = _mm512_maskz_loadu_ps(some, start + i * INK_PANEL);
        else if (i < panels && start)
            acc[i] = _mm512_loadu_ps(start + i * INK_PANEL);
    }
    for (size_t k = 0; k < live->count; k += (size_t)chains)
#pragma GCC unroll 8
        for (int c = 0; c < chains; c++) {
            const uint16_t *from = w + (ptrdiff_t)live->index[k + (size_t)c] * 2 * INK_PANEL;
            __m512i pair = _mm512_set1_epi32(live->pair[k + (size_t)c]);

#pragma GCC unroll 8
            for (int v = 0; v < panels; v++)
                acc[c * panels + v] =
                    _mm512_dpbf16_ps(acc[c * panels + v], (__m512bh)pair,
                                     (__m512bh)load_pairs(from + v * tile->b_panel));
        }
#pragma GCC unroll 8
    for (int v = 0; v < panels; v++) {
        __m512 sum = acc[v];

#pragma GCC unroll 8
        for (int c = 1; c < chains; c++)
            sum = _mm512_add_ps(sum, acc[c * panels + v]);
        _mm512_mask_storeu_ps(y + v * INK_PANEL, first_lanes((size_t)(lanes - v * INK_PANEL)),
                              tile->is_relu ? positive(sum) : sum);
    }
}

typedef void one_fn(const struct tile *tile, const struct live *live, const uint16_t *w,
                    const float *start, float *y, int lanes);

#define DEFINE_ONE(n)                                                                        \
    static void one_##n(const struct tile *tile, const struct live *live, const uint16_t *w, \
                        const float *start, float *y, int lanes)                             \
    {                                                                                        \
        one_body(n, tile, live, w, start, y, lanes);                                         \
    }
DEFINE_ONE(1)
DEFINE_ONE(2)
DEFINE_ONE(4)
DEFINE_ONE(8)

static void
one_pixel(const struct ink_conv *conv, struct tile *tile, const uint16_t *x, const uint16_t *w,
          const float *start, float *y)
{
    size_t count = tile->count;
    bool is_relu = tile->is_relu;
    struct live live;

    for (size_t from = 0; from < count; from += ONE_STEPS) {
        size_t steps = count - from < ONE_STEPS ? count - from : ONE_STEPS;

        tile->is_added = tile->is_added || from > 0;
        tile->is_relu = is_relu && from + steps == count;
        start = from > 0 ? y : start;
        list_live(steps, x + 2 * from, &live);
        for (int channel = 0, panels; channel < conv->out_channels; channel += panels * INK_PANEL) {
            int left = conv->out_channels - channel, whole = (left + INK_PANEL - 1) / INK_PANEL;
            one_fn *run;

            panels = whole >= 8 ? 8 : whole >= 4 ? 4 : whole >= 2 ? 2 : 1;
            run = panels == 8 ? one_8 : panels == 4 ? one_4 : panels == 2 ? one_2 : one_1;
            run(tile, &live, w + channel / INK_PANEL * tile->b_panel + from * INK_PANEL * 2,
                start ? start + channel : NULL, y + channel, least(left, panels * INK_PANEL));
        }
    }
}

/* Steps of the inner loop after which a and b still are in the first-level cache. */
enum { STEPS_MAX = 512 };

/* apart: y's floats from pixel to pixel and row to row, and start's if flags[1] says that it is no
 * bias. */
static void
conv_any(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, const float *start,
         const bool flags[static 2], float *y, const size_t apart[static 2])
{
    bool is_relu = flags[0], is_added = flags[1];
    size_t count = ((size_t)form->kernel_width * (size_t)form->in_channels + 1) / 2;
    struct tile tile = {
        .segments = (size_t)form->kernel_height,
        .count = count,
        .a_pixel = (ptrdiff_t)form->stride * form->in_channels,
        .a_segment = (ptrdiff_t)form->in_width * form->in_channels,
        .b_segment = (ptrdiff_t)count * INK_PANEL * 2,
        .b_panel = (ptrdiff_t)count * INK_PANEL * 2 * form->kernel_height,
        .y_pixel = (ptrdiff_t)apart[0],
        .y_row = (ptrdiff_t)apart[1],
        .y_panel = INK_PANEL,
        .is_added = is_added,
        .is_relu = is_relu,
    };

    if (form->kernel_height * form->out_height * form->out_width == 1) {
        one_pixel(form, &tile, x, w, start, y);
        return;
    }
    if (form->kernel_height > 1 || count <= STEPS_MAX) {
        conv_slice(form, &tile, x, w, start, y);
        return;
    }
    for (size_t from = 0; from < count; from += STEPS_MAX) {
        tile.count = count - from < STEPS_MAX ? count - from : STEPS_MAX;
        tile.is_added = is_added || from > 0;
        tile.is_relu = is_relu && from + tile.count == count;
        conv_slice(form, &tile, x + 2 * from, w + from * INK_PANEL * 2, from > 0 ? y : start, y);
    }
}

static void
conv(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, const float *bias,
     bool is_relu, const float *start, float *y)
{
    size_t pixel = (size_t)form->out_channels;

    conv_any(form, x, w, start ? start : bias, (const bool[2]){is_relu, start != NULL}, y,
             (const size_t[2]){pixel, pixel * (size_t)form->out_width});
}

static void
conv_apart(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, bool is_added,
           float *y, const size_t apart[static 2])
{
    conv_any(form, x, w, is_added ? y : NULL, (const bool[2]){false, is_added}, y, apart);
}

extern const struct ink_bf16 ink_bf16_avx512;
const struct ink_bf16 ink_bf16_avx512 = {
    .is_fast = true,
    .round = ink_bf16_round,
    .norm = ink_bf16_norm,
    .norm_backward = ink_bf16_norm_backward,
    .pair_rows = ink_bf16_pair_rows,
    .pair = ink_bf16_pair,
    .zip_panels = ink_bf16_zip_panels,
    .conv = conv,
    .conv_apart = conv_apart,
    .conv_pooled = ink_bf16_conv_pooled,
    .conv_pooled_spans = ink_bf16_conv_pooled_spans,
    .tiles_in = ink_bf16_tiles_in,
    .tiles_out = ink_bf16_tiles_out,
    .products = ink_bf16_products,
    .tiles_weights = ink_bf16_tiles_weights,
    .conv_weights = ink_bf16_conv_weights,
    .turn = ink_bf16_turn_block,
    .dense = ink_bf16_dense,
    .dense_one = ink_bf16_dense_one,
    .dense_back = ink_bf16_dense_back,
    .dense_weights = ink_bf16_dense_weights,
};
