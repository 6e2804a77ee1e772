/* SPDX-License-Identifier: MIT */
/* net_dense: dense layers, forward, backward, and their weights' gradients. */
#include "model/net_dense.h"

#include <string.h>

#include "model/net_bf16.h"

enum {
    BLOCK_INPUTS = 224,          /* way back: inputs computed before they are turned around */
    STRIP_INPUTS = 448,          /* weights' gradients: inputs that are gathered at once, */
    TILE_INPUTS = 112,           /* and those of a tile, and its outputs: of a mini-batch */
    TILE_OUTPUTS = 2 * INK_PANEL /* of 128 the outputs' gradients stay in the first-level cache */
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

/* What kernels see of a layer. */
static struct ink_dense
form_of(const struct ink_plan_node *at, size_t pictures)
{
    return (struct ink_dense){.pictures = pictures,
                              .inputs = ink_shape_count(at->in),
                              .outputs = ink_channels_of(at->out)};
}

void
ink_run_dense(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    const float *weights = run->block + at->weight_at;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    const struct ink_dense form = form_of(at, (size_t)run->count);

    if (at->is_bf16)
        ink_bf16_run_dense(run, at, x, y);
    else if (run->count == 1)
        run->kernels->dense_one(&at->conv, x, weights, bias, at->has_relu, y);
    else
        run->kernels->dense(&form, x, weights, bias, at->has_relu, y);
}

/* ---- backward to the inputs ----
 *
 * dx = dy w reads the weights as they lie, where a panel's 16 outputs are behind
 * each other for every input: one number of them times a vector of pictures. So
 * the gradients are turned around first, and what comes out is turned back.
 */

size_t
ink_dense_scratch_size(const struct ink_plan *plan, size_t pictures)
{
    if (plan->use != INK_USE_TRAIN || plan->dense_size == 0)
        return 0;
    return panels(pictures) * (plan->dense_size + BLOCK_INPUTS) + plan->dense_size * INK_PANEL +
           INK_KERNEL_SLACK;
}

/* dy[pictures][outputs] as [panels of pictures][outputs, in panels][16], in bf16 in pairs of
 * outputs; `spare` is a panel's room. */
static void
turn_gradients(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
               float *turned, float *spare)
{
    size_t outputs = ink_channels_of(at->out), size = ink_panel_channels(at) * INK_PANEL;
    size_t pictures = (size_t)run->count;

    for (size_t n = 0; n < pictures; n += INK_PANEL) {
        const struct ink_transpose form = {.rows = least(INK_PANEL, pictures - n),
                                           .columns = outputs,
                                           .from_step = outputs,
                                           .to_step = INK_PANEL};
        float *to = at->is_bf16 ? spare : turned + n / INK_PANEL * size;

        memset(to, 0, size * sizeof(*to));
        run->kernels->transpose(&form, dy + n * outputs, to);
        if (at->is_bf16)
            run->kernels->bf16->pair_rows(size / INK_PANEL, INK_PANEL, to,
                                          (uint16_t *)turned + n / INK_PANEL * size);
    }
}

/* Whether a relu lets no gradient through to what node `index` has as zero. */
static bool
is_cut_at_zero(const struct ink_plan *plan, int index)
{
    const struct ink_node *node = plan->node[index].node;

    for (int j = 0; j < node->input_count; j++)
        if (node->op == INK_OP_CONCAT && !is_cut_at_zero(plan, node->input[j]))
            return false;
    if (node->op == INK_OP_FLATTEN || node->op == INK_OP_DROPOUT || node->op == INK_OP_MAXPOOL)
        return is_cut_at_zero(plan, node->input[0]);
    return node->op == INK_OP_CONCAT || node->op == INK_OP_RELU;
}

/* The gradients of `count` inputs from `first` on, of all pictures. */
static void
backward_inputs(const struct ink_run *run, const struct ink_plan_node *at, size_t first,
                size_t count, const float *turned, float *out)
{
    const struct ink_dense form = form_of(at, (size_t)run->count);
    int input = at->node->input[0];
    const float *x = is_cut_at_zero(run->plan, input) ? ink_run_value(run, input) + first : NULL;

    if (at->is_bf16)
        run->kernels->bf16->dense_back(&form, count,
                                       ink_bf16_dense_copy(run, at) + first * INK_PANEL,
                                       (const uint16_t *)turned, x, out);
    else
        run->kernels->dense_back(&form, count, run->block + at->weight_at + first * INK_PANEL,
                                 turned, x, out);
}

void
ink_run_dense_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                   float *dx)
{
    size_t inputs = ink_shape_count(at->in), pictures = (size_t)run->count;
    float *turned = run->workspace->dense;
    float *block = turned + panels(pictures) * ink_panel_channels(at);

    ink_run_bias_back(run, at, dy);
    if (!dx)
        return;
    turn_gradients(run, at, dy, turned, block + panels(pictures) * BLOCK_INPUTS);
    for (size_t first = 0; first < inputs && !ink_run_is_cancelled(run); first += BLOCK_INPUTS) {
        size_t count = least(BLOCK_INPUTS, inputs - first);
        const struct ink_transpose form = {.rows = count,
                                           .columns = pictures,
                                           .from_step = panels(pictures),
                                           .to_step = inputs,
                                           .is_added = at->adds[0]};

        backward_inputs(run, at, first, count, turned, block);
        run->kernels->transpose(&form, block, dx + first);
    }
}

