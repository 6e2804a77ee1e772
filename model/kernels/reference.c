/* SPDX-License-Identifier: MIT */
/*
 * reference: every kernel as its definition reads, summed in double.
 *
 * Nothing here is clever: this is what the fast kernels are compared with.
 */
#include "model/kernels/kernels.h"
#include "model/kernels/reference_augment.h"
#include "model/kernels/reference_dense.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

/* Where things are, in numbers from the start: x[row][column][channel], w[panel][i][j][in][16]. */
static size_t
input_at(const struct ink_conv *conv, int row, int column, int channel)
{
    return ((size_t)row * (size_t)conv->in_width + (size_t)column) * (size_t)conv->in_channels +
           (size_t)channel;
}

static size_t
output_at(const struct ink_conv *conv, int row, int column, int channel)
{
    return ((size_t)row * (size_t)conv->out_width + (size_t)column) * (size_t)conv->out_channels +
           (size_t)channel;
}

static size_t
weight_at(const struct ink_conv *conv, int i, int j, int in, int out)
{
    size_t window = (size_t)i * (size_t)conv->kernel_width + (size_t)j;
    size_t panel =
        (size_t)(out / INK_PANEL) * (size_t)conv->kernel_height * (size_t)conv->kernel_width;

    return ((panel + window) * (size_t)conv->in_channels + (size_t)in) * INK_PANEL +
           (size_t)(out % INK_PANEL);
}

/* One output: the sum over window and input channels of input times weight. */
static double
conv_at(const struct ink_conv *conv, const float *x, const float *w, int row, int column, int out)
{
    double sum = 0;

    for (int i = 0; i < conv->kernel_height; i++)
        for (int j = 0; j < conv->kernel_width; j++)
            for (int in = 0; in < conv->in_channels; in++)
                sum +=
                    (double)
                        x[input_at(conv, row * conv->stride + i, column * conv->stride + j, in)] *
                    (double)w[weight_at(conv, i, j, in, out)];
    return sum;
}

static void
conv(const struct ink_conv *form, const float *x, const float *w, const float *bias, bool is_relu,
     float *y)
{
    for (int row = 0; row < form->out_height; row++)
        for (int column = 0; column < form->out_width; column++)
            for (int out = 0; out < form->out_channels; out++) {
                double sum = conv_at(form, x, w, row, column, out) + (bias ? (double)bias[out] : 0);

                y[output_at(form, row, column, out)] = (float)(is_relu && sum < 0 ? 0 : sum);
            }
}

static void
conv_add(const struct ink_conv *form, const float *x, const float *w, const float *start, float *y)
{
    for (int row = 0; row < form->out_height; row++)
        for (int column = 0; column < form->out_width; column++)
            for (int out = 0; out < form->out_channels; out++)
                y[output_at(form, row, column, out)] = start[output_at(form, row, column, out)] +
                                                       (float)conv_at(form, x, w, row, column, out);
}

static void
conv_apart(const struct ink_conv *form, const float *x, const float *w, bool is_added, float *y,
           const size_t apart[static 2])
{
    for (int row = 0; row < form->out_height; row++)
        for (int column = 0; column < form->out_width; column++)
            for (int out = 0; out < form->out_channels; out++) {
                float *to = &y[(size_t)row * apart[1] + (size_t)column * apart[0] + (size_t)out];

                *to = (float)(conv_at(form, x, w, row, column, out) + (is_added ? (double)*to : 0));
            }
}

/* The sum over the pixels of output `out` of gradient times the input that weight i, j, in met. */
static double
weight_gradient(const struct ink_conv *form, const float *x, const float *dy,
                const int weight[static 4])
{
    int out = weight[0];
    double sum = 0;

    for (int row = 0; row < form->out_height; row++)
        for (int column = 0; column < form->out_width; column++)
            sum += (double)x[input_at(form, row * form->stride + weight[1],
                                      column * form->stride + weight[2], weight[3])] *
                   (double)dy[output_at(form, row, column, out)];
    return sum;
}

static void
conv_weights(const struct ink_conv *form, const float *x, const float *dy, bool is_added, float *dw)
{
    int padded_channels = (form->out_channels + INK_PANEL - 1) / INK_PANEL * INK_PANEL;

    for (int out = 0; out < padded_channels; out++)
        for (int i = 0; i < form->kernel_height; i++)
            for (int j = 0; j < form->kernel_width; j++)
                for (int in = 0; in < form->in_channels; in++) {
                    float *to = &dw[weight_at(form, i, j, in, out)];
                    double sum = 0;

                    if (out < form->out_channels)
                        sum = weight_gradient(form, x, dy, (const int[4]){out, i, j, in});
                    *to = (float)(sum + (is_added ? (double)*to : 0));
                }
}

