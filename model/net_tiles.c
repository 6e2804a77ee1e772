/* SPDX-License-Identifier: MIT */
/*
 * net_tiles: convolutions of 3x3 by tiles: in float of 4x4 outputs (simd_winograd.c), in bf16 of
 * 2x2 (simd_bf16_tiles.c).
 *
 * In plans for answers their weights lie twice in the parameters, as the tiles
 * want them and in panels, for tables without tiles; in training those for the
 * tiles are among the turned ones, made once a step. Pictures go together as far as their numbers
 * stay in the second-level cache; a large one goes by some rows of tiles at a
 * time. For a single picture too this is faster, even where its weights, four
 * times as many, do not stay in that cache (128 to 128 channels: 58 -> 32 us); but
 * not where a network is so large that they come from memory each time.
 *
 * In bf16 the tiles' weights take the others' place, not twice their room.
 */
#include "model/net_bf16.h"
#include "model/net_norm.h"

enum {
    BUDGET = 2048,       /* floats of one of the 36 matrices that are multiplied together */
    BF16_BUDGET = 2048,  /* and of the 16 in bf16 */
    SLICE = 64,          /* output channels that are made together */
    BF16_INS = 32,       /* fewer input channels are too short for products of matrices in bf16 */
    FEWEST = 9,          /* tiles that are worth to be multiplied without other pictures' */
    CACHED_MAX = 4 << 20 /* floats of a network's parameters that stay in the last cache */
};

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A convolution from its input, or back from its output's gradient: that is one too, with its
 * weights turned around. */
struct way {
    struct ink_shape in, out;
    int pad;
    int side;            /* outputs of a tile, each way */
    size_t numbers;      /* that a tile is turned into */
    size_t across, down; /* tiles of a picture */
    size_t most;         /* tiles that are computed together: at least a row of them */
};

static struct way
way_of(const struct ink_plan_node *at, bool is_back)
{
    struct way way = {.in = at->in, .out = at->out, .pad = at->node->pad};
    size_t widest;

    if (is_back)
        way = (struct way){
            .in = at->out, .out = at->in, .pad = INK_TILES_IN - INK_TILES_OUT - at->node->pad};
    way.side = at->is_bf16 ? INK_BF16_TILES_OUT : INK_TILES_OUT;
    way.numbers = at->is_bf16 ? INK_BF16_TILES_NUMBERS : INK_TILES_NUMBERS;
    widest = least(ink_channels_of(way.out), SLICE);
    if (widest < ink_channels_of(way.in))
        widest = ink_channels_of(way.in);
    way.across = (size_t)((way.out.width + way.side - 1) / way.side);
    way.down = (size_t)((way.out.height + way.side - 1) / way.side);
    way.most = (at->is_bf16 ? BF16_BUDGET : BUDGET) / widest;
    if (way.most < way.across)
        way.most = way.across;
    return way;
}

/* Floats, or bf16, from one of a tile's numbers to the next: not a power of two, which the cache is
 * bad at. */
static size_t
step_of(size_t tiles, size_t channels)
{
    return tiles * channels + INK_PANEL;
}

/* ---- the plan ---- */

static bool
has_tiles(const struct ink_plan_node *at)
{
    return at->node->op == INK_OP_CONV && at->conv.kernel_height == 3 &&
           at->conv.kernel_width == 3 && at->conv.stride == 1 &&
           ink_channels_of(at->in) % INK_PANEL == 0 && ink_channels_of(at->out) % INK_PANEL == 0;
}

static size_t
size_of(const struct ink_plan_node *at)
{
    return INK_TILES_NUMBERS * ink_channels_of(at->in) * ink_channels_of(at->out);
}

static void
plan_scratch(struct ink_plan *plan, const struct way *way)
{
    size_t outs = least(ink_channels_of(way->out), SLICE);
    size_t size =
        way->numbers * (step_of(way->most, ink_channels_of(way->in)) + step_of(way->most, outs));

    if (plan->tiles_size < size)
        plan->tiles_size = size;
}

void
ink_plan_tiles(struct ink_plan *plan, struct ink_plan_node *at)
{
    const struct way way = way_of(at, false);

    if (plan->use != INK_USE_ANSWER || !has_tiles(at) ||
        (at->is_bf16 && ink_tiles_bf16_size(at) == 0))
        return;
    if (at->is_bf16) {
        at->tiled_at = at->weight_at;
        at->tiled_size = at->weight_size;
    } else {
        at->tiled_at = plan->parameter_size;
        at->tiled_size = size_of(at);
        plan->parameter_size += at->tiled_size;
    }
    plan_scratch(plan, &way);
}

