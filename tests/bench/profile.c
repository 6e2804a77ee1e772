/* SPDX-License-Identifier: MIT */
#include "tests/bench/profile.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/kernels/kernels.h"

enum { ENTRY_MAX = 512, SAMPLE_MAX = 2000, SHAPE_SIZE = 96 };

/* One kernel on one shape. */
struct entry {
    const char *kernel;
    char shape[SHAPE_SIZE];
    long calls;
    double operations;
    int sample_count;
    float us[SAMPLE_MAX]; /* of the newest calls */
};

static struct {
    const struct ink_kernels *real;
    const struct ink_bf16 *real_bf16;
    struct ink_kernels table;
    struct ink_bf16 bf16;
    struct entry *entry;
    int entry_count;
    struct profile_operations operations;
} profile;

static struct entry *
find_entry(const char *kernel, const char *shape)
{
    struct entry *entry = profile.entry;

    for (int i = 0; i < profile.entry_count; i++, entry++)
        if (entry->kernel == kernel && strcmp(entry->shape, shape) == 0)
            return entry;
    if (profile.entry_count == ENTRY_MAX)
        return NULL;
    profile.entry_count++;
    *entry = (struct entry){.kernel = kernel};
    (void)snprintf(entry->shape, sizeof(entry->shape), "%s", shape);
    return entry;
}

static void
note(const char *kernel, const char *shape, uint64_t took_ns, double operations)
{
    float us = (float)took_ns / 1e3F;
    struct entry *entry = find_entry(kernel, shape);

    if (!entry)
        return;
    entry->us[entry->calls % SAMPLE_MAX] = us;
    entry->sample_count = entry->sample_count < SAMPLE_MAX ? entry->sample_count + 1 : SAMPLE_MAX;
    entry->calls++;
    entry->operations += operations;
    if (strncmp(kernel, "bf16", 4) == 0)
        profile.operations.bf16 += operations;
    else
        profile.operations.f32 += operations;
}

/* ---- convolutions ---- */

static const char *
conv_shape(const struct ink_conv *conv, char out[static SHAPE_SIZE])
{
    (void)snprintf(out, SHAPE_SIZE, "%d>%d %dx%d%s, %dx%d", conv->in_channels, conv->out_channels,
                   conv->kernel_height, conv->kernel_width, conv->stride > 1 ? " strided" : "",
                   conv->out_height, conv->out_width);
    return out;
}

static double
window_operations(const struct ink_conv *conv)
{
    return 2.0 * conv->kernel_height * conv->kernel_width * conv->in_channels;
}

static double
conv_operations(const struct ink_conv *conv)
{
    return window_operations(conv) * conv->out_channels * conv->out_height * conv->out_width;
}

static size_t
pooled_count(const struct ink_conv *conv)
{
    return (size_t)(conv->out_height / 2) * (size_t)(conv->out_width / 2) *
           (size_t)conv->out_channels;
}

/* Of a part of each row's windows. */
static double
span_operations(const struct ink_conv *conv, const struct ink_span *spans)
{
    double windows = 0;

    for (int i = 0; i < conv->out_height / 2; i++)
        windows += spans[i].to - spans[i].from;
    return window_operations(conv) * 4 * windows * conv->out_channels;
}

/* Of the outputs that have a gradient. */
static double
live_operations(const struct ink_conv *conv, const float *dy, const uint8_t *place)
{
    size_t live = 0;

    for (size_t i = 0; i < pooled_count(conv); i++)
        live += dy[i] != 0 && place[i] != INK_POOLED_DEAD;
    return window_operations(conv) * (double)live;
}