/* ---- a convolution and a maxpool 2x2 in one ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): a variable's name in its declaration takes none. */
#define FOR_WINDOWS(conv, row, column, out)                            \
    for (int row = 0; row < (conv)->out_height / 2; row++)             \
        for (int column = 0; column < (conv)->out_width / 2; column++) \
            for (int out = 0; out < (conv)->out_channels; out++)
/* NOLINTEND(bugprone-macro-parentheses) */

static size_t
window_at(const struct ink_conv *conv, int row, int column, int out)
{
    return ((size_t)row * (size_t)(conv->out_width / 2) + (size_t)column) *
               (size_t)conv->out_channels +
           (size_t)out;
}

/* The largest of a window's four outputs, and its place; `window`: row, column, output. */
static float
pooled_at(const struct ink_conv *form, const float *x, const float *w, const float *bias,
          bool is_relu, const int window[static 3], uint8_t *out_place)
{
    double addend = bias ? (double)bias[window[2]] : 0;
    float best = 0;
    int winner = 0;

    for (int n = 0; n < 4; n++) {
        int row = 2 * window[0] + n / 2, column = 2 * window[1] + n % 2;
        float value = (float)(conv_at(form, x, w, row, column, window[2]) + addend);

        winner = n == 0 || value > best ? n : winner;
        best = winner == n ? value : best;
    }
    *out_place = (uint8_t)(is_relu && !(best > 0) ? INK_POOLED_DEAD : winner);
    return is_relu && best < 0 ? 0 : best;
}

static void
conv_pooled_spans(const struct ink_conv *form, const struct ink_span *spans, const float *x,
                  const float *w, const float *bias, bool is_relu, float *y, uint8_t *place)
{
    FOR_WINDOWS(form, row, column, out)
    {
        size_t at = window_at(form, row, column, out);
        uint8_t won;

        if (spans && (column < spans[row].from || column >= spans[row].to))
            continue;
        y[at] = pooled_at(form, x, w, bias, is_relu, (const int[3]){row, column, out}, &won);
        if (place)
            place[at] = won;
    }
}

static void
conv_pooled(const struct ink_conv *form, const float *x, const float *w, const float *bias,
            bool is_relu, float *y, uint8_t *place)
{
    conv_pooled_spans(form, NULL, x, w, bias, is_relu, y, place);
}

/* The sum over the windows of output `out` of gradient times the input that weight i, j, in met. */
static double
pooled_weight(const struct ink_conv *form, const float *x, const float *dy, const uint8_t *place,
              const int weight[static 4])
{
    int out = weight[0];
    double sum = 0;

    for (int row = 0; row < form->out_height / 2; row++)
        for (int column = 0; column < form->out_width / 2; column++) {
            size_t at = window_at(form, row, column, out);
            int n = place[at];

            if (n != INK_POOLED_DEAD)
                sum +=
                    (double)dy[at] * (double)x[input_at(form, 2 * row + n / 2 + weight[1],
                                                        2 * column + n % 2 + weight[2], weight[3])];
        }
    return sum;
}

static void
pooled_bias(size_t windows, size_t channels, const float *dy, const uint8_t *place, float *out)
{
    for (size_t c = 0; c < channels; c++) {
        double sum = (double)out[c];

        for (size_t i = 0; i < windows; i++)
            sum += place[i * channels + c] == INK_POOLED_DEAD ? 0 : (double)dy[i * channels + c];
        out[c] = (float)sum;
    }
}

static void
pooled_weights(const struct ink_conv *form, const float *x, const float *dy, const uint8_t *place,
               float *own, float *bias)
{
    if (bias)
        pooled_bias((size_t)(form->out_height / 2) * (size_t)(form->out_width / 2),
                    (size_t)form->out_channels, dy, place, bias);
    for (int out = 0; out < form->out_channels; out++)
        for (int i = 0; i < form->kernel_height; i++)
            for (int j = 0; j < form->kernel_width; j++)
                for (int in = 0; in < form->in_channels; in++)
                    own[weight_at(form, i, j, in, out)] +=
                        (float)pooled_weight(form, x, dy, place, (const int[4]){out, i, j, in});
}

