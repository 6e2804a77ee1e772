/* SPDX-License-Identifier: MIT */
/*
 * simd: the kernels in GCC vector extensions, one source for every processor.
 *
 * The Makefile compiles it as simd_baseline.o, simd_avx2.o and simd_avx512.o;
 * INK_SIMD is the table's name. What differs is the vector's length and how
 * many accumulators fit into the registers.
 *
 * Nearly all time is spent in one loop, the tile: `pixels` x 16 accumulators,
 * each step one vector of b times one number of a for every pixel,
 *     acc[p][0..15] += a[k * ka + p * pa] * b[k * kb + 0..15].
 * A convolution runs it with k over the window (ka = 1, pa = a pixel), the
 * gradient of its weights with k over the pixels of a row (pa = 1).
 */
#include "model/kernels/kernels.h"

#include <math.h>
#include <string.h>

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define TEXT_(a)     #a
#define TEXT(a)      TEXT_(a)

/* PIXELS: 12 to 16 accumulators are best; the weights and a broadcast need registers too. With
 * long vectors a tile of two panels and half the pixels does with fewer loads. */
#if defined(__AVX512F__)
enum { LANES = 16, PIXELS = 14, PAIR_PIXELS = 7 };
#elif defined(__AVX2__)
enum { LANES = 8, PIXELS = 6, PAIR_PIXELS = 0 };
#else
enum { LANES = 4, PIXELS = 3, PAIR_PIXELS = 0 };
#endif
enum { VECTORS = INK_PANEL / LANES };

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int mask __attribute__((vector_size(LANES * sizeof(float))));
typedef uint8_t bytes __attribute__((vector_size(LANES)));
typedef uint8_t bytes_in_memory __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef float vec_in_memory
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE vec
load(const float *from)
{
    return *(const vec_in_memory *)from;
}

ALWAYS_INLINE void
store(float *to, vec value)
{
    *(vec_in_memory *)to = value;
}

/* The positive part; NaN stays, so that a broken network shows in its loss. */
ALWAYS_INLINE vec
clamp(vec value)
{
    return (vec)((mask)value & ~(value < 0));
}

ALWAYS_INLINE vec
choose(mask which, vec yes, vec no)
{
    return (vec)((which & (mask)yes) | (~which & (mask)no));
}

/* Where a tile's numbers are. A tile sums over `segments` x `count` steps. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_step, a_segment; /* a's strides from pixel to pixel, k to k, ... */
    ptrdiff_t b_step, b_segment, b_panel; /* b_panel, y_panel: to the second panel of two */
    ptrdiff_t y_pixel, y_panel;
    bool is_added, is_relu;
};

ALWAYS_INLINE void
tile_body(const int pixels, const int panels, const bool is_unit_pixel, const struct tile *tile,
          const float *a, const float *b, const float *bias, float *y)
{
    vec acc[14][4];
    const int vectors = panels * VECTORS;
    const ptrdiff_t pa = is_unit_pixel ? 1 : tile->a_pixel;
    const ptrdiff_t ka = is_unit_pixel ? tile->a_step : 1;
    const ptrdiff_t kb = is_unit_pixel ? tile->b_step : INK_PANEL;

#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            acc[p][v] = (vec){0};
            if (tile->is_added)
                acc[p][v] =
                    load(y + p * tile->y_pixel + v / VECTORS * tile->y_panel + v % VECTORS * LANES);
            else if (bias)
                acc[p][v] = load(bias + v * LANES);
        }
    for (size_t s = 0; s < tile->segments; s++) {
        /* A base every three pixels: base, base + pa, base + 2 pa are addressing modes. The empty
         * asm keeps the compiler from making fourteen pointers of them. */
        const float *at[5], *bs = b + (ptrdiff_t)s * tile->b_segment;

        at[0] = a + (ptrdiff_t)s * tile->a_segment;
#pragma GCC unroll 4
        for (int q = 1; q < 5; q++) {
            at[q] = 3 * q < pixels && !is_unit_pixel ? at[q - 1] + 3 * pa : at[0] + 3 * q * pa;
            if (!is_unit_pixel)
                __asm__("" : "+r"(at[q]));
        }
        for (size_t k = 0; k < tile->count; k++) {
            vec weight[4];

#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                weight[v] = load(bs + v / VECTORS * tile->b_panel + v % VECTORS * LANES);
#pragma GCC unroll 14
            for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    acc[p][v] += at[p / 3][(p % 3) * pa] * weight[v];
            bs += kb;
#pragma GCC unroll 5
            for (int q = 0; q < 5; q++)
                at[q] += ka;
        }
    }
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            store(y + p * tile->y_pixel + v / VECTORS * tile->y_panel + v % VECTORS * LANES,
                  tile->is_relu ? clamp(acc[p][v]) : acc[p][v]);
}