/* ---- the weights' gradients ---- */

size_t
ink_dense_job_size(const struct ink_plan *plan, size_t pictures)
{
    size_t strips = plan->precision == INK_PRECISION_BF16 ? 2 : 1; /* one in pairs */

    if (plan->dense_size == 0)
        return 0;
    return pictures * (strips * STRIP_INPUTS + plan->dense_size) +
           (size_t)TILE_INPUTS * TILE_OUTPUTS + (size_t)4 * INK_KERNEL_SLACK;
}

/* Where a job's numbers are: in bf16 dy and x_pairs are pairs of pictures. */
struct strip {
    size_t pictures, first, inputs; /* of the layer's inputs, those from `first` on */
    float *dy, *x, *result;
    uint16_t *x_pairs;
};

/* Columns first..first + count of a node's numbers in all shares, packed to [pictures][to_step]. */
static void
pack_columns(const struct ink_dense_job *job, int index, bool is_gradient, size_t first,
             size_t count, size_t to_step, float *out)
{
    size_t size = ink_shape_count(job->plan->node[index].out);

    for (int s = 0; s < job->share_count; s++) {
        const struct ink_workspace *share = job->shares[s];
        const float *from = is_gradient ? ink_net_gradient(job->plan, share, index, 0)
                                        : ink_net_value(job->plan, share, index, 0);

        for (int n = 0; n < share->count; n++, out += to_step, from += size) {
            memcpy(out, from + first, count * sizeof(*out));
            memset(out + count, 0, (to_step - count) * sizeof(*out));
        }
    }
}
static void
pack_gradients(const struct ink_dense_job *job, int index, const struct strip *strip)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t outputs = ink_channels_of(at->out);

    for (size_t o = 0; o < outputs; o += TILE_OUTPUTS) {
        size_t count = least(TILE_OUTPUTS, outputs - o), lanes = panels(count);
        float *to = strip->dy + o * strip->pictures;

        pack_columns(job, index, true, o, count, lanes, at->is_bf16 ? strip->x : to);
        if (at->is_bf16)
            job->kernels->bf16->pair_rows(strip->pictures, lanes, strip->x, (uint16_t *)to);
    }
}

/* The gradients of the weights from `count` inputs of the strip, from `i` on, to the outputs from
 * `o` on; used. */
static void
tile_gradients(const struct ink_dense_job *job, const struct ink_plan_node *at,
               const struct strip *strip, size_t i, size_t o)
{
    const float *dy = strip->dy + o * strip->pictures;
    const struct ink_dense form = {.pictures = strip->pictures,
                                   .inputs = least(TILE_INPUTS, strip->inputs - i),
                                   .outputs = least(TILE_OUTPUTS, ink_channels_of(at->out) - o),
                                   .step = strip->inputs};
    size_t size = form.inputs * INK_PANEL, step = ink_shape_count(at->in) * INK_PANEL;
    size_t from = at->weight_at + o / INK_PANEL * step + (strip->first + i) * INK_PANEL;
    size_t panel_count = panels(form.outputs) / INK_PANEL;
    struct ink_soon soon = {0};

    for (size_t p = 0; p < panel_count && job->expect; p++)
        job->expect(job->self, from + p * step, size, &soon);
    if (at->is_bf16)
        job->kernels->bf16->dense_weights(&form, strip->x_pairs + 2 * i, (const uint16_t *)dy,
                                          &soon, strip->result);
    else
        job->kernels->dense_weights(&form, strip->x + i, dy, &soon, strip->result);
    for (size_t p = 0; p < panel_count; p++)
        job->use(job->self, from + p * step, size, strip->result + p * size);
}

static void
node_gradients(const struct ink_dense_job *job, int index, size_t pictures)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t inputs = ink_shape_count(at->in), outputs = ink_channels_of(at->out), end;
    size_t tiles = (inputs + TILE_INPUTS - 1) / TILE_INPUTS;
    size_t part = (size_t)job->part, parts = (size_t)job->parts;
    struct strip strip = {.pictures = pictures, .dy = job->scratch};

    strip.x = strip.dy + pictures * panels(outputs) + INK_KERNEL_SLACK;
    strip.x_pairs = (uint16_t *)(strip.x + pictures * STRIP_INPUTS + INK_KERNEL_SLACK);
    strip.result = strip.x + (at->is_bf16 ? 2 : 1) * (pictures * STRIP_INPUTS + INK_KERNEL_SLACK);
    pack_gradients(job, index, &strip);
    end = least(tiles * (part + 1) / parts * TILE_INPUTS, inputs);
    for (strip.first = tiles * part / parts * TILE_INPUTS; strip.first < end;
         strip.first += strip.inputs) {
        strip.inputs = least(STRIP_INPUTS, end - strip.first);
        pack_columns(job, at->node->input[0], false, strip.first, strip.inputs, strip.inputs,
                     strip.x);
        if (at->is_bf16)
            job->kernels->bf16->pair_rows(pictures, strip.inputs, strip.x, strip.x_pairs);
        for (size_t o = 0; o < outputs; o += TILE_OUTPUTS)
            for (size_t i = 0; i < strip.inputs; i += TILE_INPUTS)
                tile_gradients(job, at, &strip, i, o);
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
