/* SPDX-License-Identifier: MIT */
/*
 * net_first: the batch norm behind a convolution of the image itself, in training.
 *
 * What such a convolution writes is 32 times the picture, and batch norm wants
 * all pictures' before it can go on: they would travel to memory and back, both
 * ways. But an output is a sum of a window's pixels, so its mean and variance
 * follow from the pixels: with the mean m of a group's windows x, [window], and
 * their covariance C = mean(x x') - m m', those of w'x are w'm and w'C w. The
 * window is small (9 or 25 pixels), C is the same for all channels, and neither
 * depends on a weight. So the norm is known before the convolution begins:
 *
 *     forward    y = maxpool(relu(scale w x + shift)), one pass that keeps the
 *                pooled outputs only, as if there were no norm
 *     backward   that pass gives A = sum(dy x) and B = sum(dy), a channel; then
 *                    d_shift = B
 *                    d_scale = inverse (w'A - mean B)
 *                    dw = weight inverse (A - B m - d_scale inverse C w)
 *
 * The last line is what Ioffe and Szegedy 2015, section 3, have for dx, times x
 * and summed over all windows.
 *
 * C needs mean(x_t x_u) for each pair of taps. Pairs that are as far apart read
 * the same products, of the picture with itself moved by that much, but for the
 * picture's first and last rows and columns: the products are summed once for
 * each distance, and each column, in bands of rows (struct lag).
 */
#include <string.h>

#include "model/net_norm.h"

/* The largest window, in pixels a side: of AVX-512's special kernels too. */
enum { SIDE_MAX = 5, WINDOW_MAX = SIDE_MAX * SIDE_MAX, WIDTH_MAX = 64 };

/* How the convolution's numbers lie in workspace->windows. */
struct form {
    size_t side, window;  /* pixels */
    size_t width, height; /* of the picture with its padding */
    size_t out_width, out_height;
    size_t lags, bands, stride; /* sums [lags + 1][bands][stride], the last of x itself */
};

/* ---- the plan ---- */

static struct form
form_of(const struct ink_plan_node *at)
{
    struct form form = {
        .side = (size_t)at->conv.kernel_width,
        .width = (size_t)at->conv.in_width,
        .out_width = (size_t)at->conv.out_width,
        .out_height = (size_t)at->conv.out_height,
    };

    form.window = form.side * form.side;
    form.height = form.out_height + form.side - 1;
    form.lags = (form.side - 1) * (2 * form.side - 1) + form.side;
    form.bands = 2 * form.side - 1;
    form.stride = (form.width + INK_PANEL - 1) / INK_PANEL * INK_PANEL;
    return form;
}

void
ink_plan_first(struct ink_plan *plan, int index)
{
    struct ink_plan_node *at = &plan->node[index];
    int norm = ink_plan_reader(plan, index), relu = ink_plan_reader(plan, norm);
    int pool = ink_plan_reader(plan, relu);
    struct form form = form_of(at);

    if (at->node->input[0] != 0 || at->in.channels != 1 || at->node->has_bias ||
        at->conv.stride != 1 || at->conv.kernel_height != at->conv.kernel_width ||
        form.side > SIDE_MAX || form.width > WIDTH_MAX || form.out_height < 2 * form.side ||
        at->twin >= 0 || at->lead >= 0)
        return;
    if (!ink_plan_is(plan, norm, INK_OP_BATCHNORM) || !ink_plan_is(plan, relu, INK_OP_RELU) ||
        !ink_plan_is(plan, pool, INK_OP_MAXPOOL) || plan->node[pool].node->kernel_height != 2 ||
        plan->node[pool].node->kernel_width != 2 || plan->node[pool].node->stride != 2)
        return;
    at->normed = norm;
    /* the mean, the covariance, and the folded weights and shifts as floats */
    plan->window_size = form.window * (form.window + 1) + form.window * ink_panel_channels(at) / 2 +
                        ink_panel_channels(at) / 2;
    plan->window_scratch =
        (form.lags + 1) * form.bands * form.stride + (form.window + 1) * ink_panel_channels(at);
}

/* ---- the windows of a group ---- */

/* What is known of a group, and the scratch that all groups share. */
struct windows {
    double *mean, *covariance; /* [window], [window][window] */
    float *weights, *shifts;   /* folded: as the parameters lie in their block, [channels] */
    double *sums;              /* [lags + 1][bands][stride] */
    float *gradient;           /* of the folded weights and shifts, one behind the other */
};

static struct windows
windows_of(const struct ink_run *run, const struct ink_plan_node *at, int number)
{
    const struct form form = form_of(at);
    size_t groups = (size_t)ink_norm_groups(run->workspace->capacity);
    double *own = run->workspace->windows + (size_t)number * run->plan->window_size;
    double *scratch = run->workspace->windows + groups * run->plan->window_size;
    struct windows windows = {.mean = own, .covariance = own + form.window, .sums = scratch};

    windows.weights = (float *)(windows.covariance + form.window * form.window);
    windows.shifts = windows.weights + at->weight_size;
    windows.gradient = (float *)(scratch + (form.lags + 1) * form.bands * form.stride);
    return windows;
}