typedef void tile_fn(const struct tile *tile, const float *a, const float *b, const float *bias,
                     float *y);

#define DEFINE_TILE(name, pixels, panels, is_unit_pixel)                                         \
    static void name(const struct tile *tile, const float *a, const float *b, const float *bias, \
                     float *y)                                                                   \
    {                                                                                            \
        tile_body(pixels, panels, is_unit_pixel, tile, a, b, bias, y);                           \
    }
#define DEFINE_SINGLE(n) DEFINE_TILE(rows_##n, n, 1, false) DEFINE_TILE(columns_##n, n, 1, true)
#define DEFINE_PAIR(n) \
    DEFINE_TILE(row_pairs_##n, n, 2, false) DEFINE_TILE(column_pairs_##n, n, 2, true)

/* clang-format off */
#if defined(__AVX512F__)
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_PAIR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#elif defined(__AVX2__)
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_PAIR(X)
#else
#define EACH_SINGLE(X) X(1) X(2) X(3)
#define EACH_PAIR(X)
#endif
EACH_SINGLE(DEFINE_SINGLE)
EACH_PAIR(DEFINE_PAIR)
#define ROWS(n) rows_##n,
#define COLUMNS(n) columns_##n,
#define ROW_PAIRS(n) row_pairs_##n,
#define COLUMN_PAIRS(n) column_pairs_##n,
static tile_fn *const rows[] = {NULL, EACH_SINGLE(ROWS)};
static tile_fn *const columns[] = {NULL, EACH_SINGLE(COLUMNS)};
static tile_fn *const row_pairs[] = {NULL, EACH_PAIR(ROW_PAIRS)};
static tile_fn *const column_pairs[] = {NULL, EACH_PAIR(COLUMN_PAIRS)};
/* clang-format on */

/* Run a tile of which only `lanes` channels exist: through a full one on the stack. */
static void
tile_at_edge(tile_fn *run, const struct tile *tile, const float *a, const float *b,
             const float *bias, float *y, int pixels, int lanes)
{
    float whole[14][INK_PANEL];
    struct tile edge = *tile;

    if (tile->is_added)
        for (int p = 0; p < pixels; p++)
            for (int lane = 0; lane < INK_PANEL; lane++)
                whole[p][lane] = lane < lanes ? y[p * tile->y_pixel + lane] : 0;
    edge.y_pixel = INK_PANEL;
    run(&edge, a, b, bias, whole[0]);
    for (int p = 0; p < pixels; p++)
        for (int lane = 0; lane < lanes; lane++)
            y[p * tile->y_pixel + lane] = whole[p][lane];
}

ALWAYS_INLINE int
least(int a, int b)
{
    return a < b ? a : b;
}

/* `total` in parts of at most `most`, as even as can be: the next part's size. */
ALWAYS_INLINE int
part_of(int total, int most)
{
    int parts = (total + most - 1) / most;

    return (total + parts - 1) / parts;
}

/* Whether the next two panels are whole and there is a tile for both. */
ALWAYS_INLINE bool
is_pair(const struct ink_conv *conv, int channel)
{
    return PAIR_PIXELS > 0 && channel + 2 * INK_PANEL <= conv->out_channels;
}

/* All pixels of the output channels of one panel, or of two. */
static void
conv_panel(const struct ink_conv *conv, const struct tile *tile, const float *x, const float *w,
           const float *bias, float *y, int lanes)
{
    ptrdiff_t row = (ptrdiff_t)conv->in_width * conv->in_channels * conv->stride;
    bool pair = lanes > INK_PANEL;
    tile_fn *const *run = pair ? row_pairs : rows;

    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0, n; j < conv->out_width; j += n) {
            const float *a = x + i * row + j * tile->a_pixel;
            float *to = y + ((ptrdiff_t)i * conv->out_width + j) * conv->out_channels;

            n = part_of(conv->out_width - j, pair ? PAIR_PIXELS : PIXELS);
            if (lanes >= INK_PANEL)
                run[n](tile, a, w, bias, to);
            else
                tile_at_edge(run[n], tile, a, w, bias, to, n, lanes);
        }
}

