/* SPDX-License-Identifier: MIT */
/*
 * net_bf16: layers with weights in a plan of that precision.
 *
 * Activations and gradients stay float in the workspace; a picture is rounded
 * when a layer reads it, on the way through a batch norm's line and among the
 * padding that it is copied for anyway.
 */
#include "model/net_bf16.h"

#include <assert.h>
#include <string.h>

#include "model/net_norm.h"

/* Output pixels of the pairs that go together into a gradient of weights: as many as stay in the
 * first-level cache, of two panels. */
enum { GROUP_PIXELS = 100 };

/* ---- where numbers are ---- */

static size_t
even(size_t count)
{
    return (count + 1) / 2 * 2;
}

/* A row of the window as pairs. */
static size_t
run_pairs(const struct ink_conv *conv)
{
    return ((size_t)conv->kernel_width * (size_t)conv->in_channels + 1) / 2;
}

size_t
ink_bf16_weight_size(const struct ink_conv *conv)
{
    size_t panels = ((size_t)conv->out_channels + INK_PANEL - 1) / INK_PANEL;

    return panels * (size_t)conv->kernel_height * run_pairs(conv) * INK_PANEL;
}

size_t
ink_bf16_rows_size(const struct ink_conv *conv)
{
    size_t blocks = ((size_t)conv->out_channels + INK_BF16_ROW_BLOCK - 1) / INK_BF16_ROW_BLOCK;

    return blocks * (size_t)conv->in_channels * (INK_BF16_ROW_BLOCK / 2);
}

static size_t
padded_count(const struct ink_plan_node *at)
{
    return (size_t)(at->in.height + 2 * at->node->pad) * (size_t)at->conv.in_width *
           ink_channels_of(at->in);
}

static size_t
largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t
spread_count(const struct ink_plan_node *at)
{
    const struct ink_spread to = ink_run_gradient_spread(at);

    return (size_t)to.height * (size_t)to.width * even(ink_channels_of(at->out));
}

void
ink_bf16_plan_scratch(struct ink_plan *plan, const struct ink_plan_node *at)
{
    const struct ink_plan_node *lead = at->lead < 0 ? at : &plan->node[at->lead];
    size_t outs = ink_pixels_of(at->out) * ink_panel_channels(at);

    if (at->node->op == INK_OP_DENSE) {
        plan->rounded_each = largest(plan->rounded_each, even(ink_shape_count(at->in)));
        return;
    }
    plan->rounded_size = largest(plan->rounded_size, padded_count(at));
    if (plan->use != INK_USE_TRAIN || at->pooled >= 0)
        return;
    plan->rounded_size =
        largest(plan->rounded_size, ink_bf16_group(lead) * (padded_count(lead) + outs) +
                                        2 * (spread_count(at) + INK_KERNEL_SLACK));
}

size_t
ink_bf16_weight_at(const struct ink_conv *conv, size_t out, size_t in, size_t window)
{
    size_t width = (size_t)conv->kernel_width, ins = (size_t)conv->in_channels;
    size_t row = out / INK_PANEL * (size_t)conv->kernel_height + window / width;
    size_t k = window % width * ins + in;

    return ((row * run_pairs(conv) + k / 2) * INK_PANEL + out % INK_PANEL) * 2 + k % 2;
}

static const uint16_t *
forward_weights(const struct ink_run *run, const struct ink_plan_node *at)
{
    return (const uint16_t *)(run->plan->use == INK_USE_TRAIN ? run->turned + at->forward_at
                                                              : run->block + at->weight_at);
}

const uint16_t *
ink_bf16_dense_copy(const struct ink_run *run, const struct ink_plan_node *at)
{
    return (const uint16_t *)(run->turned + at->forward_at);
}

bool
ink_bf16_is_turned(const struct ink_plan_node *at)
{
    return at->is_bf16 && at->pooled < 0;
}

/* ---- rounding ---- */

