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
 * Behind relus most numbers are zero: what all of a tile's pictures have as zero is
 * left out. Forward these are inputs, on the way back outputs, and inputs whose
 * gradient nobody wants.
 *
 * A unit is what takes four bytes, a float or a pair; everything is counted in
 * units. A source that includes this says before it how many numbers that is,
 * and how they are multiplied:
 *
 *     enum { UNIT };
 *     typedef ... bits;    of a number
 *     vec multiply_add(vec sum, const float *a, vec b);   sum + a * b
 *     vec weights_of(const float *w, const uint16_t *at); of the next UNIT inputs, side by side
 */

#include <string.h>

#include "model/kernels/simd.h"

enum { LINE = 64, ROW = INK_PANEL / UNIT /* an input's weights to a panel */ };

/* Forward: steps after which a panel's weights still are in the cache; units from one picture's
 * numbers for them to the next one's, so that these do not compete for its lines. */
enum { STEPS_MAX = 512, A_ROW = STEPS_MAX + 16 };

/* Back: panels of outputs that are summed at once. Their weights for some inputs stay in the
 * second-level cache, the gradients of 32 pictures in the first. */
enum { BACK_PANELS = 8 * UNIT, BACK_STEPS = BACK_PANELS * ROW, BACK_ROWS = 256 };

enum kind {
    FORWARD, /* rows: pictures, steps: inputs */
    BACK,    /* rows: inputs, steps: outputs; the lanes are pictures */
    WEIGHTS  /* rows: inputs, steps: pictures */
};

/* Where a tile's numbers are, in units; soon in bytes. */
struct tile {
    size_t steps;
    ptrdiff_t a_step, b_step; /* weights only */
    ptrdiff_t b_panel;        /* to the second of two; back: behind it */
    ptrdiff_t y_row, y_panel;
    const char *soon; /* fetched, soon_step further each step */
    ptrdiff_t soon_step;
    const uint16_t *inputs;   /* forward: [steps][UNIT] which ones, ROW times their number */
    const uint16_t *rows;     /* back: the rows' numbers, */
    const ptrdiff_t *outputs; /* and [steps] where the outputs' weights are */
    bool is_added, is_relu;
};

/* Where vector v of row p is written. */
ALWAYS_INLINE ptrdiff_t
y_at(const enum kind kind, const struct tile *tile, int p, int v)
{
    return (kind == BACK ? tile->rows[p] : p) * tile->y_row + v / VECTORS * tile->y_panel +
           v % VECTORS * LANES;
}

ALWAYS_INLINE void
tile_body(const int rows, const int panels, const enum kind kind, const struct tile *tile,
          const float *a, const float *b, const float *bias, float *y)
{
    vec acc[14][4];
    const int vectors = panels * VECTORS;
    const ptrdiff_t a_row = kind == FORWARD ? A_ROW : 1;
    const ptrdiff_t a_step = kind == FORWARD ? 1 : tile->a_step;
    const ptrdiff_t b_step = kind == FORWARD ? 0 : kind == BACK ? panels * INK_PANEL : tile->b_step;
    const ptrdiff_t b_panel = kind == BACK ? INK_PANEL : tile->b_panel;
    const uint16_t *inputs = tile->inputs;
    const ptrdiff_t *outputs = tile->outputs;
    const float *from[14];
    const char *soon = tile->soon;

#pragma GCC unroll 14
    for (int p = 0; p < rows; p++) {
        from[p] = kind == BACK ? a + (ptrdiff_t)tile->rows[p] * ROW : a;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            acc[p][v] = bias ? load(bias + v * LANES) : (vec){0};
            if (tile->is_added)
                acc[p][v] = load(y + y_at(kind, tile, p, v));
        }
    }
    for (size_t k = 0; k < tile->steps; k++) {
        const ptrdiff_t along = kind == BACK ? outputs[k] : 0;
        vec column[4];

        __builtin_prefetch(soon);
        if (kind != FORWARD)
            __builtin_prefetch(soon + LINE);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const float *at = b + v / VECTORS * b_panel + v % VECTORS * LANES;

            column[v] = kind == FORWARD ? weights_of(at, inputs) : load(at);
        }
