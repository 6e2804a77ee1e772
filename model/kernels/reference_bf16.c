/* SPDX-License-Identifier: MIT */
/* reference_bf16: the bf16 kernels as their definitions read, summed in double. */
#include <math.h>

#include "model/kernels/reference_dense.h"

/* A product of two of them is exact in double. */
static double
value(uint16_t number)
{
    return (double)ink_bf16_value(number);
}

static void
round_numbers(size_t count, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = ink_bf16_of(x[i]);
}

static void
pair_rows(size_t rows, size_t count, const float *x, uint16_t *y)
{
    for (size_t row = 0; row < rows; row += 2)
        for (size_t i = 0; i < count; i++) {
            float first = x[row * count + i];
            float second = row + 1 < rows ? x[(row + 1) * count + i] : 0;

            y[row * count + 2 * i] = ink_bf16_of(first);
            y[row * count + 2 * i + 1] = ink_bf16_of(second);
        }
}

extern const struct ink_kernels ink_kernels_reference;

/* Number by number through the float kernels, so that no more than the rounding is ours. */
static void
norm(const struct ink_norm *form, size_t pixels, const float *x, uint16_t *y)
{
    for (size_t i = 0; i < pixels * form->channels; i++) {
        size_t c = i % form->channels;
        struct ink_norm one = *form;
        float value;

        one.channels = 1;
        one.scale += c;
        one.shift += c;
        ink_kernels_reference.norm(&one, 1, x + i, &value);
        y[i] = ink_bf16_of(value);
    }
}

static void
pair(const struct ink_norm *norms, size_t pixels, const float *x, const float *second, uint16_t *y)
{
    for (size_t i = 0; i < 2 * pixels * norms->channels; i++) {
        const float *from = i % 2 ? second : x;
        size_t c = i / 2 % norms->channels;
        struct ink_norm one = norms[i % 2];

        y[i] = from ? ink_bf16_of(from[i / 2]) : 0;
        if (!from || !norms->scale)
            continue;
        one.channels = 1;
        one.scale += c;
        one.shift += c;
        norm(&one, 1, from + i / 2, &y[i]);
    }
}

static void
zip_panels(const struct ink_zip *form, const uint16_t *x, const uint16_t *second, uint16_t *y)
{
    size_t channels = (form->channels + INK_PANEL - 1) / INK_PANEL * INK_PANEL;

    for (size_t i = 0; i < form->pixels; i++)
        for (size_t c = 0; c < channels; c++) {
            size_t to = c / INK_PANEL * form->panel_step + 2 * (i * INK_PANEL + c % INK_PANEL);
            size_t from = i * form->step + c;

            y[to] = c < form->channels ? x[from] : 0;
            y[to + 1] = c < form->channels && second ? second[from] : 0;
        }
}

static void
norm_backward(const struct ink_norm *form, size_t pixels, const float *x, const float *dy,
              const float *abc, uint16_t *dx)
{
    size_t channels = form->channels;

    for (size_t i = 0; i < pixels * channels; i++) {
        size_t c = i % channels;
        const float line[3] = {abc[c], abc[channels + c], abc[2 * channels + c]};
        struct ink_norm one = *form;
        float value;

        one.channels = 1;
        one.scale += c;
        one.shift += c;
        ink_kernels_reference.norm_backward(&one, 1, x + i, dy + i, line, &value);
        dx[i] = ink_bf16_of(value);
    }
}

/* Weight k of a run of the window's row i, to output `out`: w[out / 16][i][k / 2][out % 16][2]. */
static size_t
weight_at(const struct ink_conv *conv, int i, int k, int out)
{
    size_t run = (size_t)conv->kernel_width * (size_t)conv->in_channels;
    size_t row = (size_t)(out / INK_PANEL) * (size_t)conv->kernel_height + (size_t)i;

    return ((row * ((run + 1) / 2) + (size_t)k / 2) * INK_PANEL + (size_t)(out % INK_PANEL)) * 2 +
           (size_t)k % 2;
}