/* Whether a tile makes at least half of its outputs, and is thus half the work or less; in bf16 the
 * most of them. */
static bool
pays(const struct way *way, double least_share)
{
    return (double)ink_pixels_of(way->out) >=
           least_share * (double)(way->across * way->down) * way->side * way->side;
}

static bool
pays_bf16(const struct way *way)
{
    return way->in.channels >= BF16_INS && pays(way, 0.75);
}

/* Floats that the weights take up. */
static size_t
bf16_size(const struct ink_plan_node *at)
{
    return (size_t)INK_BF16_TILES_NUMBERS * ink_channels_of(at->in) * ink_channels_of(at->out) / 2;
}

size_t
ink_tiles_bf16_size(const struct ink_plan_node *at)
{
    const struct way way = way_of(at, false);

    /* without padding blank margins are not computed, which saves as much */
    return has_tiles(at) && at->node->pad > 0 && pays_bf16(&way) ? bf16_size(at) : 0;
}

bool
ink_tiles_are_few(const struct ink_plan_node *at)
{
    const struct way way = way_of(at, false);

    return at->tiled_size > 0 && way.across * way.down < FEWEST;
}

/* The next part of the turned weights for tiles in bf16, either way. */
static size_t
take_bf16(struct ink_plan *plan, const struct ink_plan_node *at, const struct way *way)
{
    plan_scratch(plan, way);
    plan->turned_size += bf16_size(at);
    return plan->turned_size - bf16_size(at);
}

static void
plan_training_bf16(struct ink_plan *plan, struct ink_plan_node *at)
{
    const struct way way = way_of(at, false), back = way_of(at, true);

    if (!has_tiles(at))
        return;
    if (at->pooled < 0 ? pays_bf16(&way) : ink_tiles_bf16_size(at) > 0) {
        at->tiled_size = bf16_size(at);
        at->tiled_at = take_bf16(plan, at, &way);
    }
    at->is_tiled_back = pays_bf16(&back) && at->pooled < 0 && back.pad >= 0 &&
                        plan->node[at->node->input[0]].needs_gradient;
    if (at->is_tiled_back)
        at->tiled_back_at = take_bf16(plan, at, &back);
}

void
ink_plan_training_tiles(struct ink_plan *plan)
{
    for (int i = 1; i < plan->node_count && plan->use == INK_USE_TRAIN; i++) {
        struct ink_plan_node *at = &plan->node[i];
        const struct way way = way_of(at, false), back = way_of(at, true);

        if (at->is_bf16)
            plan_training_bf16(plan, at);
        if (at->is_bf16 || !has_tiles(at))
            continue;
        if (pays(&way, 0.5)) {
            at->tiled_at = plan->turned_size;
            at->tiled_size = size_of(at);
            plan->turned_size += at->tiled_size;
            plan_scratch(plan, &way);
        }
        at->is_tiled_back = pays(&back, 0.5) && at->pooled < 0 && back.pad >= 0 &&
                            plan->node[at->node->input[0]].needs_gradient;
        if (at->is_tiled_back) {
            at->tiled_back_at = plan->turned_size;
            plan->turned_size += size_of(at);
            plan_scratch(plan, &back);
        }
    }
}

/* ---- weights ---- */

/* Three weights in a line -> their six numbers, of 16 outputs at once: values of a polynomial, over
 * those that make the tile's outputs whole again. */
static void
turn_lines(double (*g)[INK_PANEL], size_t step, double (*out)[INK_PANEL])
{
    const double p = (double)INK_TILES_P, q = (double)INK_TILES_Q, pp = p * p, qq = q * q;
    const double of_p = 1 / (2 * pp * (pp - qq)), of_q = 1 / (2 * qq * (qq - pp));
    const double of_0 = 1 / (pp * qq);

    for (size_t lane = 0; lane < INK_PANEL; lane++) {
        double first = g[0][lane], second = g[step][lane], third = g[2 * step][lane];
        double even_p = (first + pp * third) * of_p, odd_p = p * second * of_p;
        double even_q = (first + qq * third) * of_q, odd_q = q * second * of_q;

        out[0][lane] = first * of_0;
        out[1][lane] = even_p + odd_p;
        out[2][lane] = even_p - odd_p;
        out[3][lane] = even_q + odd_q;
        out[4][lane] = even_q - odd_q;
        out[5][lane] = third;
    }
}