/* A distance between two taps of a window. */
struct lag {
    size_t down;        /* rows */
    size_t left, right; /* columns that are left out: of the earlier tap's row, the later one's */
};

static struct lag
lag_at(const struct form *form, size_t number)
{
    struct lag lag = {0, 0, number};

    if (number >= form->side) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): twice something less one is not 0 */
        size_t among = number - form->side, across = among % (2 * form->side - 1);

        lag.down = 1 + among / (2 * form->side - 1);
        lag.left = across < form->side - 1 ? form->side - 1 - across : 0;
        lag.right = across > form->side - 1 ? across - (form->side - 1) : 0;
    }
    return lag;
}

static bool
is_blank(const float *row, size_t size)
{
    for (size_t j = 0; j < size; j++)
        if (row[j] != 0)
            return false;
    return true;
}

/* A picture's products with itself, moved by each lag. The rows that only some taps meet are bands
 * of their own, and mostly blank. */
static void
add_picture(const struct ink_run *run, const struct form *form, const float *x, double *sums)
{
    size_t middle = form->out_height - form->side + 1;
    float columns[WIDTH_MAX];

    for (size_t band = 0; band < form->bands; band++) {
        size_t first = band < form->side ? band : band + middle - 1;
        size_t rows = band == form->side - 1 ? middle : 1;
        const float *from = x + first * form->width;
        double *to = sums + band * form->stride;

        if (is_blank(from, rows * form->width))
            continue;
        for (size_t i = 0; i < form->lags; i++, to += form->bands * form->stride) {
            const struct lag lag = lag_at(form, i);

            if (first + rows - 1 + lag.down < form->height)
                run->kernels->row_products(rows, form->width - lag.left - lag.right, form->width,
                                           from + lag.left,
                                           from + lag.down * form->width + lag.right, to);
        }
        memset(columns, 0, sizeof(columns));
        run->kernels->sum_pixels(rows, form->width, from, columns);
        for (size_t j = 0; j < form->width; j++)
            to[j] += (double)columns[j];
    }
}

/* The sum that taps see whose window begins in row `row` and column `column` of the products. */
static double
sum_seen(const struct form *form, const double *sums, size_t row, size_t column)
{
    double sum = 0;

    for (size_t band = row; band < row + form->side; band++)
        for (size_t j = column; j < column + form->out_width; j++)
            sum += sums[band * form->stride + j];
    return sum;
}

/* The covariance of two taps that are that far apart, for all such pairs. */
static void
take_lag(const struct form *form, const struct lag *lag, const double *sums, double share,
         const struct windows *windows)
{
    size_t side = form->side;

    for (size_t i = 0; i + lag->down < side; i++)
        for (size_t j = lag->left; j + lag->right < side; j++) {
            size_t t = i * side + j, u = (i + lag->down) * side + j - lag->left + lag->right;
            double product = share * sum_seen(form, sums, i, j - lag->left);

            windows->covariance[t * form->window + u] = windows->covariance[u * form->window + t] =
                product - windows->mean[t] * windows->mean[u];
        }
}

static void
measure_windows(const struct ink_run *run, const struct ink_plan_node *at,
                const struct ink_norm_group *group, const struct windows *windows)
{
    const struct form form = form_of(at);
    size_t each = form.bands * form.stride;
    double share = 1 / ((double)group->pixels * (double)group->count);

    memset(windows->sums, 0, (form.lags + 1) * each * sizeof(*windows->sums));
    for (size_t n = group->first; n < group->first + group->count; n++)
        add_picture(run, &form, ink_run_padded_input(run, at, n), windows->sums);
    for (size_t t = 0; t < form.window; t++)
        windows->mean[t] =
            share * sum_seen(&form, windows->sums + form.lags * each, t / form.side, t % form.side);
    for (size_t i = 0; i < form.lags; i++) {
        const struct lag lag = lag_at(&form, i);

        take_lag(&form, &lag, windows->sums + i * each, share, windows);
    }
}

/* ---- forward ---- */

/* Channel c's weights, INK_PANEL apart. */
static size_t
weights_from(const struct form *form, size_t c)
{
    return c / INK_PANEL * form->window * INK_PANEL + c % INK_PANEL;
}

/* out = C w of a channel. */
static void
covary(const struct form *form, const struct windows *windows, const float *w,
       double out[static WINDOW_MAX])
{
    for (size_t t = 0; t < form->window; t++) {
        const double *row = windows->covariance + t * form->window;

        out[t] = 0;
        for (size_t u = 0; u < form->window; u++)
            out[t] += row[u] * (double)w[u * INK_PANEL];
    }
}

