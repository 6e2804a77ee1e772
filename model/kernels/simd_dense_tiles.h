/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SIMD_DENSE_TILES_H
#define INK_MODEL_KERNELS_SIMD_DENSE_TILES_H

/*
 * simd_dense_tiles: dense layers, forward and back, and the gradients of their
 * weights, for floats and for pairs of bf16 alike.
 *
 * Each is one matrix times another, in tiles of 12 to 14 accumulators,
 *     acc[row][0..15] += a[row, k] * b[k][0..15].
 * Weights can be larger than all caches, so a tile fetches on the way what comes
 * after it: without that the multiplications wait a fifth of their time.
 *
 * A unit is what takes four bytes, a float or a pair; everything is counted in
 * units. A source that includes this says before it how many numbers that is,
 * and how they are multiplied:
 *
 *     enum { UNIT };
 *     vec multiply_add(vec sum, const float *a, vec b);   sum + a * b
 *     vec inputs_side_by_side(vec b);                     weights as forward wants them
 */

#include <string.h>

#include "model/kernels/simd.h"

enum { LINE = 64 };

enum kind {
    FORWARD, /* rows: pictures, steps: inputs */
    BACK,    /* rows: inputs, steps: outputs, 16 to a panel; the lanes are pictures */
    WEIGHTS  /* rows: inputs, steps: pictures */
};

/* Where a tile's numbers are, in units; soon in bytes. */
struct tile {
    size_t steps;              /* back: panels of them */
    ptrdiff_t a_row, a_step;   /* a_row: forward only; a_step: not forward, where it is 1 */
    ptrdiff_t b_step, b_panel; /* b_step: weights only; b_panel: to the second of two */
    ptrdiff_t y_row, y_panel;
    const char *soon;    /* fetched, soon_step further each step; */
    ptrdiff_t soon_step; /* back: a line for each row */
    bool is_added, is_relu;
};

/* One step, or back those of a panel. */
ALWAYS_INLINE int
steps_at_once(const enum kind kind)
{
    return kind == BACK ? INK_PANEL / UNIT : 1;
}

