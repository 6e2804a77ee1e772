/* SPDX-License-Identifier: MIT */
/*
 * simd_conv: convolutions and dense layers, where nearly all time is spent.
 *
 * It is spent in one loop, the tile: `pixels` x 16 or 32 accumulators, each
 * step one or two vectors of b times one number of a for every pixel,
 *     acc[p][0..15] += a[k * ka + p * pa] * b[k * kb + 0..15].
 * A convolution runs it with k over the window (ka = 1, pa = a pixel), the
 * gradient of its weights with k over the pixels of a row (pa = 1).
 */
#include "model/kernels/simd.h"

#include <string.h>

/* Where a tile's numbers are. A tile sums over `segments` x `count` steps. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_step, a_segment; /* a's strides from pixel to pixel, k to k, ... */
    ptrdiff_t b_step, b_segment, b_panel; /* b_panel, y_panel: to the second panel of two */
    ptrdiff_t y_pixel, y_panel, y_row;    /* y_row: of a convolution, from tile to tile */
    bool is_added, is_relu; /* sums start with numbers that lie as y's do, else with biases */
};

ALWAYS_INLINE void
tile_body(const int pixels, const int panels, const bool is_unit_pixel, const struct tile *tile,
          const float *a, const float *b, const float *start, float *y)
{
    vec acc[14][4];
    const int vectors = panels * VECTORS;
    const ptrdiff_t pa = is_unit_pixel ? 1 : tile->a_pixel;
    const ptrdiff_t ka = is_unit_pixel ? tile->a_step : 1;
    const ptrdiff_t kb = is_unit_pixel ? tile->b_step : INK_PANEL;

#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            acc[p][v] = (vec){0};
            if (tile->is_added)
                acc[p][v] = load(start + p * tile->y_pixel + v / VECTORS * tile->y_panel +
                                 v % VECTORS * LANES);
            else if (start)
                acc[p][v] = load(start + v * LANES);
        }
    for (size_t s = 0; s < tile->segments; s++) {
        /* A base every three pixels: base, base + pa, base + 2 pa are addressing modes. The empty
         * asm keeps the compiler from making fourteen pointers of them. */
        const float *at[5], *bs = b + (ptrdiff_t)s * tile->b_segment;

        at[0] = a + (ptrdiff_t)s * tile->a_segment;
#pragma GCC unroll 4
        for (int q = 1; q < 5; q++) {
            at[q] = 3 * q < pixels && !is_unit_pixel ? at[q - 1] + 3 * pa : at[0] + 3 * q * pa;
            if (!is_unit_pixel)
                __asm__("" : "+r"(at[q]));
        }
        for (size_t k = 0; k < tile->count; k++) {
            vec weight[4];

#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                weight[v] = load(bs + v / VECTORS * tile->b_panel + v % VECTORS * LANES);
#pragma GCC unroll 14
            for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    acc[p][v] += at[p / 3][(p % 3) * pa] * weight[v];
            bs += kb;
#pragma GCC unroll 5
            for (int q = 0; q < 5; q++)
                at[q] += ka;
        }
    }
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            store(y + p * tile->y_pixel + v / VECTORS * tile->y_panel + v % VECTORS * LANES,
                  tile->is_relu ? clamp(acc[p][v]) : acc[p][v]);
}

typedef void tile_fn(const struct tile *tile, const float *a, const float *b, const float *start,
                     float *y);

#define DEFINE_TILE(name, pixels, panels, is_unit_pixel)                                          \
    static void name(const struct tile *tile, const float *a, const float *b, const float *start, \
                     float *y)                                                                    \
    {                                                                                             \
        tile_body(pixels, panels, is_unit_pixel, tile, a, b, start, y);                           \
    }
