/* SPDX-License-Identifier: MIT */
/* net_plan: what nodes are computed together, what shares memory, and where parameters are. */
#include "model/net_run.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "model/net_bf16.h"
#include "model/net_norm.h"

static bool
is_activation(enum ink_op op)
{
    return op == INK_OP_RELU || op == INK_OP_LEAKYRELU || op == INK_OP_SIGMOID || op == INK_OP_TANH;
}

static bool
has_weights(enum ink_op op)
{
    return op == INK_OP_CONV || op == INK_OP_DENSE;
}

int
ink_plan_readers(const struct ink_plan *plan, int index, int *out, int most)
{
    int count = 0;

    for (int i = index + 1; i < plan->node_count; i++)
        for (int j = 0; j < plan->node[i].node->input_count; j++)
            if (plan->node[i].node->input[j] == index && count++ < most)
                out[count - 1] = i;
    return count;
}

int
ink_plan_reader(const struct ink_plan *plan, int index)
{
    int reader;

    return ink_plan_readers(plan, index, &reader, 1) == 1 ? reader : -1;
}

/* ---- geometry ---- */

static void
plan_conv(struct ink_plan_node *at)
{
    const struct ink_node *node = at->node;

    at->conv = (struct ink_conv){
        .in_width = at->in.width + 2 * node->pad,
        .in_channels = at->in.channels,
        .out_channels = at->out.channels,
        .kernel_height = node->kernel_height,
        .kernel_width = node->kernel_width,
        .stride = node->stride,
        .out_height = at->out.height,
        .out_width = at->out.width,
    };
    if (node->op == INK_OP_DENSE)
        at->conv.kernel_height = at->conv.kernel_width = at->conv.stride = 1;
    /* The gradient of the input is a convolution of the output's, spread by the stride and padded
     * so that each input pixel sees all outputs it was part of, with the window turned around. */
    at->turned = (struct ink_conv){
        .in_width = at->in.width + at->conv.kernel_width - 1,
        .in_channels = at->out.channels,
        .out_channels = at->in.channels,
        .kernel_height = at->conv.kernel_height,
        .kernel_width = at->conv.kernel_width,
        .stride = 1,
        .out_height = at->in.height,
        .out_width = at->in.width,
    };
    at->has_padding = node->pad > 0;
    at->has_turned_padding = node->op == INK_OP_CONV &&
                             (at->conv.stride > 1 || node->kernel_height * node->kernel_width > 1);
}

static void
plan_pool(struct ink_plan_node *at)
{
    bool is_global = at->node->op == INK_OP_GLOBALPOOL;

    at->pool = (struct ink_pool_form){
        .in_width = at->in.width,
        .channels = at->in.channels,
        .kernel_height = is_global ? at->in.height : at->node->kernel_height,
        .kernel_width = is_global ? at->in.width : at->node->kernel_width,
        .stride = is_global ? 1 : at->node->stride,
        .out_height = at->out.height,
        .out_width = at->out.width,
    };
}

static size_t
largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void
plan_geometry(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    enum ink_op op = at->node->op;

    at->folded = at->normed = at->pooled = -1;
    at->line = at->measured = at->summed = at->pulled = at->unpooled = -1;
    at->twin = at->lead = at->sum = at->start = at->lent = -1;
    at->out = at->kept = at->node->shape;
    if (index == 0)
        return;
    at->in = plan->arch->node[at->node->input[0]].shape;
    if (has_weights(op))
        plan_conv(at);
    if (op == INK_OP_CONV && plan->use != INK_USE_LOOK)
        ink_plan_twin(plan, index);
    if (op == INK_OP_CONV && plan->use == INK_USE_TRAIN)
        ink_plan_first(plan, index);
    if (op == INK_OP_MAXPOOL || op == INK_OP_AVGPOOL || op == INK_OP_GLOBALPOOL)
        plan_pool(at);
    if (at->has_padding)
        plan->padded_size =
            largest(plan->padded_size, (size_t)at->conv.in_width *
                                           (size_t)(at->in.height + 2 * at->node->pad) *
                                           (size_t)at->in.channels);
    if (at->has_turned_padding && plan->use == INK_USE_TRAIN && at->conv.stride > 1)
        plan->padded_size = largest(plan->padded_size, ink_plan_strided_size(at));
    if (at->has_turned_padding && plan->use == INK_USE_TRAIN)
        plan->padded_size =
            largest(plan->padded_size, (size_t)at->turned.in_width *
                                           (size_t)(at->in.height + at->conv.kernel_height - 1) *
                                           (size_t)at->out.channels);
}

/* ---- what shares memory, what is computed together ---- */

