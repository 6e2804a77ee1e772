/* SPDX-License-Identifier: MIT */
/* net_conv: convolutions, forward and backward. */
#include <string.h>

#include "model/net_bf16.h"
#include "model/net_norm.h"

/* ---- twins ----
 *
 * A convolution with a stride reads a picture for a fraction as many outputs: to prepare its input
 * is much of its work. A second one of the same input, such as a shortcut of 1x1, is therefore
 * computed by the first, its lead, while it has a picture at hand.
 */

void
ink_plan_twin(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];

    for (int i = 1; i < index && at->lead < 0 && at->conv.stride > 1; i++) {
        struct ink_plan_node *lead = &plan->node[i];

        if (lead->node->op != INK_OP_CONV || lead->node->input[0] != at->node->input[0] ||
            lead->conv.stride != at->conv.stride || lead->node->pad < at->node->pad ||
            lead->twin >= 0 || lead->lead >= 0)
            continue;
        lead->twin = index;
        at->lead = i;
        at->conv.in_width = lead->conv.in_width;
    }
}

size_t
ink_run_twin_from(const struct ink_run *run, const struct ink_plan_node *twin)
{
    size_t away = (size_t)(run->plan->node[twin->lead].node->pad - twin->node->pad);

    return away * (size_t)(twin->conv.in_width + 1) * ink_channels_of(twin->in);
}

/* ---- padding ---- */

/* With a step of 1 only the frame is set to zero. */
static void
spread_picture(const float *x, struct ink_shape shape, struct ink_spread to, float *out)
{
    size_t channels = ink_channels_of(shape), size = (size_t)shape.width * channels;
    size_t width = (size_t)to.width * channels, left = (size_t)to.left * channels;
    size_t right = width - left - size, top = (size_t)to.top * width;

    if (to.step > 1) {
        memset(out, 0, (size_t)to.height * width * sizeof(*out));
        for (int row = 0; row < shape.height; row++)
            for (int column = 0; column < shape.width; column++, x += channels)
                memcpy(out + top + (size_t)row * (size_t)to.step * width + left +
                           (size_t)column * (size_t)to.step * channels,
                       x, channels * sizeof(*out));
        return;
    }
    memset(out, 0, (top + left) * sizeof(*out));
    out += top + left;
    for (int row = 0; row < shape.height; row++, x += size, out += width) {
        memcpy(out, x, size * sizeof(*out));
        memset(out + size, 0, (right + (row + 1 < shape.height ? left : 0)) * sizeof(*out));
    }
    memset(out - left, 0, (size_t)(to.height - to.top - shape.height) * width * sizeof(*out));
}

struct ink_spread
ink_run_input_spread(const struct ink_plan_node *at)
{
    int pad = at->node->pad;

    return (struct ink_spread){at->in.height + 2 * pad, at->in.width + 2 * pad, pad, pad, 1};
}

struct ink_spread
ink_run_gradient_spread(const struct ink_plan_node *at)
{
    if (at->conv.stride > 1)
        return ink_run_strided_spread(at);
    return (struct ink_spread){
        .height = at->in.height + at->conv.kernel_height - 1,
        .width = at->turned.in_width,
        .top = at->conv.kernel_height - 1 - at->node->pad,
        .left = at->conv.kernel_width - 1 - at->node->pad,
        .step = 1,
    };
}

const float *
ink_run_padded_input(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    size_t channels = ink_channels_of(at->in), pad = (size_t)at->node->pad;
    size_t width = (size_t)at->in.width, row = (width + 2 * pad) * channels;
    const float *x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in);
    float *out = run->workspace->padded, *to = out + pad * row;
    struct ink_norm norm;
    bool has_line;

    if (!at->has_padding)
        return ink_norm_input(run, at, n);
    has_line = ink_norm_line(run, at, n, &norm);
    memset(out, 0, pad * row * sizeof(*out));
    for (int i = 0; i < at->in.height; i++, x += width * channels, to += row) {
        memset(to, 0, pad * channels * sizeof(*to));
        if (has_line)
            run->kernels->norm(&norm, width, x, to + pad * channels);
        else
            memcpy(to + pad * channels, x, width * channels * sizeof(*to));
        memset(to + (pad + width) * channels, 0, pad * channels * sizeof(*to));
    }
    memset(to, 0, pad * row * sizeof(*to));
    return out;
}

/* A picture's output gradient, spread and padded for the turned form. */
static const float *
padded_gradient(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    if (!at->has_turned_padding)
        return dy;
    spread_picture(dy, at->out, ink_run_gradient_spread(at), run->workspace->padded);
    return run->workspace->padded;
}

/* ---- forward ---- */