#define TIMED_CONV(table, kernel, name, operations, parameters, arguments) \
    static void timed_##kernel parameters                                  \
    {                                                                      \
        char shape[SHAPE_SIZE];                                            \
        uint64_t begin, took;                                              \
                                                                           \
        (void)conv_shape(conv, shape);                                     \
        begin = ink_clock_ns();                                            \
        profile.table->name arguments;                                     \
        took = ink_clock_ns() - begin; /* counting takes time too */       \
        note(#kernel, shape, took, operations);                            \
    }

TIMED_CONV(real, conv, conv, conv_operations(conv),
           (const struct ink_conv *conv, const float *x, const float *w, const float *bias,
            bool is_relu, float *y),
           (conv, x, w, bias, is_relu, y))
TIMED_CONV(real, conv_add, conv_add, conv_operations(conv),
           (const struct ink_conv *conv, const float *x, const float *w, const float *start,
            float *y),
           (conv, x, w, start, y))
TIMED_CONV(real, conv_apart, conv_apart, conv_operations(conv),
           (const struct ink_conv *conv, const float *x, const float *w, bool is_added, float *y,
            const size_t apart[static 2]),
           (conv, x, w, is_added, y, apart))
TIMED_CONV(real, conv_weights, conv_weights, conv_operations(conv),
           (const struct ink_conv *conv, const float *x, const float *dy, bool is_added, float *dw),
           (conv, x, dy, is_added, dw))
TIMED_CONV(real, gated_weights, gated_weights, conv_operations(conv),
           (const struct ink_conv *conv, const float *x, const float *y, float *dy, float *dw,
            float *bias),
           (conv, x, y, dy, dw, bias))
TIMED_CONV(real, conv_pooled, conv_pooled, window_operations(conv) * 4 * (double)pooled_count(conv),
           (const struct ink_conv *conv, const float *x, const float *w, const float *bias,
            bool is_relu, float *y, uint8_t *place),
           (conv, x, w, bias, is_relu, y, place))
TIMED_CONV(real, conv_pooled_spans, conv_pooled_spans, span_operations(conv, spans),
           (const struct ink_conv *conv, const struct ink_span *spans, const float *x,
            const float *w, const float *bias, bool is_relu, float *y, uint8_t *place),
           (conv, spans, x, w, bias, is_relu, y, place))
TIMED_CONV(real, pooled_weights, pooled_weights, live_operations(conv, dy, place),
           (const struct ink_conv *conv, const float *x, const float *dy, const uint8_t *place,
            float *own, float *bias),
           (conv, x, dy, place, own, bias))
TIMED_CONV(real, pooled_input, pooled_input, live_operations(conv, dy, place),
           (const struct ink_conv *conv, const float *dy, const uint8_t *place, const float *w,
            float *dx),
           (conv, dy, place, w, dx))
TIMED_CONV(real, pooled_gather, pooled_gather, 0,
           (const struct ink_conv *conv, const float *own, float *dw), (conv, own, dw))
TIMED_CONV(real_bf16, bf16_conv, conv, conv_operations(conv),
           (const struct ink_conv *conv, const uint16_t *x, const uint16_t *w, const float *bias,
            bool is_relu, const float *start, float *y),
           (conv, x, w, bias, is_relu, start, y))
TIMED_CONV(real_bf16, bf16_conv_apart, conv_apart, conv_operations(conv),
           (const struct ink_conv *conv, const uint16_t *x, const uint16_t *w, bool is_added,
            float *y, const size_t apart[static 2]),
           (conv, x, w, is_added, y, apart))
TIMED_CONV(real_bf16, bf16_conv_pooled, conv_pooled,
           window_operations(conv) * 4 * (double)pooled_count(conv),
           (const struct ink_conv *conv, const uint16_t *x, const uint16_t *w, const float *bias,
            bool is_relu, float *y, uint8_t *place),
           (conv, x, w, bias, is_relu, y, place))
TIMED_CONV(real_bf16, bf16_conv_pooled_spans, conv_pooled_spans, span_operations(conv, spans),
           (const struct ink_conv *conv, const struct ink_span *spans, const uint16_t *x,
            const uint16_t *w, const float *bias, bool is_relu, float *y, uint8_t *place),
           (conv, spans, x, w, bias, is_relu, y, place))
TIMED_CONV(real_bf16, bf16_conv_weights, conv_weights,
           2 * (double)pairs->count * conv_operations(conv),
           (const struct ink_conv *conv, const struct ink_pairs *pairs, bool is_added, float *dw),
           (conv, pairs, is_added, dw))

/* ---- dense layers ---- */

/* Zeros that all pictures of a tile have are left out: 7 pictures forward, 32 on the way back. */
enum { FORWARD_PICTURES = 7, BACK_PANELS = 2 };

/* `size`: bytes of a number of x. */
static double
forward_operations(const struct ink_dense *form, const void *x, size_t size)
{
    static const uint8_t zero[sizeof(float)];
    size_t step = size == sizeof(float) ? form->inputs : (form->inputs + 1) / 2 * 2;
    size_t products = 0;

    for (size_t n = 0, some; n < form->pictures; n += some) {
        some = form->pictures - n < FORWARD_PICTURES ? form->pictures - n : FORWARD_PICTURES;
        for (size_t i = 0; i < form->inputs; i++) {
            size_t p = 0;

            while (p < some &&
                   memcmp((const uint8_t *)x + ((n + p) * step + i) * size, zero, size) == 0)
                p++;
            products += p < some ? some : 0;
        }
    }
    return 2.0 * (double)products * (double)form->outputs;
}

/* Of 32 pictures from panel `first` on: inputs that somebody has, and units of outputs that have
 * a gradient. */
static double
back_products(const struct ink_dense *form, size_t count, const void *dy, const float *x,
              size_t units, size_t first)
{
    size_t panels = (form->pictures + INK_PANEL - 1) / INK_PANEL, rows = 0, steps = 0;
    size_t last = first + BACK_PANELS < panels ? first + BACK_PANELS : panels;
    size_t end = last * INK_PANEL < form->pictures ? last * INK_PANEL : form->pictures;

    for (size_t i = 0; i < count; i++) {
        size_t n = first * INK_PANEL;

        while (x && n < end && x[n * form->inputs + i] == 0)
            n++;
        rows += n < end;
    }
    for (size_t u = 0; u < units; u++) {
        uint32_t any = 0;

        for (size_t i = 0; i < (last - first) * INK_PANEL; i++)
            any |= ((const uint32_t *)
                        dy)[((first + i / INK_PANEL) * units + u) * INK_PANEL + i % INK_PANEL];
        steps += any != 0;
    }
    return (double)rows * (double)steps * (double)((last - first) * INK_PANEL);
}

static double
back_operations(const struct ink_dense *form, size_t count, const void *dy, const float *x,
                size_t size)
{
    size_t units = (form->outputs + INK_PANEL - 1) / INK_PANEL * INK_PANEL * size / sizeof(float);
    double products = 0;

    for (size_t first = 0; first * INK_PANEL < form->pictures; first += BACK_PANELS)
        products += back_products(form, count, dy, x, units, first);
    return 2.0 * products * (double)(sizeof(float) / size);
}

#define TIMED_DENSE(table, kernel, name, inputs, operations, parameters, arguments)   \
    static void timed_##kernel parameters                                             \
    {                                                                                 \
        char shape[SHAPE_SIZE];                                                       \
        uint64_t start;                                                               \
                                                                                      \
        (void)snprintf(shape, sizeof(shape), "%zu>%zu, %zu", (inputs), form->outputs, \
                       form->pictures);                                               \
        start = ink_clock_ns();                                                       \
        profile.table->name arguments;                                                \
        note(#kernel, shape, ink_clock_ns() - start, (operations));                   \
    }

TIMED_DENSE(real, dense, dense, form->inputs, forward_operations(form, x, sizeof(float)),
            (const struct ink_dense *form, const float *x, const float *w, const float *bias,
             bool is_relu, float *y),
            (form, x, w, bias, is_relu, y))
TIMED_DENSE(real, dense_back, dense_back, count, back_operations(form, count, dy, x, sizeof(float)),
            (const struct ink_dense *form, size_t count, const float *w, const float *dy,
             const float *x, float *dx),
            (form, count, w, dy, x, dx))
TIMED_DENSE(real, dense_weights, dense_weights, form->inputs,
            2.0 * (double)form->inputs * (double)form->outputs * (double)form->pictures,
            (const struct ink_dense *form, const float *x, const float *dy,
             const struct ink_soon *soon, float *dw),
            (form, x, dy, soon, dw))
TIMED_DENSE(real_bf16, bf16_dense, dense, form->inputs,
            forward_operations(form, x, sizeof(uint16_t)),
            (const struct ink_dense *form, const uint16_t *x, const uint16_t *w, const float *bias,
             bool is_relu, float *y),
            (form, x, w, bias, is_relu, y))
TIMED_DENSE(real_bf16, bf16_dense_back, dense_back, count,
            back_operations(form, count, dy, x, sizeof(uint16_t)),
            (const struct ink_dense *form, size_t count, const uint16_t *w, const uint16_t *dy,
             const float *x, float *dx),
            (form, count, w, dy, x, dx))
TIMED_DENSE(real_bf16, bf16_dense_weights, dense_weights, form->inputs,
            2.0 * (double)form->inputs * (double)form->outputs * (double)form->pictures,
            (const struct ink_dense *form, const uint16_t *x, const uint16_t *dy,
             const struct ink_soon *soon, float *dw),
            (form, x, dy, soon, dw))

/* ---- everything else: how much, by two numbers ---- */

#define TIMED(table, kernel, name, rows, columns, parameters, arguments)                    \
    static void timed_##kernel parameters                                                   \
    {                                                                                       \
        char shape[SHAPE_SIZE];                                                             \
        uint64_t start;                                                                     \
                                                                                            \
        (void)snprintf(shape, sizeof(shape), "%zux%zu", (size_t)(rows), (size_t)(columns)); \
        start = ink_clock_ns();                                                             \
        profile.table->name arguments;                                                      \
        note(#kernel, shape, ink_clock_ns() - start, 0);                                    \
    }

TIMED(real, sum_pixels, sum_pixels, pixels, channels,
      (size_t pixels, size_t channels, const float *x, float *out), (pixels, channels, x, out))
TIMED(real, pixels, pixels, 1, count, (size_t count, const uint8_t *row, float *x), (count, row, x))
TIMED(real, warp, warp, 1, INK_PICTURE_SIZE,
      (const struct ink_warp *warp, const float *source, const float *field, float *pixels),
      (warp, source, field, pixels))
TIMED(real, spread, spread, 1, INK_PICTURE_SIZE, (const float *knots, float *field), (knots, field))
TIMED(real, thicken, thicken, 1, INK_PICTURE_SIZE, (float reach, float *pixels), (reach, pixels))
TIMED(real, gate, gate, pixels, channels,
      (size_t pixels, size_t channels, const float *y, float *dy, float *out),
      (pixels, channels, y, dy, out))
TIMED(real, activate, activate, 1, count,
      (enum ink_op op, float slope, size_t count, const float *x, float *y),
      (op, slope, count, x, y))
TIMED(real, activate_backward, activate_backward, 1, count,
      (enum ink_op op, float slope, size_t count, const float *y, const float *dy, float *dx),
      (op, slope, count, y, dy, dx))
TIMED(real, add, add, 1, count, (size_t count, const float *x, float *y), (count, x, y))
TIMED(real, transpose, transpose, form->rows, form->columns,
      (const struct ink_transpose *form, const float *from, float *to), (form, from, to))
TIMED(real, maxpool, maxpool, form->out_height * form->out_width, form->channels,
      (const struct ink_pool_form *form, const float *x, float *y, uint8_t *place),
      (form, x, y, place))
TIMED(real, maxpool_backward, maxpool_backward, form->out_height * form->out_width, form->channels,
      (const struct ink_pool_form *form, const float *dy, const uint8_t *place, float *dx),
      (form, dy, place, dx))
TIMED(real, avgpool, avgpool, form->out_height * form->out_width, form->channels,
      (const struct ink_pool_form *form, const float *x, float *y), (form, x, y))
TIMED(real, avgpool_backward, avgpool_backward, form->out_height * form->out_width, form->channels,
      (const struct ink_pool_form *form, const float *dy, float *dx), (form, dy, dx))
TIMED(real, moments, moments, pixels, channels,
      (size_t pixels, size_t channels, const float *x, float *mean, float *squares),
      (pixels, channels, x, mean, squares))
TIMED(real, norm, norm, pixels, norm->channels,
      (const struct ink_norm *norm, size_t pixels, const float *x, float *y), (norm, pixels, x, y))
TIMED(real, norm_sums, norm_sums, pixels, norm->channels,
      (const struct ink_norm *norm, size_t pixels, const float *x, const float *dy, float *sums),
      (norm, pixels, x, dy, sums))
TIMED(real, norm_backward, norm_backward, pixels, norm->channels,
      (const struct ink_norm *norm, size_t pixels, const float *x, const float *dy,
       const float *abc, float *dx),
      (norm, pixels, x, dy, abc, dx))
TIMED(real, drop, drop, 1, count,
      (size_t count, const uint8_t *kept, float scale, const float *x, float *y),
      (count, kept, scale, x, y))
TIMED(real, adam, adam, 1, count,
      (const struct ink_step *step, size_t count, const float *gradient, float *mean, float *square,
       float *weights),
      (step, count, gradient, mean, square, weights))
TIMED(real, average, average, 1, count,
      (size_t count, float decay, const float *weights, float *average),
      (count, decay, weights, average))
TIMED(real_bf16, bf16_round, round, 1, count, (size_t count, const float *x, uint16_t *y),
      (count, x, y))
TIMED(real_bf16, bf16_pair_rows, pair_rows, rows, count,
      (size_t rows, size_t count, const float *x, uint16_t *y), (rows, count, x, y))
TIMED(real_bf16, bf16_pair, pair, pixels, norms->channels,
      (const struct ink_norm *norms, size_t pixels, const float *x, const float *second,
       uint16_t *y),
      (norms, pixels, x, second, y))
TIMED(real_bf16, bf16_zip_panels, zip_panels, form->pixels, form->channels,
      (const struct ink_zip *form, const uint16_t *x, const uint16_t *second, uint16_t *y),
      (form, x, second, y))
TIMED(real_bf16, bf16_norm, norm, pixels, norm->channels,
      (const struct ink_norm *norm, size_t pixels, const float *x, uint16_t *y),
      (norm, pixels, x, y))
TIMED(real_bf16, bf16_norm_backward, norm_backward, pixels, norm->channels,
      (const struct ink_norm *norm, size_t pixels, const float *x, const float *dy,
       const float *abc, uint16_t *dx),
      (norm, pixels, x, dy, abc, dx))
TIMED(real_bf16, bf16_turn, turn, 1, count, (size_t count, const float *w, uint16_t *y),
      (count, w, y))

/* ---- the table ---- */

void
profile_begin(void)
{
    const struct ink_kernels *real = ink_kernels();

    if (!profile.entry)
        profile.entry = malloc(ENTRY_MAX * sizeof(*profile.entry));
    assert(profile.entry);
    profile.entry_count = 0;
    profile.operations = (struct profile_operations){0};
    profile.real = real;
    profile.real_bf16 = real->bf16;
    profile.table = *real;
#define PUT(name) profile.table.name = timed_##name
    PUT(conv), PUT(conv_add), PUT(conv_weights), PUT(gated_weights), PUT(conv_pooled),
        PUT(conv_pooled_spans), PUT(pooled_weights);
    PUT(pooled_input), PUT(pooled_gather), PUT(sum_pixels), PUT(pixels);
    PUT(activate), PUT(activate_backward), PUT(add), PUT(transpose), PUT(maxpool);
    PUT(maxpool_backward), PUT(avgpool), PUT(avgpool_backward), PUT(moments), PUT(norm);
    PUT(norm_sums), PUT(norm_backward), PUT(drop), PUT(adam), PUT(average), PUT(conv_apart);
    PUT(warp), PUT(spread), PUT(thicken), PUT(gate);
    PUT(dense), PUT(dense_back), PUT(dense_weights);
#undef PUT
    if (real->bf16) {
        profile.bf16 = *real->bf16;
        profile.bf16.conv = timed_bf16_conv;
        profile.bf16.conv_apart = timed_bf16_conv_apart;
        profile.bf16.conv_pooled = timed_bf16_conv_pooled;
        profile.bf16.conv_pooled_spans = timed_bf16_conv_pooled_spans;
        profile.bf16.conv_weights = timed_bf16_conv_weights;
        profile.bf16.round = timed_bf16_round;
        profile.bf16.pair_rows = timed_bf16_pair_rows;
        profile.bf16.pair = timed_bf16_pair;
        profile.bf16.zip_panels = timed_bf16_zip_panels;
        profile.bf16.norm = timed_bf16_norm;
        profile.bf16.norm_backward = timed_bf16_norm_backward;
        profile.bf16.turn = timed_bf16_turn;
        profile.bf16.dense = timed_bf16_dense;
        profile.bf16.dense_back = timed_bf16_dense_back;
        profile.bf16.dense_weights = timed_bf16_dense_weights;
        profile.table.bf16 = &profile.bf16;
    }
    ink_kernels_use(&profile.table);
}

void
profile_end(void)
{
    ink_kernels_use(profile.real);
}

struct profile_operations
profile_operations(void)
{
    return profile.operations;
}

static int
by_value(const void *a, const void *b)
{
    const float *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

void
profile_print(int64_t steps)
{
    printf("[");
    for (int i = 0; i < profile.entry_count; i++) {
        struct entry *entry = &profile.entry[i];
        double calls = (double)entry->calls / (double)steps;

        qsort(entry->us, (size_t)entry->sample_count, sizeof(*entry->us), by_value);
        printf("%s{\"kernel\": \"%s\", \"shape\": \"%s\", \"calls\": %.1f, \"us\": %.2f, "
               "\"operations\": %.0f}",
               i ? ", " : "", entry->kernel, entry->shape, calls,
               (double)entry->us[entry->sample_count / 2] * calls,
               entry->operations / (double)steps);
    }
    printf("]");
}