/* Whether `at` may write over its input, of which it is the only user. */
static bool
may_overwrite(const struct ink_plan *plan, const struct ink_plan_node *at)
{
    const struct ink_plan_node *in = &plan->node[at->node->input[0]];
    enum ink_op op = at->node->op;

    if (plan->use == INK_USE_LOOK || in->is_shared || ink_plan_reader(plan, at->node->input[0]) < 0)
        return false;
    if (plan->use == INK_USE_ANSWER)
        return is_activation(op) || op == INK_OP_BATCHNORM;
    if (op == INK_OP_RELU || op == INK_OP_LEAKYRELU || op == INK_OP_DROPOUT)
        return !in->is_value_kept; /* these keep a sign, or make it zero with the gradient */
    return is_activation(op) && !in->is_value_kept && !in->is_sign_kept;
}

/*
 * A convolution that is followed by a maxpool 2x2 and by nothing else computes
 * the four outputs of a window together and keeps the largest; with a relu
 * before or behind the pool, which is the same. Both ways then go through the
 * pooled numbers alone, and through which of the four each one was.
 */
static void
plan_pooled(struct ink_plan *plan, int index)
{
    struct ink_plan_node *conv = &plan->node[index];
    int pool, last;
    bool has_relu;

    if (plan->use == INK_USE_LOOK || conv->node->op != INK_OP_CONV || conv->node->stride != 1)
        return;
    pool = ink_plan_reader(plan, index);
    if (conv->normed >= 0 ||
        (plan->use == INK_USE_ANSWER && ink_plan_is(plan, pool, INK_OP_BATCHNORM)))
        pool = ink_plan_reader(plan, pool); /* it will be folded */
    has_relu = ink_plan_is(plan, pool, INK_OP_RELU);
    if (has_relu)
        pool = ink_plan_reader(plan, pool);
    if (!ink_plan_is(plan, pool, INK_OP_MAXPOOL) || plan->node[pool].pool.kernel_height != 2 ||
        plan->node[pool].pool.kernel_width != 2 || plan->node[pool].pool.stride != 2)
        return;
    last = pool;
    if (!has_relu && ink_plan_is(plan, ink_plan_reader(plan, pool), INK_OP_RELU))
        last = ink_plan_reader(plan, pool);
    conv->pooled = pool;
    conv->has_relu = has_relu || last != pool;
    conv->kept = plan->node[pool].out;
    for (int i = last; i != index; i = plan->node[i].node->input[0]) {
        plan->node[i].kept = conv->kept;
        plan->node[i].is_pooled_away =
            plan->node[i].node->op != INK_OP_BATCHNORM || i == conv->normed;
    }
}

/* Whether only dense layers read node `index`, at most through what goes number by number. */
static bool
is_for_dense(const struct ink_plan *plan, int index)
{
    int users = 0;

    for (int i = index + 1; i < plan->node_count; i++) {
        const struct ink_node *node = plan->node[i].node;

        for (int j = 0; j < node->input_count; j++) {
            if (node->input[j] != index)
                continue;
            users++;
            if (node->op != INK_OP_DENSE &&
                ((!is_activation(node->op) && node->op != INK_OP_DROPOUT) ||
                 !is_for_dense(plan, i)))
                return false;
        }
    }
    return users > 0;
}

/* A flatten need not turn [H][W][C] into [C][H][W] if all that follows are weights: these are
 * packed to fit. */
static bool
is_flat_as_it_is(const struct ink_plan *plan, int index)
{
    const struct ink_plan_node *at = &plan->node[index];

    if (at->node->op != INK_OP_FLATTEN)
        return false;
    return at->in.height * at->in.width == 1 || at->in.channels == 1 ||
           (plan->use != INK_USE_LOOK && is_for_dense(plan, index));
}

static void
plan_sharing(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    struct ink_plan_node *in = &plan->node[at->node->input[0]];
    enum ink_op op = at->node->op;
    bool is_only = ink_plan_reader(plan, at->node->input[0]) >= 0;

    if (plan->use != INK_USE_TRAIN)
        at->is_alias = op == INK_OP_DROPOUT;
    if (is_flat_as_it_is(plan, index) && (plan->use != INK_USE_TRAIN || is_only)) {
        at->is_alias = true;
        at->flat = at->in;
    } else if (in->node->op != INK_OP_DENSE) { /* what is not for dense ends the chain by itself */
        at->flat = in->flat;
    }
    if (plan->use == INK_USE_ANSWER && op == INK_OP_BATCHNORM && has_weights(in->node->op) &&
        is_only) {
        in->folded = index;
        in->has_bias = true;
        at->is_alias = true;
    }
    if (at->is_pooled_away) { /* its way back needs the winners' places, no numbers */
        at->is_alias = true;
        return;
    }
    at->is_shared = at->is_alias && (!is_only || in->is_shared);
    at->is_in_place = !at->is_alias && may_overwrite(plan, at);
    /* relu straight behind a conv, dense or batch norm, or behind one folded into the former */
    if (op == INK_OP_RELU && at->is_in_place) {
        struct ink_plan_node *maker = in;

        if (in->is_alias && in->node->op == INK_OP_BATCHNORM)
            maker = &plan->node[in->node->input[0]];
        if (has_weights(maker->node->op) || maker->node->op == INK_OP_BATCHNORM) {
            maker->has_relu = true;
            at->is_alias = true;
        }
    }
    at->is_sign_kept = op == INK_OP_RELU || op == INK_OP_LEAKYRELU;
    at->is_value_kept = op == INK_OP_SIGMOID || op == INK_OP_TANH;
    if (at->is_alias || at->is_in_place) {
        at->is_sign_kept |= in->is_sign_kept;
        at->is_value_kept |= in->is_value_kept;
    }
}