/* The moments of each channel's outputs, and the weights with the norm in them. */
static void
fold(const struct ink_run *run, const struct ink_plan_node *at, const struct ink_norm_group *group,
     const struct windows *windows)
{
    const struct ink_plan_node *norm = &run->plan->node[at->normed];
    const float *weights = run->block + at->weight_at;
    const struct form form = form_of(at);
    size_t channels = ink_channels_of(at->out);
    double covaried[WINDOW_MAX];

    for (size_t c = 0; c < channels; c++) {
        const float *w = weights + weights_from(&form, c);
        double mean = 0, variance = 0;

        covary(&form, windows, w, covaried);
        for (size_t t = 0; t < form.window; t++) {
            mean += (double)w[t * INK_PANEL] * windows->mean[t];
            variance += (double)w[t * INK_PANEL] * covaried[t];
        }
        group->mean[c] = (float)mean;
        variance *= (double)group->pixels * (double)group->count;
        group->inverse[c] = (float)(variance < 0 ? 0 : variance);
    }
    ink_norm_take_moments(run, norm, group);
    memset(windows->weights, 0, at->weight_size * sizeof(*windows->weights));
    memset(windows->shifts, 0, ink_panel_channels(at) * sizeof(*windows->shifts));
    memcpy(windows->shifts, group->shift, channels * sizeof(*windows->shifts));
    for (size_t c = 0; c < channels; c++)
        for (size_t t = 0; t < form.window; t++) {
            size_t number = weights_from(&form, c) + t * INK_PANEL;

            windows->weights[number] = group->scale[c] * weights[number];
        }
}

void
ink_run_first(const struct ink_run *run, const struct ink_plan_node *at, float *y)
{
    const struct ink_plan_node *norm = &run->plan->node[at->normed];
    size_t each = ink_shape_count(at->kept);

    ink_norm_start(run, norm);
    for (int i = 0; i < ink_norm_group_count(run) && !ink_run_is_cancelled(run); i++) {
        const struct ink_norm_group group = ink_norm_group_at(run, norm, i);
        const struct windows windows = windows_of(run, at, i);

        measure_windows(run, at, &group, &windows);
        fold(run, at, &group, &windows);
        for (size_t n = group.first; n < group.first + group.count; n++)
            run->kernels->conv_pooled(&at->conv, ink_run_padded_input(run, at, n), windows.weights,
                                      windows.shifts, true, y + n * each,
                                      ink_run_places(run, at) + n * each);
    }
}

/* ---- backward ---- */

/* From the gradients of a group's folded weights and shifts to those of the weights and the norm's.
 */
static void
unfold(const struct ink_run *run, const struct ink_plan_node *at,
       const struct ink_norm_group *group, const struct windows *windows)
{
    const struct ink_plan_node *norm = &run->plan->node[at->normed];
    const float *shifts = windows->gradient + at->weight_size;
    const struct form form = form_of(at);
    double covaried[WINDOW_MAX];

    for (size_t c = 0; c < ink_channels_of(at->out); c++) {
        size_t from = weights_from(&form, c);
        const float *w = run->block + at->weight_at + from, *sums = windows->gradient + from;
        float *dw = run->gradient + at->weight_at + from;
        double inverse = (double)group->inverse[c], shift = (double)shifts[c];
        double factor = (double)run->block[norm->weight_at + c] * inverse;
        double scale = -(double)group->mean[c] * shift;

        for (size_t t = 0; t < form.window; t++)
            scale += (double)w[t * INK_PANEL] * (double)sums[t * INK_PANEL];
        scale *= inverse;
        run->gradient[norm->bias_at + c] += (float)shift;
        run->gradient[norm->weight_at + c] += (float)scale;
        covary(&form, windows, w, covaried);
        for (size_t t = 0; t < form.window; t++)
            dw[t * INK_PANEL] +=
                (float)(factor * ((double)sums[t * INK_PANEL] - shift * windows->mean[t] -
                                  scale * inverse * covaried[t]));
    }
}

void
ink_run_first_back(const struct ink_run *run, const struct ink_plan_node *at, const float *dy)
{
    const struct ink_plan_node *norm = &run->plan->node[at->normed];
    float *own = run->workspace->pooled + at->own_at;
    size_t size = ink_panel_channels(at), each = ink_shape_count(at->kept);

    memset(run->gradient + at->weight_at, 0, at->weight_size * sizeof(*run->gradient));
    memset(run->gradient + at->bias_at, 0, size * sizeof(*run->gradient));
    memset(run->gradient + norm->weight_at, 0, size * sizeof(*run->gradient));
    memset(run->gradient + norm->bias_at, 0, size * sizeof(*run->gradient));
    for (int i = 0; i < ink_norm_group_count(run) && !ink_run_is_cancelled(run); i++) {
        const struct ink_norm_group group = ink_norm_group_at(run, norm, i);
        const struct windows windows = windows_of(run, at, i);
        float *shifts = windows.gradient + at->weight_size;

        memset(own, 0, ink_pooled_size(&at->conv) * sizeof(*own));
        memset(shifts, 0, size * sizeof(*shifts));
        for (size_t n = group.first; n < group.first + group.count; n++)
            run->kernels->pooled_weights(&at->conv, ink_run_padded_input(run, at, n), dy + n * each,
                                         ink_run_places(run, at) + n * each, own, shifts);
        run->kernels->pooled_gather(&at->conv, own, windows.gradient);
        unfold(run, at, &group, &windows);
    }
}