/* Zeros around a picture's rows, in pixels of so many channels. */
static void
clear_frame(struct ink_shape shape, struct ink_spread to, size_t channels, uint16_t *out)
{
    size_t row = (size_t)to.width * channels, left = (size_t)to.left * channels;
    size_t size = (size_t)shape.width * channels;

    memset(out, 0, (size_t)to.top * row * sizeof(*out));
    out += (size_t)to.top * row;
    for (int i = 0; i < shape.height; i++, out += row) {
        memset(out, 0, left * sizeof(*out));
        memset(out + left + size, 0, (row - left - size) * sizeof(*out));
    }
    memset(out, 0, (size_t)(to.height - to.top - shape.height) * row * sizeof(*out));
}

/* Picture n of what a node reads, among zeros, which the first one leaves there. */
static void
round_input(const struct ink_run *run, const struct ink_plan_node *at, size_t n, uint16_t *out)
{
    const struct ink_spread to = ink_run_input_spread(at);
    const float *x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in);
    size_t channels = ink_channels_of(at->in), width = (size_t)at->in.width;
    struct ink_norm norm;
    bool has_line = ink_norm_line(run, at, n, &norm);
    size_t rows = at->has_padding ? (size_t)at->in.height : 1;
    size_t pixels = at->has_padding ? width : ink_pixels_of(at->in);

    if (at->has_padding && n == 0)
        clear_frame(at->in, to, channels, out);
    out += (size_t)(to.top * to.width + to.left) * channels;
    for (size_t i = 0; i < rows; i++, x += width * channels, out += (size_t)to.width * channels)
        if (has_line)
            run->kernels->bf16->norm(&norm, pixels, x, out);
        else
            run->kernels->bf16->round(pixels * channels, x, out);
}

/* `pixels` of a gradient from number `from` on; each in the place of so many channels. */
static void
round_gradient(const struct ink_run *run, const struct ink_norm_back *back, size_t pixels,
               size_t from, uint16_t *out)
{
    const struct ink_bf16 *bf16 = run->kernels->bf16;
    size_t channels = back->norm.channels, step = even(channels);
    size_t each = step == channels ? pixels : 1;

    for (size_t i = 0; i < pixels; i += each, from += each * channels, out += each * step) {
        if (back->abc)
            bf16->norm_backward(&back->norm, each, back->x + from, back->dy + from, back->abc, out);
        else
            bf16->round(each * channels, back->dy + from, out);
        if (step > channels)
            out[channels] = 0;
    }
}

/* ---- forward ---- */

/* Picture n of a twin, from its lead's rounded input. */
static void
forward_twin(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    float *y = ink_run_value(run, (int)(at - run->plan->node));

    run->kernels->bf16->conv(&at->conv, run->workspace->rounded + ink_run_twin_from(run, at),
                             forward_weights(run, at),
                             at->has_bias ? run->block + at->bias_at : NULL, at->has_relu, NULL,
                             y + n * ink_shape_count(at->out));
    ink_norm_wrote(run, at, n);
}

void
ink_bf16_run_conv(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    const struct ink_bf16 *bf16 = run->kernels->bf16;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    const uint16_t *weights = forward_weights(run, at), *from = run->workspace->rounded;

    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n++) {
        size_t to = n * ink_shape_count(at->kept);
        uint8_t *place = run->plan->use == INK_USE_TRAIN && at->pooled >= 0
                             ? ink_run_places(run, at) + to
                             : NULL;

        round_input(run, at, n, run->workspace->rounded);
        if (at->pooled < 0) {
            bf16->conv(&at->conv, from, weights, bias, at->has_relu, ink_run_start(run, at, n),
                       y + to);
        } else if (at->skips_blank) {
            struct ink_span spans[INK_SPAN_MAX];

            ink_run_find_spans(run, (int)(at - run->plan->node), n, spans);
            bf16->conv_pooled_spans(&at->conv, spans, from, weights, bias, at->has_relu, y + to,
                                    place);
            ink_run_fill_blank(run, at, spans, y + to, place);
        } else {
            bf16->conv_pooled(&at->conv, from, weights, bias, at->has_relu, y + to, place);
        }
        ink_norm_wrote(run, at, n);
        if (at->twin >= 0)
            forward_twin(run, &run->plan->node[at->twin], n);
    }
}

