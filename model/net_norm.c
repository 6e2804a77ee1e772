/* SPDX-License-Identifier: MIT */
/* net_norm: batch normalisation, forward and backward. */
#include "model/net_norm.h"

#include <math.h>
#include <string.h>

/* ---- the plan ---- */

/* Whether a node computes picture by picture and reads no more than each picture once. */
static bool
is_reader(enum ink_op op)
{
    return op == INK_OP_CONV || op == INK_OP_MAXPOOL || op == INK_OP_AVGPOOL ||
           op == INK_OP_GLOBALPOOL;
}

static size_t
largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t
picture_size(struct ink_shape shape)
{
    return (ink_shape_count(shape) + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
}

/* Its output need not be stored if only readers want it; the first of them has the last word on
 * its gradient. */
static void
plan_line(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    int users[INK_ARCH_NODE_MAX], count = ink_plan_readers(plan, index, users, INK_ARCH_NODE_MAX);

    if (count == 1 && at->has_relu)
        count = ink_plan_readers(plan, users[0], users, INK_ARCH_NODE_MAX);
    for (int i = 0; i < count; i++)
        if (!is_reader(plan->node[users[i]].node->op))
            return;
    if (count == 0)
        return;
    at->is_line = true;
    for (int i = 0; i < count; i++)
        plan->node[users[i]].line = index;
    plan->node[users[0]].summed = index;
    plan->line_size = largest(plan->line_size, picture_size(at->out));
}

/* A late gradient that only a pool writes is not stored either: a picture's is made from the pool's
 * twice, once to be summed. That stays in the cache, and all of them would not. */
static void
plan_unpooled(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    int users[2], count = ink_plan_readers(plan, index, users, 2);

    if (count == 1 && at->has_relu)
        count = ink_plan_readers(plan, users[0], users, 2);
    if (!at->is_line || count != 1 || plan->node[users[0]].node->op == INK_OP_CONV)
        return;
    at->unpooled = users[0];
    at->is_gradient_brief = true;
}

void
ink_plan_norms(struct ink_plan *plan)
{
    for (int i = 0; i < plan->node_count && plan->use == INK_USE_TRAIN; i++) {
        struct ink_plan_node *at = &plan->node[i], *in;

        if (at->node->op != INK_OP_BATCHNORM || at->is_pooled_away || ink_pixels_of(at->out) == 1)
            continue;
        in = &plan->node[at->node->input[0]];
        if ((in->node->op == INK_OP_CONV || in->node->op == INK_OP_ADD) && in->measured < 0)
            in->measured = i;
        plan_line(plan, i);
        if (in->node->op == INK_OP_CONV && !in->node->has_bias && in->pooled < 0 && in->lead < 0 &&
            ink_plan_reader(plan, at->node->input[0]) >= 0) {
            at->is_late = true;
            in->pulled = i;
            plan->pull_size = largest(plan->pull_size, picture_size(at->out));
            plan_unpooled(plan, i);
        }
    }
}

/* ---- groups ---- */

int
ink_norm_group_count(const struct ink_run *run)
{
    if (run->plan->use != INK_USE_TRAIN)
        return 1;
    return run->workspace->group_count > 0 ? run->workspace->group_count
                                           : ink_norm_groups(run->count);
}

struct ink_norm_group
ink_norm_group_at(const struct ink_run *run, const struct ink_plan_node *at, int number)
{
    int groups = ink_norm_group_count(run),
        first = ink_norm_group_start(run->count, groups, number);
    size_t size = ink_panel_channels(at);
    size_t most = (size_t)ink_norm_groups(run->workspace->capacity);
    struct ink_norm_group group = {
        .first = (size_t)first,
        .count = (size_t)(ink_norm_group_start(run->count, groups, number + 1) - first),
        .pixels = ink_pixels_of(at->out),
    };

    group.mean =
        run->workspace->moments + at->moment_at * most + (size_t)number * INK_NORM_NUMBERS * size;
    group.inverse = group.mean + size;
    group.scale = group.inverse + size;
    group.shift = group.scale + size;
    group.sums = group.shift + size;
    group.line = group.sums + 2 * size;
    group.norm = (struct ink_norm){
        .channels = ink_channels_of(at->out),
        .mean = group.mean,
        .inverse = group.inverse,
        .scale = group.scale,
        .shift = group.shift,
        .is_relu = at->has_relu,
    };
    return group;
}

static struct ink_norm_group
group_of_picture(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    return ink_norm_group_at(run, at,
                             ink_norm_group_of(run->count, ink_norm_group_count(run), (int)n));
}

/* ---- forward ---- */

/*
 * Mean and sum of squared distances (in `inverse` until all are there) of one
 * picture of the group, joined to those before in double.
 * Source: Chan, Golub and LeVeque 1983, eq. 2.1.
 */
static void
measure_picture(const struct ink_run *run, const struct ink_norm_group *group, const float *x,
                size_t n)
{
    size_t channels = group->norm.channels, before = n - group->first;
    float *picture_mean = group->scale, *picture_squares = group->shift; /* not in use yet */

    if (before == 0) {
        run->kernels->moments(group->pixels, channels, x, group->mean, group->inverse);
        return;
    }
    run->kernels->moments(group->pixels, channels, x, picture_mean, picture_squares);
    for (size_t c = 0; c < channels; c++) {
        double distance = (double)picture_mean[c] - (double)group->mean[c];
        double all = (double)before + 1;

        group->mean[c] = (float)((double)group->mean[c] + distance / all);
        group->inverse[c] =
            (float)((double)group->inverse[c] + (double)picture_squares[c] +
                    distance * distance * (double)group->pixels * (double)before / all);
    }
}

void
ink_norm_wrote(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    const struct ink_plan_node *norm;
    struct ink_norm_group group;

    if (at->start >= 0)
        at = &run->plan->node[at->sum];
    if (at->measured < 0)
        return;
    norm = &run->plan->node[at->measured];
    group = group_of_picture(run, norm, n);
    measure_picture(run, &group,
                    ink_run_value(run, norm->node->input[0]) + n * ink_shape_count(norm->out), n);
}

void
ink_norm_start(const struct ink_run *run, const struct ink_plan_node *at)
{
    float *statistics = run->workspace->statistics + at->statistic_at - run->plan->parameter_size;

    memset(statistics, 0, 2 * ink_panel_channels(at) * sizeof(*statistics));
}

static void
measure_group(const struct ink_run *run, const struct ink_norm_group *group, const float *x)
{
    size_t size = group->pixels * group->norm.channels;

    /* A flat batch has one number a picture and channel: all are one "picture". */
    if (group->pixels == 1)
        run->kernels->moments(group->count, size, x, group->mean, group->inverse);
    else
        for (size_t n = 0; n < group->count; n++)
            measure_picture(run, group, x + n * size, group->first + n);
}

static void
draw_line(const struct ink_run *run, const struct ink_plan_node *at,
          const struct ink_norm_group *group)
{
    const float *weights = run->block + at->weight_at, *biases = run->block + at->bias_at;

    for (size_t c = 0; c < group->norm.channels; c++) {
        group->scale[c] = weights[c] * group->inverse[c];
        group->shift[c] = biases[c] - group->mean[c] * group->scale[c];
    }
}

void
ink_norm_take_moments(const struct ink_run *run, const struct ink_plan_node *at,
                      const struct ink_norm_group *group)
{
    size_t channels = group->norm.channels, numbers = group->pixels * group->count;
    float *statistics = run->workspace->statistics + at->statistic_at - run->plan->parameter_size;
    float *variance = statistics + ink_panel_channels(at);
    double share = (double)group->count / run->count;

    for (size_t c = 0; c < channels; c++) {
        double sum = (double)group->inverse[c];

        statistics[c] += (float)(share * (double)group->mean[c]);
        variance[c] += (float)(share * sum / (double)(numbers > 1 ? numbers - 1 : 1));
        group->inverse[c] = (float)(1 / sqrt(sum / (double)numbers + INK_NORM_EPSILON));
    }
    draw_line(run, at, group);
}

/* Not in training: the running statistics. */
static void
take_running(const struct ink_run *run, const struct ink_plan_node *at,
             const struct ink_norm_group *group)
{
    const float *running = run->block + at->statistic_at;
    size_t size = ink_panel_channels(at);

    memcpy(group->mean, running, size * sizeof(*running));
    for (size_t c = 0; c < group->norm.channels; c++)
        group->inverse[c] = (float)(1 / sqrt((double)running[size + c] + INK_NORM_EPSILON));
    draw_line(run, at, group);
}

void
ink_run_norm(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    int measured = run->plan->node[at->node->input[0]].measured;

    if (run->plan->use == INK_USE_ANSWER) { /* it is packed as a line */
        const struct ink_norm line = {.channels = ink_channels_of(at->out),
                                      .scale = run->block + at->weight_at,
                                      .shift = run->block + at->bias_at,
                                      .is_relu = at->has_relu};

        run->kernels->norm(&line, ink_pixels_of(at->out) * (size_t)run->count, x, y);
        return;
    }
    ink_norm_start(run, at);
    for (int i = 0; i < ink_norm_group_count(run); i++) {
        const struct ink_norm_group group = ink_norm_group_at(run, at, i);
        size_t from = group.first * ink_shape_count(at->out);

        if (run->plan->use != INK_USE_TRAIN) {
            take_running(run, at, &group);
        } else {
            if (measured < 0 || &run->plan->node[measured] != at)
                measure_group(run, &group, x + from);
            ink_norm_take_moments(run, at, &group);
        }
        if (!at->is_line)
            run->kernels->norm(&group.norm, group.pixels * group.count, x + from, y + from);
    }
}

bool
ink_norm_line(const struct ink_run *run, const struct ink_plan_node *at, size_t n,
              struct ink_norm *out_norm)
{
    if (at->line < 0)
        return false;
    *out_norm = group_of_picture(run, &run->plan->node[at->line], n).norm;
    return true;
}

const float *
ink_norm_input(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    const float *x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in);
    struct ink_norm norm;

    if (!ink_norm_line(run, at, n, &norm))
        return x;
    run->kernels->norm(&norm, ink_pixels_of(at->in), x, run->workspace->lined);
    return run->workspace->lined;
}