#define DEFINE_SINGLE(n) DEFINE_TILE(rows_##n, n, 1, false) DEFINE_TILE(columns_##n, n, 1, true)
#define DEFINE_PAIR(n) \
    DEFINE_TILE(row_pairs_##n, n, 2, false) DEFINE_TILE(column_pairs_##n, n, 2, true)

/* clang-format off */
#if defined(__AVX512F__)
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_PAIR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#elif defined(__AVX2__)
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_PAIR(X)
#else
#define EACH_SINGLE(X) X(1) X(2) X(3)
#define EACH_PAIR(X)
#endif
EACH_SINGLE(DEFINE_SINGLE)
EACH_PAIR(DEFINE_PAIR)
#define ROWS(n) rows_##n,
#define COLUMNS(n) columns_##n,
#define ROW_PAIRS(n) row_pairs_##n,
#define COLUMN_PAIRS(n) column_pairs_##n,
static tile_fn *const rows[] = {NULL, EACH_SINGLE(ROWS)};
static tile_fn *const columns[] = {NULL, EACH_SINGLE(COLUMNS)};
static tile_fn *const row_pairs[] = {NULL, EACH_PAIR(ROW_PAIRS)};
static tile_fn *const column_pairs[] = {NULL, EACH_PAIR(COLUMN_PAIRS)};
/* clang-format on */

/* Run a tile of which only `lanes` channels exist: through a full one on the stack. */
static void
tile_at_edge(tile_fn *run, const struct tile *tile, const float *a, const float *b,
             const float *start, float *y, int pixels, int lanes)
{
    float whole[14][INK_PANEL] = {{0}};
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

/* Whether the next two panels are whole and there is a tile for both. */
ALWAYS_INLINE bool
is_pair(const struct ink_conv *conv, int channel)
{
    return PAIR_PIXELS > 0 && channel + 2 * INK_PANEL <= conv->out_channels;
}

/* All pixels of the output channels of one panel, or of two. */
static void
conv_panel(const struct ink_conv *conv, const struct tile *tile, const float *x, const float *w,
           const float *start, float *y, int lanes)
{
    ptrdiff_t row = (ptrdiff_t)conv->in_width * conv->in_channels * conv->stride;
    bool pair = lanes > INK_PANEL;
    tile_fn *const *run = pair ? row_pairs : rows;

    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0, n; j < conv->out_width; j += n) {
            const float *a = x + i * row + j * tile->a_pixel;
            ptrdiff_t to = i * tile->y_row + j * tile->y_pixel;
            const float *from = tile->is_added ? start + to : start;

            n = part_of(conv->out_width - j, pair ? PAIR_PIXELS : PIXELS);
            if (lanes >= INK_PANEL)
                run[n](tile, a, w, from, y + to);
            else
                tile_at_edge(run[n], tile, a, w, from, y + to, n, lanes);
        }
}

/* All outputs, summed over the tile's steps. */
static void
conv_slice(const struct ink_conv *conv, const struct tile *tile, const float *x, const float *w,
           const float *start, float *y)
{
    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        lanes =
            is_pair(conv, channel) ? 2 * INK_PANEL : least(INK_PANEL, conv->out_channels - channel);
        conv_panel(conv, tile, x, w + channel / INK_PANEL * tile->b_panel,
                   start ? start + channel : NULL, y + channel, lanes);
    }
}

/* Steps of the inner loop after which a and b still are in the first-level cache. */
enum { STEPS_MAX = 512 };

/* apart: y's floats from pixel to pixel and row to row, and start's if flags[1] says that it is no
 * bias. */
static void
conv_any(const struct ink_conv *conv, const float *x, const float *w, const float *start,
         const bool flags[static 2], float *y, const size_t apart[static 2])
{
    bool is_relu = flags[0], is_added = flags[1];
    size_t count = (size_t)conv->kernel_width * (size_t)conv->in_channels;
    struct tile tile = {
        .segments = (size_t)conv->kernel_height,
        .count = count,
        .a_pixel = (ptrdiff_t)conv->stride * conv->in_channels,
        .a_segment = (ptrdiff_t)conv->in_width * conv->in_channels,
        .b_segment = (ptrdiff_t)count * INK_PANEL,
        .b_panel = (ptrdiff_t)count * INK_PANEL * conv->kernel_height,
        .y_pixel = (ptrdiff_t)apart[0],
        .y_row = (ptrdiff_t)apart[1],
        .y_panel = INK_PANEL,
        .is_added = is_added,
        .is_relu = is_relu,
    };

    if (conv->kernel_height > 1 || count <= STEPS_MAX) {
        conv_slice(conv, &tile, x, w, start, y);
        return;
    }
    for (size_t from = 0; from < count; from += STEPS_MAX) {
        tile.count = count - from < STEPS_MAX ? count - from : STEPS_MAX;
        tile.is_added = is_added || from > 0;
        tile.is_relu = is_relu && from + tile.count == count;
        conv_slice(conv, &tile, x + from, w + from * INK_PANEL, from > 0 ? y : start, y);
    }
}