/* All outputs, summed over the tile's steps. */
static void
conv_slice(const struct ink_conv *conv, const struct tile *tile, const float *x, const float *w,
           const float *bias, float *y)
{
    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        lanes =
            is_pair(conv, channel) ? 2 * INK_PANEL : least(INK_PANEL, conv->out_channels - channel);
        conv_panel(conv, tile, x, w + channel / INK_PANEL * tile->b_panel,
                   bias ? bias + channel : NULL, y + channel, lanes);
    }
}

/* Steps of the inner loop after which a and b still are in the first-level cache. */
enum { STEPS_MAX = 512 };

static void
conv_any(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
         bool is_relu, bool is_added, float *y)
{
    size_t count = (size_t)conv->kernel_width * (size_t)conv->in_channels;
    struct tile tile = {
        .segments = (size_t)conv->kernel_height,
        .count = count,
        .a_pixel = (ptrdiff_t)conv->stride * conv->in_channels,
        .a_segment = (ptrdiff_t)conv->in_width * conv->in_channels,
        .b_segment = (ptrdiff_t)count * INK_PANEL,
        .b_panel = (ptrdiff_t)count * INK_PANEL * conv->kernel_height,
        .y_pixel = conv->out_channels,
        .y_panel = INK_PANEL,
        .is_added = is_added,
        .is_relu = is_relu,
    };

    if (conv->kernel_height > 1 || count <= STEPS_MAX) {
        conv_slice(conv, &tile, x, w, bias, y);
        return;
    }
    for (size_t from = 0; from < count; from += STEPS_MAX) {
        tile.count = count - from < STEPS_MAX ? count - from : STEPS_MAX;
        tile.is_added = is_added || from > 0;
        tile.is_relu = is_relu && from + tile.count == count;
        conv_slice(conv, &tile, x + from, w + from * INK_PANEL, bias, y);
    }
}

static void
conv_forward(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
             bool is_relu, float *y)
{
    conv_any(conv, x, w, bias, is_relu, false, y);
}

static void
conv_add(const struct ink_conv *conv, const float *x, const float *w, float *y)
{
    conv_any(conv, x, w, NULL, false, true, y);
}

/* The gradient of the weights that n neighbouring inputs have to the channels of one or two
 * panels. */
static void
weights_of_steps(const struct tile *tile, int n, const float *x, const float *dy, float *dw,
                 int lanes)
{
    if (lanes > INK_PANEL) {
        column_pairs[n](tile, x, dy, NULL, dw);
    } else if (lanes == INK_PANEL) {
        columns[n](tile, x, dy, NULL, dw);
    } else {
        if (!tile->is_added)
            memset(dw, 0, (size_t)n * INK_PANEL * sizeof(*dw));
        tile_at_edge(columns[n], tile, x, dy, NULL, dw, n, lanes);
    }
}

static void
conv_weights(const struct ink_conv *conv, const float *x, const float *dy, bool is_added, float *dw)
{
    int count = conv->kernel_width * conv->in_channels;
    ptrdiff_t row = (ptrdiff_t)conv->in_width * conv->in_channels;
    struct tile tile = {
        .segments = (size_t)conv->out_height,
        .count = (size_t)conv->out_width,
        .a_pixel = 1,
        .a_step = (ptrdiff_t)conv->stride * conv->in_channels,
        .a_segment = row * conv->stride,
        .b_step = conv->out_channels,
        .b_segment = (ptrdiff_t)conv->out_width * conv->out_channels,
        .b_panel = INK_PANEL,
        .y_pixel = INK_PANEL,
        .y_panel = (ptrdiff_t)count * INK_PANEL * conv->kernel_height,
        .is_added = is_added,
    };

    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        bool pair = is_pair(conv, channel);
        float *to = dw + channel / INK_PANEL * tile.y_panel;

        lanes = pair ? 2 * INK_PANEL : least(INK_PANEL, conv->out_channels - channel);
        for (int i = 0; i < conv->kernel_height; i++)
            for (int j = 0, n; j < count; j += n, to += n * INK_PANEL) {
                n = part_of(count - j, pair ? PAIR_PIXELS : PIXELS);
                weights_of_steps(&tile, n, x + i * row + j, dy + channel, to, lanes);
            }
    }
}