/* ---- backward ---- */

/* One picture's part of the sums over dy, and over dy times the normalised x. */
static void
sum_picture(const struct ink_run *run, const struct ink_plan_node *at,
            const struct ink_norm_group *group, const float *dy, size_t n)
{
    const float *x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in);

    if (n == group->first)
        memset(group->sums, 0, 2 * group->norm.channels * sizeof(*group->sums));
    run->kernels->norm_sums(&group->norm, group->pixels, x, dy, group->sums);
}

void
ink_norm_wrote_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    const struct ink_plan_node *norm;
    struct ink_norm_group group;

    if (at->summed < 0)
        return;
    norm = &run->plan->node[at->summed];
    group = group_of_picture(run, norm, n);
    sum_picture(run, norm, &group, ink_run_gradient_of(run, at->node->input[0], n), n);
}

/*
 * With xh = (x - mean) * inverse and N numbers in the mean:
 *     dx = scale * inverse * (dy - sum(dy) / N - xh * sum(dy xh) / N)
 * which is a line in dy and x, a channel. Source: Ioffe and Szegedy 2015, section 3.
 */
static void
take_sums(const struct ink_run *run, const struct ink_plan_node *at,
          const struct ink_norm_group *group)
{
    size_t channels = group->norm.channels;
    float *d_scale = run->gradient + at->weight_at, *d_shift = run->gradient + at->bias_at;
    const float *sums = group->sums;
    float *line = group->line;
    double share = 1 / ((double)group->pixels * (double)group->count);

    for (size_t c = 0; c < channels; c++) {
        double inverse = (double)group->inverse[c];
        double a = (double)run->block[at->weight_at + c] * inverse;
        double slope = -a * inverse * (double)sums[channels + c] * share;

        d_shift[c] += sums[c];
        d_scale[c] += sums[channels + c];
        line[c] = (float)a;
        line[channels + c] = (float)slope;
        line[2 * channels + c] =
            (float)(-a * (double)sums[c] * share - slope * (double)group->mean[c]);
    }
}

