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
    return ink_panels(pictures) * (plan->dense_size + BLOCK_INPUTS) + plan->dense_size * INK_PANEL +
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
    float *block = turned + ink_panels(pictures) * ink_panel_channels(at);

    ink_run_bias_back(run, at, dy);
    if (!dx)
        return;
    turn_gradients(run, at, dy, turned, block + ink_panels(pictures) * BLOCK_INPUTS);
    for (size_t first = 0; first < inputs && !ink_run_is_cancelled(run); first += BLOCK_INPUTS) {
        size_t count = least(BLOCK_INPUTS, inputs - first);
        const struct ink_transpose form = {.rows = count,
                                           .columns = pictures,
                                           .from_step = ink_panels(pictures),
                                           .to_step = inputs,
                                           .is_added = at->adds[0]};

        backward_inputs(run, at, first, count, turned, block);
        run->kernels->transpose(&form, block, dx + first);
    }
}

/* ---- the weights' gradients ----
 *
 * Of many outputs, those that nobody wants changed are left out, and inputs that no picture has:
 * what is left of some panels of outputs, side by side, is multiplied at once,
 * and their panels' gradients are unfolded from that.
 */

enum { FOLD_PANELS = 8 };

/* Panels whose outputs with a gradient are multiplied together. */
struct fold {
    size_t first, panels;                  /* of the layer's */
    size_t count, lanes;                   /* their outputs, and those with the rest of a panel */
    size_t dy_at;                          /* columns before them among the job's packed ones */
    bool is_whole;                         /* the panels as they are */
    uint8_t output[TILE_OUTPUTS];          /* of each lane, counted from the first panel's */
    uint8_t lane[FOLD_PANELS * INK_PANEL]; /* and of each output, or INK_NO_LANE */
};

static size_t
fold_floats(size_t panel_count)
{
    return panel_count * ((sizeof(struct fold) + sizeof(float) - 1) / sizeof(float) + INK_PANEL);
}

size_t
ink_dense_job_size(const struct ink_plan *plan, size_t pictures)
{
    size_t strips = plan->precision == INK_PRECISION_BF16 ? 2 : 1; /* one in pairs */

    if (plan->dense_size == 0)
        return 0;
    return pictures * (strips * STRIP_INPUTS + plan->dense_size) +
           (size_t)TILE_INPUTS * (TILE_OUTPUTS + INK_PANEL) +
           fold_floats(plan->dense_size / INK_PANEL) + (size_t)4 * INK_KERNEL_SLACK;
}

/* Where a job's numbers are: in bf16 dy and x_pairs are pairs of pictures. */
struct strip {
    size_t pictures, first, inputs; /* of the layer's inputs, those from `first` on */
    float *dy, *x, *result, *piece;
    uint16_t *x_pairs;
    struct fold *fold;
    size_t fold_count;
    size_t live;                    /* inputs of the strip that some picture has, and of them */
    uint16_t input[STRIP_INPUTS];   /* their numbers in the strip, */
    uint16_t in_tile[STRIP_INPUTS]; /* in their tile, */
    size_t start[STRIP_INPUTS / TILE_INPUTS + 1]; /* and how many are before each tile's */
};

/* A node's numbers for the job's pictures, one after the other. */
struct walk {
    const struct ink_dense_job *job;
    int index, share, picture;
    bool is_gradient;
};

static const float *
next_picture(struct walk *walk)
{
    const struct ink_dense_job *job = walk->job;

    while (walk->share < job->share_count && walk->picture == job->shares[walk->share]->count) {
        walk->share++;
        walk->picture = 0;
    }
    if (walk->share == job->share_count)
        return NULL;
    return walk->is_gradient
               ? ink_net_gradient(job->plan, job->shares[walk->share], walk->index, walk->picture++)
               : ink_net_value(job->plan, job->shares[walk->share], walk->index, walk->picture++);
}

/* has[i]: zero where number first + i of the node is zero for all pictures. */
static void
find_some(const struct ink_dense_job *job, struct walk walk, size_t first, size_t count,
          uint32_t *has)
{
    size_t step = ink_shape_count(job->plan->node[walk.index].out);

    memset(has, 0, count * sizeof(*has));
    for (int s = 0; s < job->share_count; s++) {
        walk.share = s;
        walk.picture = 0;
        job->kernels->find_some((size_t)job->shares[s]->count, count, step,
                                next_picture(&walk) + first, has);
    }
}

/* ---- outputs ---- */

/* One or two panels all of whose outputs are taken: hardly any could be left out. */
static void
fold_whole(struct fold *fold, size_t panel_count, size_t outputs)
{
    size_t left = outputs - fold->first * INK_PANEL;

    fold->panels = least(TILE_OUTPUTS / INK_PANEL, panel_count - fold->first);
    fold->lanes = fold->panels * INK_PANEL;
    fold->count = least(fold->lanes, left);
    fold->is_whole = true;
    for (size_t o = 0; o < fold->lanes; o++)
        fold->output[o] = fold->lane[o] = (uint8_t)o;
}

