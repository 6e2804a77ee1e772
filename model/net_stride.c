/* SPDX-License-Identifier: MIT */
/*
 * net_stride: back through a convolution with a stride, without its zeros.
 *
 * An input pixel i meets tap k of output r where i + pad = r * stride + k. Those
 * with the same remainder p = (i + pad) % stride meet the taps p, p + stride, ..
 * and no others: their gradient is a convolution of the output's gradient with
 * these taps, of stride 1. There are stride^2 such phases, and together they
 * have as many multiplications as the way forward.
 *
 * Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic", 4.6
 */
#include <string.h>

#include "model/net_bf16.h"

/* One dimension of a phase: its taps, and the input pixels that it gives a gradient. */
struct line {
    int taps;
    int first, count; /* pixels first, first + stride, ... of the input */
    int output;       /* the first output that they meet; outside, as the last may be */
};

static struct line
line_of(int phase, int stride, int taps, int pad, int size)
{
    struct line line = {.taps = taps > phase ? (taps - phase - 1) / stride + 1 : 0};
    int first = pad > phase ? (pad - phase + stride - 1) / stride : 0; /* q of the first pixel */

    line.first = first * stride + phase - pad;
    line.count = line.first < size ? (size - line.first - 1) / stride + 1 : 0;
    line.output = first - (line.taps - 1);
    return line;
}

/* Zeros in front of the outputs and behind them, for all phases. */
static int
zeros_before(const struct ink_plan_node *at, int taps)
{
    return (taps - 1) / at->conv.stride;
}

static int
zeros_around(const struct ink_plan_node *at, int taps)
{
    return taps == 1 ? 0 : 2 * zeros_before(at, taps) + 1;
}

static int
taps_of(const struct ink_plan_node *at, int number)
{
    int stride = at->conv.stride;

    return line_of(number / stride, stride, at->conv.kernel_height, 0, 1).taps *
           line_of(number % stride, stride, at->conv.kernel_width, 0, 1).taps;
}

void
ink_plan_phase(const struct ink_plan_node *at, int number, struct ink_phase *out_phase)
{
    const struct ink_conv *conv = &at->conv;
    int stride = conv->stride, pad = at->node->pad;
    struct line row = line_of(number / stride, stride, conv->kernel_height, pad, at->in.height);
    struct line column = line_of(number % stride, stride, conv->kernel_width, pad, at->in.width);
    int width = at->out.width + zeros_around(at, conv->kernel_width);

    *out_phase = (struct ink_phase){
        .conv = {.in_width = width,
                 .in_channels = at->out.channels,
                 .out_channels = at->in.channels,
                 .kernel_height = row.taps,
                 .kernel_width = column.taps,
                 .stride = 1,
                 .out_height = row.count,
                 .out_width = column.count},
        .from = (size_t)((row.output + zeros_before(at, conv->kernel_height)) * width +
                         column.output + zeros_before(at, conv->kernel_width)),
        .to = (size_t)(row.first * at->in.width + column.first),
        .is_empty = row.taps * column.taps * row.count * column.count == 0,
    };
    for (int i = 0; i < number; i++)
        out_phase->taps_before += (size_t)taps_of(at, i);
}

size_t
ink_plan_turned_tap(const struct ink_plan_node *at, size_t panel, int tap)
{
    int stride = at->conv.stride, width = at->conv.kernel_width;
    int i = tap / width, j = tap % width;
    size_t panels = ((size_t)at->in.channels + INK_PANEL - 1) / INK_PANEL;
    struct ink_phase phase;

    ink_plan_phase(at, i % stride * stride + j % stride, &phase);
    i = phase.conv.kernel_height - 1 - i / stride;
    j = phase.conv.kernel_width - 1 - j / stride;
    return phase.taps_before * panels +
           panel * (size_t)(phase.conv.kernel_height * phase.conv.kernel_width) +
           (size_t)(i * phase.conv.kernel_width + j);
}

size_t
ink_plan_strided_size(const struct ink_plan_node *at)
{
    size_t height = (size_t)at->out.height + (size_t)zeros_around(at, at->conv.kernel_height);
    size_t width = (size_t)at->out.width + (size_t)zeros_around(at, at->conv.kernel_width);

    return height * width * ink_channels_of(at->out) + INK_KERNEL_SLACK + ink_shape_count(at->in);
}

struct ink_spread
ink_run_strided_spread(const struct ink_plan_node *at)
{
    return (struct ink_spread){
        .height = at->out.height + zeros_around(at, at->conv.kernel_height),
        .width = at->out.width + zeros_around(at, at->conv.kernel_width),
        .top = zeros_before(at, at->conv.kernel_height),
        .left = zeros_before(at, at->conv.kernel_width),
        .step = 1,
    };
}

/* dy among zeros, or dy itself if it needs none. */
static const float *
surrounded(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    struct ink_spread to = ink_run_strided_spread(at);
    size_t height = (size_t)to.height, width = (size_t)to.width;
    size_t channels = ink_channels_of(at->out), row = (size_t)at->out.width * channels;
    size_t top = (size_t)to.top, left = (size_t)to.left;
    float *all = run->workspace->padded;

    if (height * width == ink_pixels_of(at->out))
        return dy;
    memset(all, 0, height * width * channels * sizeof(*all));
    for (size_t i = 0; i < (size_t)at->out.height; i++)
        memcpy(all + ((top + i) * width + left) * channels, dy + i * row, row * sizeof(*all));
    return all;
}

/* One phase, in the precision of the layer. */
static void
phase_back(const struct ink_run *run, const struct ink_plan_node *at, struct ink_phase *phase,
           const float *dy, const uint16_t *rounded, float *dx)
{
    size_t panels = ((size_t)at->in.channels + INK_PANEL - 1) / INK_PANEL;
    size_t outs = ink_channels_of(at->out), stride = (size_t)at->conv.stride;
    const float *weights = run->turned + at->turned_at;
    const size_t apart[2] = {stride * ink_channels_of(at->in),
                             stride * ink_channels_of(at->in) * (size_t)at->in.width};

    dx += phase->to * ink_channels_of(at->in);
    if (!rounded) {
        run->kernels->conv_apart(&phase->conv, dy + phase->from * outs,
                                 weights + phase->taps_before * panels * outs * INK_PANEL,
                                 at->adds[0], dx, apart);
        return;
    }
    outs += outs % 2;
    phase->conv.in_channels = (int)outs;
    run->kernels->bf16->conv_apart(&phase->conv, rounded + phase->from * outs,
                                   (const uint16_t *)weights +
                                       phase->taps_before * panels * outs * INK_PANEL,
                                   at->adds[0], dx, apart);
}

void
ink_run_strided_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy,
                     const uint16_t *rounded, float *dx)
{
    int stride = at->conv.stride;

    if (!rounded)
        dy = surrounded(run, at, dy);
    for (int i = 0; i < stride * stride; i++) {
        struct ink_phase phase;

        ink_plan_phase(at, i, &phase);
        if (i == 0 && !at->adds[0] &&
            (at->conv.kernel_height < stride || at->conv.kernel_width < stride))
            memset(dx, 0, ink_shape_count(at->in) * sizeof(*dx)); /* some pixels meet no tap */
        if (!phase.is_empty)
            phase_back(run, at, &phase, dy, rounded, dx);
    }
}
