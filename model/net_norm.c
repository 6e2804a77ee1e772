/* SPDX-License-Identifier: MIT */
/* net_norm: batch normalisation, forward and backward. */
#include <math.h>
#include <string.h>

#include "model/net_run.h"

/*
 * Mean and variance of the share, each picture's joined to those before in
 * double. Source: Chan, Golub and LeVeque 1983, eq. 2.1.
 */
static void
measure_share(const struct ink_run *run, const struct ink_plan_node *at, const float *x)
{
    size_t channels = ink_channels_of(at->out), pixels = ink_pixels_of(at->out),
           size = ink_panel_channels(at);
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
norm_of(const struct ink_run *run, const struct ink_plan_node *at)
{
    size_t size = ink_panel_channels(at);
    const float *moments = run->workspace->moments + at->moment_at;

    return (struct ink_norm){
        .channels = ink_channels_of(at->out),
        .mean = moments,
        .inverse = moments + size,
        .scale = moments + 2 * size,
        .shift = moments + 3 * size,
        .is_relu = at->has_relu,
    };
}

void
ink_run_norm(const struct ink_run *run, const struct ink_plan_node *at, const float *x, float *y)
{
    size_t channels = ink_channels_of(at->out), size = ink_panel_channels(at);
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
    run->kernels->norm(&norm, ink_pixels_of(at->out) * (size_t)run->count, x, y);
}

/*
 * With xh = (x - mean) * inverse and N numbers in the mean:
 *     dx = scale * inverse * (dy - sum(dy) / N - xh * sum(dy xh) / N)
 * which is a line in dy and x, a channel. Source: Ioffe and Szegedy 2015, section 3.
 */
void
ink_run_norm_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                  float *dx)
{
    const float *x = ink_run_value(run, at->node->input[0]);
    size_t channels = ink_channels_of(at->out), size = ink_panel_channels(at),
           pixels = ink_pixels_of(at->out);
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