#pragma GCC unroll 14
        for (int p = 0; p < rows; p++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                acc[p][v] = multiply_add(acc[p][v], kind == BACK ? from[p] + along : a + p * a_row,
                                         column[v]);
        soon += tile->soon_step;
        inputs += UNIT;
        a += a_step;
        b += b_step;
    }
#pragma GCC unroll 14
    for (int p = 0; p < rows; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            store(y + y_at(kind, tile, p, v), tile->is_relu ? clamp(acc[p][v]) : acc[p][v]);
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

/* Pictures whose numbers are gathered at once. */
enum { GATHERED_MAX = 64 };

/* Of a tile's pictures, and some inputs: those that one of them has, or all. */
struct some_inputs {
    int rows;
    size_t steps;
    const uint16_t *at; /* [steps][UNIT] their places in a panel */
    float *x;           /* [rows][A_ROW] their numbers */
    uint16_t own[STEPS_MAX * UNIT];
};

struct gathered {
    size_t count;
    struct some_inputs part[(GATHERED_MAX + PIXELS / 2) / (PIXELS / 2)];
    float x[GATHERED_MAX * A_ROW];
    uint16_t all[STEPS_MAX * UNIT]; /* the places of all inputs */
};

/* Of some->rows pictures, `step` numbers apart, with `inputs` each. */
static void
gather_some(const bits *x, size_t step, size_t inputs, struct some_inputs *some)
{
    bits any[STEPS_MAX * UNIT] = {0};
    size_t found = 0;

    for (int p = 0; p < some->rows; p++)
        for (size_t i = 0; i < inputs; i++)
            any[i] |= x[(size_t)p * step + i];
    for (size_t i = 0; i < inputs; i++) { /* written in any case: no branch to guess */
        some->own[found] = (uint16_t)(i * ROW);
        found += any[i] != 0;
    }
    for (int p = 0; p < some->rows; p++) {
        bits *to = (bits *)(some->x + p * A_ROW);

        for (size_t i = 0; i < found; i++)
            to[i] = x[(size_t)p * step + some->own[i] / ROW];
        for (size_t i = found; i % UNIT > 0; i++)
            to[i] = 0;
    }
    some->steps = (found + UNIT - 1) / UNIT;
    for (; found % UNIT > 0; found++)
        some->own[found] = some->own[found - 1];
    some->at = some->own;
}

/* The places of all inputs; of what is behind the last one, its own. */
static void
find_all(size_t inputs, uint16_t all[static STEPS_MAX * UNIT])
{
    for (size_t i = 0; i < inputs; i++)
        all[i] = (uint16_t)(i * ROW);
    for (size_t i = inputs; i % UNIT > 0; i++)
        all[i] = all[i - 1];
}

/* The same with all inputs, whose places are all[]. */
static void
gather_all(const bits *x, size_t step, size_t inputs, const uint16_t *all, struct some_inputs *some)
{
    some->steps = (inputs + UNIT - 1) / UNIT;
    some->at = all;
    for (int p = 0; p < some->rows; p++) {
        const float *from = (const float *)(const void *)(x + (size_t)p * step);
        float *to = some->x + p * A_ROW;

        for (size_t k = 0; k < some->steps; k += LANES) /* behind them is room, in both */
            store(to + k, load(from + k));
        for (size_t i = inputs; i < some->steps * UNIT; i++)
            ((bits *)to)[i] = 0;
    }
}

/* Up to GATHERED_MAX pictures, in tiles for so many panels. */
static void
gather(const bits *x, size_t step, size_t pictures, size_t inputs, int panels, bool is_some,
       struct gathered *out)
{
    float *to = out->x;

    out->count = 0;
    for (size_t n = 0; n < pictures; out->count++) {
        struct some_inputs *some = &out->part[out->count];

        some->rows = part_of((int)(pictures - n), rows_of(panels));
        some->x = to;
        if (is_some)
            gather_some(x + n * step, step, inputs, some);
        else
            gather_all(x + n * step, step, inputs, out->all, some);
        to += some->rows * A_ROW;
        n += (size_t)some->rows;
    }
}

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
    tile->soon_step = (ptrdiff_t)((size / parts + tile->steps) / (tile->steps + 1));
}

/* The gathered pictures through a panel of weights, or two: `lanes` outputs. soon: what is next,
 * `size` bytes a panel. */