/* A convolution with its pool, of picture n. */
static void
forward_pooled(const struct ink_run *run, const struct ink_plan_node *at, const float *x, size_t n,
               float *y)
{
    const float *weights = run->block + at->weight_at;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;
    struct ink_span spans[INK_SPAN_MAX];
    uint8_t *place = NULL;

    if (run->plan->use == INK_USE_TRAIN)
        place = ink_run_places(run, at) + n * ink_shape_count(at->kept);
    if (!at->skips_blank) {
        run->kernels->conv_pooled(&at->conv, x, weights, bias, at->has_relu, y, place);
        return;
    }
    ink_run_find_spans(run, (int)(at - run->plan->node), n, spans);
    run->kernels->conv_pooled_spans(&at->conv, spans, x, weights, bias, at->has_relu, y, place);
    ink_run_fill_blank(run, at, spans, y, place);
}

/* Picture n of a twin, from its lead's padded input. */
static void
forward_twin(const struct ink_run *run, const struct ink_plan_node *at, const float *x, size_t n)
{
    float *y = ink_run_value(run, (int)(at - run->plan->node));

    run->kernels->conv(&at->conv, x + ink_run_twin_from(run, at), run->block + at->weight_at,
                       at->has_bias ? run->block + at->bias_at : NULL, at->has_relu,
                       y + n * ink_shape_count(at->out));
    ink_norm_wrote(run, at, n);
}

void
ink_run_conv(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    const float *weights = run->block + at->weight_at;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;

    if (at->normed >= 0) {
        ink_run_first(run, at, y);
        return;
    }
    if (ink_tiles_run(run, at))
        return;
    if (at->is_bf16) {
        ink_bf16_run_conv(run, at, y);
        return;
    }
    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n++) {
        const float *from = ink_run_padded_input(run, at, n);
        size_t to = n * ink_shape_count(at->kept);

        if (at->pooled >= 0)
            forward_pooled(run, at, from, n, y + to);
        else if (at->start >= 0)
            run->kernels->conv_add(&at->conv, from, weights, ink_run_start(run, at, n), y + to);
        else
            run->kernels->conv(&at->conv, from, weights, bias, at->has_relu, y + to);
        ink_norm_wrote(run, at, n);
        if (at->twin >= 0)
            forward_twin(run, &run->plan->node[at->twin], from, n);
    }
}

/* ---- backward ---- */

/* Through the relu that the way forward did too, and to the biases, of picture n: its gradient is
 * changed. */
static void
backward_output(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    size_t pixels = ink_pixels_of(at->out), channels = ink_channels_of(at->out);
    int index = (int)(at - run->plan->node);
    const float *y = ink_run_value(run, index) + n * ink_shape_count(at->out);
    float *dy = at->pulled < 0 ? ink_run_gradient(run, index) + n * ink_shape_count(at->out) : NULL;

    if (ink_run_is_first(run, n))
        memset(run->gradient + at->bias_at, 0, ink_panel_channels(at) * sizeof(*run->gradient));
    if (at->has_relu && at->node->has_bias)
        run->kernels->gate(pixels, channels, y, dy, run->gradient + at->bias_at);
    else if (at->has_relu)
        run->kernels->activate_backward(INK_OP_RELU, 0, pixels * channels, y, dy, dy);
    else if (at->node->has_bias)
        run->kernels->sum_pixels(pixels, channels, dy, run->gradient + at->bias_at);
}

/* The input's gradient of a picture, from the output's. */
static void
backward_input(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
               float *dx)
{
    const float *turned_weights = run->turned + at->turned_at, *spread;

    if (at->conv.stride > 1) {
        ink_run_strided_back(run, at, dy, NULL, dx);
        return;
    }
    spread = padded_gradient(run, at, dy);
    if (at->adds[0])
        run->kernels->conv_add(&at->turned, spread, turned_weights, dx, dx);
    else
        run->kernels->conv(&at->turned, spread, turned_weights, NULL, false, dx);
}

/* What picture n gives to the gradients of weights, and to its input's unless dx is NULL: a batch
 * norm before is told. */
static void
backward_picture(const struct ink_run *run, const struct ink_plan_node *at, size_t n, float *dx)
{
    const struct ink_plan_node *twin = at->twin < 0 ? NULL : &run->plan->node[at->twin];
    const float *dy = ink_norm_gradient(run, at, n), *x = ink_run_padded_input(run, at, n);
    const float *twin_dy = twin ? ink_norm_gradient(run, twin, n) : NULL; /* never pulled */
    bool is_added = !ink_run_is_first(run, n);

    run->kernels->conv_weights(&at->conv, x, dy, is_added, run->gradient + at->weight_at);
    if (twin)
        run->kernels->conv_weights(&twin->conv, x + ink_run_twin_from(run, twin), twin_dy, is_added,
                                   run->gradient + twin->weight_at);
    if (!dx || ink_tiles_back(run, at, n, dy))
        return;
    backward_input(run, at, dy, dx);
    if (twin)
        backward_input(run, twin, twin_dy, dx);
    ink_norm_wrote_back(run, at, n);
}