/* The reference sums where the panels are. */
static void
pooled_gather(const struct ink_conv *form, const float *own, float *dw)
{
    memcpy(dw, own,
           weight_at(form, 0, 0, 0, (form->out_channels + INK_PANEL - 1) / INK_PANEL * INK_PANEL) *
               sizeof(*dw));
}

static void
pooled_input(const struct ink_conv *form, const float *dy, const uint8_t *place, const float *w,
             float *dx)
{
    size_t window = (size_t)form->kernel_height * (size_t)form->kernel_width;

    FOR_WINDOWS(form, row, column, out)
    {
        size_t at = window_at(form, row, column, out);
        int n = place[at];

        for (size_t k = 0; k < window && n != INK_POOLED_DEAD; k++)
            for (int in = 0; in < form->in_channels; in++) {
                size_t panel = (size_t)(in / INK_PANEL) * (size_t)form->out_channels + (size_t)out;
                int i = (int)k / form->kernel_width, j = (int)k % form->kernel_width;

                dx[input_at(form, 2 * row + n / 2 + i, 2 * column + n % 2 + j, in)] +=
                    dy[at] * w[(panel * window + k) * INK_PANEL + (size_t)(in % INK_PANEL)];
            }
    }
}

static void
sum_pixels(size_t pixels, size_t channels, const float *x, float *out)
{
    for (size_t c = 0; c < channels; c++) {
        double sum = (double)out[c];

        for (size_t i = 0; i < pixels; i++)
            sum += (double)x[i * channels + c];
        out[c] = (float)sum;
    }
}

static void
row_products(size_t rows, size_t columns, size_t step, const float *a, const float *b, double *sums)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            sums[j] += (double)a[i * step + j] * (double)b[i * step + j];
}

static void
pixels(size_t count, const uint8_t *row, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)row[i] / 255.0F;
}

static void
gate(size_t pixels, size_t channels, const float *y, float *dy, float *out)
{
    for (size_t i = 0; i < pixels * channels; i++)
        dy[i] = y[i] > 0 ? dy[i] : 0;
    sum_pixels(pixels, channels, dy, out);
}

static void
gated_weights(const struct ink_conv *form, const float *x, const float *y, float *dy, float *dw,
              float *bias)
{
    gate((size_t)form->out_height * (size_t)form->out_width, (size_t)form->out_channels, y, dy,
         bias);
    conv_weights(form, x, dy, true, dw);
}

static void
activate(enum ink_op op, float slope, size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++) {
        double value = (double)x[i];

        if (op == INK_OP_SIGMOID)
            value = 1 / (1 + exp(-value));
        else if (op == INK_OP_TANH)
            value = tanh(value);
        else if (value < 0)
            value = op == INK_OP_RELU ? 0 : (double)slope * value;
        y[i] = (float)value;
    }
}

static void
activate_backward(enum ink_op op, float slope, size_t count, const float *y, const float *dy,
                  float *dx)
{
    for (size_t i = 0; i < count; i++) {
        double value = (double)y[i], derivative = 1;

        if (op == INK_OP_SIGMOID)
            derivative = value * (1 - value);
        else if (op == INK_OP_TANH)
            derivative = 1 - value * value;
        else if (!(value > 0))
            derivative = op == INK_OP_RELU ? 0 : (double)slope;
        dx[i] = (float)((double)dy[i] * derivative);
    }
}