static void
forward_panels(const struct gathered *all, struct tile *tile, const float *w, const float *bias,
               float *y, size_t lanes, const float *soon, size_t size)
{
    int panels = lanes > INK_PANEL ? 2 : 1;

    for (size_t i = 0; i < all->count; i++) {
        const struct some_inputs *some = &all->part[i];
        tile_fn *run = tiles[FORWARD][panels - 1][some->rows];

        tile->steps = some->steps;
        tile->inputs = some->at;
        fetch_panels(tile, soon, size, i, all->count);
        if (lanes < INK_PANEL)
            tile_at_edge(run, tile, some->x, w, bias, y, some->rows, lanes);
        else
            run(tile, some->x, w, bias, y);
        y += some->rows * tile->y_row;
    }
}

ALWAYS_INLINE void
dense_forward(const struct ink_dense *form, const float *x, const float *w, const float *bias,
              bool is_relu, float *y)
{
    const size_t most = (size_t)STEPS_MAX * UNIT, outputs = form->outputs;
    size_t step = (form->inputs + UNIT - 1) / UNIT * UNIT, panel = form->inputs * ROW;
    int panels = (int)panels_of(panel_count(outputs));
    bool is_cut = outputs >= INK_DENSE_CUT_MIN;
    struct tile tile = {
        .b_panel = (ptrdiff_t)panel, .y_row = (ptrdiff_t)outputs, .y_panel = INK_PANEL};
    struct gathered some;

    for (size_t from = 0, inputs; from < form->inputs; from += inputs) {
        inputs = smaller(most, form->inputs - from);
        if (!is_cut)
            find_all(inputs, some.all);
        tile.is_added = from > 0;
        tile.is_relu = is_relu && from + inputs == form->inputs;
        for (size_t n = 0, pictures; n < form->pictures; n += pictures) {
            pictures = smaller(GATHERED_MAX, form->pictures - n);
            gather((const bits *)x + n * step + from, step, pictures, inputs, panels, is_cut,
                   &some);
            for (size_t o = 0, next; o < outputs; o = next) {
                const float *at = w + o / INK_PANEL * panel + from * ROW, *soon;

                next = o + smaller(panels_of((outputs - o) / INK_PANEL) * INK_PANEL, outputs - o);
                soon = next < outputs ? at + (next - o) / INK_PANEL * panel
                                      : w + (from + inputs) * ROW;
                forward_panels(&some, &tile, at, bias && from == 0 ? bias + o : NULL,
                               y + n * outputs + o, next - o, soon, inputs * ROW * sizeof(*w));
            }
        }
    }
}

/* ---- back to the inputs ---- */

ALWAYS_INLINE bool
has_some(mask of)
{
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)of, (__m512i)of) != 0;
#elif defined(__AVX2__)
    return !_mm256_testz_si256((__m256i)of, (__m256i)of);
#else
    return (of[0] | of[1] | of[2] | of[3]) != 0;
#endif
}

/* Some outputs' way back to some inputs. */
struct back {
    struct tile tile;
    size_t inputs, steps, panel; /* panel: units from one of pictures to the next of dy */
    const float *soon;           /* the weights of these inputs that are next, */
    ptrdiff_t soon_step;         /* a panel's, each step of a tile */
    bool is_cut;                 /* only inputs that are wanted, else all */
    uint32_t wanted[BACK_ROWS];  /* a bit for a panel of pictures, or for each 32nd */
    /* Of a tile: inputs, outputs, and these' gradients. */
    uint16_t row[BACK_ROWS + 1];
    ptrdiff_t output[BACK_STEPS + 1];
    float dy[(BACK_STEPS + 1) * 2 * INK_PANEL];
};

/* Inputs that some of the pictures have, a bit for each panel of these. */
static void
find_wanted(struct back *back, const struct ink_dense *form, const float *x)
{
    memset(back->wanted, 0, sizeof(back->wanted));
    for (size_t n = 0; n < form->pictures; n++, x += form->inputs) {
        const mask panel = (mask){0} + (int)((uint32_t)1 << n / INK_PANEL % 32);

        for (size_t i = 0; i < back->inputs; i += LANES) {
            float *at = (float *)(void *)(back->wanted + i);

            __builtin_prefetch(x + i + back->inputs); /* what comes after these */
            store(at, (vec)((mask)load(at) | ((load(x + i) != 0) & panel)));
        }
    }
}

