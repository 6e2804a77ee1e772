/* SPDX-License-Identifier: MIT */
/* net_run: a plan's nodes, forward and backward. */
#include "model/net_norm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- forward, node by node ---- */

static void
forward_pool(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    size_t out = ink_shape_count(at->out);

    for (size_t n = 0; n < (size_t)run->count; n++) {
        const float *x = ink_norm_input(run, at, n);

        if (at->node->op == INK_OP_MAXPOOL)
            run->kernels->maxpool(&at->pool, x, y + n * out, ink_run_places(run, at) + n * out);
        else
            run->kernels->avgpool(&at->pool, x, y + n * out);
    }
}

static void
forward_concat(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    size_t channels = ink_channels_of(at->out),
           pixels = ink_pixels_of(at->out) * (size_t)run->count;
    size_t before = 0;

    for (int j = 0; j < at->node->input_count; j++) {
        const float *x = ink_run_value(run, at->node->input[j]);
        size_t size = ink_channels_of(run->plan->node[at->node->input[j]].out);

        for (size_t i = 0; i < pixels; i++)
            memcpy(y + i * channels + before, x + i * size, size * sizeof(*y));
        before += size;
    }
}

/* [H][W][C] to the [C][H][W] that a flat vector is in, or back. */
static void
turn_flat(const struct ink_run *run, const struct ink_plan_node *at, const float *from, float *to,
          bool is_back)
{
    size_t channels = ink_channels_of(at->in), pixels = ink_pixels_of(at->in);
    size_t rows = is_back ? channels : pixels, columns = is_back ? pixels : channels;
    const struct ink_transpose form = {
        .rows = rows, .columns = columns, .from_step = columns, .to_step = rows};

    for (size_t n = 0; n < (size_t)run->count; n++)
        run->kernels->transpose(&form, from + n * rows * columns, to + n * rows * columns);
}

/* Source: Srivastava et al. 2014, in the "inverted" form: what stays is scaled up in training. */
static void
forward_dropout(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    size_t size = ink_shape_count(at->out);
    uint32_t limit = (uint32_t)(at->node->rate * 65536.0F);
    float scale = 1 / (1 - at->node->rate);

    for (size_t n = 0; n < (size_t)run->count; n++) {
        uint8_t *kept = ink_run_places(run, at) + n * size;
        struct ink_rng *rng = &run->workspace->rng[(size_t)run->first + n];
        uint64_t bits[256];
        const size_t most = sizeof(bits) / 2; /* numbers of 16 bits */

        for (size_t i = 0, part; i < size; i += part) { /* 16 bits each */
            part = size - i < most ? size - i : most;
            run->kernels->random((part + 3) / 4, ink_rng_next(rng), bits);
            run->kernels->keep(part, bits, limit, kept + i);
        }
        run->kernels->drop(size, kept, scale, x + n * size, y + n * size);
    }
}

void
ink_run_forward(const struct ink_run *run, int index)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    const float *x = ink_run_value(run, at->node->input[0]);
    float *y = ink_run_value(run, index);

    if (at->is_alias || at->is_summed || at->lead >= 0)
        return;
    switch (at->node->op) {
    case INK_OP_CONV:
        ink_run_conv(run, at, y);
        return;
    case INK_OP_DENSE:
        ink_run_dense(run, at, x, y);
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
        forward_pool(run, at, y);
        return;
    case INK_OP_BATCHNORM:
        ink_run_norm(run, at, x, y);
        return;
    case INK_OP_ADD:
        ink_run_add(run, at, y);
        return;
    case INK_OP_CONCAT:
        forward_concat(run, at, y);
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
                const float *turned, struct ink_workspace *workspace, int count)
{
    const struct ink_run run = {plan, kernels, block, turned, workspace, .count = count};

    assert(count <= workspace->capacity);
    workspace->count = count;
    ink_run_blanks(&run);
    ink_run_body(&run);
    for (int i = plan->body_end; i < plan->node_count && !ink_run_is_cancelled(&run); i++)
        ink_run_forward(&run, i);
}

/* ---- backward: from the gradient of a node's output to those of its parameters and inputs ---- */

void
ink_run_unpool(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    const float *dy = ink_run_gradient_of(run, (int)(at - run->plan->node), n);
    float *dx = ink_run_gradient_of(run, at->node->input[0], n);

    if (!at->adds[0])
        memset(dx, 0, ink_shape_count(at->in) * sizeof(*dx));
    if (at->node->op == INK_OP_MAXPOOL)
        run->kernels->maxpool_backward(&at->pool, dy,
                                       ink_run_places(run, at) + n * ink_shape_count(at->out), dx);
    else
        run->kernels->avgpool_backward(&at->pool, dy, dx);
}

static void
backward_pool(const struct ink_run *run, const struct ink_plan_node *at)
{
    for (size_t n = 0; n < (size_t)run->count; n++) {
        ink_run_unpool(run, at, n);
        ink_norm_wrote_back(run, at, n);
    }
}

