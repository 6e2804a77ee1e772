/* SPDX-License-Identifier: MIT */
/*
 * net_bf16: layers with weights in a plan of that precision.
 *
 * Activations and gradients stay float in the workspace; a picture is rounded
 * when a layer reads it, together with the padding that it is copied for anyway.
 */
#include "model/net_bf16.h"

#include <assert.h>
#include <string.h>

#include "model/net_norm.h"

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

/* Pairs of neighbouring outputs: rows are padded to even, a dense layer's pictures as a whole. */
static size_t
output_pairs(struct ink_shape shape)
{
    return (size_t)shape.height * even((size_t)shape.width) / 2;
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

void
ink_bf16_plan_scratch(struct ink_plan *plan, const struct ink_plan_node *at)
{
    const struct ink_plan_node *lead = at->lead < 0 ? at : &plan->node[at->lead];
    size_t outs = even(ink_channels_of(at->out));

    if (at->node->op == INK_OP_DENSE) {
        plan->rounded_each = largest(plan->rounded_each, even(ink_shape_count(at->in)));
        return;
    }
    plan->rounded_size = largest(plan->rounded_size, padded_count(at));
    if (plan->use != INK_USE_TRAIN || at->pooled >= 0)
        return;
    plan->rounded_size =
        largest(plan->rounded_size,
                2 * padded_count(lead) + 2 * (output_pairs(at->out) * outs + INK_KERNEL_SLACK));
    plan->rounded_size =
        largest(plan->rounded_size, (size_t)(at->in.height + at->conv.kernel_height - 1) *
                                        (size_t)at->turned.in_width * outs);
    if (at->conv.stride > 1)
        plan->rounded_size = largest(plan->rounded_size, 2 * ink_plan_strided_size(at));
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

void
ink_bf16_round_spread(const struct ink_run *run, const float *x, struct ink_shape shape,
                      struct ink_spread to, size_t channels)
{
    const struct ink_bf16 *bf16 = run->kernels->bf16;
    size_t from_channels = ink_channels_of(shape), width = (size_t)shape.width;
    uint16_t *out = run->workspace->rounded;

    memset(out, 0, (size_t)to.height * (size_t)to.width * channels * sizeof(*out));
    for (int row = 0; row < shape.height; row++) {
        const float *from = x + (size_t)row * width * from_channels;
        uint16_t *at = out + (size_t)((to.top + row * to.step) * to.width + to.left) * channels;

        if (to.step == 1 && channels == from_channels)
            bf16->round(width * channels, from, at);
        else
            for (size_t column = 0; column < width; column++)
                bf16->round(from_channels, from + column * from_channels,
                            at + column * (size_t)to.step * channels);
    }
}

static void
round_input(const struct ink_run *run, const struct ink_plan_node *at, const float *x)
{
    if (at->has_padding)
        ink_bf16_round_spread(run, x, at->in, ink_run_input_spread(at), ink_channels_of(at->in));
    else
        run->kernels->bf16->round(ink_shape_count(at->in), x, run->workspace->rounded);
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

        round_input(run, at, ink_norm_input(run, at, n));
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

/* ---- backward ---- */

void
ink_bf16_run_weights_back(const struct ink_run *run, const struct ink_plan_node *at, const float *x,
                          const float *dy, bool is_added)
{
    const struct ink_plan_node *lead = at->lead < 0 ? at : &run->plan->node[at->lead];
    const struct ink_bf16 *bf16 = run->kernels->bf16;
    size_t outs = ink_channels_of(at->out), width = (size_t)at->out.width;
    size_t height = (size_t)at->out.height;
    uint16_t *x_pairs = run->workspace->rounded;
    uint16_t *dy_pairs = x_pairs + 2 * (padded_count(lead) + INK_KERNEL_SLACK);

    if (at == lead)
        bf16->pair_distance(padded_count(at), (size_t)at->conv.stride * ink_channels_of(at->in), x,
                            x_pairs);
    else /* the lead's are there yet */
        x_pairs += 2 * ink_run_twin_from(run, at);
    if (width % 2 == 0)
        bf16->pair_rows(height * width, outs, dy, dy_pairs);
    for (size_t row = 0; row < height && width % 2 == 1; row++)
        bf16->pair_rows(width, outs, dy + row * width * outs, dy_pairs + row * even(width) * outs);
    bf16->conv_weights(&at->conv, x_pairs, dy_pairs, is_added, run->gradient + at->weight_at);
}

void
ink_bf16_run_input_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                        float *dx)
{
    struct ink_conv turned = at->turned;

    if (at->conv.stride > 1) {
        ink_run_strided_back(run, at, dy, dx);
        return;
    }
    turned.in_channels = (int)even((size_t)turned.in_channels);
    ink_bf16_round_spread(run, dy, at->out, ink_run_gradient_spread(at),
                          (size_t)turned.in_channels);
    run->kernels->bf16->conv(&turned, run->workspace->rounded,
                             (const uint16_t *)(run->turned + at->turned_at), NULL, false,
                             at->adds[0] ? dx : NULL, dx);
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

    pair_weights(bf16, &at->conv, weights, (uint16_t *)(turned + at->forward_at), part);
    if (!is_back)
        return;
    for (size_t panel = count * (size_t)part[0] / (size_t)part[1];
         panel < count * ((size_t)part[0] + 1) / (size_t)part[1]; panel++)
        turn_panel(bf16, at, weights, panel, (uint16_t *)(turned + at->turned_at));
}