/* All pixels one behind the other. */
static void
conv_dense(const struct ink_conv *conv, const float *x, const float *w, const float *start,
           const bool flags[static 2], float *y)
{
    size_t pixel = (size_t)conv->out_channels;

    conv_any(conv, x, w, start, flags, y,
             (const size_t[2]){pixel, pixel * (size_t)conv->out_width});
}

void
INK_SIMD_NAME(conv)(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
                    bool is_relu, float *y)
{
    if (!INK_SIMD_NAME(first_conv)(conv, x, w, bias, is_relu, y))
        conv_dense(conv, x, w, bias, (const bool[2]){is_relu, false}, y);
}

void
INK_SIMD_NAME(conv_add)(const struct ink_conv *conv, const float *x, const float *w,
                        const float *start, float *y)
{
    conv_dense(conv, x, w, start, (const bool[2]){false, true}, y);
}

void
INK_SIMD_NAME(conv_apart)(const struct ink_conv *conv, const float *x, const float *w,
                          bool is_added, float *y, const size_t apart[static 2])
{
    conv_any(conv, x, w, is_added ? y : NULL, (const bool[2]){false, is_added}, y, apart);
}

void
INK_SIMD_NAME(products)(const struct ink_products *form, const float *a, const float *b, float *y)
{
    const struct ink_conv conv = {
        .in_channels = (int)form->ins,
        .out_channels = (int)form->outs,
        .stride = 1,
        .out_height = 1,
        .out_width = (int)form->rows,
    };
    const struct tile tile = {
        .segments = 1,
        .count = form->ins,
        .a_pixel = (ptrdiff_t)form->ins,
        .b_panel = (ptrdiff_t)form->ins * INK_PANEL,
        .y_pixel = (ptrdiff_t)form->outs,
        .y_panel = INK_PANEL,
    };

    for (size_t i = 0; i < form->count; i++)
        conv_slice(&conv, &tile, a + i * form->a_step, b + i * form->b_step, NULL,
                   y + i * form->y_step);
}

/* The gradient of the weights that n neighbouring inputs have to the channels of one or two
 * panels. */
static void
weights_of_steps(const struct tile *tile, int n, const float *x, const float *dy, float *dw,
                 int lanes)
{
    const float *start = tile->is_added ? dw : NULL;

    if (lanes > INK_PANEL) {
        column_pairs[n](tile, x, dy, start, dw);
    } else if (lanes == INK_PANEL) {
        columns[n](tile, x, dy, start, dw);
    } else {
        if (!tile->is_added)
            memset(dw, 0, (size_t)n * INK_PANEL * sizeof(*dw));
        tile_at_edge(columns[n], tile, x, dy, start, dw, n, lanes);
    }
}

void
INK_SIMD_NAME(conv_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                            bool is_added, float *dw)
{
    int count = conv->kernel_width * conv->in_channels;
    ptrdiff_t row = (ptrdiff_t)conv->in_width * conv->in_channels;
    struct tile tile = {
        .segments = (size_t)conv->out_height,
        .count = (size_t)conv->out_width,
        .a_pixel = 1,
        .a_step = (ptrdiff_t)conv->stride * conv->in_channels,
        .a_segment = row * conv->stride,
        .b_step = conv->out_channels,
        .b_segment = (ptrdiff_t)conv->out_width * conv->out_channels,
        .b_panel = INK_PANEL,
        .y_pixel = INK_PANEL,
        .y_panel = (ptrdiff_t)count * INK_PANEL * conv->kernel_height,
        .is_added = is_added,
    };

    if (INK_SIMD_NAME(first_weights)(conv, x, dy, is_added, dw))
        return;
    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        bool pair = is_pair(conv, channel);
        float *to = dw + channel / INK_PANEL * tile.y_panel;

        lanes = pair ? 2 * INK_PANEL : least(INK_PANEL, conv->out_channels - channel);
        for (int i = 0; i < conv->kernel_height; i++)
            for (int j = 0, n; j < count; j += n, to += n * INK_PANEL) {
                n = part_of(count - j, pair ? PAIR_PIXELS : PIXELS);
                weights_of_steps(&tile, n, x + i * row + j, dy + channel, to, lanes);
            }
    }
}
