/* SPDX-License-Identifier: MIT */
/*
 * simd_first: convolutions of a picture that has one channel.
 *
 * Their sums have 9 or 25 products, too few for the loops of simd_conv.c to get
 * going. Here a whole window is unrolled: the weights, or the sums of their
 * gradients, stay in registers for all of a picture.
 */
#include "model/kernels/simd.h"

#include <string.h>

/* Panels at once, pixels side by side; a 5x5 window needs 25 registers. */
#if defined(__AVX512F__)
enum { WIDE = 2, SIDE = 4, SINGLE_SIDE = 8, LARGEST = 5 };
#else
enum { WIDE = 1, SIDE = 2, SINGLE_SIDE = 2, LARGEST = 3 };
#endif
/* How far it is from a vector of weights to the next: to the next panel if a vector fills one. */
#define NEXT_VECTOR(window) (VECTORS == 1 ? (window)*INK_PANEL : LANES)

/* Room for some rows of windows on the way back; pictures are no wider than what leaves some. */
enum { BAND_FLOATS = 4096, WIDEST = 64 };

bool
INK_SIMD_NAME(is_first)(const struct ink_conv *conv)
{
    int size = conv->kernel_width;

    return conv->in_channels == 1 && conv->stride == 1 && conv->kernel_height == size &&
           (size == 3 || size == LARGEST) && conv->out_channels % INK_PANEL == 0 &&
           conv->in_width <= WIDEST;
}

/* Where output channel c's weights are in their panels. */
ALWAYS_INLINE float *
panel_at(const struct ink_conv *conv, float *w, int c)
{
    int window = conv->kernel_height * conv->kernel_width;

    return w + (ptrdiff_t)(c / INK_PANEL) * window * INK_PANEL + c % INK_PANEL;
}

/* ---- forward, 3x3 ---- */

ALWAYS_INLINE void
forward_body(const int vectors, const int side, const struct ink_conv *conv, const float *x,
             const float *w, const float *bias, bool is_relu, float *y)
{
    const ptrdiff_t next = NEXT_VECTOR(9);
    vec weight[9][WIDE], start[WIDE];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = bias ? load(bias + v * LANES) : (vec){0};
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            weight[t][v] = load(w + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0; j < conv->out_width; j += side) {
            /* the last ones again rather than fewer */
            int column = least(j, conv->out_width - side);
            const float *from = x + (ptrdiff_t)i * conv->in_width + column;
            float *to = y + ((ptrdiff_t)i * conv->out_width + column) * conv->out_channels;
            vec acc[SINGLE_SIDE][WIDE];

#pragma GCC unroll 8
            for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    acc[p][v] = start[v];
#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
#pragma GCC unroll 8
                for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[p][v] += from[t / 3 * conv->in_width + t % 3 + p] * weight[t][v];
#pragma GCC unroll 8
            for (int p = 0; p < side; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    store(to + (ptrdiff_t)p * conv->out_channels + v * LANES,
                          is_relu ? clamp(acc[p][v]) : acc[p][v]);
        }
}

static void
forward_wide(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
             bool is_relu, float *y)
{
    forward_body(WIDE, SIDE, conv, x, w, bias, is_relu, y);
}

static void
forward_single(const struct ink_conv *conv, const float *x, const float *w, const float *bias,
               bool is_relu, float *y)
{
    forward_body(1, SINGLE_SIDE, conv, x, w, bias, is_relu, y);
}

bool
INK_SIMD_NAME(first_conv)(const struct ink_conv *conv, const float *x, const float *w,
                          const float *bias, bool is_relu, float *y)
{
    if (!INK_SIMD_NAME(is_first)(conv) || conv->kernel_width != 3 || conv->out_width < SINGLE_SIDE)
        return false;
    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        const float *from = w + (ptrdiff_t)(c / INK_PANEL) * 9 * INK_PANEL + c % INK_PANEL;
        bool is_wide = c + WIDE * LANES <= conv->out_channels;

        lanes = is_wide ? WIDE * LANES : LANES;
        (is_wide ? forward_wide : forward_single)(conv, x, from, bias ? bias + c : NULL, is_relu,
                                                  y + c);
    }
    return true;
}

/* ---- forward with a maxpool, 3x3 ---- */

#if defined(__AVX512F__)
struct pooled {
    const struct ink_conv *conv;
    const struct ink_span *spans; /* NULL: all windows */
    bool is_relu;
};