static double
conv_at(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w, int pixel, int out)
{
    int row = pixel / conv->out_width * conv->stride, column = pixel % conv->out_width;
    double sum = 0;

    for (int i = 0; i < conv->kernel_height; i++) {
        const uint16_t *from =
            x + ((size_t)(row + i) * (size_t)conv->in_width + (size_t)(column * conv->stride)) *
                    (size_t)conv->in_channels;

        for (int k = 0; k < conv->kernel_width * conv->in_channels; k++)
            sum += value(from[k]) * value(w[weight_at(conv, i, k, out)]);
    }
    return sum;
}

static void
conv(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, const float *bias,
     bool is_relu, const float *start, float *y)
{
    for (int pixel = 0; pixel < form->out_height * form->out_width; pixel++)
        for (int out = 0; out < form->out_channels; out++) {
            size_t at = (size_t)pixel * (size_t)form->out_channels + (size_t)out;
            double sum = conv_at(form, x, w, pixel, out);

            sum += start ? (double)start[at] : bias ? (double)bias[out] : 0;
            y[at] = (float)(is_relu && sum < 0 ? 0 : sum);
        }
}

static void
conv_apart(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, bool is_added,
           float *y, const size_t apart[static 2])
{
    for (int pixel = 0; pixel < form->out_height * form->out_width; pixel++)
        for (int out = 0; out < form->out_channels; out++) {
            size_t row = (size_t)(pixel / form->out_width);
            size_t column = (size_t)(pixel % form->out_width);
            float *to = &y[row * apart[1] + column * apart[0] + (size_t)out];

            *to = (float)(conv_at(form, x, w, pixel, out) + (is_added ? (double)*to : 0));
        }
}

static void
conv_pooled_spans(const struct ink_conv *form, const struct ink_span *spans, const uint16_t *x,
                  const uint16_t *w, const float *bias, bool is_relu, float *y, uint8_t *place)
{
    int width = form->out_width / 2, windows = form->out_height / 2 * width;

    for (int i = 0; i < windows * form->out_channels; i++) {
        int window = i / form->out_channels, out = i % form->out_channels, winner = 0;
        int corner = window / width * 2 * form->out_width + window % width * 2;
        double best = conv_at(form, x, w, corner, out);

        if (spans && (window % width < spans[window / width].from ||
                      window % width >= spans[window / width].to))
            continue;
        for (int n = 1; n < 4; n++) {
            double next = conv_at(form, x, w, corner + n / 2 * form->out_width + n % 2, out);

            winner = next > best ? n : winner;
            best = next > best ? next : best;
        }
        best += bias ? (double)bias[out] : 0;
        y[i] = (float)(is_relu && best < 0 ? 0 : best);
        if (place)
            place[i] = (uint8_t)(is_relu && !(best > 0) ? INK_POOLED_DEAD : winner);
    }
}

static void
conv_pooled(const struct ink_conv *form, const uint16_t *x, const uint16_t *w, const float *bias,
            bool is_relu, float *y, uint8_t *place)
{
    conv_pooled_spans(form, NULL, x, w, bias, is_relu, y, place);
}

/* The gradient of the weight of input k (of a window's row i) and output `out`. */
static double
weight_gradient(const struct ink_conv *form, const struct ink_pairs *pairs, int i, int k, int out)
{
    size_t ins = (size_t)form->in_channels, width = (size_t)form->out_width;
    size_t pixels = (size_t)form->out_height * width, panel = (size_t)(out / INK_PANEL);
    double sum = 0;

    for (size_t n = 0; n < pairs->count * pixels; n++) {
        size_t row = n % pixels / width * (size_t)form->stride + (size_t)i;
        size_t pixel = row * (size_t)form->in_width + n % width * (size_t)form->stride;
        const uint16_t *a = pairs->x + n / pixels * pairs->x_step + 2 * (pixel * ins + (size_t)k);
        const uint16_t *b = pairs->dy + 2 * ((panel * pairs->count * pixels + n) * INK_PANEL +
                                             (size_t)(out % INK_PANEL));

        sum += value(a[0]) * value(b[0]) + value(a[1]) * value(b[1]);
    }
    return sum;
}

