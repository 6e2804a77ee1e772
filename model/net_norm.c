/* SPDX-License-Identifier: MIT */
/* net_norm: batch normalisation, forward and backward. */
#include <math.h>
#include <string.h>

#include "model/net_run.h"

/* A group of pictures that is measured by itself, and where its numbers are. */
struct group {
    size_t first, count; /* pictures */
    size_t pixels;       /* of a picture */
    struct ink_norm norm;
    float *mean, *inverse, *scale, *shift; /* what norm points to */
};

static int
group_count(const struct ink_run *run)
{
    if (run->plan->use != INK_USE_TRAIN)
        return 1;
    return run->workspace->group_count > 0 ? run->workspace->group_count
                                           : ink_norm_groups(run->count);
}

static struct group
group_of(const struct ink_run *run, const struct ink_plan_node *at, int number)
{
    int groups = group_count(run), first = ink_norm_group_start(run->count, groups, number);
    size_t size = ink_panel_channels(at);
    size_t most = (size_t)ink_norm_groups(run->workspace->capacity);
    struct group group = {
        .first = (size_t)first,
        .count = (size_t)(ink_norm_group_start(run->count, groups, number + 1) - first),
        .pixels = ink_pixels_of(at->out),
    };

    group.mean = run->workspace->moments + at->moment_at * most + (size_t)number * 4 * size;
    group.inverse = group.mean + size;
    group.scale = group.inverse + size;
    group.shift = group.scale + size;
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

/*
 * Mean and sum of squared distances of a group, each picture's joined to those
 * before in double. Source: Chan, Golub and LeVeque 1983, eq. 2.1.
 */
static void
measure_group(const struct ink_run *run, const struct group *group, const float *x,
              float *out_squares)
{
    size_t channels = group->norm.channels, pixels = group->pixels;
    float *picture_mean = group->scale, *picture_squares = group->shift; /* not in use yet */

    /* A flat batch has one number a picture and channel: all are one "picture". */
    if (pixels == 1) {
        run->kernels->moments(group->count, channels, x, group->mean, out_squares);
        return;
    }
    run->kernels->moments(pixels, channels, x, group->mean, out_squares);
    for (size_t n = 1; n < group->count; n++) {
        run->kernels->moments(pixels, channels, x + n * pixels * channels, picture_mean,
                              picture_squares);
        for (size_t c = 0; c < channels; c++) {
            double distance = (double)picture_mean[c] - (double)group->mean[c];
            double before = (double)n, all = (double)n + 1;

            group->mean[c] = (float)((double)group->mean[c] + distance / all);
            out_squares[c] = (float)((double)out_squares[c] + (double)picture_squares[c] +
                                     distance * distance * (double)pixels * before / all);
        }
    }
}

/* The group's mean and deviation, and its part of what the running statistics move towards. */
static void
take_moments(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group,
             const float *x)
{
    size_t channels = group->norm.channels, numbers = group->pixels * group->count;
    float *statistics = run->workspace->statistics + at->statistic_at - run->plan->parameter_size;
    float *variance = statistics + ink_panel_channels(at), *squares = group->inverse;
    double share = (double)group->count / run->count;

    measure_group(run, group, x, squares);
    for (size_t c = 0; c < channels; c++) {
        double sum = (double)squares[c];

        statistics[c] += (float)(share * (double)group->mean[c]);
        variance[c] += (float)(share * sum / (double)(numbers > 1 ? numbers - 1 : 1));
        group->inverse[c] = (float)(1 / sqrt(sum / (double)numbers + INK_NORM_EPSILON));
    }
}

/* Not in training: the running statistics. */
static void
take_running(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group)
{
    const float *running = run->block + at->statistic_at;
    size_t size = ink_panel_channels(at);

    memcpy(group->mean, running, size * sizeof(*running));
    for (size_t c = 0; c < group->norm.channels; c++)
        group->inverse[c] = (float)(1 / sqrt((double)running[size + c] + INK_NORM_EPSILON));
}

void
ink_run_norm(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    const float *weights = run->block + at->weight_at, *biases = run->block + at->bias_at;
    float *statistics = run->workspace->statistics + at->statistic_at - run->plan->parameter_size;

    memset(statistics, 0, 2 * ink_panel_channels(at) * sizeof(*statistics));
    for (int i = 0; i < group_count(run); i++) {
        const struct group group = group_of(run, at, i);
        size_t from = group.first * ink_shape_count(at->out);

        if (run->plan->use == INK_USE_TRAIN)
            take_moments(run, at, &group, x + from);
        else
            take_running(run, at, &group);
        for (size_t c = 0; c < group.norm.channels; c++) {
            group.scale[c] = weights[c] * group.inverse[c];
            group.shift[c] = biases[c] - group.mean[c] * group.scale[c];
        }
        run->kernels->norm(&group.norm, group.pixels * group.count, x + from, y + from);
    }
}

/*
 * With xh = (x - mean) * inverse and N numbers in the mean:
 *     dx = scale * inverse * (dy - sum(dy) / N - xh * sum(dy xh) / N)
 * which is a line in dy and x, a channel. Source: Ioffe and Szegedy 2015, section 3.
 */
static void
group_back(const struct ink_run *run, const struct ink_plan_node *at, const struct group *group,
           const float *dy, float *dx)
{
    const float *x =
        ink_run_value(run, at->node->input[0]) + group->first * ink_shape_count(at->in);
    const struct ink_norm *norm = &group->norm;
    size_t channels = norm->channels, pixels = group->pixels;
    float *d_scale = run->gradient + at->weight_at, *d_shift = run->gradient + at->bias_at;
    float *line = run->workspace->norm_line, *sums = line + 3 * channels;
    double share = 1 / ((double)pixels * (double)group->count);

    memset(sums, 0, 2 * channels * sizeof(*sums));
    for (size_t n = 0; n < group->count; n++)
        run->kernels->norm_sums(norm, pixels, x + n * pixels * channels, dy + n * pixels * channels,
                                sums);
    for (size_t c = 0; c < channels; c++) {
        double inverse = (double)norm->inverse[c];
        double a = (double)run->block[at->weight_at + c] * inverse;
        double slope = -a * inverse * (double)sums[channels + c] * share;

        d_shift[c] += sums[c];
        d_scale[c] += sums[channels + c];
        line[c] = (float)a;
        line[channels + c] = (float)slope;
        line[2 * channels + c] =
            (float)(-a * (double)sums[c] * share - slope * (double)norm->mean[c]);
    }
    if (dx)
        run->kernels->norm_backward(norm, pixels * group->count, x, dy, line, dx);
}

void
ink_run_norm_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                  float *dx)
{
    size_t size = ink_panel_channels(at);

    memset(run->gradient + at->weight_at, 0, size * sizeof(*run->gradient));
    memset(run->gradient + at->bias_at, 0, size * sizeof(*run->gradient));
    for (int i = 0; i < group_count(run); i++) {
        const struct group group = group_of(run, at, i);
        size_t from = group.first * ink_shape_count(at->out);

        group_back(run, at, &group, dy + from, dx ? dx + from : NULL);
    }
}