/* One input's weights to 16 outputs: w[9][16] `step` apart, u[36][16] `to_step` apart. */
static void
turn_windows(const float *w, size_t step, float *u, size_t to_step)
{
    double window[9][INK_PANEL], half[3][INK_TILES_IN][INK_PANEL], out[INK_TILES_IN][INK_PANEL];

    for (size_t i = 0; i < 9; i++)
        for (size_t lane = 0; lane < INK_PANEL; lane++)
            window[i][lane] = (double)w[i * step + lane];
    for (size_t j = 0; j < 3; j++)
        turn_lines(&window[j], 3, half[j]);
    for (size_t i = 0; i < INK_TILES_IN; i++) {
        turn_lines(&half[0][i], INK_TILES_IN, out);
        for (size_t j = 0; j < INK_TILES_IN; j++)
            for (size_t lane = 0; lane < INK_PANEL; lane++)
                u[(i * INK_TILES_IN + j) * to_step + lane] = (float)out[j][lane];
    }
}

/* In double: answers should not differ from the reference's by more than the products round. */
void
ink_tiles_pack(const struct ink_plan_node *at, float *block)
{
    size_t line = ink_channels_of(at->in) * INK_PANEL, all = at->tiled_size / INK_TILES_NUMBERS;

    for (size_t i = 0; i < all; i += INK_PANEL)
        turn_windows(block + at->weight_at + i / line * line * 9 + i % line, line,
                     block + at->tiled_at + i, all);
}

/* In bf16 four numbers a line, halves of sums; as the kernel for training makes them, so that
 * answers are those of training. */
static void
turn_line_bf16(const float *g, size_t step, float out[static INK_BF16_TILES_IN])
{
    float ends = (g[0] + g[2 * step]) * 0.5F, middle = g[step] * 0.5F;

    out[0] = g[0];
    out[1] = ends + middle;
    out[2] = ends - middle;
    out[3] = g[2 * step];
}

void
ink_tiles_put_bf16(const struct ink_plan_node *at, const float window[static 9], size_t out,
                   size_t in, float *weights)
{
    enum { IN = INK_BF16_TILES_IN };
    size_t ins = ink_channels_of(at->in), all = ins * ink_channels_of(at->out);
    uint16_t *to = (uint16_t *)weights + ((out / INK_PANEL * ins + in / 2 * 2) * INK_PANEL +
                                          out % INK_PANEL * 2 + in % 2);
    float half[3][IN], line[IN];

    for (size_t j = 0; j < 3; j++)
        turn_line_bf16(window + j, 3, half[j]);
    for (size_t i = 0; i < IN; i++) {
        turn_line_bf16(&half[0][i], IN, line);
        for (size_t j = 0; j < IN; j++)
            to[(i * IN + j) * all] = ink_bf16_of(line[j]);
    }
}

/* Part of `parts` of `count` panels of [9][size]. */
static void
turn_panels(const struct ink_kernels *kernels, const float *weights, const size_t form[static 2],
            const int part[static 2], float *turned)
{
    size_t count = form[0], size = form[1], parts = (size_t)part[1];

    for (size_t panel = count * (size_t)part[0] / parts;
         panel < count * ((size_t)part[0] + 1) / parts; panel++)
        kernels->tiles_weights(size, weights + panel * 9 * size, turned + panel * size,
                               count * size);
}

/* Number t of a window of which the last row is the first, and the last column: the sums of all
 * rows, and of every second less the other, are what they were. */
static size_t
flipped(size_t t)
{
    static const size_t other[INK_BF16_TILES_IN] = {3, 1, 2, 0};

    return other[t / INK_BF16_TILES_IN] * INK_BF16_TILES_IN + other[t % INK_BF16_TILES_IN];
}

/* A panel's weights from 16 inputs, to forward[16][outs / 16][ins / 2][16][2], and to back[16]
 * [ins / 16][outs / 2][16][2] from the other side; either may be NULL. */