ALWAYS_INLINE void
pooled_body(const int vectors, const struct pooled *pooled, const float *x, const float *w,
            const float *bias, float *y, uint8_t *place)
{
    const struct ink_conv *conv = pooled->conv;
    const struct ink_span *spans = pooled->spans;
    const int windows = 3 - vectors; /* 8 sums either way */
    const ptrdiff_t next = 9 * INK_PANEL, channels = conv->out_channels;
    const int width = conv->out_width / 2;
    vec weight[9][2], start[2];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        start[v] = bias ? load(bias + v * LANES) : (vec){0};
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            weight[t][v] = load(w + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < conv->out_height / 2; i++)
        for (int j = spans ? spans[i].from : 0; j < (spans ? spans[i].to : width); j += windows) {
            int column = least(j, width - windows);
            const float *from = x + 2 * ((ptrdiff_t)i * conv->in_width + column);
            ptrdiff_t to = ((ptrdiff_t)i * width + column) * channels;
            vec acc[2][4][2];

#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
#pragma GCC unroll 8
                for (int p = 0; p < 4 * windows; p++)
                    acc[p / (2 * windows)][p % (2 * windows)][v] = start[v];
#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
#pragma GCC unroll 8
                for (int p = 0; p < 4 * windows; p++)
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        acc[p / (2 * windows)][p % (2 * windows)][v] +=
                            from[(t / 3 + p / (2 * windows)) * conv->in_width + t % 3 +
                                 p % (2 * windows)] *
                            weight[t][v];
#pragma GCC unroll 2
            for (int p = 0; p < windows; p++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    ptrdiff_t at = to + p * channels + v * LANES;
                    const vec of[4] = {acc[0][2 * p][v], acc[0][2 * p + 1][v], acc[1][2 * p][v],
                                       acc[1][2 * p + 1][v]};

                    store_window(of, pooled->is_relu, y + at, place ? place + at : NULL);
                }
        }
}

static void
pooled_wide(const struct pooled *pooled, const float *x, const float *w, const float *bias,
            float *y, uint8_t *place)
{
    pooled_body(2, pooled, x, w, bias, y, place);
}

static void
pooled_single(const struct pooled *pooled, const float *x, const float *w, const float *bias,
              float *y, uint8_t *place)
{
    pooled_body(1, pooled, x, w, bias, y, place);
}
#endif

bool
INK_SIMD_NAME(first_pooled)(const struct ink_conv *conv, const struct ink_span *spans,
                            const float *x, const float *w, const float *bias, bool is_relu,
                            float *y, uint8_t *place)
{
#if defined(__AVX512F__)
    const struct pooled pooled = {conv, spans, is_relu};

    if (!INK_SIMD_NAME(is_first)(conv) || conv->kernel_width != 3 || conv->out_width < 4)
        return false;
    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        bool is_wide = c + 2 * LANES <= conv->out_channels;

        lanes = is_wide ? 2 * LANES : LANES;
        (is_wide ? pooled_wide : pooled_single)(&pooled, x, w + (ptrdiff_t)c * 9,
                                                bias ? bias + c : NULL, y + c,
                                                place ? place + c : NULL);
    }
    return true;
#else /* too few registers: the general way is as good */
    (void)conv, (void)spans, (void)x, (void)w, (void)bias, (void)is_relu, (void)y, (void)place;
    return false;
#endif
}

/* ---- backward to the weights ---- */

/* Which taps of a window are summed at once, for how many vectors of channels. */
struct taps {
    int size, first, rows, vectors;
};

/* A convolution's numbers on the way back; y and bias of one that has a relu. */
struct back {
    const float *x, *y, *dy;
    float *dw, *bias;
};

/* dw[t] += x[t] * dy of each output; with a relu of those whose y is above zero, and bias += dy. */
ALWAYS_INLINE void
weights_body(const struct taps taps, const bool has_relu, const struct ink_conv *conv,
             struct back at)
{
    const int size = taps.size, vectors = taps.vectors, window = size * taps.rows;
    const ptrdiff_t next = NEXT_VECTOR(size * size), channels = conv->out_channels;
    float *dw = at.dw + (ptrdiff_t)taps.first * size * INK_PANEL;
    vec acc[LARGEST * 3][WIDE], sum[WIDE];