ALWAYS_INLINE void
tile_body(const int rows, const int panels, const enum kind kind, const struct tile *tile,
          const float *a, const float *b, const float *bias, float *y)
{
    vec acc[14][4];
    const int vectors = panels * VECTORS;
    const ptrdiff_t a_row = kind == FORWARD ? tile->a_row : kind == BACK ? INK_PANEL / UNIT : 1;
    const ptrdiff_t a_step = kind == FORWARD ? 1 : tile->a_step;
    const ptrdiff_t b_step = kind == WEIGHTS ? tile->b_step : INK_PANEL;
    const float *at[5] = {a}; /* a base every three rows, as in simd_conv.c */
    const char *soon = tile->soon;

#pragma GCC unroll 14
    for (int p = 0; p < rows; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            acc[p][v] = bias ? load(bias + v * LANES) : (vec){0};
            if (tile->is_added)
                acc[p][v] =
                    load(y + p * tile->y_row + v / VECTORS * tile->y_panel + v % VECTORS * LANES);
        }
#pragma GCC unroll 4
    for (int q = 1; q < 5; q++) {
        at[q] = kind != FORWARD || 3 * q < rows ? at[q - 1] + 3 * a_row : at[q - 1];
        if (kind == FORWARD)
            __asm__("" : "+r"(at[q]));
    }
    for (size_t k = 0; k < tile->steps; k++) {
#pragma GCC unroll 2
        for (int s = 0; s < steps_at_once(kind); s++) {
            vec column[4];

            if (kind != BACK || s * UNIT < rows)
                __builtin_prefetch(soon + (ptrdiff_t)s * LINE);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                column[v] =
                    load(b + s * b_step + v / VECTORS * tile->b_panel + v % VECTORS * LANES);
                if (kind == FORWARD)
                    column[v] = inputs_side_by_side(column[v]);
            }
#pragma GCC unroll 14
            for (int p = 0; p < rows; p++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    acc[p][v] = multiply_add(acc[p][v], &at[p / 3][p % 3 * a_row + s], column[v]);
        }
        soon += tile->soon_step;
        b += steps_at_once(kind) * b_step;
#pragma GCC unroll 5
        for (int q = 0; q < 5; q++)
            at[q] += a_step;
    }
#pragma GCC unroll 14
    for (int p = 0; p < rows; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            store(y + p * tile->y_row + v / VECTORS * tile->y_panel + v % VECTORS * LANES,
                  tile->is_relu ? clamp(acc[p][v]) : acc[p][v]);
}

typedef void tile_fn(const struct tile *tile, const float *a, const float *b, const float *bias,
                     float *y);

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
/* clang-format on */

#define DEFINE_TILE(name, rows, panels, kind)                                                    \
    static void name(const struct tile *tile, const float *a, const float *b, const float *bias, \
                     float *y)                                                                   \
    {                                                                                            \
        tile_body(rows, panels, kind, tile, a, b, bias, y);                                      \
    }
#define DEFINE_SINGLE(n)                    \
    DEFINE_TILE(forward_##n, n, 1, FORWARD) \
    DEFINE_TILE(back_##n, n, 1, BACK)       \
    DEFINE_TILE(weights_##n, n, 1, WEIGHTS)
#define DEFINE_PAIR(n)                           \
    DEFINE_TILE(forward_pair_##n, n, 2, FORWARD) \
    DEFINE_TILE(back_pair_##n, n, 2, BACK)       \
    DEFINE_TILE(weights_pair_##n, n, 2, WEIGHTS)
EACH_SINGLE(DEFINE_SINGLE)
EACH_PAIR(DEFINE_PAIR)

#define FORWARD_(n)     forward_##n,
#define BACK_(n)        back_##n,
#define WEIGHTS_(n)     weights_##n,
#define FORWARD_PAIR(n) forward_pair_##n,
#define BACK_PAIR(n)    back_pair_##n,
#define WEIGHTS_PAIR(n) weights_pair_##n,
/* [kind][one panel or two][rows] */
static tile_fn *const tiles[3][2][15] = {
    [FORWARD] = {{NULL, EACH_SINGLE(FORWARD_)}, {NULL, EACH_PAIR(FORWARD_PAIR)}},
    [BACK] = {{NULL, EACH_SINGLE(BACK_)}, {NULL, EACH_PAIR(BACK_PAIR)}},
    [WEIGHTS] = {{NULL, EACH_SINGLE(WEIGHTS_)}, {NULL, EACH_PAIR(WEIGHTS_PAIR)}},
};

/* Panels that the next tile takes of those that are left, and the rows that it has at most. */
ALWAYS_INLINE size_t
panels_of(size_t left)
{
    return PAIR_PIXELS > 0 && left >= 2 ? 2 : 1;
}

ALWAYS_INLINE int
rows_of(int panels)
{
    return panels == 2 ? PAIR_PIXELS : PIXELS;
}

ALWAYS_INLINE size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

ALWAYS_INLINE size_t
panel_count(size_t numbers)
{
    return (numbers + INK_PANEL - 1) / INK_PANEL;
}

/* ---- forward ---- */

/* Steps after which a panel's weights still are in the first-level cache. */
enum { STEPS_MAX = 512 };

/* A tile of which only `lanes` outputs exist: through a full one on the stack. */
static void
tile_at_edge(tile_fn *run, const struct tile *tile, const float *a, const float *b,
             const float *bias, float *y, int rows, size_t lanes)
{
    float whole[14][INK_PANEL];
    struct tile edge = *tile;

    for (int p = 0; p < rows; p++)
        for (size_t lane = 0; lane < INK_PANEL && tile->is_added; lane++)
            whole[p][lane] = lane < lanes ? y[p * tile->y_row + (ptrdiff_t)lane] : 0;
    edge.y_row = INK_PANEL;
    run(&edge, a, b, bias, whole[0]);
    for (int p = 0; p < rows; p++)
        memcpy(y + p * tile->y_row, whole[p], lanes * sizeof(*y));
}

/* What comes next of the two panels of weights at `soon`, `size` bytes each: tile number `tile` of
 * `count` fetches its part. */
static void
fetch_panels(struct tile *tile, const float *soon, size_t size, size_t number, size_t count)
{
    size_t second = count > 1 ? number % 2 : 0, parts = (count + 1 - second) / 2;
    const char *at = (const char *)(second ? soon + tile->b_panel : soon);

    tile->soon = at + size * (number / 2) / parts;
    tile->soon_step = (ptrdiff_t)((size / parts + tile->steps - 1) / tile->steps);
}

/* All pictures through a panel of weights, or two: `lanes` outputs. */
static void
forward_panels(const struct ink_dense *form, struct tile *tile, const float *x, const float *w,
               const float *bias, float *y, size_t lanes, const float *soon)
{
    int panels = lanes > INK_PANEL ? 2 : 1, most = rows_of(panels), left = (int)form->pictures;
    size_t count = (size_t)((left + most - 1) / most);

    for (size_t number = 0; left > 0; number++) {
        int n = part_of(left, most);
        tile_fn *run = tiles[FORWARD][panels - 1][n];

        fetch_panels(tile, soon, tile->steps * INK_PANEL * sizeof(*w), number, count);
        if (lanes < INK_PANEL)
            tile_at_edge(run, tile, x, w, bias, y, n, lanes);
        else
            run(tile, x, w, bias, y);
        x += n * tile->a_row;
        y += n * tile->y_row;
        left -= n;
    }
}

ALWAYS_INLINE void
dense_forward(const struct ink_dense *form, const float *x, const float *w, const float *bias,
              bool is_relu, float *y)
{
    size_t steps = (form->inputs + UNIT - 1) / UNIT, outputs = form->outputs;
    size_t panel = form->inputs * INK_PANEL / UNIT;
    struct tile tile = {
        .a_row = (ptrdiff_t)steps,
        .b_panel = (ptrdiff_t)panel,
        .y_row = (ptrdiff_t)outputs,
        .y_panel = INK_PANEL,
    };

    for (size_t from = 0; from < steps; from += tile.steps) {
        tile.steps = smaller(STEPS_MAX, steps - from);
        tile.is_added = from > 0;
        tile.is_relu = is_relu && from + tile.steps == steps;
        for (size_t o = 0, next; o < outputs; o = next) {
            const float *at = w + o / INK_PANEL * panel + from * INK_PANEL, *soon;

            next = o + smaller(panels_of((outputs - o) / INK_PANEL) * INK_PANEL, outputs - o);
            soon = next < outputs ? at + (next - o) / INK_PANEL * panel
                                  : w + (from + tile.steps) * INK_PANEL;
            forward_panels(form, &tile, x + from, at, bias && from == 0 ? bias + o : NULL, y + o,
                           next - o, soon);
        }
    }
}

/* ---- back to the inputs ---- */

/* Panels of outputs that are summed at once: the gradients of 32 pictures stay in the first-level
 * cache, and the weights of the inputs in the second. */
enum { BACK_PANELS = 8 * UNIT };

/* tile->steps panels from w and dy on, of all pictures. soon: where the next ones are. */
static void
back_panels(const struct ink_dense *form, size_t count, struct tile *tile, const float *w,
            const float *dy, float *dx, const float *soon)
{
    size_t lanes = (size_t)tile->y_row;

    for (size_t n = 0, panels; n < lanes; n += panels * INK_PANEL) {
        panels = panels_of((lanes - n) / INK_PANEL);
        for (size_t i = 0, rows; i < count; i += rows) {
            rows = (size_t)part_of((int)(count - i), rows_of((int)panels));
            tile->soon = (const char *)(soon + i * INK_PANEL / UNIT);
            tiles[BACK][panels - 1][rows](tile, w + i * INK_PANEL / UNIT,
                                          dy + n * panel_count(form->outputs) * INK_PANEL / UNIT,
                                          NULL, dx + i * lanes + n);
        }
    }
}

ALWAYS_INLINE void
dense_back(const struct ink_dense *form, size_t count, const float *w, const float *dy, float *dx)
{
    size_t panels = panel_count(form->outputs), step = form->inputs * INK_PANEL / UNIT;
    size_t square = (size_t)INK_PANEL * INK_PANEL / UNIT;
    struct tile tile = {
        .a_step = (ptrdiff_t)step,
        .b_panel = (ptrdiff_t)(panels * square),
        .y_row = (ptrdiff_t)panel_count(form->pictures) * INK_PANEL,
        .y_panel = INK_PANEL,
        .soon_step = (ptrdiff_t)(step * sizeof(*w)),
    };

    for (size_t from = 0; from < panels; from += tile.steps) {
        tile.steps = smaller(BACK_PANELS, panels - from);
        tile.is_added = from > 0;
        back_panels(form, count, &tile, w + from * step, dy + from * square, dx,
                    from + tile.steps < panels ? w + (from + tile.steps) * step
                                               : w + count * INK_PANEL / UNIT);
    }
}

/* ---- the weights' gradients ---- */

/* Tile number `number` of `count` fetches a part of a part. */
static void
fetch_part(struct tile *tile, const struct ink_soon *soon, size_t number, size_t count)
{
    size_t part = number * soon->count / count, first, parts;

    tile->soon_step = 0;
    if (soon->count == 0)
        return;
    first = (part * count + soon->count - 1) / soon->count;
    parts = ((part + 1) * count + soon->count - 1) / soon->count - first;
    tile->soon =
        (const char *)soon->part[part].at + soon->part[part].size * (number - first) / parts;
    tile->soon_step = (ptrdiff_t)((soon->part[part].size / parts + tile->steps - 1) / tile->steps);
}

ALWAYS_INLINE void
dense_weights(const struct ink_dense *form, const float *x, const float *dy,
              const struct ink_soon *soon, float *dw)
{
    size_t inputs = form->inputs, panels_left = panel_count(form->outputs), number = 0, count;
    size_t lanes = panels_left * INK_PANEL, most = (size_t)rows_of((int)panels_of(panels_left));
    struct tile tile = {
        .steps = (form->pictures + UNIT - 1) / UNIT,
        .a_step = (ptrdiff_t)form->step,
        .b_step = (ptrdiff_t)lanes,
        .b_panel = INK_PANEL,
        .y_row = INK_PANEL,
        .y_panel = (ptrdiff_t)inputs * INK_PANEL,
        .soon = (const char *)dw,
    };

    count = (inputs + most - 1) / most * ((panels_left + panels_of(2) - 1) / panels_of(2));
    for (size_t panels; panels_left > 0; panels_left -= panels) {
        panels = panels_of(panels_left);
        for (size_t i = 0, rows; i < inputs; i += rows, number++, dw += rows * INK_PANEL) {
            rows = (size_t)part_of((int)(inputs - i), rows_of((int)panels));
            fetch_part(&tile, soon, number, count);
            tiles[WEIGHTS][panels - 1][rows](&tile, x + i, dy, NULL, dw);
        }
        dy += panels * INK_PANEL;
        dw += (panels - 1) * inputs * INK_PANEL;
    }
}

#endif
