/* SPDX-License-Identifier: MIT */
/* net_run: a plan's nodes, forward and backward. */
#include "model/net.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* What every node's function needs. */
struct run {
    const struct ink_plan *plan;
    const struct ink_kernels *kernels;
    const float *block, *turned;
    struct ink_workspace *workspace;
    int count; /* pictures */
    float *gradient;
};

static float *
value(const struct run *run, int index)
{
    return ink_net_value(run->plan, run->workspace, index, 0);
}

static float *
gradient(const struct run *run, int index)
{
    return ink_net_gradient(run->plan, run->workspace, index, 0);
}

static size_t
pixels_of(struct ink_shape shape)
{
    return (size_t)shape.height * (size_t)shape.width;
}

static uint8_t *
places(const struct run *run, const struct ink_plan_node *at)
{
    return run->workspace->places + at->place_at * (size_t)run->workspace->capacity;
}

static size_t
channels_of(struct ink_shape shape)
{
    return (size_t)shape.channels;
}

static size_t
panel_channels(const struct ink_plan_node *at)
{
    return (channels_of(at->out) + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

/* ---- padding ---- */

/* How a picture is laid into a larger one of zeros. */
struct spread {
    int height, width; /* of the large one */
    int top, left, step;
};

static void
spread_picture(const float *x, struct ink_shape shape, struct spread to, float *out)
{
    size_t channels = channels_of(shape);

    memset(out, 0, (size_t)to.height * (size_t)to.width * channels * sizeof(*out));
    for (int row = 0; row < shape.height; row++) {
        const float *from = x + (size_t)row * (size_t)shape.width * channels;
        float *at = out + (size_t)((to.top + row * to.step) * to.width + to.left) * channels;

        if (to.step == 1)
            memcpy(at, from, (size_t)shape.width * channels * sizeof(*at));
        for (int column = 0; to.step > 1 && column < shape.width; column++)
            memcpy(at + (size_t)(column * to.step) * channels, from + (size_t)column * channels,
                   channels * sizeof(*at));
    }
}

/* Input picture n of a conv, with its padding. */
static const float *
padded_input(const struct run *run, const struct ink_plan_node *at, const float *x, size_t n)
{
    int pad = at->node->pad;

    x += n * ink_shape_count(at->in);
    if (!at->has_padding)
        return x;
    spread_picture(x, at->in,
                   (struct spread){at->in.height + 2 * pad, at->in.width + 2 * pad, pad, pad, 1},
                   run->workspace->padded);
    return run->workspace->padded;
}

/* Output gradient n of a conv, spread and padded for its turned form. */
static const float *
padded_gradient(const struct run *run, const struct ink_plan_node *at, const float *dy, size_t n)
{
    struct spread to = {
        .height = at->in.height + at->conv.kernel_height - 1,
        .width = at->turned.in_width,
        .top = at->conv.kernel_height - 1 - at->node->pad,
        .left = at->conv.kernel_width - 1 - at->node->pad,
        .step = at->conv.stride,
    };

    dy += n * ink_shape_count(at->out);
    if (!at->has_turned_padding)
        return dy;
    spread_picture(dy, at->out, to, run->workspace->padded);
    return run->workspace->padded;
}

/* ---- forward, node by node ---- */

static bool
is_cancelled(const struct ink_workspace *workspace)
{
    return workspace->cancel && atomic_load_explicit(workspace->cancel, memory_order_relaxed);
}

static void
forward_conv(const struct run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    const float *weights = run->block + at->weight_at;
    const float *bias = at->has_bias ? run->block + at->bias_at : NULL;

    if (at->node->op == INK_OP_DENSE) {
        struct ink_conv conv = at->conv;

        conv.in_width = conv.out_width = run->count;
        run->kernels->conv(&conv, x, weights, bias, at->has_relu, y);
        return;
    }
    for (size_t n = 0; n < (size_t)run->count && !is_cancelled(run->workspace); n++)
        run->kernels->conv(&at->conv, padded_input(run, at, x, n), weights, bias, at->has_relu,
                           y + n * ink_shape_count(at->out));
}

static void
forward_pool(const struct run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    size_t in = ink_shape_count(at->in), out = ink_shape_count(at->out);

    for (size_t n = 0; n < (size_t)run->count; n++)
        if (at->node->op == INK_OP_MAXPOOL)
            run->kernels->maxpool(&at->pool, x + n * in, y + n * out, places(run, at) + n * out);
        else
            run->kernels->avgpool(&at->pool, x + n * in, y + n * out);
}

/*
 * Mean and variance of the share, each picture's joined to those before in
 * double. Source: Chan, Golub and LeVeque 1983, eq. 2.1.
 */
static void
measure_share(const struct run *run, const struct ink_plan_node *at, const float *x)
{
    size_t channels = channels_of(at->out), pixels = pixels_of(at->out), size = panel_channels(at);
    float *mean = run->workspace->moments + at->moment_at, *squares = mean + size;
    float *picture_mean = squares + size, *picture_squares = picture_mean + size;
    float *statistics = run->workspace->statistics + at->statistic_at - run->plan->parameter_size;
    size_t numbers = pixels * (size_t)run->count;

    /* A flat batch has one number a picture and channel: all are one "picture". */
    if (pixels == 1) {
        run->kernels->moments(numbers, channels, x, mean, squares);
    } else {
        run->kernels->moments(pixels, channels, x, mean, squares);
        for (size_t n = 1; n < (size_t)run->count; n++) {
            run->kernels->moments(pixels, channels, x + n * pixels * channels, picture_mean,
                                  picture_squares);
            for (size_t c = 0; c < channels; c++) {
                double distance = (double)picture_mean[c] - (double)mean[c];
                double before = (double)n, all = (double)n + 1;

                mean[c] = (float)((double)mean[c] + distance / all);
                squares[c] = (float)((double)squares[c] + (double)picture_squares[c] +
                                     distance * distance * (double)pixels * before / all);
            }
        }
    }
    for (size_t c = 0; c < channels; c++) {
        statistics[c] = mean[c];
        statistics[size + c] =
            (float)((double)squares[c] / (double)(numbers > 1 ? numbers - 1 : 1));
        squares[c] = (float)(1 / sqrt((double)squares[c] / (double)numbers + INK_NORM_EPSILON));
    }
}

/* Where the share's mean, inverse deviation, scale and shift are. */
static struct ink_norm
norm_of(const struct run *run, const struct ink_plan_node *at)
{
    size_t size = panel_channels(at);
    const float *moments = run->workspace->moments + at->moment_at;

    return (struct ink_norm){
        .channels = channels_of(at->out),
        .mean = moments,
        .inverse = moments + size,
        .scale = moments + 2 * size,
        .shift = moments + 3 * size,
        .is_relu = at->has_relu,
    };
}

static void
forward_norm(const struct run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    size_t channels = channels_of(at->out), size = panel_channels(at);
    float *mean = run->workspace->moments + at->moment_at, *inverse = mean + size;
    float *scale = inverse + size, *shift = scale + size;
    const float *weights = run->block + at->weight_at, *biases = run->block + at->bias_at;
    struct ink_norm norm = norm_of(run, at);

    if (run->plan->use == INK_USE_TRAIN) {
        measure_share(run, at, x);
    } else {
        const float *running = run->block + at->statistic_at;

        memcpy(mean, running, size * sizeof(*mean));
        for (size_t c = 0; c < channels; c++)
            inverse[c] = (float)(1 / sqrt((double)running[size + c] + INK_NORM_EPSILON));
    }
    for (size_t c = 0; c < channels; c++) {
        scale[c] = weights[c] * inverse[c];
        shift[c] = biases[c] - mean[c] * scale[c];
    }
    run->kernels->norm(&norm, pixels_of(at->out) * (size_t)run->count, x, y);
}

static void
forward_join(const struct run *run, const struct ink_plan_node *at, float *y)
{
    size_t channels = channels_of(at->out), pixels = pixels_of(at->out) * (size_t)run->count;
    size_t before = 0;

    for (int j = 0; j < at->node->input_count; j++) {
        int input = at->node->input[j];
        const float *x = value(run, input);

        if (at->node->op == INK_OP_ADD) {
            if (j == 0)
                memcpy(y, x, pixels * channels * sizeof(*y));
            else
                run->kernels->add(pixels * channels, x, y);
        } else {
            size_t size = channels_of(run->plan->node[input].out);

            for (size_t i = 0; i < pixels; i++)
                memcpy(y + i * channels + before, x + i * size, size * sizeof(*y));
            before += size;
        }
    }
}

/* [H][W][C] to the [C][H][W] that a flat vector is in, or back. */
static void
turn_flat(const struct run *run, const struct ink_plan_node *at, const float *from, float *to,
          bool is_back)
{
    size_t channels = channels_of(at->in), pixels = pixels_of(at->in), size = channels * pixels;

    for (size_t n = 0; n < (size_t)run->count; n++)
        for (size_t i = 0; i < pixels; i++)
            for (size_t c = 0; c < channels; c++)
                if (is_back)
                    to[n * size + i * channels + c] = from[n * size + c * pixels + i];
                else
                    to[n * size + c * pixels + i] = from[n * size + i * channels + c];
}

/* Source: Srivastava et al. 2014, in the "inverted" form: what stays is scaled up in training. */
static void
forward_dropout(const struct run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    size_t size = ink_shape_count(at->out);
    uint32_t limit = (uint32_t)(at->node->rate * 65536.0F);
    float scale = 1 / (1 - at->node->rate);

    for (size_t n = 0; n < (size_t)run->count; n++) {
        uint8_t *kept = places(run, at) + n * size;
        uint64_t bits = 0;

        for (size_t i = 0; i < size; i++) {
            bits = i % 4 == 0 ? ink_rng_next(&run->workspace->rng[n]) : bits >> 16;
            kept[i] = (bits & 0xffff) >= limit;
        }
        run->kernels->drop(size, kept, scale, x + n * size, y + n * size);
    }
}

static void
forward_node(const struct run *run, int index)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    const float *x = value(run, at->node->input[0]);
    float *y = value(run, index);

    if (at->is_alias)
        return;
    switch (at->node->op) {
    case INK_OP_CONV:
    case INK_OP_DENSE:
        forward_conv(run, at, x, y);
        return;
    case INK_OP_RELU:
    case INK_OP_LEAKYRELU:
    case INK_OP_SIGMOID:
    case INK_OP_TANH:
        run->kernels->activate(at->node->op, at->node->rate,
                               ink_shape_count(at->out) * (size_t)run->count, x, y);
        return;
    case INK_OP_MAXPOOL:
    case INK_OP_AVGPOOL:
    case INK_OP_GLOBALPOOL:
        forward_pool(run, at, x, y);
        return;
    case INK_OP_BATCHNORM:
        forward_norm(run, at, x, y);
        return;
    case INK_OP_ADD:
    case INK_OP_CONCAT:
        forward_join(run, at, y);
        return;
    case INK_OP_FLATTEN:
        turn_flat(run, at, x, y, false);
        return;
    case INK_OP_DROPOUT:
        forward_dropout(run, at, x, y);
        return;
    case INK_OP_INPUT:
    case INK_OP_SOFTMAX:
    case INK_OP_COUNT:
        break;
    }
    assert(false && "an op without a forward function");
}

void
ink_net_forward(const struct ink_plan *plan, const struct ink_kernels *kernels, const float *block,
                struct ink_workspace *workspace, int count)
{
    const struct run run = {
        .plan = plan, .kernels = kernels, .block = block, .workspace = workspace, .count = count};

    assert(count <= workspace->capacity);
    for (int i = 1; i < plan->node_count && !is_cancelled(workspace); i++)
        forward_node(&run, i);
}

/* ---- backward: from the gradient of a node's output to those of its parameters and inputs ---- */

static void
backward_dense(const struct run *run, const struct ink_plan_node *at, const float *dy, float *dx)
{
    struct ink_conv conv = at->conv, turned = at->turned;
    const float *turned_weights = run->turned + at->turned_at;

    conv.in_width = conv.out_width = turned.in_width = turned.out_width = run->count;
    run->kernels->conv_weights(&conv, value(run, at->node->input[0]), dy, false,
                               run->gradient + at->weight_at);
    if (!dx)
        return;
    if (at->adds[0])
        run->kernels->conv_add(&turned, dy, turned_weights, dx);
    else
        run->kernels->conv(&turned, dy, turned_weights, NULL, false, dx);
}

static void
backward_conv(const struct run *run, const struct ink_plan_node *at, const float *dy, float *dx)
{
    const float *x = value(run, at->node->input[0]);
    const float *turned_weights = run->turned + at->turned_at;

    for (size_t n = 0; n < (size_t)run->count && !is_cancelled(run->workspace); n++) {
        const float *spread;

        run->kernels->conv_weights(&at->conv, padded_input(run, at, x, n),
                                   dy + n * ink_shape_count(at->out), n > 0,
                                   run->gradient + at->weight_at);
        if (!dx)
            continue;
        spread = padded_gradient(run, at, dy, n);
        if (at->adds[0])
            run->kernels->conv_add(&at->turned, spread, turned_weights,
                                   dx + n * ink_shape_count(at->in));
        else
            run->kernels->conv(&at->turned, spread, turned_weights, NULL, false,
                               dx + n * ink_shape_count(at->in));
    }
}

static void
backward_weighted(const struct run *run, const struct ink_plan_node *at, const float *dy, float *dx)
{
    float *bias = run->gradient + at->bias_at;

    memset(bias, 0, panel_channels(at) * sizeof(*bias));
    if (at->node->has_bias)
        for (size_t n = 0; n < (size_t)run->count; n++)
            run->kernels->sum_pixels(pixels_of(at->out), channels_of(at->out),
                                     dy + n * ink_shape_count(at->out), bias);
    if (at->node->op == INK_OP_DENSE)
        backward_dense(run, at, dy, dx);
    else
        backward_conv(run, at, dy, dx);
}

static void
backward_pool(const struct run *run, const struct ink_plan_node *at, const float *dy, float *dx)
{
    size_t in = ink_shape_count(at->in), out = ink_shape_count(at->out);

    if (!at->adds[0])
        memset(dx, 0, in * (size_t)run->count * sizeof(*dx));
    for (size_t n = 0; n < (size_t)run->count; n++)
        if (at->node->op == INK_OP_MAXPOOL)
            run->kernels->maxpool_backward(&at->pool, dy + n * out, places(run, at) + n * out,
                                           dx + n * in);
        else
            run->kernels->avgpool_backward(&at->pool, dy + n * out, dx + n * in);
}

/*
 * With xh = (x - mean) * inverse and N numbers in the mean:
 *     dx = scale * inverse * (dy - sum(dy) / N - xh * sum(dy xh) / N)
 * which is a line in dy and x, a channel. Source: Ioffe and Szegedy 2015, section 3.
 */
static void
backward_norm(const struct run *run, const struct ink_plan_node *at, const float *dy, float *dx)
{
    const float *x = value(run, at->node->input[0]);
    size_t channels = channels_of(at->out), size = panel_channels(at), pixels = pixels_of(at->out);
    const struct ink_norm norm = norm_of(run, at);
    float *d_scale = run->gradient + at->weight_at, *d_shift = run->gradient + at->bias_at;
    float *line = run->workspace->norm_line, *pair = line + 3 * size;
    double share = 1 / ((double)pixels * run->count);

    memset(d_scale, 0, size * sizeof(*d_scale));
    memset(d_shift, 0, size * sizeof(*d_shift));
    for (size_t n = 0; n < (size_t)run->count; n++) {
        memset(pair, 0, 2 * channels * sizeof(*pair));
        run->kernels->norm_sums(&norm, pixels, x + n * pixels * channels,
                                dy + n * pixels * channels, pair);
        for (size_t c = 0; c < channels; c++) {
            d_shift[c] += pair[c];
            d_scale[c] += pair[channels + c];
        }
    }
    if (!dx)
        return;
    for (size_t c = 0; c < channels; c++) {
        double inverse = (double)norm.inverse[c];
        double a = (double)run->block[at->weight_at + c] * inverse;
        double slope = -a * inverse * (double)d_scale[c] * share;

        line[c] = (float)a;
        line[channels + c] = (float)slope;
        line[2 * channels + c] =
            (float)(-a * (double)d_shift[c] * share - slope * (double)norm.mean[c]);
    }
    run->kernels->norm_backward(&norm, pixels * (size_t)run->count, x, dy, line, dx);
}

static void
backward_join(const struct run *run, const struct ink_plan_node *at, const float *dy)
{
    size_t channels = channels_of(at->out), pixels = pixels_of(at->out) * (size_t)run->count;
    size_t before = 0;

    for (int j = 0; j < at->node->input_count; j++) {
        int input = at->node->input[j];
        size_t size = channels_of(run->plan->node[input].out);
        float *dx;

        if (at->node->op == INK_OP_ADD)
            before = 0;
        if (run->plan->node[input].needs_gradient) {
            dx = gradient(run, input);
            for (size_t i = 0; i < pixels; i++)
                if (at->adds[j])
                    run->kernels->add(size, dy + i * channels + before, dx + i * size);
                else
                    memcpy(dx + i * size, dy + i * channels + before, size * sizeof(*dx));
        }
        before += size;
    }
}

/* The nodes whose backward function only writes its input's gradient: dx is to be overwritten. */
static void
backward_plain(const struct run *run, int index, const float *dy, float *dx)
{
    const struct ink_plan_node *at = &run->plan->node[index];

    if (at->node->op == INK_OP_BATCHNORM)
        backward_norm(run, at, dy, dx);
    else if (at->node->op == INK_OP_DROPOUT)
        run->kernels->drop(ink_shape_count(at->out) * (size_t)run->count, places(run, at),
                           1 / (1 - at->node->rate), dy, dx);
    else if (at->node->op == INK_OP_FLATTEN)
        turn_flat(run, at, dy, dx, true);
    else
        run->kernels->activate_backward(at->node->op, at->node->rate,
                                        ink_shape_count(at->out) * (size_t)run->count,
                                        value(run, index), dy, dx);
}

/* A relu that batch norm does itself, both ways. */
static bool
is_norm_relu(const struct ink_plan *plan, const struct ink_plan_node *at)
{
    return at->node->op == INK_OP_RELU &&
           plan->node[at->node->input[0]].node->op == INK_OP_BATCHNORM;
}

static void
backward_node(const struct run *run, int index)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    int input = at->node->input[0];
    const float *dy = gradient(run, index);
    float *dx = run->plan->node[input].needs_gradient ? gradient(run, input) : NULL;
    enum ink_op op = at->node->op;

    if (op == INK_OP_CONV || op == INK_OP_DENSE) {
        backward_weighted(run, at, dy, dx);
    } else if (op == INK_OP_ADD || op == INK_OP_CONCAT) {
        backward_join(run, at, dy);
    } else if (op == INK_OP_MAXPOOL || op == INK_OP_AVGPOOL || op == INK_OP_GLOBALPOOL) {
        if (dx)
            backward_pool(run, at, dy, dx);
    } else if (at->is_alias && (op == INK_OP_FLATTEN || is_norm_relu(run->plan, at))) {
        return;
    } else if (dx && at->adds[0]) {
        backward_plain(run, index, dy, run->workspace->extra);
        run->kernels->add(ink_shape_count(at->in) * (size_t)run->count, run->workspace->extra, dx);
    } else if (dx || op == INK_OP_BATCHNORM) {
        backward_plain(run, index, dy, dx);
    }
}

void
ink_net_backward(const struct ink_plan *plan, const struct ink_kernels *kernels, const float *block,
                 const float *turned, struct ink_workspace *workspace, int count,
                 float *out_gradient)
{
    const struct run run = {
        .plan = plan,
        .kernels = kernels,
        .block = block,
        .turned = turned,
        .workspace = workspace,
        .count = count,
        .gradient = out_gradient,
    };

    assert(plan->use == INK_USE_TRAIN);
    for (int i = plan->node_count - 1; i > 0 && !is_cancelled(workspace); i--)
        if (plan->node[i].needs_gradient)
            backward_node(&run, i);
}

void
ink_softmax(const float *scores, float *out_probabilities)
{
    double highest = (double)scores[0], sum = 0, exponential[INK_CLASS_COUNT];

    for (int i = 1; i < INK_CLASS_COUNT; i++)
        highest = fmax(highest, (double)scores[i]);
    for (int i = 0; i < INK_CLASS_COUNT; i++)
        sum += exponential[i] = exp((double)scores[i] - highest);
    for (int i = 0; i < INK_CLASS_COUNT; i++)
        out_probabilities[i] = (float)(exponential[i] / sum);
}
