/* SPDX-License-Identifier: MIT */
/* simd: the kernels of most layers and the table, for one instruction set. */
#include "model/kernels/simd.h"

#include <math.h>
#include <string.h>

#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)

/*
 * Sums over pixels keep a vector of channels in registers and walk down the
 * picture: CHAINS pixels at a time, each in a sum of its own, because an
 * addition takes as long as some can be started in.
 */
enum { CHAINS = 4 };

ALWAYS_INLINE vec
join_chains(const vec sum[static CHAINS])
{
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

ALWAYS_INLINE vec
sum_down(size_t pixels, size_t channels, const float *x)
{
    vec sum[CHAINS] = {{0}};
    size_t i = 0;

    for (; i + CHAINS <= pixels; i += CHAINS, x += CHAINS * channels)
#pragma GCC unroll 4
        for (size_t k = 0; k < CHAINS; k++)
            sum[k] += load(x + k * channels);
    for (; i < pixels; i++, x += channels)
        sum[0] += load(x);
    return join_chains(sum);
}

static void
sum_pixels(size_t pixels, size_t channels, const float *restrict x, float *restrict out)
{
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES)
        store(out + c, load(out + c) + sum_down(pixels, channels, x + c));
    for (; c < channels; c++)
        for (size_t i = 0; i < pixels; i++)
            out[c] += x[i * channels + c];
}

static void
pixels(size_t count, const uint8_t *restrict row, float *restrict x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)row[i] / 255.0F;
}

/* Up to four vectors of channels, down the picture. */
ALWAYS_INLINE void
gate_vectors(const int vectors, size_t pixels, size_t channels, const float *y, float *dy,
             float *out)
{
    vec sum[4];

#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        sum[v] = load(out + v * LANES);
    for (size_t i = 0; i < pixels; i++, y += channels, dy += channels)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            vec gradient = choose(load(y + v * LANES) > 0, load(dy + v * LANES), (vec){0});

            sum[v] += gradient;
            store(dy + v * LANES, gradient);
        }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        store(out + v * LANES, sum[v]);
}

static void
gate(size_t pixels, size_t channels, const float *y, float *dy, float *out)
{
    size_t c = 0;

    for (; c + 4 * LANES <= channels; c += 4 * LANES)
        gate_vectors(4, pixels, channels, y + c, dy + c, out + c);
    for (; c + 2 * LANES <= channels; c += 2 * LANES)
        gate_vectors(2, pixels, channels, y + c, dy + c, out + c);
    for (; c + LANES <= channels; c += LANES)
        gate_vectors(1, pixels, channels, y + c, dy + c, out + c);
    for (; c < channels; c++)
        for (size_t i = c; i < pixels * channels; i += channels) {
            dy[i] = y[i] > 0 ? dy[i] : 0;
            out[c] += dy[i];
        }
}

static void
gated_weights(const struct ink_conv *conv, const float *x, const float *y, float *dy, float *dw,
              float *bias)
{
    if (INK_SIMD_NAME(first_gated_weights)(conv, x, y, dy, dw, bias))
        return;
    gate((size_t)conv->out_height * (size_t)conv->out_width, (size_t)conv->out_channels, y, dy,
         bias);
    INK_SIMD_NAME(conv_weights)(conv, x, dy, true, dw);
}

static void
activate(enum ink_op op, float slope, size_t count, const float *x, float *y)
{
    if (op == INK_OP_SIGMOID)
        for (size_t i = 0; i < count; i++)
            y[i] = 1 / (1 + expf(-x[i]));
    else if (op == INK_OP_TANH)
        for (size_t i = 0; i < count; i++)
            y[i] = tanhf(x[i]);
    else if (op == INK_OP_RELU)
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] < 0 ? 0 : x[i];
    else
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