static void
turn_block_bf16(const struct ink_bf16 *bf16, const struct ink_plan_node *at, const float *block,
                const size_t from[static 2], uint16_t *const to[static 2])
{
    enum { SIZE = INK_PANEL * INK_PANEL };
    size_t ins = ink_channels_of(at->in), outs = ink_channels_of(at->out);
    size_t panel = from[0], in = from[1];
    float u[INK_BF16_TILES_NUMBERS * SIZE];

    bf16->tiles_weights(SIZE, block + at->weight_at + (panel * 9 * ins + in) * INK_PANEL,
                        ins * INK_PANEL, u);
    for (size_t t = 0; t < INK_BF16_TILES_NUMBERS; t++) {
        const float *number = u + t * SIZE;

        if (to[0])
            bf16->pair_rows(INK_PANEL, INK_PANEL, number,
                            to[0] + t * ins * outs + (panel * ins + in) * INK_PANEL);
        if (to[1])
            bf16->turn(INK_PANEL, number,
                       to[1] + flipped(t) * ins * outs + in * outs + panel * SIZE);
    }
}

static void
turn_bf16(const struct ink_bf16 *bf16, const struct ink_plan_node *at, const float *block,
          float *turned, const int part[static 2])
{
    size_t panels = ink_channels_of(at->out) / INK_PANEL, parts = (size_t)part[1];
    uint16_t *const to[2] = {
        at->tiled_size > 0 ? (uint16_t *)(turned + at->tiled_at) : NULL,
        at->is_tiled_back ? (uint16_t *)(turned + at->tiled_back_at) : NULL,
    };

    for (size_t panel = panels * (size_t)part[0] / parts;
         panel < panels * ((size_t)part[0] + 1) / parts && (to[0] || to[1]); panel++)
        for (size_t in = 0; in < ink_channels_of(at->in); in += INK_PANEL)
            turn_block_bf16(bf16, at, block, (const size_t[2]){panel, in}, to);
}

void
ink_tiles_turn(const struct ink_kernels *kernels, const struct ink_plan_node *at,
               const float *block, float *turned, const int part[static 2])
{
    size_t ins = ink_channels_of(at->in), outs = ink_channels_of(at->out);

    if (at->is_bf16) {
        turn_bf16(kernels->bf16, at, block, turned, part);
        return;
    }
    if (!kernels->products)
        return;
    if (at->tiled_size > 0)
        turn_panels(kernels, block + at->weight_at,
                    (const size_t[2]){outs / INK_PANEL, ins * INK_PANEL}, part,
                    turned + at->tiled_at);
    if (at->is_tiled_back)
        turn_panels(kernels, turned + at->turned_at,
                    (const size_t[2]){ins / INK_PANEL, outs * INK_PANEL}, part,
                    turned + at->tiled_back_at);
}

/* ---- both ways ---- */

/* Some pictures' tiles, or some rows of one's. */
struct group {
    const struct ink_run *run;
    const struct ink_plan_node *at;
    bool is_back;
    size_t ins, outs;
    size_t first, count; /* pictures */
    size_t tiles;        /* of a picture */
    struct ink_tiles form;
};

static void
read_tiles(const struct group *group, size_t n, const float *x)
{
    struct ink_tiles form = group->form;
    float *v = group->run->workspace->tiles;
    size_t from = (n - group->first) * group->tiles * group->ins;

    form.channels = (int)group->ins;
    form.step = step_of(group->count * group->tiles, group->ins);
    if (group->at->is_bf16)
        group->run->kernels->bf16->tiles_in(&form, x, (uint16_t *)v + from);
    else
        group->run->kernels->tiles_in(&form, x, v + from);
}

/* Picture n's outputs from `channel` on. */
static void
write_forward(const struct group *group, size_t n, size_t channel, const float *m)
{
    const struct ink_run *run = group->run;
    const struct ink_plan_node *at = group->at;
    size_t from = n * ink_shape_count(at->kept) + channel;
    const float *start = at->start < 0 ? NULL : ink_run_start(run, at, n) + channel;
    const float *bias = at->has_bias ? run->block + at->bias_at + channel : NULL;
    float *y = ink_run_value(run, (int)(at - run->plan->node)) + from;
    uint8_t *place = NULL;

    if (at->pooled >= 0 && run->plan->use == INK_USE_TRAIN)
        place = ink_run_places(run, at) + from;
    if (at->is_bf16)
        run->kernels->bf16->tiles_out(&group->form, m, bias, start, y, place);
    else
        run->kernels->tiles_out(&group->form, m, bias, start, y, place);
}