    at.x += (ptrdiff_t)taps.first * conv->in_width;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        sum[v] = has_relu ? load(at.bias + v * LANES) : (vec){0};
#pragma GCC unroll 15
        for (int t = 0; t < window; t++)
            acc[t][v] = load(dw + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < conv->out_height; i++)
        for (int j = 0; j < conv->out_width; j++, at.dy += channels) {
            const float *from = at.x + (ptrdiff_t)i * conv->in_width + j;
            vec gradient[WIDE];

#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                gradient[v] = load(at.dy + v * LANES);
                if (has_relu) {
                    gradient[v] = choose(load(at.y + v * LANES) > 0, gradient[v], (vec){0});
                    sum[v] += gradient[v];
                }
            }
            if (has_relu)
                at.y += channels;
#pragma GCC unroll 15
            for (int t = 0; t < window; t++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    acc[t][v] += from[t / size * conv->in_width + t % size] * gradient[v];
        }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        if (has_relu && taps.first == 0)
            store(at.bias + v * LANES, sum[v]);
#pragma GCC unroll 15
        for (int t = 0; t < window; t++)
            store(dw + t * INK_PANEL + v * next, acc[t][v]);
    }
}

typedef void weights_fn(const struct ink_conv *conv, const struct back *at);

/* 25 sums at once would leave no registers for the rest. */
#define DEFINE_WEIGHTS(name, size, vectors, has_relu)                              \
    static void name(const struct ink_conv *conv, const struct back *at)           \
    {                                                                              \
        weights_body((struct taps){size, 0, 3, vectors}, has_relu, conv, *at);     \
        if (size == 5)                                                             \
            weights_body((struct taps){size, 3, 2, vectors}, has_relu, conv, *at); \
    }
DEFINE_WEIGHTS(wide_3, 3, WIDE, false)
DEFINE_WEIGHTS(single_3, 3, 1, false)
DEFINE_WEIGHTS(relu_wide_3, 3, WIDE, true)
DEFINE_WEIGHTS(relu_single_3, 3, 1, true)
#if defined(__AVX512F__)
DEFINE_WEIGHTS(single_5, 5, 1, false)
DEFINE_WEIGHTS(relu_single_5, 5, 1, true)
#else
#define single_5      single_3
#define relu_single_5 relu_single_3
#endif

static void
add_weights(const struct ink_conv *conv, const struct back *all)
{
    int window = conv->kernel_height * conv->kernel_width;

    for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
        bool is_wide = window == 9 && c + WIDE * LANES <= conv->out_channels;
        weights_fn *run = is_wide ? wide_3 : window == 9 ? single_3 : single_5;
        struct back at = {.x = all->x, .dy = all->dy + c, .dw = panel_at(conv, all->dw, c)};

        if (all->y) {
            run = is_wide ? relu_wide_3 : window == 9 ? relu_single_3 : relu_single_5;
            at.y = all->y + c;
            at.bias = all->bias + c;
        }
        lanes = is_wide ? WIDE * LANES : LANES;
        run(conv, &at);
    }
}

bool
INK_SIMD_NAME(first_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                             bool is_added, float *dw)
{
    int window = conv->kernel_height * conv->kernel_width;

    if (!INK_SIMD_NAME(is_first)(conv))
        return false;
    if (!is_added)
        memset(dw, 0, (size_t)(window * conv->out_channels) * sizeof(*dw));
    add_weights(conv, &(struct back){.x = x, .dy = dy, .dw = dw});
    return true;
}

bool
INK_SIMD_NAME(first_gated_weights)(const struct ink_conv *conv, const float *x, const float *y,
                                   const float *dy, float *dw, float *bias)
{
    if (!INK_SIMD_NAME(is_first)(conv))
        return false;
    add_weights(conv, &(struct back){.x = x, .y = y, .dy = dy, .dw = dw, .bias = bias});
    return true;
}

/* ---- backward to the weights of a convolution that is pooled ---- */

/* Some rows of windows: the pixels under them, each row and the next one in turn, so that the four
 * that a tap can have met in a window lie together. */
struct band {
    int rows, columns;        /* of windows */
    ptrdiff_t channels, line; /* line: floats of two rows in turn */
    float zipped[BAND_FLOATS];
};