static void
conv_weights(const struct ink_conv *form, const struct ink_pairs *pairs, bool is_added, float *dw)
{
    int run = form->kernel_width * form->in_channels;
    int panels = (form->out_channels + INK_PANEL - 1) / INK_PANEL;

    for (int out = 0; out < panels * INK_PANEL; out++)
        for (int i = 0; i < form->kernel_height; i++)
            for (int k = 0; k < run; k++) {
                int row = (out / INK_PANEL * form->kernel_height + i) * run + k;
                float *to = &dw[(size_t)row * INK_PANEL + (size_t)(out % INK_PANEL)];
                double sum = weight_gradient(form, pairs, i, k, out);

                *to = (float)(sum + (is_added ? (double)*to : 0));
            }
}

static void
turn(size_t count, const float *w, uint16_t *y)
{
    for (size_t pair = 0; pair < INK_PANEL / 2; pair++)
        for (size_t i = 0; i < INK_PANEL; i++)
            for (size_t second = 0; second < 2; second++)
                y[(pair * INK_PANEL + i) * 2 + second] =
                    i < count ? ink_bf16_of(w[i * INK_PANEL + 2 * pair + second]) : 0;
}

/* ---- tiles of 2x2 outputs: Lavin and Gray 2016, section 4.1 ---- */

enum { TILE_OUT = INK_BF16_TILES_OUT, TILE_IN = INK_BF16_TILES_IN };

/* Rows i of a matrix with numbers of 0, 1 and -1, times a column. In float, in the kernels' order:
 * what is rounded to bf16 behind it should be the same. */
static float
turned(int i, const float d[static TILE_IN])
{
    return i == 0 ? d[0] - d[2] : i == 1 ? d[1] + d[2] : i == 2 ? d[2] - d[1] : d[1] - d[3];
}

static double
summed(int i, const double m[static TILE_IN])
{
    return i == 0 ? m[0] + m[1] + m[2] : m[1] - m[2] - m[3];
}

static float
input_at(const struct ink_tiles *tiles, const float *x, int row, int column, int channel)
{
    bool exists = row >= 0 && row < tiles->height && column >= 0 && column < tiles->width;

    return exists ? x[(row * tiles->width + column) * tiles->channels + channel] : 0;
}

static void
tiles_in(const struct ink_tiles *tiles, const float *x, uint16_t *v)
{
    int across = (tiles->out_width + TILE_OUT - 1) / TILE_OUT;
    int count = (tiles->last_row - tiles->first_row) * across * tiles->channels;

    for (int n = 0; n < count; n++) {
        int tile = n / tiles->channels, c = n % tiles->channels;
        int top = (tiles->first_row + tile / across) * TILE_OUT - tiles->pad;
        int left = tile % across * TILE_OUT - tiles->pad;
        float half[TILE_IN][TILE_IN], line[TILE_IN];

        for (int j = 0; j < TILE_IN; j++) {
            for (int i = 0; i < TILE_IN; i++)
                line[i] = input_at(tiles, x, top + i, left + j, c);
            for (int i = 0; i < TILE_IN; i++)
                half[i][j] = turned(i, line);
        }
        for (int i = 0; i < TILE_IN * TILE_IN; i++)
            v[(size_t)i * tiles->step + (size_t)n] =
                ink_bf16_of(turned(i % TILE_IN, half[i / TILE_IN]));
    }
}

static void
products(const struct ink_products *form, const uint16_t *a, const uint16_t *b, float *y)
{
    const struct ink_conv one = {.in_width = (int)form->rows,
                                 .in_channels = (int)form->ins,
                                 .out_channels = (int)form->outs,
                                 .kernel_height = 1,
                                 .kernel_width = 1,
                                 .stride = 1,
                                 .out_height = 1,
                                 .out_width = (int)form->rows};

    for (size_t i = 0; i < form->count; i++)
        conv(&one, a + i * form->a_step, b + i * form->b_step, NULL, false, NULL,
             y + i * form->y_step);
}