void
ink_bf16_run_blank(const struct ink_run *run, const struct ink_plan_node *at,
                   const struct ink_conv *one, const float *patch, float *y)
{
    size_t size = (size_t)one->kernel_height * (size_t)one->kernel_width;

    run->kernels->bf16->round(size * (size_t)one->in_channels, patch, run->workspace->rounded);
    run->kernels->bf16->conv(one, run->workspace->rounded, forward_weights(run, at),
                             at->has_bias ? run->block + at->bias_at : NULL, at->has_relu, NULL, y);
}

void
ink_bf16_run_dense(const struct ink_run *run, const struct ink_plan_node *at, const float *x,
                   float *y)
{
    const struct ink_bf16 *bf16 = run->kernels->bf16;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    size_t pictures = (size_t)run->count, inputs = ink_shape_count(at->in);
    const struct ink_dense form = {pictures, inputs, ink_channels_of(at->out), 0};
    struct ink_conv conv = at->conv;
    uint16_t *rounded = run->workspace->rounded;

    if (at->is_in_rows) {
        assert(pictures == 1);
        bf16->dense_one(&form, x, forward_weights(run, at), bias, at->has_relu, y);
        return;
    }
    conv.in_width = conv.out_width = run->count;
    if (at->is_packed_bf16 || inputs % 2 == 0)
        bf16->round(pictures * inputs, x, rounded);
    for (size_t n = 0; n < pictures && !at->is_packed_bf16 && inputs % 2 > 0; n++) {
        bf16->round(inputs, x + n * inputs, rounded + n * (inputs + 1));
        rounded[n * (inputs + 1) + inputs] = 0;
    }
    if (at->is_packed_bf16)
        bf16->conv(&conv, rounded, forward_weights(run, at), bias, at->has_relu, NULL, y);
    else
        bf16->dense(&form, rounded, ink_bf16_dense_copy(run, at), bias, at->has_relu, y);
}

/* ---- backward ----
 *
 * The gradient of weights is made of a group of pictures, as pairs: it would take long to read and
 * to write it for each picture. A twin has its lead's pictures.
 */

size_t
ink_bf16_group(const struct ink_plan_node *at)
{
    size_t pairs = GROUP_PIXELS / ink_pixels_of(at->out);

    return pairs > 1 ? 2 * pairs : 2;
}

/* A group's first picture and their number, and where they are rounded: in the same places for all
 * groups, so that the zeros around them stay. */
struct group {
    size_t first, count, pairs;
    uint16_t *x, *dy;    /* in pairs, x with its padding */
    uint16_t *rounded;   /* two pictures of the output's gradient, as its turned form reads them */
    size_t rounded_size; /* of one */
};

static struct group
group_of(const struct ink_run *run, const struct ink_plan_node *at, size_t first)
{
    const struct ink_plan_node *lead = at->lead < 0 ? at : &run->plan->node[at->lead];
    size_t most = ink_bf16_group(lead), left = (size_t)run->count - first;
    struct group group = {.first = first, .count = left < most ? left : most};

    group.pairs = (group.count + 1) / 2;
    group.x = run->workspace->rounded;
    group.rounded = group.x + most * padded_count(lead);
    group.rounded_size = spread_count(at) + INK_KERNEL_SLACK;
    group.dy = group.rounded + 2 * group.rounded_size;
    return group;
}

/* Pictures n and n + 1 of what a node reads, in pairs among zeros, if they are not there yet. */
static void
pair_inputs(const struct ink_run *run, const struct ink_plan_node *at, size_t n, bool is_new,
            uint16_t *out)
{
    const struct ink_spread to = ink_run_input_spread(at);
    const float *x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in);
    const float *second = n + 1 < (size_t)run->count ? x + ink_shape_count(at->in) : NULL;
    size_t channels = ink_channels_of(at->in), width = (size_t)at->in.width;
    struct ink_norm norms[2] = {{.channels = channels}};
    size_t rows = at->has_padding ? (size_t)at->in.height : 1;
    size_t pixels = at->has_padding ? width : ink_pixels_of(at->in);

    (void)ink_norm_line(run, at, n, &norms[0]);
    if (second) /* may be of another group */
        (void)ink_norm_line(run, at, n + 1, &norms[1]);
    if (at->has_padding && is_new)
        clear_frame(at->in, to, 2 * channels, out);
    out += 2 * (size_t)(to.top * to.width + to.left) * channels;
    for (size_t i = 0; i < rows; i++) {
        run->kernels->bf16->pair(norms, pixels, x, second, out);
        x += width * channels;
        second = second ? second + width * channels : NULL;
        out += 2 * (size_t)to.width * channels;
    }
}

