/* SPDX-License-Identifier: MIT */
/* net_pack: weights between the snapshot's layouts and the kernels'. */
#include "model/net_bf16.h"
#include "model/net_run.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Channels of one panel row. */
/* Where input `in` of the snapshot is: a picture's numbers lie as [H][W][C], there as [C][H][W]. */
static size_t
input_at(const struct ink_plan_node *at, size_t in)
{
    size_t pixels = (size_t)at->flat.height * (size_t)at->flat.width;

    return pixels > 1 ? in % pixels * (size_t)at->flat.channels + in / pixels : in;
}

/* Where weight [out][in][window] is among panels [out / 16][window][in][16]. */
static size_t
panel_at(const struct ink_plan_node *at, size_t out, size_t in, size_t window)
{
    const struct ink_conv *conv = &at->conv;
    size_t windows = (size_t)conv->kernel_height * (size_t)conv->kernel_width;

    return ((out / INK_PANEL * windows + window) * (size_t)conv->in_channels + input_at(at, in)) *
               INK_PANEL +
           out % INK_PANEL;
}

/* The batch norm folded into a layer, as a factor and a shift a channel. */
static void
folded_line(const struct ink_snapshot *snapshot, int norm, size_t c, size_t channels,
            double *out_scale, double *out_shift)
{
    const float *statistics = ink_snapshot_statistics(snapshot, norm);

    *out_scale = (double)ink_snapshot_weights(snapshot, norm)[c] /
                 sqrt((double)statistics[channels + c] + INK_NORM_EPSILON);
    *out_shift =
        (double)ink_snapshot_biases(snapshot, norm)[c] - (double)statistics[c] * *out_scale;
}

static void
put_weight(const struct ink_plan_node *at, float weight, size_t out, size_t in, size_t window,
           float *weights)
{
    if (at->is_in_rows)
        ((uint16_t *)weights)[ink_bf16_row_at(
            (size_t)at->conv.in_channels, (size_t)at->conv.out_channels, out, input_at(at, in))] =
            ink_bf16_of(weight);
    else if (at->is_packed_bf16)
        ((uint16_t *)weights)[ink_bf16_weight_at(&at->conv, out, input_at(at, in), window)] =
            ink_bf16_of(weight);
    else
        weights[panel_at(at, out, in, window)] = weight;
}

static void
put_tiled(const struct ink_plan_node *at, const float *window, double scale, size_t out, size_t in,
          float *weights)
{
    float scaled[9];

    for (size_t i = 0; i < 9; i++)
        scaled[i] = (float)((double)window[i] * scale);
    ink_tiles_put_bf16(at, scaled, out, in, weights);
}

/* Inputs packed together: what 16 outputs, or 32, share of their weights is in the cache until all
 * of them are there. */
enum { PACK_INPUTS = 256 };

/* The weights of one output to inputs from..to - 1, and its bias. */
static void
pack_output(const struct ink_plan_node *at, const struct ink_snapshot *snapshot, int index,
            size_t out, const size_t inputs[static 2], float *block)
{
    size_t windows = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width;
    const float *row =
        ink_snapshot_weights(snapshot, index) + out * (size_t)at->conv.in_channels * windows;
    const float *biases = ink_snapshot_biases(snapshot, index);
    double scale = 1, shift = 0, bias = biases ? (double)biases[out] : 0;

    if (at->folded >= 0)
        folded_line(snapshot, at->folded, out, (size_t)at->conv.out_channels, &scale, &shift);
    block[at->bias_at + out] = (float)(shift + bias * scale);
    for (size_t in = inputs[0]; in < inputs[1]; in++)
        if (at->is_packed_bf16 && at->tiled_size > 0)
            put_tiled(at, row + in * windows, scale, out, in, block + at->weight_at);
        else
            for (size_t i = 0; i < windows; i++)
                put_weight(at, (float)((double)row[in * windows + i] * scale), out, in, i,
                           block + at->weight_at);
}

static void
pack_weighted(const struct ink_plan_node *at, const struct ink_snapshot *snapshot, int index,
              float *block)
{
    size_t outs = (size_t)at->conv.out_channels, ins = (size_t)at->conv.in_channels;

    for (size_t from = 0; from < ins; from += PACK_INPUTS)
        for (size_t out = 0; out < outs; out++)
            pack_output(
                at, snapshot, index, out,
                (const size_t[2]){from, ins - from < PACK_INPUTS ? ins : from + PACK_INPUTS},
                block);
}

/* In answers as the line that it is. */
static void
pack_norm(const struct ink_plan *plan, const struct ink_snapshot *snapshot, int index, float *block)
{
    const struct ink_plan_node *at = &plan->node[index];
    size_t channels = (size_t)at->out.channels;
    float *statistics = block + at->statistic_at;

    memcpy(block + at->weight_at, ink_snapshot_weights(snapshot, index), channels * sizeof(*block));
    memcpy(block + at->bias_at, ink_snapshot_biases(snapshot, index), channels * sizeof(*block));
    memcpy(statistics, ink_snapshot_statistics(snapshot, index), channels * sizeof(*block));
    memcpy(statistics + ink_panels(channels), ink_snapshot_statistics(snapshot, index) + channels,
           channels * sizeof(*block));
    for (size_t c = 0; c < channels && plan->use == INK_USE_ANSWER; c++) {
        double scale, shift;

        folded_line(snapshot, index, c, channels, &scale, &shift);
        block[at->weight_at + c] = (float)scale;
        block[at->bias_at + c] = (float)shift;
    }
}