/* Windows from row `first` on, as many rows as there is room for. */
static void
zip(const struct ink_conv *conv, const float *x, int first, struct band *out)
{
    int size = conv->kernel_height, width = conv->in_width, rows;
    int line = 2 * ((width + LANES - 1) / LANES * LANES);

    out->line = line;
    out->channels = conv->out_channels;
    out->columns = conv->out_width / 2;
    out->rows = least(conv->out_height / 2 - first, (BAND_FLOATS / line - size + 1) / 2);
    rows = 2 * out->rows + size - 2;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < line / 2; j += LANES) {
            const float *from = x + (2 * first + i) * width + j;
            float *to = out->zipped + i * line + 2 * j;
            vec upper = load(from), lower = load(from + width);

            store(to, __builtin_shufflevector(upper, lower, LOW_HALVES));
            store(to + LANES, __builtin_shufflevector(upper, lower, HIGH_HALVES));
        }
}

/* In each lane the one of four numbers that it asks for by its two lowest bits. */
ALWAYS_INLINE vec
pick(const float *four, mask which)
{
#if defined(__AVX512F__)
    return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(four)), (__m512i)which);
#elif defined(__AVX2__)
    return _mm256_permutevar_ps(_mm256_broadcast_ps((const void *)four), (__m256i)which);
#else
    return (vec){four[which[0] & 3], four[which[1] & 3], four[which[2] & 3], four[which[3] & 3]};
#endif
}

/* dw[t] += dy times what tap t met where the window's winner is, bias += dy. */
ALWAYS_INLINE void
winners_body(const int size, const int vectors, const struct band *band, const float *dy,
             const uint8_t *place, float *dw, float *bias)
{
    const int window = size * size;
    const ptrdiff_t next = NEXT_VECTOR(window);
    vec acc[LARGEST * LARGEST][WIDE], sum[WIDE];

#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        sum[v] = load(bias + v * LANES);
#pragma GCC unroll 25
        for (int t = 0; t < window; t++)
            acc[t][v] = load(dw + t * INK_PANEL + v * next);
    }
    for (int i = 0; i < band->rows; i++)
        for (int j = 0; j < band->columns; j++, dy += band->channels, place += band->channels) {
            const float *from = band->zipped + 2 * i * band->line + 4 * j;
            vec gradient[WIDE];
            mask which[WIDE];

            /* loaded again: what is kept of the last window needs a shuffle, a load does not */
            __asm__("" : "+r"(from));
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                mask winner = load_bytes(place + v * LANES);

                which[v] = winner << 1 | winner >> 1; /* in turn, the third is the second */
                gradient[v] = choose(winner != INK_POOLED_DEAD, load(dy + v * LANES), (vec){0});
                sum[v] += gradient[v];
            }
#pragma GCC unroll 25
            for (int t = 0; t < window; t++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    acc[t][v] +=
                        pick(from + t / size * band->line + 2 * (t % size), which[v]) * gradient[v];
        }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        store(bias + v * LANES, sum[v]);
#pragma GCC unroll 25
        for (int t = 0; t < window; t++)
            store(dw + t * INK_PANEL + v * next, acc[t][v]);
    }
}

typedef void winners_fn(const struct band *band, const float *dy, const uint8_t *place, float *dw,
                        float *bias);

#define DEFINE_WINNERS(name, size, vectors)                                                     \
    static void name(const struct band *band, const float *dy, const uint8_t *place, float *dw, \
                     float *bias)                                                               \
    {                                                                                           \
        winners_body(size, vectors, band, dy, place, dw, bias);                                 \
    }
DEFINE_WINNERS(winners_wide_3, 3, WIDE)
DEFINE_WINNERS(winners_single_3, 3, 1)
#if defined(__AVX512F__)
DEFINE_WINNERS(winners_single_5, 5, 1)
#else
#define winners_single_5 winners_single_3
#endif

bool
INK_SIMD_NAME(first_pooled_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                                    const uint8_t *place, float *dw, float *bias)
{
    bool is_3 = conv->kernel_width == 3;
    float unused[WIDE * LANES] = {0};
    struct band band;

    if (!INK_SIMD_NAME(is_first)(conv))
        return false;
    for (int i = 0; i < conv->out_height / 2; i += band.rows) {
        ptrdiff_t from = (ptrdiff_t)i * (conv->out_width / 2) * conv->out_channels;

        zip(conv, x, i, &band);
        for (int c = 0, lanes; c < conv->out_channels; c += lanes) {
            bool is_wide = is_3 && c + WIDE * LANES <= conv->out_channels;
            winners_fn *run = is_wide ? winners_wide_3 : is_3 ? winners_single_3 : winners_single_5;

            lanes = is_wide ? WIDE * LANES : LANES;
            run(&band, dy + from + c, place + from + c, panel_at(conv, dw, c),
                bias ? bias + c : unused);
        }
    }
    return true;
}