static void
activate_backward(enum ink_op op, float slope, size_t count, const float *y, const float *dy,
                  float *dx)
{
    if (op == INK_OP_SIGMOID)
        for (size_t i = 0; i < count; i++)
            dx[i] = dy[i] * y[i] * (1 - y[i]);
    else if (op == INK_OP_TANH)
        for (size_t i = 0; i < count; i++)
            dx[i] = dy[i] * (1 - y[i] * y[i]);
    else if (op == INK_OP_RELU)
        for (size_t i = 0; i < count; i++)
            dx[i] = y[i] > 0 ? dy[i] : 0;
    else
        for (size_t i = 0; i < count; i++)
            dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

static void
add(size_t count, const float *restrict x, float *restrict y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

/* Channels c.. of one window: the largest and the number of the pixel that has it. */
ALWAYS_INLINE void
maxpool_vector(const struct ink_pool_form *form, const float *x, float *y, uint8_t *place)
{
    vec best = load(x);
    mask winner = {0};

    for (int i = 0, number = 0; i < form->kernel_height; i++)
        for (int j = 0; j < form->kernel_width; j++, number++) {
            vec next = load(x + (ptrdiff_t)(i * form->in_width + j) * form->channels);
            mask is_more = next > best;

            best = choose(is_more, next, best);
            winner = (is_more & number) | (~is_more & winner);
        }
    store(y, best);
    store_bytes(place, winner);
}

static void
maxpool_number(const struct ink_pool_form *form, const float *x, float *y, uint8_t *place)
{
    *y = *x;
    *place = 0;
    for (int number = 1; number < form->kernel_height * form->kernel_width; number++) {
        int step = number / form->kernel_width * form->in_width + number % form->kernel_width;
        float next = x[(ptrdiff_t)step * form->channels];

        if (next > *y) {
            *y = next;
            *place = (uint8_t)number;
        }
    }
}

static void
maxpool(const struct ink_pool_form *form, const float *x, float *y, uint8_t *place)
{
    int channels = form->channels;

    for (int i = 0; i < form->out_height; i++)
        for (int j = 0; j < form->out_width; j++, y += channels, place += channels) {
            const float *from = x + (ptrdiff_t)((i * form->in_width + j) * form->stride) * channels;
            int c = 0;

            for (; c + LANES <= channels; c += LANES)
                maxpool_vector(form, from + c, y + c, place + c);
            for (; c < channels; c++)
                maxpool_number(form, from + c, y + c, place + c);
        }
}

static void
maxpool_backward(const struct ink_pool_form *form, const float *dy, const uint8_t *place, float *dx)
{
    int channels = form->channels, window = form->kernel_height * form->kernel_width;

    for (int i = 0; i < form->out_height; i++)
        for (int j = 0; j < form->out_width; j++, dy += channels, place += channels) {
            float *to = dx + (ptrdiff_t)((i * form->in_width + j) * form->stride) * channels;
            int c = 0;

            for (; c + LANES <= channels; c += LANES) {
                mask winner = load_bytes(place + c);
                vec gradient = load(dy + c);

                for (int number = 0; number < window; number++) {
                    float *at = to + c +
                                (ptrdiff_t)(number / form->kernel_width * form->in_width +
                                            number % form->kernel_width) *
                                    channels;

                    store(at, load(at) + (vec)((mask)gradient & (winner == number)));
                }
            }
            for (; c < channels; c++)
                to[c + (place[c] / form->kernel_width * form->in_width +
                        place[c] % form->kernel_width) *
                           channels] += dy[c];
        }
}

static void
avgpool(const struct ink_pool_form *form, const float *x, float *y)
{
    size_t channels = (size_t)form->channels;
    float share = 1 / (float)(form->kernel_height * form->kernel_width);

    for (int i = 0; i < form->out_height; i++)
        for (int j = 0; j < form->out_width; j++) {
            float *restrict to = y + (size_t)(i * form->out_width + j) * channels;
            const float *from = x + (size_t)((i * form->in_width + j) * form->stride) * channels;

            memset(to, 0, channels * sizeof(*to));
            for (int n = 0; n < form->kernel_height * form->kernel_width; n++) {
                const float *restrict at = from + (size_t)(n / form->kernel_width * form->in_width +
                                                           n % form->kernel_width) *
                                                      channels;

                for (size_t c = 0; c < channels; c++)
                    to[c] += at[c] * share;
            }
        }
}

static void
avgpool_backward(const struct ink_pool_form *form, const float *dy, float *dx)
{
    size_t channels = (size_t)form->channels;
    float share = 1 / (float)(form->kernel_height * form->kernel_width);

    for (int i = 0; i < form->out_height; i++)
        for (int j = 0; j < form->out_width; j++) {
            const float *restrict from = dy + (size_t)(i * form->out_width + j) * channels;
            float *to = dx + (size_t)((i * form->in_width + j) * form->stride) * channels;

            for (int n = 0; n < form->kernel_height * form->kernel_width; n++) {
                float *restrict at = to + (size_t)(n / form->kernel_width * form->in_width +
                                                   n % form->kernel_width) *
                                              channels;

                for (size_t c = 0; c < channels; c++)
                    at[c] += from[c] * share;
            }
        }
}

ALWAYS_INLINE vec
squares_down(size_t pixels, size_t channels, const float *x, vec mean)
{
    vec sum[CHAINS] = {{0}};
    size_t i = 0;

    for (; i + CHAINS <= pixels; i += CHAINS, x += CHAINS * channels)
#pragma GCC unroll 4
        for (size_t k = 0; k < CHAINS; k++)
            sum[k] += (load(x + k * channels) - mean) * (load(x + k * channels) - mean);
    for (; i < pixels; i++, x += channels)
        sum[0] += (load(x) - mean) * (load(x) - mean);
    return join_chains(sum);
}

static void
moments(size_t pixels, size_t channels, const float *x, float *mean, float *squares)
{
    float share = 1 / (float)pixels;
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec middle = sum_down(pixels, channels, x + c) * share;

        store(mean + c, middle);
        store(squares + c, squares_down(pixels, channels, x + c, middle));
    }
    for (; c < channels; c++) {
        mean[c] = squares[c] = 0;
        for (size_t i = 0; i < pixels; i++)
            mean[c] += x[i * channels + c];
        mean[c] *= share;
        for (size_t i = 0; i < pixels; i++)
            squares[c] += (x[i * channels + c] - mean[c]) * (x[i * channels + c] - mean[c]);
    }
}

static void
norm_line(const struct ink_norm *norm, size_t pixels, const float *x, float *y)
{
    size_t channels = norm->channels, c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec scale = load(norm->scale + c), shift = load(norm->shift + c);

        for (size_t i = c; i < pixels * channels; i += channels) {
            vec value = load(x + i) * scale + shift;

            store(y + i, norm->is_relu ? clamp(value) : value);
        }
    }
    for (; c < channels; c++)
        for (size_t i = c; i < pixels * channels; i += channels) {
            float value = x[i] * norm->scale[c] + norm->shift[c];

            y[i] = norm->is_relu && value < 0 ? 0 : value;
        }
}