static size_t
count_some(const uint32_t *has, size_t count)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += has[i] != 0;
    return found;
}

/* As many panels as have room, of those from fold->first on; has: from its first output on. */
static void
fold_panels(struct fold *fold, size_t panel_count, const uint32_t *has)
{
    size_t most = least(FOLD_PANELS, panel_count - fold->first);

    memset(fold->lane, INK_NO_LANE, sizeof(fold->lane));
    for (size_t p = 0; p < most; p++, fold->panels++) {
        if (fold->count + count_some(has + p * INK_PANEL, INK_PANEL) > TILE_OUTPUTS)
            break;
        for (size_t o = p * INK_PANEL; o < (p + 1) * INK_PANEL; o++)
            if (has[o] != 0) {
                fold->lane[o] = (uint8_t)fold->count;
                fold->output[fold->count++] = (uint8_t)o;
            }
    }
    fold->lanes = ink_panels(fold->count);
}

static void
fold_outputs(const struct ink_dense_job *job, int index, struct strip *strip, uint32_t *has)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t outputs = ink_channels_of(at->out), dy_at = 0;
    size_t panel_count = ink_panels(outputs) / INK_PANEL;

    memset(has, outputs < INK_DENSE_CUT_MIN ? 0xff : 0, ink_panels(outputs) * sizeof(*has));
    if (outputs >= INK_DENSE_CUT_MIN)
        find_some(job, (struct walk){.job = job, .index = index, .is_gradient = true}, 0, outputs,
                  has);
    strip->fold_count = 0;
    for (size_t first = 0; first < panel_count; strip->fold_count++) {
        struct fold *fold = &strip->fold[strip->fold_count];
        const uint32_t *own = has + first * INK_PANEL;
        size_t most = least(TILE_OUTPUTS, outputs - first * INK_PANEL);

        *fold = (struct fold){.first = first, .dy_at = dy_at};
        if (count_some(own, most) * 4 > most * 3)
            fold_whole(fold, panel_count, outputs);
        else
            fold_panels(fold, panel_count, own);
        first += fold->panels;
        dy_at += fold->lanes;
    }
}

/* The outputs' gradients of all pictures, fold by fold. */
static void
pack_gradients(const struct ink_dense_job *job, int index, const struct strip *strip)
{
    bool is_bf16 = job->plan->node[index].is_bf16;

    for (size_t f = 0; f < strip->fold_count; f++) {
        const struct fold *fold = &strip->fold[f];
        struct walk walk = {.job = job, .index = index, .is_gradient = true};
        float *to = strip->dy + fold->dy_at * strip->pictures, *out = is_bf16 ? strip->x : to;
        const float *from;

        for (; (from = next_picture(&walk)); out += fold->lanes) {
            from += fold->first * INK_PANEL;
            for (size_t o = 0; o < fold->count; o++)
                out[o] = from[fold->output[o]];
            memset(out + fold->count, 0, (fold->lanes - fold->count) * sizeof(*out));
        }
        if (is_bf16)
            job->kernels->bf16->pair_rows(strip->pictures, fold->lanes, strip->x, (uint16_t *)to);
    }
}

/* ---- inputs ---- */

/* Which inputs of the strip are taken: of a tile that has nearly all, all. */
static void
find_inputs(const struct ink_dense_job *job, int index, struct strip *strip)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    struct walk walk = {.job = job, .index = at->node->input[0]};
    uint32_t has[STRIP_INPUTS];

    if (ink_channels_of(at->out) < INK_DENSE_CUT_MIN)
        memset(has, 0xff, sizeof(has));
    else
        find_some(job, walk, strip->first, strip->inputs, has);
    strip->live = 0;
    for (size_t i = 0, tile = 0; i < strip->inputs; i += TILE_INPUTS) {
        size_t count = least(TILE_INPUTS, strip->inputs - i);
        bool is_whole = count_some(has + i, count) * 8 > count * 7;

        strip->start[tile++] = strip->live;
        for (size_t n = 0; n < count; n++) {
            strip->in_tile[strip->live] = (uint16_t)n;
            strip->input[strip->live] = (uint16_t)(i + n);
            strip->live += is_whole || has[i + n] != 0;
        }
        strip->start[tile] = strip->live;
    }
}

static void
pack_inputs(const struct ink_dense_job *job, int index, const struct strip *strip)
{
    int input = job->plan->node[index].node->input[0];
    struct walk walk = {.job = job, .index = input};
    const float *from;

    for (float *to = strip->x; (from = next_picture(&walk)); to += strip->live) {
        from += strip->first;
        if (strip->live == strip->inputs)
            memcpy(to, from, strip->live * sizeof(*to));
        else
            for (size_t i = 0; i < strip->live; i++)
                to[i] = from[strip->input[i]];
    }
    if (job->plan->node[index].is_bf16)
        job->kernels->bf16->pair_rows(strip->pictures, strip->live, strip->x, strip->x_pairs);
}