/* Where only the weights want a gradient, it need not be written. */
static bool
is_gated(const struct ink_plan_node *at, const float *dx)
{
    return !dx && at->has_relu && at->node->has_bias && !at->is_bf16 && at->twin < 0 &&
           at->pulled < 0;
}

static void
backward_gated(const struct ink_run *run, const struct ink_plan_node *at)
{
    int index = (int)(at - run->plan->node);
    float *dw = run->gradient + at->weight_at, *bias = run->gradient + at->bias_at;

    if (ink_run_is_first(run, 0)) {
        memset(bias, 0, ink_panel_channels(at) * sizeof(*bias));
        memset(dw, 0, at->weight_size * sizeof(*dw));
    }
    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n++) {
        size_t from = n * ink_shape_count(at->out);

        run->kernels->gated_weights(&at->conv, ink_run_padded_input(run, at, n),
                                    ink_run_value(run, index) + from,
                                    ink_run_gradient(run, index) + from, dw, bias);
    }
}

static void
backward_conv(const struct ink_run *run, const struct ink_plan_node *at, float *dx)
{
    size_t together;

    if (is_gated(at, dx)) {
        backward_gated(run, at);
        return;
    }
    together = at->is_bf16 ? ink_bf16_group(at) : 1;
    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n += together) {
        for (size_t i = n; i < n + together && i < (size_t)run->count; i++) {
            backward_output(run, at, i);
            if (at->twin >= 0)
                backward_output(run, &run->plan->node[at->twin], i);
        }
        if (at->is_bf16)
            ink_bf16_run_conv_back(run, at, n, dx);
        else
            backward_picture(run, at, n, dx ? dx + n * ink_shape_count(at->in) : NULL);
    }
}

/* The input gradient of picture n, where there is no padding straight into dx. */
static void
backward_pooled_input(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                      const uint8_t *place, float *dx)
{
    size_t row = ink_channels_of(at->in) * (size_t)at->in.width;
    size_t in_row = ink_channels_of(at->in) * (size_t)at->conv.in_width;
    size_t pad = (size_t)at->node->pad, rows = (size_t)at->in.height + 2 * pad;
    float *to = at->has_padding ? run->workspace->padded : dx;

    if (at->has_padding || !at->adds[0])
        memset(to, 0, rows * in_row * sizeof(*to));
    run->kernels->pooled_input(&at->conv, dy, place, run->turned + at->turned_at, to);
    for (size_t i = 0; i < (size_t)at->in.height && at->has_padding; i++) {
        const float *from = to + (i + pad) * in_row + pad * ink_channels_of(at->in);

        if (at->adds[0])
            run->kernels->add(row, from, dx + i * row);
        else
            memcpy(dx + i * row, from, row * sizeof(*dx));
    }
}

static void
backward_pooled(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                float *dx)
{
    float *own = run->workspace->pooled + at->own_at, *bias = run->gradient + at->bias_at;

    if (ink_run_is_first(run, 0)) {
        memset(bias, 0, ink_panel_channels(at) * sizeof(*bias));
        memset(own, 0, ink_pooled_size(&at->conv) * sizeof(*own));
    }
    for (size_t n = 0; n < (size_t)run->count && !ink_run_is_cancelled(run); n++) {
        size_t from = n * ink_shape_count(at->kept);
        const uint8_t *place = ink_run_places(run, at) + from;

        run->kernels->pooled_weights(&at->conv, ink_run_padded_input(run, at, n), dy + from, place,
                                     own, at->node->has_bias ? bias : NULL);
        if (!dx)
            continue;
        backward_pooled_input(run, at, dy + from, place, dx + n * ink_shape_count(at->in));
        ink_norm_wrote_back(run, at, n);
    }
    if (ink_run_is_last(run))
        run->kernels->pooled_gather(&at->conv, own, run->gradient + at->weight_at);
}

void
ink_run_conv_back(const struct ink_run *run, const struct ink_plan_node *at, float *dy, float *dx)
{
    if (at->normed >= 0)
        ink_run_first_back(run, at, dy);
    else if (at->pooled >= 0)
        backward_pooled(run, at, dy, dx);
    else
        backward_conv(run, at, dx);
}
