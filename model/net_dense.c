/* SPDX-License-Identifier: MIT */
/* net_dense: dense layers, forward, backward, and their weights' gradients. */
#include "model/net_dense.h"

#include <string.h>

#include "model/net_bf16.h"

enum {
    BLOCK_INPUTS = 448,          /* way back: inputs computed before they are turned around */
    SLICE_PANELS = 8,            /* and panels summed over at once: a tile's gradients stay in L1 */
    TILE_INPUTS = 112,           /* weights' gradients: inputs of a tile, and outputs */
    TILE_OUTPUTS = 2 * INK_PANEL /* of a mini-batch of 128, its numbers are in L1 too */
};

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
panels(size_t count)
{
    return (count + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

/* ---- forward ---- */

void
ink_run_dense(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    const float *weights = run->block + at->weight_at;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    struct ink_conv conv = at->conv;

    if (at->is_bf16) {
        ink_bf16_run_dense(run, at, x, y);
        return;
    }
    conv.in_width = conv.out_width = run->count;
    if (run->count == 1)
        run->kernels->dense_one(&conv, x, weights, bias, at->has_relu, y);
    else
        run->kernels->conv(&conv, x, weights, bias, at->has_relu, y);
}

/* ---- backward to the inputs ----
 *
 * dx = dy w reads the weights as they lie: a panel's 16 outputs are behind each
 * other for every input. So the weights are taken as a picture with a pixel for
 * each input, 16 channels and a row a panel; the gradients, turned around, as
 * the weights of a convolution of that picture, with an output channel for each
 * picture of the batch. What comes out is turned back.
 */

size_t
ink_dense_scratch_size(const struct ink_plan *plan, size_t pictures)
{
    if (plan->use != INK_USE_TRAIN || plan->dense_size == 0)
        return 0;
    return panels(pictures) * (plan->dense_size + BLOCK_INPUTS) + INK_KERNEL_SLACK;
}

/* dy[pictures][outputs] as [slices][panels of pictures][outputs of the slice][16]. */
static void
turn_gradients(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
               float *turned)
{
    size_t outputs = ink_channels_of(at->out), all = ink_panel_channels(at);
    size_t pictures = (size_t)run->count;

    for (size_t first = 0; first < all; first += (size_t)SLICE_PANELS * INK_PANEL) {
        size_t size = least((size_t)SLICE_PANELS * INK_PANEL, all - first);
        size_t real = least(size, outputs - first);

        for (size_t n = 0; n < pictures; n += INK_PANEL, turned += size * INK_PANEL) {
            const struct ink_transpose form = {.rows = least(INK_PANEL, pictures - n),
                                               .columns = real,
                                               .from_step = outputs,
                                               .to_step = INK_PANEL};

            memset(turned, 0, size * INK_PANEL * sizeof(*turned));
            run->kernels->transpose(&form, dy + n * outputs + first, turned);
        }
    }
}

/* The gradients of inputs first..first + count for all pictures: out[inputs][pictures]. */
static void
backward_inputs(const struct ink_run *run, const struct ink_plan_node *at, size_t first,
                size_t count, float *out)
{
    const float *turned = run->workspace->dense;
    size_t inputs = ink_shape_count(at->in), panel_count = ink_panel_channels(at) / INK_PANEL;
    size_t size = panels((size_t)run->count) * INK_PANEL; /* of a panel's turned gradients */

    for (size_t panel = 0; panel < panel_count; panel += SLICE_PANELS) {
        const float *weights = run->block + at->weight_at + (panel * inputs + first) * INK_PANEL;
        const struct ink_conv conv = {
            .in_width = (int)inputs,
            .in_channels = INK_PANEL,
            .out_channels = run->count,
            .kernel_height = (int)least(SLICE_PANELS, panel_count - panel),
            .kernel_width = 1,
            .stride = 1,
            .out_height = 1,
            .out_width = (int)count,
        };

        if (panel == 0)
            run->kernels->conv(&conv, weights, turned, NULL, false, out);
        else
            run->kernels->conv_add(&conv, weights, turned + panel * size, out);
    }
}

void
ink_run_dense_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                   float *dx)
{
    size_t inputs = ink_shape_count(at->in), pictures = (size_t)run->count;
    float *block = run->workspace->dense + panels(pictures) * ink_panel_channels(at);

    ink_run_bias_back(run, at, dy);
    if (!dx)
        return;
    if (at->is_bf16) {
        ink_bf16_run_dense_back(run, at, dy, dx);
        return;
    }
    turn_gradients(run, at, dy, run->workspace->dense);
    for (size_t first = 0; first < inputs && !ink_run_is_cancelled(run); first += BLOCK_INPUTS) {
        size_t count = least(BLOCK_INPUTS, inputs - first);
        const struct ink_transpose form = {.rows = count,
                                           .columns = pictures,
                                           .from_step = pictures,
                                           .to_step = inputs,
                                           .is_added = at->adds[0]};

        backward_inputs(run, at, first, count, block);
        run->kernels->transpose(&form, block, dx + first);
    }
}

/* ---- the weights' gradients ---- */

size_t
ink_dense_job_size(const struct ink_plan *plan, size_t pictures)
{
    if (plan->dense_size == 0)
        return 0;
    return pictures * (2 * TILE_INPUTS + plan->dense_size) + (size_t)TILE_INPUTS * TILE_OUTPUTS +
           4 * INK_KERNEL_SLACK;
}

/* Columns first..first + count of a node's numbers in all shares, packed to [pictures][count]. */
static void
pack_columns(const struct ink_dense_job *job, int index, bool is_gradient, size_t first,
             size_t count, float *out)
{
    size_t size = ink_shape_count(job->plan->node[index].out);

    for (int s = 0; s < job->share_count; s++) {
        const struct ink_workspace *share = job->shares[s];
        const float *from = is_gradient ? ink_net_gradient(job->plan, share, index, 0)
                                        : ink_net_value(job->plan, share, index, 0);

        for (int n = 0; n < share->count; n++, out += count, from += size)
            memcpy(out, from + first, count * sizeof(*out));
    }
}

/* The numbers of one tile, packed; in bf16 as pairs of pictures. */
struct tile {
    float *dy, *x, *result;
    uint16_t *x_pairs;
};

static void
pack_gradients(const struct ink_dense_job *job, int index, size_t pictures, const struct tile *tile)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t outputs = ink_channels_of(at->out);

    for (size_t o = 0; o < outputs; o += TILE_OUTPUTS) {
        size_t count = least(TILE_OUTPUTS, outputs - o);
        float *to = tile->dy + o * pictures;

        pack_columns(job, index, true, o, count, at->is_bf16 ? tile->x : to);
        if (at->is_bf16)
            job->kernels->bf16->pair_rows(pictures, count, tile->x, (uint16_t *)to);
    }
}