/* The gradient that passes the relu, if there is one. */
ALWAYS_INLINE vec
passing(bool is_relu, vec dy, vec line)
{
    return is_relu ? (vec)((mask)dy & (line > 0)) : dy;
}

/* A vector of channels from c on. */
ALWAYS_INLINE void
norm_sums_down(const struct ink_norm *norm, size_t pixels, size_t c, const float *x,
               const float *dy, float *sums)
{
    const bool is_relu = norm->is_relu;
    vec mean = load(norm->mean + c), scale = load(norm->scale + c), shift = load(norm->shift + c);
    vec sum_dy[CHAINS] = {{0}}, sum_dyx[CHAINS] = {{0}};
    size_t channels = norm->channels, i = 0;

    for (; i + CHAINS <= pixels; i += CHAINS)
#pragma GCC unroll 4
        for (size_t k = 0; k < CHAINS; k++) {
            size_t at = (i + k) * channels + c;
            vec value = load(x + at);
            vec gradient = passing(is_relu, load(dy + at), value * scale + shift);

            sum_dy[k] += gradient;
            sum_dyx[k] += gradient * (value - mean);
        }
    for (; i < pixels; i++) {
        size_t at = i * channels + c;
        vec value = load(x + at);
        vec gradient = passing(is_relu, load(dy + at), value * scale + shift);

        sum_dy[0] += gradient;
        sum_dyx[0] += gradient * (value - mean);
    }
    store(sums + c, load(sums + c) + join_chains(sum_dy));
    store(sums + channels + c,
          load(sums + channels + c) + join_chains(sum_dyx) * load(norm->inverse + c));
}