/* The steps of two panels of pictures, or one, at which some have a gradient. */
static size_t
find_steps(struct back *back, int panels, const float *dy)
{
    size_t found = 0;

    for (size_t k = 0; k < back->steps; k++) {
        float *to = back->dy + found * (size_t)panels * INK_PANEL;
        mask any = {0};

        for (int v = 0; v < panels * VECTORS; v++) {
            vec some = load(dy + v / VECTORS * (ptrdiff_t)back->panel + k * INK_PANEL +
                            v % VECTORS * LANES);

            any |= (mask)some;
            store(to + v * LANES, some);
        }
        back->output[found] = (ptrdiff_t)(k / ROW) * back->tile.a_step + (ptrdiff_t)(k % ROW);
        found += has_some(any);
    }
    return found;
}

/* Inputs that some of these panels want. */
static size_t
find_rows(struct back *back, uint32_t panels)
{
    size_t found = 0;

    for (size_t i = 0; i < back->inputs; i++) {
        back->row[found] = (uint16_t)i;
        found += (back->wanted[i] & panels) != 0;
    }
    return found;
}

/* Each of the first tiles fetches one of the panels that are next, two lines a step. */
static void
fetch_inputs(struct back *back, size_t number)
{
    struct tile *tile = &back->tile;
    bool is_one = number < BACK_PANELS;

    tile->soon = (const char *)(back->soon + (is_one ? (ptrdiff_t)number * tile->a_step : 0));
    tile->soon_step = is_one ? back->soon_step : 0;
}

static void
back_panels(struct back *back, const float *w, const float *dy, float *dx)
{
    struct tile *tile = &back->tile;
    size_t lanes = (size_t)tile->y_row, number = 0;

    tile->outputs = back->output;
    for (size_t n = 0, panels; n < lanes; n += panels * INK_PANEL) {
        size_t first = n / INK_PANEL, rows;

        panels = panels_of(lanes / INK_PANEL - first);
        rows = back->is_cut ? find_rows(back, (((uint32_t)1 << panels) - 1) << first % 32)
                            : back->inputs;
        tile->steps = find_steps(back, (int)panels, dy + first * back->panel);
        if (tile->steps > 0)
            back->soon_step = (ptrdiff_t)(back->inputs * ROW * sizeof(*w) / tile->steps + 1);
        for (size_t i = 0, part; i < rows && tile->steps > 0; i += part) {
            part = (size_t)part_of((int)(rows - i), rows_of((int)panels));
            tile->rows = back->row + i;
            fetch_inputs(back, number++);
            tiles[BACK][panels - 1][part](tile, w, back->dy, NULL, dx + n);
        }
    }
}

ALWAYS_INLINE void
dense_back(const struct ink_dense *form, size_t count, const float *w, const float *dy,
           const float *x, float *dx)
{
    size_t panels = panel_count(form->outputs), step = form->inputs * ROW;
    size_t lanes = panel_count(form->pictures) * INK_PANEL, square = (size_t)INK_PANEL * ROW;
    struct back back;

    memset(dx, 0, count * lanes * sizeof(*dx));
    back.panel = panels * square;
    back.tile = (struct tile){.a_step = (ptrdiff_t)step,
                              .y_row = (ptrdiff_t)lanes,
                              .y_panel = INK_PANEL,
                              .is_added = true};
    back.is_cut = x && form->outputs >= INK_DENSE_CUT_MIN;
    for (uint16_t i = 0; i < BACK_ROWS; i++) /* all, until find_rows leaves some out */
        back.row[i] = i;
    for (size_t i = 0; i < count; i += back.inputs) {
        back.inputs = smaller(BACK_ROWS, count - i);
        if (back.is_cut)
            find_wanted(&back, form, x + i);
        for (size_t from = 0, some; from < panels; from += some) {
            some = smaller(BACK_PANELS, panels - from);
            back.steps = some * ROW;
            back.soon = w + (from + some < panels ? (from + some) * step + i * ROW
                                                  : (i + back.inputs) * ROW);
            back_panels(&back, w + from * step + i * ROW, dy + from * square, dx + i * lanes);
        }
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