/* Output (i, j) of a tile. */
static double
output_of(const struct ink_tiles *tiles, const float *m, int i, int j)
{
    double half[TILE_IN], line[TILE_IN];

    for (int k = 0; k < TILE_IN; k++) {
        for (int l = 0; l < TILE_IN; l++)
            line[l] = (double)m[(size_t)(l * TILE_IN + k) * tiles->step];
        half[k] = summed(i, line);
    }
    return summed(j, half);
}

/* The largest of a window of side x side outputs, the first of which is at row, column; which. */
static double
largest_of(const struct ink_tiles *tiles, const float *m, const int at[static 2], int *out_winner)
{
    int side = tiles->is_pooled ? 2 : 1;
    double best = (double)-INFINITY;

    *out_winner = 0;
    for (int k = 0; k < side * side; k++) {
        double next =
            output_of(tiles, m, (at[0] + k / side) % TILE_OUT, (at[1] + k % side) % TILE_OUT);

        *out_winner = next > best ? k : *out_winner;
        best = next > best ? next : best;
    }
    return best;
}

static void
tiles_out(const struct ink_tiles *tiles, const float *m, const float *bias, const float *start,
          float *y, uint8_t *place)
{
    int across = (tiles->out_width + TILE_OUT - 1) / TILE_OUT, side = tiles->is_pooled ? 2 : 1;
    int height = tiles->out_height / side, width = tiles->out_width / side;
    int first = tiles->first_row * TILE_OUT / side, last = tiles->last_row * TILE_OUT / side;

    for (int row = first; row < last && row < height; row++)
        for (int n = 0; n < width * tiles->channels; n++) {
            int column = n / tiles->channels, c = n % tiles->channels;
            int tile =
                (row * side / TILE_OUT - tiles->first_row) * across + column * side / TILE_OUT;
            ptrdiff_t at = (row * width + column) * tiles->y_pixel + c;
            const float *from = m + (ptrdiff_t)tile * tiles->channels + c;
            int winner;
            double best =
                largest_of(tiles, from, (const int[2]){row * side, column * side}, &winner);

            best += start ? (double)start[at] : bias ? (double)bias[c] : 0;
            y[at] = (float)(tiles->is_relu && best < 0 ? 0 : best);
            if (place)
                place[at] = (uint8_t)(tiles->is_relu && !(best > 0) ? INK_POOLED_DEAD : winner);
        }
}

/* Of three weights, `step` apart, number i of a tile's line. In float, as weights for answers are
 * made (model/net_tiles.c): the next rounding, to bf16, is to be theirs. */
static float
line_weight(const float *g, size_t step, size_t i)
{
    float ends = (g[0] + g[2 * step]) * 0.5F, middle = g[step] * 0.5F;

    return i == 0 ? g[0] : i == 3 ? g[2 * step] : i == 1 ? ends + middle : ends - middle;
}

static void
tiles_weights(size_t count, const float *w, size_t step, float *u)
{
    for (size_t n = 0; n < count * TILE_IN * TILE_IN; n++) {
        size_t i = n / count / TILE_IN, j = n / count % TILE_IN;
        float window[9], half[3];

        for (size_t k = 0; k < 9; k++)
            window[k] = w[k * step + n % count];
        for (size_t k = 0; k < 3; k++)
            half[k] = line_weight(window + k, 3, i);
        u[n] = line_weight(half, 1, j);
    }
}

extern const struct ink_bf16 ink_bf16_reference;
const struct ink_bf16 ink_bf16_reference = {
    .round = round_numbers,
    .pair_rows = pair_rows,
    .pair = pair,
    .zip_panels = zip_panels,
    .norm = norm,
    .norm_backward = norm_backward,
    .conv = conv,
    .conv_apart = conv_apart,
    .conv_pooled = conv_pooled,
    .conv_pooled_spans = conv_pooled_spans,
    .tiles_in = tiles_in,
    .tiles_out = tiles_out,
    .products = products,
    .tiles_weights = tiles_weights,
    .conv_weights = conv_weights,
    .turn = turn,
    .dense = ink_reference_bf16_dense,
    .dense_one = ink_reference_bf16_dense_one,
    .dense_back = ink_reference_bf16_dense_back,
    .dense_weights = ink_reference_bf16_dense_weights,
};