/* The next `size` of a block that grows. */
static size_t
take(size_t *block_size, size_t size)
{
    *block_size += size;
    return *block_size - size;
}

/* ---- where parameters are ---- */

static void
plan_parameters(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    size_t channels = ink_panels((size_t)at->out.channels);

    at->has_bias = at->node->has_bias;
    for (int i = 0; i < at->node->input_count; i++)
        at->needs_gradient |= plan->node[at->node->input[i]].needs_gradient;
    if (at->node->weight_count == 0)
        return;
    if (at->node->op == INK_OP_BATCHNORM) {
        at->weight_size = channels;
        plan->has_norm = true;
        at->moment_at = plan->moment_size;
        plan->moment_size += INK_NORM_NUMBERS * channels;
    } else {
        size_t window = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width;

        at->is_bf16 = plan->precision == INK_PRECISION_BF16 && at->normed < 0 &&
                      ink_precision_is_bf16(at->node);
        if (at->lead >= 0) /* what is rounded for one is rounded for both */
            at->is_bf16 = plan->node[at->lead].is_bf16;
        at->is_packed_bf16 = at->is_bf16 && plan->use == INK_USE_ANSWER;
        at->weight_size = at->is_packed_bf16 ? ink_bf16_weight_size(&at->conv)
                                             : channels * window * (size_t)at->in.channels;
        if (at->is_packed_bf16 && ink_tiles_bf16_size(at) > 0)
            at->weight_size = ink_tiles_bf16_size(at);
        if (at->node->op == INK_OP_DENSE && at->is_packed_bf16) /* in rows there may be more */
            at->weight_size = largest(at->weight_size, ink_bf16_rows_size(&at->conv));
        if (at->node->op == INK_OP_DENSE)
            plan->dense_size = largest(plan->dense_size, channels);
    }
    at->needs_gradient = true;
    at->weight_at = plan->parameter_size;
    if (at->node->op != INK_OP_DENSE)
        plan->parameter_size += at->weight_size;
    at->bias_at = plan->parameter_size;
    plan->parameter_size += channels;
    ink_plan_tiles(plan, at);
}

/* Weights that are made once a step, where tiles do not read their own. */
static void
plan_turned(struct ink_plan *plan, struct ink_plan_node *at)
{
    size_t window = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width;
    bool is_dense = at->node->op == INK_OP_DENSE;
    size_t size;

    if (at->is_bf16 && at->tiled_size == 0)
        at->forward_at = take(&plan->turned_size, is_dense ? ink_panels(at->weight_size / 2)
                                                           : ink_bf16_weight_size(&at->conv));
    if (is_dense || !plan->node[at->node->input[0]].needs_gradient ||
        (at->is_bf16 && at->is_tiled_back))
        return;
    size = ink_panels(ink_channels_of(at->in)) * window * ink_panel_channels(at);
    at->turned_at = take(&plan->turned_size, ink_bf16_is_turned(at) ? size / 2 : size);
}

/* Dense weights lie behind all other parameters. */
static void
plan_dense_weights(struct ink_plan *plan)
{
    plan->share_size = plan->parameter_size;
    for (int i = 0; i < plan->node_count; i++)
        if (plan->node[i].node->op == INK_OP_DENSE) {
            plan->node[i].weight_at = plan->parameter_size;
            plan->parameter_size += plan->node[i].weight_size;
        }
}

/* Running statistics lie behind all that is trained. */
static void
plan_statistics(struct ink_plan *plan)
{
    for (int i = 0; i < plan->node_count; i++)
        if (plan->node[i].node->statistic_count > 0) {
            plan->node[i].statistic_at = plan->parameter_size + plan->statistic_size;
            plan->statistic_size += 2 * ink_panels((size_t)plan->node[i].out.channels);
        }
}

