/* SPDX-License-Identifier: MIT */
/*
 * net_tiles: convolutions of 3x3 by tiles, in plans for answers (model/kernels/simd_winograd.c).
 *
 * Their weights lie twice in the parameters, as the tiles want them and in
 * panels, for tables without tiles. Pictures go together as far as their numbers
 * stay in the second-level cache; a large one goes by some rows of tiles at a
 * time. For a single picture too this is faster, even where its weights, four
 * times as many, do not stay in that cache (128 to 128 channels: 58 -> 32 us); but
 * not where a network is so large that they come from memory each time.
 */
#include "model/net_run.h"

enum {
    NUMBERS = INK_TILES_NUMBERS,
    BUDGET = 2048,       /* floats of one of the 36 matrices that are multiplied together */
    SLICE = 64,          /* output channels that are made together */
    CACHED_MAX = 4 << 20 /* floats of a network's parameters that stay in the last cache */
};

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
tile_rows(const struct ink_plan_node *at)
{
    return ((size_t)at->out.height + INK_TILES_OUT - 1) / INK_TILES_OUT;
}

static size_t
tile_columns(const struct ink_plan_node *at)
{
    return ((size_t)at->out.width + INK_TILES_OUT - 1) / INK_TILES_OUT;
}

/* Tiles that are computed together: at least a row of them. */
static size_t
tiles_most(const struct ink_plan_node *at)
{
    size_t widest = least(ink_channels_of(at->out), SLICE), most, row = tile_columns(at);

    if (widest < ink_channels_of(at->in))
        widest = ink_channels_of(at->in);
    most = BUDGET / widest;
    return most < row ? row : most;
}

/* Floats from one of the 36 numbers to the next: not a power of two, which the cache is bad at. */
static size_t
step_of(size_t tiles, size_t channels)
{
    return tiles * channels + INK_PANEL;
}

void
ink_plan_tiles(struct ink_plan *plan, struct ink_plan_node *at)
{
    size_t ins = ink_channels_of(at->in), outs = ink_channels_of(at->out), most;

    if (plan->use != INK_USE_ANSWER || at->is_bf16 || at->node->op != INK_OP_CONV ||
        at->conv.kernel_height != 3 || at->conv.kernel_width != 3 || at->conv.stride != 1 ||
        ins % INK_PANEL != 0 || outs % INK_PANEL != 0)
        return;
    at->tiled_size = NUMBERS * ins * outs;
    at->tiled_at = plan->parameter_size;
    plan->parameter_size += at->tiled_size;
    most = tiles_most(at);
    most = NUMBERS * (step_of(most, ins) + step_of(most, least(outs, SLICE)));
    if (plan->tiles_size < most)
        plan->tiles_size = most;
}

/* ---- weights ---- */

/* Three weights in a line -> their six numbers: values of a polynomial, over those that make the
 * tile's outputs whole again. */
static void
turn_line(const double g[static 3], double out[static 6])
{
    const double p = (double)INK_TILES_P, q = (double)INK_TILES_Q, pp = p * p, qq = q * q;
    const double of_p = 1 / (2 * pp * (pp - qq)), of_q = 1 / (2 * qq * (qq - pp));

    out[0] = g[0] / (pp * qq);
    out[1] = (g[0] + p * g[1] + pp * g[2]) * of_p;
    out[2] = (g[0] - p * g[1] + pp * g[2]) * of_p;
    out[3] = (g[0] + q * g[1] + qq * g[2]) * of_q;
    out[4] = (g[0] - q * g[1] + qq * g[2]) * of_q;
    out[5] = g[2];
}

/* One input's weights to one output: w[9] `step` apart, u[36] `to_step` apart. */
static void
turn_window(const float *w, size_t step, float *u, size_t to_step)
{
    double half[3][INK_TILES_IN], out[INK_TILES_IN];

    for (size_t j = 0; j < 3; j++) {
        const double line[3] = {(double)w[j * step], (double)w[(3 + j) * step],
                                (double)w[(6 + j) * step]};

        turn_line(line, half[j]);
    }
    for (size_t i = 0; i < INK_TILES_IN; i++) {
        const double line[3] = {half[0][i], half[1][i], half[2][i]};

        turn_line(line, out);
        for (size_t j = 0; j < INK_TILES_IN; j++)
            u[(i * INK_TILES_IN + j) * to_step] = (float)out[j];
    }
}