/* ---- tiles ---- */

/* The multiplications have time to fetch what the first panels' gradients will be used on. */
enum { PANELS_SOON = 2, LINE = 64 };

/* For a later one, ahead of it. */
static void
fetch_panel(const struct ink_dense_job *job, size_t from, size_t size)
{
    struct ink_soon soon = {0};

    if (job->expect)
        job->expect(job->self, from, size, &soon);
    for (size_t k = 0; k < soon.count; k++)
        for (size_t at = 0; at < soon.part[k].size; at += LINE)
            __builtin_prefetch((const char *)soon.part[k].at + at);
}

/* The gradients of some panels' weights from the inputs of the strip's tile `tile`: made, and each
 * used. */
static void
tile_gradients(const struct ink_dense_job *job, const struct ink_plan_node *at,
               const struct strip *strip, size_t tile, const struct fold *fold)
{
    size_t i = tile * TILE_INPUTS, start = strip->start[tile], panel = ink_shape_count(at->in);
    const float *dy = strip->dy + fold->dy_at * strip->pictures;
    const struct ink_dense form = {.pictures = strip->pictures,
                                   .inputs = strip->start[tile + 1] - start,
                                   .outputs = fold->lanes,
                                   .step = strip->live};
    struct ink_unfold unfold = {.inputs = least(TILE_INPUTS, strip->inputs - i),
                                .rows = fold->lanes > 0 ? form.inputs : 0,
                                .row = strip->in_tile + start};
    bool is_whole = fold->is_whole && form.inputs == unfold.inputs;
    size_t size = unfold.inputs * INK_PANEL, step = panel * INK_PANEL;
    size_t from = at->weight_at + fold->first * step + (strip->first + i) * INK_PANEL;
    struct ink_soon soon = {0};

    for (size_t p = 0; p < fold->panels && job->expect; p++)
        job->expect(job->self, from + p * step, size, &soon);
    if (unfold.rows > 0 && at->is_bf16)
        job->kernels->bf16->dense_weights(&form, strip->x_pairs + 2 * start, (const uint16_t *)dy,
                                          &soon, strip->result);
    else if (unfold.rows > 0)
        job->kernels->dense_weights(&form, strip->x + start, dy, &soon, strip->result);
    for (size_t p = 0; p < fold->panels; p++) {
        if (p + 1 >= PANELS_SOON && p + 1 < fold->panels)
            fetch_panel(job, from + (p + 1) * step, size);
        unfold.lane = fold->lane + p * INK_PANEL;
        if (!is_whole)
            job->kernels->unfold(&unfold, strip->result, strip->piece);
        job->use(job->self, from + p * step, size,
                 is_whole ? strip->result + p * size : strip->piece);
    }
}

static void
node_gradients(const struct ink_dense_job *job, int index, size_t pictures)
{
    const struct ink_plan_node *at = &job->plan->node[index];
    size_t inputs = ink_shape_count(at->in), outputs = ink_channels_of(at->out), end;
    size_t tiles = (inputs + TILE_INPUTS - 1) / TILE_INPUTS;
    size_t part = (size_t)job->part, parts = (size_t)job->parts;
    struct strip strip = {.pictures = pictures, .dy = job->scratch};

    strip.x = strip.dy + pictures * ink_panels(outputs) + INK_KERNEL_SLACK;
    strip.x_pairs = (uint16_t *)(strip.x + pictures * STRIP_INPUTS + INK_KERNEL_SLACK);
    strip.result = strip.x + (at->is_bf16 ? 2 : 1) * (pictures * STRIP_INPUTS + INK_KERNEL_SLACK);
    strip.piece = strip.result + (size_t)TILE_INPUTS * TILE_OUTPUTS;
    strip.fold = (struct fold *)(void *)(strip.piece + (size_t)TILE_INPUTS * INK_PANEL);
    fold_outputs(job, index, &strip, (uint32_t *)(strip.fold + ink_panels(outputs) / INK_PANEL));
    pack_gradients(job, index, &strip);
    end = least(tiles * (part + 1) / parts * TILE_INPUTS, inputs);
    for (strip.first = tiles * part / parts * TILE_INPUTS; strip.first < end;
         strip.first += strip.inputs) {
        strip.inputs = least(STRIP_INPUTS, end - strip.first);
        find_inputs(job, index, &strip);
        pack_inputs(job, index, &strip);
        for (size_t f = 0; f < strip.fold_count; f++)
            for (size_t tile = 0; tile * TILE_INPUTS < strip.inputs; tile++)
                tile_gradients(job, at, &strip, tile, &strip.fold[f]);
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