/* The way back goes from the last node to the first: who writes a gradient second, adds. */
static void
plan_adding(struct ink_plan *plan)
{
    bool is_written[INK_ARCH_NODE_MAX] = {false};

    for (int i = plan->node_count - 1; i > 0; i--) {
        struct ink_plan_node *at = &plan->node[i];

        if (at->lead >= 0) { /* behind its lead */
            at->adds[0] = true;
            continue;
        }
        for (int j = 0; j < at->node->input_count; j++) {
            at->adds[j] = is_written[at->node->input[j]];
            is_written[at->node->input[j]] = true;
            if (at->adds[j] && (is_activation(at->node->op) || at->node->op == INK_OP_DROPOUT ||
                                at->node->op == INK_OP_FLATTEN)) /* others add by themselves */
                plan->extra_size = largest(plan->extra_size, ink_panels(ink_shape_count(at->in)));
        }
    }
}

enum ink_status
ink_plan_create(const struct ink_arch *arch, enum ink_use use, enum ink_precision precision,
                struct ink_plan **out_plan, struct ink_err *err)
{
    INK_CLEANUP(ink_plan_destroy) struct ink_plan *plan = NULL;

    plan = calloc(1, sizeof(*plan));
    if (!plan)
        return ink_fail(err, INK_NOMEM, "no memory for a network's plan");
    plan->arch = arch;
    plan->use = use;
    plan->precision = use == INK_USE_LOOK ? INK_PRECISION_F32 : precision;
    plan->node_count = arch->node_count;
    if (arch->node[arch->node_count - 1].op == INK_OP_SOFTMAX)
        plan->node_count--;
    plan->node = calloc((size_t)plan->node_count, sizeof(*plan->node));
    if (!plan->node)
        return ink_fail(err, INK_NOMEM, "no memory for a network's plan");
    for (int i = 0; i < plan->node_count; i++)
        plan->node[i].node = &arch->node[i];
    for (int i = 0; i < plan->node_count; i++) {
        plan_geometry(plan, i);
        plan_parameters(plan, i);
    }
    plan_dense_weights(plan);
    plan->node[0].is_shared = true;
    for (int i = 1; i < plan->node_count; i++)
        plan_pooled(plan, i);
    for (int i = 1; i < plan->node_count; i++)
        plan_sharing(plan, i);
    ink_plan_norms(plan);
    ink_plan_blanks(plan);
    plan_adding(plan);
    ink_plan_sums(plan);
    ink_plan_training_tiles(plan);
    for (int i = 1; i < plan->node_count && plan->use == INK_USE_TRAIN; i++)
        if (has_weights(plan->node[i].node->op))
            plan_turned(plan, &plan->node[i]);
    ink_plan_head(plan);
    ink_plan_memory(plan);
    for (int i = 0; i < plan->node_count && plan->use == INK_USE_TRAIN; i++)
        if (plan->node[i].pooled >= 0)
            plan->node[i].own_at =
                take(&plan->pooled_size, ink_panels(ink_pooled_size(&plan->node[i].conv)));
    for (int i = 0; i < plan->node_count; i++)
        if (plan->node[i].is_bf16)
            ink_bf16_plan_scratch(plan, &plan->node[i]);
    plan_statistics(plan);
    *out_plan = plan;
    plan = NULL;
    return INK_OK;
}

void
ink_plan_alone(struct ink_plan *plan)
{
    for (int i = 0; i < plan->node_count; i++)
        plan->node[i].is_in_rows = plan->node[i].is_packed_bf16 &&
                                   plan->node[i].node->op == INK_OP_DENSE &&
                                   plan->node[i].out.channels > INK_PANEL;
}

void
ink_plan_destroy(struct ink_plan **plan)
{
    if (!*plan)
        return;
    free((*plan)->node);
    free(*plan);
    *plan = NULL;
}

size_t
ink_plan_block_size(const struct ink_plan *plan)
{
    return plan->parameter_size + plan->statistic_size;
}

size_t
ink_plan_bias_size(const struct ink_plan_node *at)
{
    return ink_panels((size_t)at->out.channels);
}

int
ink_norm_groups(int count)
{
    return count > INK_NORM_GROUP ? (count + INK_NORM_GROUP - 1) / INK_NORM_GROUP : 1;
}

int
ink_norm_group_start(int count, int groups, int group)
{
    int larger = count % groups;

    return group * (count / groups) + (group < larger ? group : larger);
}

int
ink_norm_group_of(int count, int groups, int picture)
{
    int size = count / groups, larger = count % groups;

    if (picture < larger * (size + 1))
        return picture / (size + 1);
    return larger + (picture - larger * (size + 1)) / size;
}