static void
norm_sums(const struct ink_norm *norm, size_t pixels, const float *x, const float *dy, float *sums)
{
    size_t channels = norm->channels, c = 0;

    for (; c + LANES <= channels; c += LANES)
        norm_sums_down(norm, pixels, c, x, dy, sums);
    for (; c < channels; c++)
        for (size_t i = 0; i < pixels; i++) {
            float value = x[i * channels + c], gradient = dy[i * channels + c];

            if (norm->is_relu && !(value * norm->scale[c] + norm->shift[c] > 0))
                continue;
            sums[c] += gradient;
            sums[channels + c] += gradient * (value - norm->mean[c]) * norm->inverse[c];
        }
}

static void
norm_backward(const struct ink_norm *norm, size_t pixels, const float *x, const float *dy,
              const float *abc, float *dx)
{
    size_t channels = norm->channels, c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec a = load(abc + c), b = load(abc + channels + c), d = load(abc + 2 * channels + c);
        vec scale = load(norm->scale + c), shift = load(norm->shift + c);

        for (size_t i = c; i < pixels * channels; i += channels) {
            vec value = load(x + i);
            vec gradient = passing(norm->is_relu, load(dy + i), value * scale + shift);
            vec made = gradient * a + (value * b + d);

            store(dx + i, norm->is_added ? load(dx + i) + made : made);
        }
    }
    for (; c < channels; c++)
        for (size_t i = c; i < pixels * channels; i += channels) {
            bool is_cut = norm->is_relu && !(x[i] * norm->scale[c] + norm->shift[c] > 0);
            float made =
                (is_cut ? 0 : dy[i]) * abc[c] + (x[i] * abc[channels + c] + abc[2 * channels + c]);

            dx[i] = norm->is_added ? dx[i] + made : made;
        }
}

static void
random_bits(size_t count, uint64_t state, uint64_t *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t word = state + (i + 1) * 0x9e3779b97f4a7c15U;

        word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
        word = (word ^ word >> 27) * 0x94d049bb133111ebU;
        out[i] = word ^ word >> 31;
    }
}

static void
keep(size_t count, const uint64_t *bits, uint32_t limit, uint8_t *kept)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    typedef uint16_t part __attribute__((may_alias));
    const part *restrict from = (const part *)bits;
    uint16_t least_kept = (uint16_t)limit;

    for (size_t i = 0; i < count; i++)
        kept[i] = from[i] >= least_kept;
#else
    for (size_t i = 0; i < count; i++)
        kept[i] = (bits[i / 4] >> (16 * (i % 4)) & 0xffff) >= limit;
#endif
}

static void
drop(size_t count, const uint8_t *kept, float scale, const float *x, float *y)
{
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++)
        y[i] = kept[i] ? x[i] * scale : 0;
}

static void
sgd(const struct ink_step *step, size_t count, const float *restrict gradient,
    float *restrict velocity, float *restrict weights)
{
    const struct ink_step s = *step;

    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * s.scale + s.decay * weights[i];

        velocity[i] = s.momentum * velocity[i] + g;
        weights[i] -= s.rate * (s.is_nesterov ? s.momentum * velocity[i] + g : velocity[i]);
    }
}

static void
adam(const struct ink_step *step, size_t count, const float *restrict gradient,
     float *restrict mean, float *restrict square, float *restrict weights)
{
    const struct ink_step s = *step;

    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * s.scale + s.decay * weights[i];

        mean[i] += (1 - s.beta1) * (g - mean[i]);
        square[i] += (1 - s.beta2) * (g * g - square[i]);
        weights[i] -=
            s.shrink * weights[i] + s.rate * mean[i] * s.correction1 /
                                        (__builtin_sqrtf(square[i] * s.correction2) + s.epsilon);
    }
}