/* Picture n of the gradient of a node's output, among the zeros that its turned form reads, if they
 * are not there yet; and as it is in float, if it goes back by tiles. */
static const float *
round_output(const struct ink_run *run, const struct ink_plan_node *at, size_t n, bool is_new,
             uint16_t *out)
{
    const struct ink_spread to = ink_run_gradient_spread(at);
    size_t channels = ink_channels_of(at->out), step = even(channels);
    size_t width = (size_t)at->out.width;
    struct ink_norm_back back;

    if (at->is_tiled_back || !ink_norm_back(run, at, n, &back)) /* what tiles read */
        back = (struct ink_norm_back){.norm = {.channels = channels},
                                      .dy = ink_norm_gradient(run, at, n)};
    if (is_new)
        clear_frame(at->out, to, step, out);
    out += (size_t)(to.top * to.width + to.left) * step;
    for (size_t i = 0; i < (size_t)at->out.height; i++, out += (size_t)to.width * step)
        round_gradient(run, &back, width, i * width * channels, out);
    return back.dy;
}

/* The rounded gradients of pair `pair`, by panels; its second picture may be missing. */
static void
pair_outputs(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group,
             size_t pair)
{
    const struct ink_spread to = ink_run_gradient_spread(at);
    size_t pixels = ink_pixels_of(at->out), width = (size_t)at->out.width;
    size_t step = even(ink_channels_of(at->out));
    const struct ink_zip form = {width, ink_channels_of(at->out), step,
                                 (size_t)2 * INK_PANEL * pixels * group->pairs};
    const uint16_t *from = group->rounded + (size_t)(to.top * to.width + to.left) * step;
    bool has_second = 2 * pair + 1 < group->count;

    for (size_t i = 0; i < (size_t)at->out.height; i++, from += (size_t)to.width * step)
        run->kernels->bf16->zip_panels(&form, from, has_second ? from + group->rounded_size : NULL,
                                       group->dy +
                                           (size_t)2 * INK_PANEL * (pair * pixels + i * width));
}

/* The input's gradient of a picture from the output's, rounded. */
static void
back_input(const struct ink_run *run, const struct ink_plan_node *at, const uint16_t *dy, float *dx)
{
    struct ink_conv turned = at->turned;

    turned.in_channels = (int)even((size_t)turned.in_channels);
    if (at->conv.stride > 1)
        ink_run_strided_back(run, at, NULL, dy, dx);
    else
        run->kernels->bf16->conv(&turned, dy, (const uint16_t *)(run->turned + at->turned_at), NULL,
                                 false, at->adds[0] ? dx : NULL, dx);
}

/* What the gradients of a group's outputs give, the inputs being there. */
static void
back_group(const struct ink_run *run, const struct ink_plan_node *at, size_t first, float *dx)
{
    const struct group group = group_of(run, at, first);
    size_t ahead = at->lead < 0 ? 0 : ink_run_twin_from(run, at);
    size_t step = 2 * padded_count(at->lead < 0 ? at : &run->plan->node[at->lead]);
    bool is_one_of_two = at->lead >= 0 || at->twin >= 0; /* with frames of their own */
    const struct ink_pairs pairs = {group.pairs, group.x + 2 * ahead, group.dy, step};

    for (size_t i = 0; i < group.count; i++) {
        uint16_t *rounded = group.rounded + i % 2 * group.rounded_size;
        bool is_new = i < 2 && (first == 0 || is_one_of_two);
        const float *dy = round_output(run, at, first + i, is_new, rounded);

        if (dx && !ink_tiles_back(run, at, first + i, dy))
            back_input(run, at, rounded, dx + (first + i) * ink_shape_count(at->in));
        if (i % 2 > 0 || i + 1 == group.count)
            pair_outputs(run, at, &group, i / 2);
    }
    run->kernels->bf16->conv_weights(&at->conv, &pairs, !ink_run_is_first(run, first),
                                     run->gradient + at->weight_at);
}