static void
write_back(const struct group *group, size_t n, size_t channel, const float *m)
{
    const struct ink_plan_node *at = group->at;
    float *dx =
        ink_run_gradient(group->run, at->node->input[0]) + n * ink_shape_count(at->in) + channel;
    const float *start = at->adds[0] ? dx : NULL;

    if (at->is_bf16)
        group->run->kernels->bf16->tiles_out(&group->form, m, NULL, start, dx, NULL);
    else
        group->run->kernels->tiles_out(&group->form, m, NULL, start, dx, NULL);
}

/* The group's tiles times the weights to `count` outputs from `channel` on. */
static void
multiply_slice(struct group *group, size_t channel, size_t count, float *m)
{
    const struct ink_run *run = group->run;
    const struct ink_plan_node *at = group->at;
    size_t tiles = group->count * group->tiles;
    const float *v = run->workspace->tiles, *weights = run->block + at->tiled_at;
    const struct ink_products form = {
        .count = way_of(at, group->is_back).numbers,
        .rows = tiles,
        .ins = group->ins,
        .outs = count,
        .a_step = step_of(tiles, group->ins),
        .b_step = group->ins * group->outs,
        .y_step = group->form.step,
    };

    if (run->plan->use == INK_USE_TRAIN)
        weights = run->turned + (group->is_back ? at->tiled_back_at : at->tiled_at);
    if (at->is_bf16)
        run->kernels->bf16->products(&form, (const uint16_t *)v,
                                     (const uint16_t *)weights + channel * group->ins, m);
    else
        run->kernels->products(&form, v, weights + channel * group->ins, m);
}

static void
multiply(struct group *group)
{
    size_t tiles = group->count * group->tiles, numbers = way_of(group->at, group->is_back).numbers;
    float *m = group->run->workspace->tiles + numbers * step_of(tiles, group->ins);

    for (size_t channel = 0, slice; channel < group->outs; channel += slice) {
        slice = least(SLICE, group->outs - channel);
        group->form.step = step_of(tiles, slice);
        group->form.channels = (int)slice;
        multiply_slice(group, channel, slice, m);
        for (size_t n = 0; n < group->count; n++)
            (group->is_back ? write_back : write_forward)(group, group->first + n, channel,
                                                          m + n * group->tiles * slice);
    }
}

/* Picture n's input, x; with the last one of a group the outputs of all of them are there. */
static void
run_picture(const struct ink_run *run, const struct ink_plan_node *at, bool is_back, size_t n,
            const float *x)
{
    const struct way way = way_of(at, is_back);
    size_t together = way.most / (way.across * way.down), rows = way.down;
    struct group group = {
        .run = run,
        .at = at,
        .is_back = is_back,
        .ins = ink_channels_of(way.in),
        .outs = ink_channels_of(way.out),
        .form = {.height = way.in.height,
                 .width = way.in.width,
                 .pad = way.pad,
                 .out_height = way.out.height,
                 .out_width = way.out.width,
                 .y_pixel = way.out.channels,
                 .is_relu = at->has_relu && !is_back,
                 .is_pooled = at->pooled >= 0},
    };

    if (together == 0) {
        together = 1;
        rows = way.most / way.across;
    }
    group.first = n - n % together;
    group.count = least(together, (size_t)run->count - group.first);
    for (size_t row = 0; row < way.down; row += rows) {
        group.form.first_row = (int)row;
        group.form.last_row = (int)least(row + rows, way.down);
        group.tiles = (size_t)(group.form.last_row - group.form.first_row) * way.across;
        read_tiles(&group, n, x);
        if (n + 1 == group.first + group.count)
            multiply(&group);
    }
    for (size_t i = group.first; i <= n && n + 1 == group.first + group.count; i++)
        (is_back ? ink_norm_wrote_back : ink_norm_wrote)(run, at, i);
}

bool
ink_tiles_run(const struct ink_run *run, const struct ink_plan_node *at)
{
    bool is_answer = run->plan->use == INK_USE_ANSWER;

    if (at->tiled_size == 0)
        return false;
    if (!at->is_bf16 && (!run->kernels->products || (is_answer && run->workspace->count == 1 &&
                                                     run->plan->parameter_size > CACHED_MAX)))
        return false;
    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n++)
        run_picture(run, at, false, n, ink_norm_input(run, at, n));
    return true;
}

bool
ink_tiles_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n, const float *dy)
{
    if (!at->is_tiled_back || (!at->is_bf16 && !run->kernels->products))
        return false;
    run_picture(run, at, true, n, dy);
    return true;
}