static void
add(size_t count, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

/* ---- pools: y[row][column][c] of a window that starts at row * stride, column * stride ---- */

static size_t
pool_in(const struct ink_pool_form *form, int row, int column, int number, int channel)
{
    int in_row = row * form->stride + number / form->kernel_width;
    int in_column = column * form->stride + number % form->kernel_width;

    return ((size_t)in_row * (size_t)form->in_width + (size_t)in_column) * (size_t)form->channels +
           (size_t)channel;
}

static size_t
pool_out(const struct ink_pool_form *form, int row, int column, int channel)
{
    return ((size_t)row * (size_t)form->out_width + (size_t)column) * (size_t)form->channels +
           (size_t)channel;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a variable's name in its declaration takes none. */
#define FOR_POOL(form, row, column, channel)                       \
    for (int row = 0; row < (form)->out_height; row++)             \
        for (int column = 0; column < (form)->out_width; column++) \
            for (int channel = 0; channel < (form)->channels; channel++)
/* NOLINTEND(bugprone-macro-parentheses) */

static void
maxpool(const struct ink_pool_form *form, const float *x, float *y, uint8_t *place)
{
    FOR_POOL(form, row, column, c)
    {
        size_t out = pool_out(form, row, column, c);

        place[out] = 0;
        y[out] = x[pool_in(form, row, column, 0, c)];
        for (int n = 1; n < form->kernel_height * form->kernel_width; n++)
            if (x[pool_in(form, row, column, n, c)] > y[out]) {
                y[out] = x[pool_in(form, row, column, n, c)];
                place[out] = (uint8_t)n;
            }
    }
}

static void
maxpool_backward(const struct ink_pool_form *form, const float *dy, const uint8_t *place, float *dx)
{
    FOR_POOL(form, row, column, c)
    {
        size_t out = pool_out(form, row, column, c);

        dx[pool_in(form, row, column, place[out], c)] += dy[out];
    }
}

static void
avgpool(const struct ink_pool_form *form, const float *x, float *y)
{
    int window = form->kernel_height * form->kernel_width;

    FOR_POOL(form, row, column, c)
    {
        double sum = 0;

        for (int n = 0; n < window; n++)
            sum += (double)x[pool_in(form, row, column, n, c)];
        y[pool_out(form, row, column, c)] = (float)(sum / window);
    }
}

static void
avgpool_backward(const struct ink_pool_form *form, const float *dy, float *dx)
{
    int window = form->kernel_height * form->kernel_width;

    FOR_POOL(form, row, column, c)
    {
        float share = dy[pool_out(form, row, column, c)] / (float)window;

        for (int n = 0; n < window; n++)
            dx[pool_in(form, row, column, n, c)] += share;
    }
}

/* ---- batch normalisation ---- */

static void
moments(size_t pixels, size_t channels, const float *x, float *mean, float *squares)
{
    for (size_t c = 0; c < channels; c++) {
        double sum = 0, square = 0;

        for (size_t i = 0; i < pixels; i++)
            sum += (double)x[i * channels + c];
        sum /= (double)pixels;
        for (size_t i = 0; i < pixels; i++)
            square += ((double)x[i * channels + c] - sum) * ((double)x[i * channels + c] - sum);
        mean[c] = (float)sum;
        squares[c] = (float)square;
    }
}

static double
norm_at(const struct ink_norm *norm, size_t c, float x)
{
    return (double)x * (double)norm->scale[c] + (double)norm->shift[c];
}

static void
norm(const struct ink_norm *form, size_t pixels, const float *x, float *y)
{
    for (size_t i = 0; i < pixels * form->channels; i++) {
        double value = norm_at(form, i % form->channels, x[i]);

        y[i] = (float)(form->is_relu && value < 0 ? 0 : value);
    }
}

static double
passing(const struct ink_norm *form, size_t c, float x, float dy)
{
    return form->is_relu && !(norm_at(form, c, x) > 0) ? 0 : (double)dy;
}

static void
norm_sums(const struct ink_norm *form, size_t pixels, const float *x, const float *dy, float *sums)
{
    for (size_t c = 0; c < form->channels; c++) {
        double sum_dy = 0, sum_dyx = 0;

        for (size_t i = c; i < pixels * form->channels; i += form->channels) {
            double gradient = passing(form, c, x[i], dy[i]);

            sum_dy += gradient;
            sum_dyx += gradient * ((double)x[i] - (double)form->mean[c]) * (double)form->inverse[c];
        }
        sums[c] += (float)sum_dy;
        sums[form->channels + c] += (float)sum_dyx;
    }
}

static void
norm_backward(const struct ink_norm *form, size_t pixels, const float *x, const float *dy,
              const float *abc, float *dx)
{
    size_t channels = form->channels;

    for (size_t i = 0; i < pixels * channels; i++) {
        size_t c = i % channels;
        double made = passing(form, c, x[i], dy[i]) * (double)abc[c] +
                      (double)x[i] * (double)abc[channels + c] + (double)abc[2 * channels + c];

        dx[i] = (float)(form->is_added ? (double)dx[i] + made : made);
    }
}

static void
random_bits(size_t count, uint64_t state, uint64_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = ink_rng_splitmix(&state);
}

static void
keep(size_t count, const uint64_t *bits, uint32_t limit, uint8_t *kept)
{
    for (size_t i = 0; i < count; i++)
        kept[i] = (bits[i / 4] >> (16 * (i % 4)) & 0xffff) >= limit;
}

static void
drop(size_t count, const uint8_t *kept, float scale, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = kept[i] ? x[i] * scale : 0;
}

/* ---- optimizers ---- */

/* Source: Sutskever et al. 2013, classical momentum in the form without (1 - momentum). */
static void
sgd(const struct ink_step *step, size_t count, const float *gradient, float *velocity,
    float *weights)
{
    for (size_t i = 0; i < count; i++) {
        double g =
            (double)gradient[i] * (double)step->scale + (double)step->decay * (double)weights[i];

        velocity[i] = (float)((double)step->momentum * (double)velocity[i] + g);
        if (step->is_nesterov)
            g += (double)step->momentum * (double)velocity[i];
        else
            g = (double)velocity[i];
        weights[i] = (float)((double)weights[i] - (double)step->rate * g);
    }
}

/* Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2 for shrink. */
static void
adam(const struct ink_step *step, size_t count, const float *gradient, float *mean, float *square,
     float *weights)
{
    for (size_t i = 0; i < count; i++) {
        double weight = (double)weights[i];
        double g = (double)gradient[i] * (double)step->scale + (double)step->decay * weight;
        double m = (double)step->beta1 * (double)mean[i] + (1 - (double)step->beta1) * g;
        double v = (double)step->beta2 * (double)square[i] + (1 - (double)step->beta2) * g * g;

        mean[i] = (float)m;
        square[i] = (float)v;
        weights[i] = (float)(weight - (double)step->shrink * weight -
                             (double)step->rate * m * (double)step->correction1 /
                                 (sqrt(v * (double)step->correction2) + (double)step->epsilon));
    }
}

static void
transpose(const struct ink_transpose *form, const float *from, float *to)
{
    for (size_t r = 0; r < form->rows; r++)
        for (size_t c = 0; c < form->columns; c++) {
            float *at = &to[c * form->to_step + r];

            *at = from[r * form->from_step + c] + (form->is_added ? *at : 0);
        }
}

static double
squares(size_t count, const float *x)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

/* Source: Zeiler 2012, algorithm 1. */
static void
adadelta(const struct ink_step *step, size_t count, const float *gradient, float *moved,
         float *square, float *weights)
{
    double rho = (double)step->rho, epsilon = (double)step->epsilon;

    for (size_t i = 0; i < count; i++) {
        double g =
            (double)gradient[i] * (double)step->scale + (double)step->decay * (double)weights[i];
        double v = rho * (double)square[i] + (1 - rho) * g * g;
        double move = sqrt((double)moved[i] + epsilon) / sqrt(v + epsilon) * g;

        square[i] = (float)v;
        moved[i] = (float)(rho * (double)moved[i] + (1 - rho) * move * move);
        weights[i] = (float)((double)weights[i] - (double)step->rate * move);
    }
}

static void
average(size_t count, float decay, const float *weights, float *mean)
{
    for (size_t i = 0; i < count; i++)
        mean[i] =
            (float)((double)decay * (double)mean[i] + (1 - (double)decay) * (double)weights[i]);
}

extern const struct ink_bf16 ink_bf16_reference;
extern const struct ink_kernels ink_kernels_reference;
const struct ink_kernels ink_kernels_reference = {
    .name = "reference",
    .bf16 = &ink_bf16_reference,
    .conv = conv,
    .dense = ink_reference_dense,
    .dense_back = ink_reference_dense_back,
    .dense_weights = ink_reference_dense_weights,
    .find_some = ink_reference_find_some,
    .unfold = ink_reference_unfold,
    .dense_one = conv,
    .conv_add = conv_add,
    .conv_apart = conv_apart,
    .conv_weights = conv_weights,
    .gated_weights = gated_weights,
    .conv_pooled = conv_pooled,
    .conv_pooled_spans = conv_pooled_spans,
    .pooled_weights = pooled_weights,
    .pooled_gather = pooled_gather,
    .pooled_input = pooled_input,
    .sum_pixels = sum_pixels,
    .row_products = row_products,
    .gate = gate,
    .pixels = pixels,
    .warp = ink_reference_warp,
    .spread = ink_reference_spread,
    .thicken = ink_reference_thicken,
    .activate = activate,
    .activate_backward = activate_backward,
    .add = add,
    .transpose = transpose,
    .squares = squares,
    .maxpool = maxpool,
    .maxpool_backward = maxpool_backward,
    .avgpool = avgpool,
    .avgpool_backward = avgpool_backward,
    .moments = moments,
    .norm = norm,
    .norm_sums = norm_sums,
    .norm_backward = norm_backward,
    .random = random_bits,
    .keep = keep,
    .drop = drop,
    .sgd = sgd,
    .adam = adam,
    .adadelta = adadelta,
    .average = average,
};