/* ---- the rest: loops that the compiler vectorises ---- */

static void
sum_pixels(size_t pixels, size_t channels, const float *restrict x, float *restrict out)
{
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec sum = load(out + c);

        for (size_t i = 0; i < pixels; i++)
            sum += load(x + i * channels + c);
        store(out + c, sum);
    }
    for (; c < channels; c++)
        for (size_t i = 0; i < pixels; i++)
            out[c] += x[i * channels + c];
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
    *(bytes_in_memory *)place = __builtin_convertvector(winner, bytes);
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
                mask winner = __builtin_convertvector(*(const bytes_in_memory *)(place + c), mask);
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

/* Sums over pixels keep a vector of channels in a register and walk down the picture. */
static void
moments(size_t pixels, size_t channels, const float *x, float *mean, float *squares)
{
    float share = 1 / (float)pixels;
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec sum = {0}, square = {0};

        for (size_t i = 0; i < pixels; i++)
            sum += load(x + i * channels + c);
        sum *= share;
        for (size_t i = 0; i < pixels; i++) {
            vec distance = load(x + i * channels + c) - sum;

            square += distance * distance;
        }
        store(mean + c, sum);
        store(squares + c, square);
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
    size_t channels = norm->channels;
    const float *restrict scale = norm->scale, *restrict shift = norm->shift;
    float floor = norm->is_relu ? 0 : -HUGE_VALF;

    for (size_t i = 0; i < pixels; i++)
#pragma GCC ivdep
        for (size_t c = 0; c < channels; c++) {
            float value = x[i * channels + c] * scale[c] + shift[c];

            y[i * channels + c] = value < floor ? floor : value;
        }
}

/* The gradient that passes the relu, if there is one. */
ALWAYS_INLINE vec
passing(bool is_relu, vec dy, vec line)
{
    return is_relu ? (vec)((mask)dy & (line > 0)) : dy;
}

static void
norm_sums(const struct ink_norm *norm, size_t pixels, const float *x, const float *dy, float *sums)
{
    size_t channels = norm->channels, c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec mean = load(norm->mean + c), scale = load(norm->scale + c);
        vec shift = load(norm->shift + c), sum_dy = {0}, sum_dyx = {0};

        for (size_t i = 0; i < pixels; i++) {
            vec value = load(x + i * channels + c), gradient = load(dy + i * channels + c);

            gradient = passing(norm->is_relu, gradient, value * scale + shift);
            sum_dy += gradient;
            sum_dyx += gradient * (value - mean);
        }
        store(sums + c, load(sums + c) + sum_dy);
        store(sums + channels + c, load(sums + channels + c) + sum_dyx * load(norm->inverse + c));
    }
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
    size_t channels = norm->channels;
    const float *restrict a = abc, *restrict b = abc + channels, *restrict d = abc + 2 * channels;
    const float *restrict scale = norm->scale, *restrict shift = norm->shift;
    bool is_all = !norm->is_relu;

    for (size_t i = 0; i < pixels; i++)
#pragma GCC ivdep
        for (size_t c = 0; c < channels; c++) {
            float value = x[i * channels + c], gradient = dy[i * channels + c];

            gradient = is_all || value * scale[c] + shift[c] > 0 ? gradient : 0;
            dx[i * channels + c] = gradient * a[c] + value * b[c] + d[c];
        }
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
        weights[i] -= s.rate * velocity[i];
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
average(size_t count, float decay, const float *restrict weights, float *restrict mean)
{
    for (size_t i = 0; i < count; i++)
        mean[i] += (1 - decay) * (weights[i] - mean[i]);
}

extern const struct ink_kernels PASTE(ink_kernels_, INK_SIMD);
const struct ink_kernels PASTE(ink_kernels_, INK_SIMD) = {
    .name = TEXT(INK_SIMD),
    .conv = conv_forward,
    .conv_add = conv_add,
    .conv_weights = conv_weights,
    .sum_pixels = sum_pixels,
    .activate = activate,
    .activate_backward = activate_backward,
    .add = add,
    .maxpool = maxpool,
    .maxpool_backward = maxpool_backward,
    .avgpool = avgpool,
    .avgpool_backward = avgpool_backward,
    .moments = moments,
    .norm = norm_line,
    .norm_sums = norm_sums,
    .norm_backward = norm_backward,
    .drop = drop,
    .sgd = sgd,
    .adam = adam,
    .average = average,
};