static void
adadelta(const struct ink_step *step, size_t count, const float *restrict gradient,
         float *restrict moved, float *restrict square, float *restrict weights)
{
    const struct ink_step s = *step;

    for (size_t i = 0; i < count; i++) {
        float g = gradient[i] * s.scale + s.decay * weights[i], move;

        square[i] += (1 - s.rho) * (g * g - square[i]);
        move = __builtin_sqrtf((moved[i] + s.epsilon) / (square[i] + s.epsilon)) * g;
        moved[i] += (1 - s.rho) * (move * move - moved[i]);
        weights[i] -= s.rate * move;
    }
}

static void
average(size_t count, float decay, const float *restrict weights, float *restrict mean)
{
    for (size_t i = 0; i < count; i++)
        mean[i] += (1 - decay) * (weights[i] - mean[i]);
}

/* Floats down a picture, doubles between pictures. */
static void
row_products(size_t rows, size_t columns, size_t step, const float *a, const float *b, double *sums)
{
    for (size_t j = 0; j < columns; j += LANES) {
        vec sum[CHAINS] = {{0}};
        size_t i = 0;

        for (; i + CHAINS <= rows; i += CHAINS)
#pragma GCC unroll 4
            for (size_t k = 0; k < CHAINS; k++)
                sum[k] += load(a + (i + k) * step + j) * load(b + (i + k) * step + j);
        for (; i < rows; i++)
            sum[0] += load(a + i * step + j) * load(b + i * step + j);
        sum[0] = join_chains(sum);
        for (int lane = 0; lane < LANES; lane++)
            sums[j + (size_t)lane] += (double)sum[0][lane];
    }
}

/* Floats within a thousand numbers, doubles between them. */
static double
squares(size_t count, const float *x)
{
    double all = 0;

    for (size_t from = 0; from < count; from += 1024) {
        size_t size = count - from < 1024 ? count - from : 1024, i = 0;
        vec sum = {0};
        float rest = 0;

        for (; i + LANES <= size; i += LANES)
            sum += load(x + from + i) * load(x + from + i);
        for (; i < size; i++)
            rest += x[from + i] * x[from + i];
        for (int lane = 0; lane < LANES; lane++)
            rest += sum[lane];
        all += (double)rest;
    }
    return all;
}

extern const struct ink_kernels INK_PASTE(ink_kernels_, INK_SIMD);
const struct ink_kernels INK_PASTE(ink_kernels_, INK_SIMD) = {
    .name = TEXT(INK_SIMD),
    .conv = INK_SIMD_NAME(conv),
    .conv_add = INK_SIMD_NAME(conv_add),
    .conv_apart = INK_SIMD_NAME(conv_apart),
    .tiles_in = INK_SIMD_NAME(tiles_in),
    .tiles_out = INK_SIMD_NAME(tiles_out),
    .tiles_weights = INK_SIMD_NAME(tiles_weights),
    .products = INK_SIMD_NAME(products),
    .conv_weights = INK_SIMD_NAME(conv_weights),
    .gated_weights = gated_weights,
    .conv_pooled = INK_SIMD_NAME(conv_pooled),
    .conv_pooled_spans = INK_SIMD_NAME(conv_pooled_spans),
    .pooled_weights = INK_SIMD_NAME(pooled_weights),
    .pooled_gather = INK_SIMD_NAME(pooled_gather),
    .pooled_input = INK_SIMD_NAME(pooled_input),
    .sum_pixels = sum_pixels,
    .row_products = row_products,
    .gate = gate,
    .pixels = pixels,
    .warp = INK_SIMD_NAME(warp),
    .spread = INK_SIMD_NAME(spread),
    .thicken = INK_SIMD_NAME(thicken),
    .activate = activate,
    .activate_backward = activate_backward,
    .add = add,
    .dense = INK_SIMD_NAME(dense),
    .dense_back = INK_SIMD_NAME(dense_back),
    .dense_weights = INK_SIMD_NAME(dense_weights),
    .find_some = INK_SIMD_NAME(find_some),
    .unfold = INK_SIMD_NAME(unfold),
    .dense_one = INK_SIMD_NAME(dense_one),
    .transpose = INK_SIMD_NAME(transpose),
    .squares = squares,
    .maxpool = maxpool,
    .maxpool_backward = maxpool_backward,
    .avgpool = avgpool,
    .avgpool_backward = avgpool_backward,
    .moments = moments,
    .norm = norm_line,
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