/* The gradient of the weights from `count` inputs to outputs from `o` on. */
static void
multiply_tile(const struct ink_dense_job *job, const struct ink_plan_node *at, size_t pictures,
              size_t count, size_t o, const struct tile *tile)
{
    const float *dy = tile->dy + o * pictures;
    struct ink_conv conv = {
        .in_width = (int)pictures,
        .in_channels = (int)count,
        .out_channels = (int)least(TILE_OUTPUTS, ink_channels_of(at->out) - o),
        .kernel_height = 1,
        .kernel_width = 1,
        .stride = 1,
        .out_height = 1,
        .out_width = (int)pictures,
    };

    if (!at->is_bf16) {
        job->kernels->conv_weights(&conv, tile->x, dy, false, tile->result);
        return;
    }
    conv.in_width = 1; /* a row for each pair of pictures */
    conv.out_height = ((int)pictures + 1) / 2;
    conv.out_width = 2;
    job->kernels->bf16->conv_weights(&conv, tile->x_pairs, (const uint16_t *)dy, false,
                                     tile->result);
}

static void
node_gradients(const struct ink_dense_job *job, int index, size_t pictures)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t inputs = ink_shape_count(at->in), outputs = ink_channels_of(at->out);
    size_t tiles = (inputs + TILE_INPUTS - 1) / TILE_INPUTS;
    struct tile tile = {.dy = job->scratch};

    tile.x = tile.dy + pictures * outputs + INK_KERNEL_SLACK;
    tile.x_pairs = (uint16_t *)(tile.x + pictures * TILE_INPUTS + INK_KERNEL_SLACK);
    tile.result = tile.x + 2 * (pictures * TILE_INPUTS + INK_KERNEL_SLACK);
    pack_gradients(job, index, pictures, &tile);
    for (size_t i = tiles * (size_t)job->part / (size_t)job->parts;
         i < tiles * ((size_t)job->part + 1) / (size_t)job->parts; i++) {
        size_t first = i * TILE_INPUTS, count = least(TILE_INPUTS, inputs - first);

        pack_columns(job, at->node->input[0], false, first, count, tile.x);
        if (at->is_bf16)
            job->kernels->bf16->pair_rows(pictures, count, tile.x, tile.x_pairs);
        for (size_t o = 0; o < outputs; o += TILE_OUTPUTS) {
            multiply_tile(job, at, pictures, count, o, &tile);
            for (size_t p = 0; p < panels(least(TILE_OUTPUTS, outputs - o)) / INK_PANEL; p++)
                job->use(job->self,
                         at->weight_at + ((o / INK_PANEL + p) * inputs + first) * INK_PANEL,
                         count * INK_PANEL, tile.result + p * count * INK_PANEL);
        }
    }
}

void
ink_dense_gradients(const struct ink_dense_job *job)
{
    size_t pictures = 0;

    for (int s = 0; s < job->share_count; s++)
        pictures += (size_t)job->shares[s]->count;
    for (int i = 0; i < job->plan->node_count; i++)
        if (job->plan->node[i].node->op == INK_OP_DENSE)
            node_gradients(job, i, pictures);
}