static void
backward_concat(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    size_t channels = ink_channels_of(at->out),
           pixels = ink_pixels_of(at->out) * (size_t)run->count;

    for (int j = 0; j < at->node->input_count; j++) {
        int input = at->node->input[j];
        size_t size = ink_channels_of(run->plan->node[input].out);

        if (run->plan->node[input].needs_gradient) {
            float *dx = ink_run_gradient(run, input);

            for (size_t i = 0; i < pixels; i++)
                if (at->adds[j])
                    run->kernels->add(size, dy + i * channels, dx + i * size);
                else
                    memcpy(dx + i * size, dy + i * channels, size * sizeof(*dx));
        }
        dy += size;
    }
}

void
ink_run_bias_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    float *bias = run->gradient + at->bias_at;

    memset(bias, 0, ink_panel_channels(at) * sizeof(*bias));
    if (at->node->has_bias)
        for (size_t n = 0; n < (size_t)run->count; n++)
            run->kernels->sum_pixels(ink_pixels_of(at->out), ink_channels_of(at->out),
                                     dy + n * ink_shape_count(at->out), bias);
}

/* The nodes whose backward function only writes its input's gradient: dx is to be overwritten. */
static void
backward_plain(const struct ink_run *run, int index, const float *dy, float *dx)
{
    const struct ink_plan_node *at = &run->plan->node[index];

    if (at->node->op == INK_OP_DROPOUT)
        run->kernels->drop(ink_shape_count(at->out) * (size_t)run->count, ink_run_places(run, at),
                           1 / (1 - at->node->rate), dy, dx);
    else if (at->node->op == INK_OP_FLATTEN)
        turn_flat(run, at, dy, dx, true);
    else
        run->kernels->activate_backward(at->node->op, at->node->rate,
                                        ink_shape_count(at->out) * (size_t)run->count,
                                        ink_run_value(run, index), dy, dx);
}

/* A relu that batch norm or a convolution does itself, both ways. */
static bool
is_joined_relu(const struct ink_plan *plan, const struct ink_plan_node *at)
{
    enum ink_op maker = plan->node[at->node->input[0]].node->op;

    return at->node->op == INK_OP_RELU && (maker == INK_OP_BATCHNORM || maker == INK_OP_CONV);
}

void
ink_run_backward(const struct ink_run *run, int index)
{
    const struct ink_plan_node *at = &run->plan->node[index];
    int input = at->node->input[0];
    enum ink_op op = at->node->op;
    float *dy, *dx;

    if (!at->needs_gradient || at->is_pooled_away || at->lead >= 0)
        return;
    dy = ink_run_gradient(run, index);
    dx = run->plan->node[input].needs_gradient ? ink_run_gradient(run, input) : NULL;
    if (op == INK_OP_CONV) {
        ink_run_conv_back(run, at, dy, dx);
    } else if (op == INK_OP_DENSE) {
        ink_run_dense_back(run, at, dy, dx);
    } else if (op == INK_OP_ADD) {
        ink_run_add_back(run, at, dy);
    } else if (op == INK_OP_CONCAT) {
        backward_concat(run, at, dy);
    } else if (op == INK_OP_MAXPOOL || op == INK_OP_AVGPOOL || op == INK_OP_GLOBALPOOL) {
        if (dx)
            backward_pool(run, at);
    } else if (at->is_alias && (op == INK_OP_FLATTEN || is_joined_relu(run->plan, at))) {
        return;
    } else if (op == INK_OP_BATCHNORM) {
        ink_run_norm_back(run, at, dy, dx);
    } else if (dx && at->adds[0]) {
        backward_plain(run, index, dy, run->workspace->extra);
        run->kernels->add(ink_shape_count(at->in) * (size_t)run->count, run->workspace->extra, dx);
    } else if (dx) {
        backward_plain(run, index, dy, dx);
    }
}

/* The first dense layer, or what is behind the last node. */
static int
first_dense(const struct ink_plan *plan)
{
    int i = 0;

    while (i < plan->node_count && plan->node[i].node->op != INK_OP_DENSE)
        i++;
    return i;
}

void
ink_net_backward(const struct ink_plan *plan, const struct ink_kernels *kernels, const float *block,
                 const float *turned, struct ink_workspace *workspace, int count,
                 enum ink_net_back part,
                 float *out_gradient) /* NOLINT(readability-non-const-parameter): a run's */
{
    const struct ink_run run = {
        plan, kernels, block, turned, workspace, .count = count, .gradient = out_gradient};
    int dense = first_dense(plan);
    int from = part & INK_NET_BACK_DENSE ? plan->node_count : dense;
    int to = part & INK_NET_BACK_REST ? plan->head_end : dense;

    assert(plan->use == INK_USE_TRAIN && dense >= plan->head_end);
    for (int i = from - 1; i >= to && !ink_run_is_cancelled(&run); i--)
        ink_run_backward(&run, i);
    if (part & INK_NET_BACK_REST)
        ink_run_head_back(&run);
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