void
ink_plan_pack(const struct ink_plan *plan, const struct ink_snapshot *snapshot, float *block)
{
    for (int i = 0; i < plan->node_count; i++) {
        const struct ink_plan_node *at = &plan->node[i];
        if (at->node->weight_count == 0)
            continue;
        if (at->node->op != INK_OP_BATCHNORM) {
            pack_weighted(at, snapshot, i, block);
            if (at->tiled_size > 0 && plan->use == INK_USE_ANSWER && !at->is_bf16)
                ink_tiles_pack(at, block);
            continue;
        }
        pack_norm(plan, snapshot, i, block);
    }
}

void
ink_plan_unpack(const struct ink_plan *plan, const float *block, int index, float *out_weights,
                float *out_biases, float *out_statistics)
{
    const struct ink_plan_node *at = &plan->node[index];
    const struct ink_conv *conv = &at->conv;
    size_t channels = (size_t)at->out.channels, ins = (size_t)conv->in_channels;
    size_t windows = (size_t)conv->kernel_height * (size_t)conv->kernel_width;

    assert(plan->use != INK_USE_ANSWER);
    if (out_biases && at->node->bias_count > 0)
        memcpy(out_biases, block + at->bias_at, channels * sizeof(*out_biases));
    if (out_weights && at->node->op == INK_OP_BATCHNORM)
        memcpy(out_weights, block + at->weight_at, channels * sizeof(*out_weights));
    else if (out_weights && at->node->weight_count > 0)
        for (size_t out = 0; out < channels; out++)
            for (size_t in = 0; in < ins; in++)
                for (size_t i = 0; i < windows; i++)
                    *out_weights++ = block[at->weight_at + panel_at(at, out, in, i)];
    if (out_statistics && at->node->statistic_count > 0) {
        memcpy(out_statistics, block + at->statistic_at, channels * sizeof(*out_statistics));
        memcpy(out_statistics + channels, block + at->statistic_at + ink_panels(channels),
               channels * sizeof(*out_statistics));
    }
}

/* One panel of 16 inputs of a turned layer, [window, from the last][out][16], phase by phase if it
 * has a stride; of a pooled one [out][window][16], because there the way back goes by single
 * outputs. */
static void
turn_panel(const struct ink_plan_node *at, const float *weights, size_t panel, float *turned)
{
    size_t windows = (size_t)at->conv.kernel_height * (size_t)at->conv.kernel_width;
    size_t outs = (size_t)at->conv.out_channels, ins = (size_t)at->conv.in_channels;
    size_t lanes = ins - panel * INK_PANEL < INK_PANEL ? ins - panel * INK_PANEL : INK_PANEL;

    for (size_t i = 0; i < windows; i++) {
        size_t tap = ink_plan_turned_tap(at, panel, (int)i);

        for (size_t out = 0; out < outs; out++) {
            const float *from = weights + panel_at(at, out, panel * INK_PANEL, i);
            size_t row = at->pooled >= 0 ? (panel * outs + out) * windows + i : tap * outs + out;
            float *to = turned + row * INK_PANEL;

            for (size_t lane = 0; lane < lanes; lane++)
                to[lane] = from[lane * INK_PANEL];
        }
    }
}

void
ink_plan_turn_convs(const struct ink_plan *plan, const struct ink_kernels *kernels,
                    const float *block, float *turned, int part, int parts)
{
    for (int i = 0; i < plan->node_count; i++) {
        const struct ink_plan_node *at = &plan->node[i];
        bool is_back = i > 0 && plan->node[at->node->input[0]].needs_gradient;
        size_t count;

        if (at->node->op != INK_OP_CONV)
            continue;
        if (at->is_bf16)
            ink_bf16_turn(kernels->bf16, at, is_back && ink_bf16_is_turned(at), block, turned,
                          (const int[2]){part, parts});
        count = is_back && !ink_bf16_is_turned(at) ? ink_panels((size_t)at->in.channels) / INK_PANEL
                                                   : 0;
        for (size_t panel = count * (size_t)part / (size_t)parts;
             panel < count * ((size_t)part + 1) / (size_t)parts; panel++)
            turn_panel(at, block + at->weight_at, panel, turned + at->turned_at);
        ink_tiles_turn(kernels, at, block, turned, (const int[2]){part, parts});
    }
}

void
ink_plan_turn(const struct ink_plan *plan, const struct ink_kernels *kernels, const float *block,
              float *turned, int part, int parts)
{
    size_t size = plan->parameter_size;

    ink_plan_turn_convs(plan, kernels, block, turned, part, parts);
    ink_plan_round_dense(plan, kernels, block, turned, size * (size_t)part / (size_t)parts,
                         size * ((size_t)part + 1) / (size_t)parts);
}

void
ink_plan_round_dense(const struct ink_plan *plan, const struct ink_kernels *kernels,
                     const float *block, float *turned, size_t from, size_t to)
{
    for (int i = 0; i < plan->node_count && plan->precision == INK_PRECISION_BF16; i++) {
        const struct ink_plan_node *at = &plan->node[i];
        size_t first = from > at->weight_at ? from : at->weight_at;
        size_t end = at->weight_at + at->weight_size < to ? at->weight_at + at->weight_size : to;

        if (at->node->op == INK_OP_DENSE && at->is_bf16 && first < end)
            kernels->bf16->round(end - first, block + first,
                                 (uint16_t *)(turned + at->forward_at) + (first - at->weight_at));
    }
}