void
ink_tiles_pack(const struct ink_plan_node *at, float *block)
{
    size_t line = ink_channels_of(at->in) * INK_PANEL, all = at->tiled_size / NUMBERS;

    for (size_t i = 0; i < all; i++)
        turn_window(block + at->weight_at + i / line * line * 9 + i % line, line,
                    block + at->tiled_at + i, all);
}

/* ---- forward ---- */

/* Some pictures' tiles, or some rows of one's. */
struct group {
    size_t first, count; /* pictures */
    size_t tiles;        /* of a picture */
    struct ink_tiles form;
};

static void
read_tiles(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group,
           float *v)
{
    struct ink_tiles form = group->form;
    const float *x =
        ink_run_value(run, at->node->input[0]) + group->first * ink_shape_count(at->in);

    form.channels = at->in.channels;
    form.step = step_of(group->count * group->tiles, ink_channels_of(at->in));
    for (size_t n = 0; n < group->count; n++)
        run->kernels->tiles_in(&form, x + n * ink_shape_count(at->in),
                               v + n * group->tiles * ink_channels_of(at->in));
}

static void
write_tiles(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group,
            size_t channel, const float *m)
{
    const float *bias = at->has_bias ? run->block + at->bias_at + channel : NULL;
    float *y = ink_run_value(run, (int)(at - run->plan->node)) +
               group->first * ink_shape_count(at->kept) + channel;

    for (size_t n = 0; n < group->count; n++)
        run->kernels->tiles_out(&group->form, m + n * group->tiles * (size_t)group->form.channels,
                                bias, y + n * ink_shape_count(at->kept));
}

static void
run_group(const struct ink_run *run, const struct ink_plan_node *at, struct group *group)
{
    size_t ins = ink_channels_of(at->in), outs = ink_channels_of(at->out);
    size_t tiles = group->count * group->tiles, slice;
    float *v = run->workspace->tiles, *m = v + NUMBERS * step_of(tiles, ins);

    read_tiles(run, at, group, v);
    for (size_t channel = 0; channel < outs; channel += slice) {
        struct ink_products form = {.count = NUMBERS,
                                    .rows = tiles,
                                    .ins = ins,
                                    .a_step = step_of(tiles, ins),
                                    .b_step = ins * outs};

        slice = least(SLICE, outs - channel);
        form.outs = slice;
        form.y_step = group->form.step = step_of(tiles, slice);
        group->form.channels = (int)slice;
        run->kernels->products(&form, v, run->block + at->tiled_at + channel * ins, m);
        write_tiles(run, at, group, channel, m);
    }
}

bool
ink_tiles_run(const struct ink_run *run, const struct ink_plan_node *at)
{
    size_t across = tile_columns(at), down = tile_rows(at), most = tiles_most(at);
    size_t pictures = most / (across * down), rows = down;
    size_t count = (size_t)run->count;

    if (at->tiled_size == 0 || !run->kernels->products ||
        (run->workspace->count == 1 && run->plan->parameter_size > CACHED_MAX))
        return false;
    if (pictures == 0) {
        pictures = 1;
        rows = most / across;
    }
    for (size_t n = 0; n < count; n += pictures)
        for (size_t row = 0; row < down; row += rows) {
            size_t last = least(row + rows, down);
            struct group group = {
                .first = n,
                .count = least(pictures, count - n),
                .tiles = (last - row) * across,
                .form = {.height = at->in.height,
                         .width = at->in.width,
                         .pad = at->node->pad,
                         .out_height = at->out.height,
                         .out_width = at->out.width,
                         .first_row = (int)row,
                         .last_row = (int)last,
                         .y_pixel = at->out.channels,
                         .is_relu = at->has_relu,
                         .is_pooled = at->pooled >= 0},
            };

            run_group(run, at, &group);
        }
    return true;
}