/* How the input's gradient of picture n is made from the output's. */
static struct ink_norm_back
back_of(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    const struct ink_norm_group group = group_of_picture(run, at, n);

    return (struct ink_norm_back){
        .norm = group.norm,
        .x = ink_run_value(run, at->node->input[0]) + n * ink_shape_count(at->in),
        .dy = ink_run_gradient_of(run, (int)(at - run->plan->node), n),
        .abc = group.line,
    };
}

static void
draw_back(const struct ink_run *run, const struct ink_norm_back *back, size_t pixels, float *dx)
{
    run->kernels->norm_backward(&back->norm, pixels, back->x, back->dy, back->abc, dx);
}

bool
ink_norm_back(const struct ink_run *run, const struct ink_plan_node *at, size_t n,
              struct ink_norm_back *out_back)
{
    const struct ink_plan_node *norm;

    if (at->pulled < 0)
        return false;
    norm = &run->plan->node[at->pulled];
    if (norm->unpooled >= 0)
        ink_run_unpool(run, &run->plan->node[norm->unpooled], n);
    *out_back = back_of(run, norm, n);
    return true;
}

const float *
ink_norm_gradient(const struct ink_run *run, const struct ink_plan_node *at, size_t n)
{
    struct ink_norm_back back;

    if (!ink_norm_back(run, at, n, &back))
        return ink_run_gradient(run, (int)(at - run->plan->node)) + n * ink_shape_count(at->kept);
    draw_back(run, &back, ink_pixels_of(at->out), run->workspace->pulled);
    return run->workspace->pulled;
}

void
ink_run_norm_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                  float *dx)
{
    size_t size = ink_panel_channels(at), each = ink_shape_count(at->out);

    memset(run->gradient + at->weight_at, 0, size * sizeof(*run->gradient));
    memset(run->gradient + at->bias_at, 0, size * sizeof(*run->gradient));
    for (int i = 0; i < ink_norm_group_count(run); i++) {
        const struct ink_norm_group group = ink_norm_group_at(run, at, i);

        for (size_t n = group.first; n < group.first + group.count && !at->is_line; n++)
            sum_picture(run, at, &group, dy + n * each, n);
        take_sums(run, at, &group);
    }
    for (size_t n = 0; n < (size_t)run->count && dx && !at->is_late; n++) {
        struct ink_norm_back back = back_of(run, at, n);

        back.norm.is_added = at->adds[0];
        draw_back(run, &back, ink_pixels_of(at->out), dx + n * each);
    }
}