void
ink_bf16_run_conv_back(const struct ink_run *run, const struct ink_plan_node *at, size_t first,
                       float *dx)
{
    const struct group group = group_of(run, at, first);

    for (size_t i = 0; i < group.pairs; i++)
        pair_inputs(run, at, first + 2 * i, first == 0, group.x + 2 * i * padded_count(at));
    back_group(run, at, first, dx);
    if (at->twin >= 0)
        back_group(run, &run->plan->node[at->twin], first, dx);
    for (size_t i = 0; i < group.count && dx && !at->is_tiled_back; i++)
        ink_norm_wrote_back(run, at, first + i);
}

/* ---- weights, once a step ---- */

/* Forward: the float panels' rows in pairs. Threads take parts of each row's pairs. */
static void
pair_weights(const struct ink_bf16 *bf16, const struct ink_conv *conv, const float *weights,
             uint16_t *out, const int part[static 2])
{
    size_t run = (size_t)conv->kernel_width * (size_t)conv->in_channels, pairs = run_pairs(conv);
    size_t rows = ink_bf16_weight_size(conv) / INK_PANEL / pairs;
    size_t first = pairs * (size_t)part[0] / (size_t)part[1];
    size_t last = pairs * ((size_t)part[0] + 1) / (size_t)part[1];
    size_t count = 2 * last < run ? 2 * (last - first) : run - 2 * first;

    for (size_t row = 0; row < rows && first < last; row++)
        bf16->pair_rows(count, INK_PANEL, weights + (row * run + 2 * first) * INK_PANEL,
                        out + (row * pairs + first) * 2 * INK_PANEL);
}

/* Backward: one panel of 16 inputs, [window, as in float][outputs in pairs][16][2]. */
static void
turn_panel(const struct ink_bf16 *bf16, const struct ink_plan_node *at, const float *weights,
           size_t panel, uint16_t *out)
{
    const struct ink_conv *conv = &at->conv;
    size_t windows = (size_t)conv->kernel_height * (size_t)conv->kernel_width;
    size_t outs = even((size_t)conv->out_channels), ins = (size_t)conv->in_channels;
    size_t lanes = ins - panel * INK_PANEL < INK_PANEL ? ins - panel * INK_PANEL : INK_PANEL;
    uint16_t block[INK_PANEL * INK_PANEL];

    for (size_t i = 0; i < windows; i++)
        for (size_t o = 0, tap = ink_plan_turned_tap(at, panel, (int)i); o < outs; o += INK_PANEL) {
            const float *from =
                weights + ((o / INK_PANEL * windows + i) * ins + panel * INK_PANEL) * INK_PANEL;
            uint16_t *to = out + (tap * outs + o) * INK_PANEL;

            if (outs - o >= INK_PANEL) {
                bf16->turn(lanes, from, to);
            } else {
                bf16->turn(lanes, from, block);
                memcpy(to, block, (outs - o) * INK_PANEL * sizeof(*to));
            }
        }
}

void
ink_bf16_turn(const struct ink_bf16 *bf16, const struct ink_plan_node *at, bool is_back,
              const float *block, float *turned, const int part[static 2])
{
    size_t count = ((size_t)at->conv.in_channels + INK_PANEL - 1) / INK_PANEL;
    const float *weights = block + at->weight_at;

    if (at->tiled_size == 0)
        pair_weights(bf16, &at->conv, weights, (uint16_t *)(turned + at->forward_at), part);
    if (!is_back || at->is_tiled_back)
        return;
    for (size_t panel = count * (size_t)part[0] / (size_t)part[1];
         panel < count * ((size_t)part[0] + 1) / (size_t)part[1]; panel++)
        turn_panel(bf16, at, weights, panel, (uint16_t *)(turned + at->turned_at));
}
