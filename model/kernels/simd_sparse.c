/* SPDX-License-Identifier: MIT */
/*
 * simd_sparse: backward through a convolution whose outputs were pooled.
 *
 * A window of 2x2 outputs has one gradient and not four, and where a relu or
 * dropout cut it, none. Both gradients are sums over those that are left,
 *     weights: own[out][..]     += g * x[the input that the winner saw][..]
 *     input:   dx[the same][..] += g * w[out][..]
 * which is a tenth of the multiplications in a network with dropout.
 */
#include "model/kernels/simd.h"

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

/* Output channels that are looked at together: in a bit each, and their weights to 16 inputs fit
 * the cache. */
enum { CHUNK = 64 };

/* ---- the weights ---- */

/* Windows that are looked at together: for each output channel the sums are loaded and stored once,
 * and where its windows end is a surprise, so rather all of a picture. The room for them is an odd
 * number of cache lines, so that channels do not meet in the same places of the cache. */
enum { WINDOWS = 160, ROOM = WINDOWS + 16 };

/* For output channels, the gradients of such windows and where in x these start. All channels' are
 * collected before the first is used: what was just written in overlapping vectors reads slowly. */
struct hits {
    float gradient[CHUNK][ROOM];
    int32_t at[CHUNK][ROOM];
    int count[CHUNK];
};

#if defined(__AVX512F__)
/* Rows of 16 numbers to columns. */
ALWAYS_INLINE void
turn_square(__m512 row[static 16])
{
    __m512 half[16];

#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        half[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        half[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(half[i + j]), b = _mm512_castps_pd(half[i + j + 2]);

            row[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            row[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        half[i] = _mm512_shuffle_f32x4(row[i], row[i + 4], 0x88);
        half[i + 4] = _mm512_shuffle_f32x4(row[i], row[i + 4], 0xdd);
        half[i + 8] = _mm512_shuffle_f32x4(row[i + 8], row[i + 12], 0x88);
        half[i + 12] = _mm512_shuffle_f32x4(row[i + 8], row[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        row[i] = _mm512_shuffle_f32x4(half[i], half[i + 8], 0x88);
        row[i + 4] = _mm512_shuffle_f32x4(half[i + 4], half[i + 12], 0x88);
        row[i + 8] = _mm512_shuffle_f32x4(half[i], half[i + 8], 0xdd);
        row[i + 12] = _mm512_shuffle_f32x4(half[i + 4], half[i + 12], 0xdd);
    }
}

/* 16 windows of 16 channels: a line a channel, of which the live ones are pressed together. Which
 * of four won goes through the turn as two bits a window, in one number a channel. */
static void
collect_square(const float *dy, const uint8_t *place, const int32_t *at, __m512i step,
               const int size[static 4], struct hits *out)
{
    const __m512i twos = _mm512_slli_epi32(
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 1);
    int windows = size[0], channels = size[1], first = size[2], lanes = size[3];
    __mmask16 real = (__mmask16)((1U << lanes) - 1);
    __m512i winners = _mm512_setzero_si512(), start = _mm512_loadu_si512(at);
    __m512 row[16];
    int winner_of[16];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        __mmask16 loaded = i < windows ? real : 0;
        __m512i winner =
            _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(loaded, place + (ptrdiff_t)i * channels));
        __mmask16 live =
            _mm512_mask_cmplt_epu32_mask(loaded, winner, _mm512_set1_epi32(INK_POOLED_DEAD));

        row[i] = _mm512_maskz_loadu_ps(live, dy + (ptrdiff_t)i * channels);
        winners =
            _mm512_or_si512(winners, _mm512_maskz_slli_epi32(live, winner, (unsigned)(2 * i)));
    }
    turn_square(row);
    _mm512_storeu_si512(winner_of, winners);
#pragma GCC unroll 16
    for (int lane = 0; lane < 16; lane++) {
        __mmask16 live = _mm512_cmp_ps_mask(row[lane], _mm512_setzero_ps(), _CMP_NEQ_UQ);
        __m512i winner = _mm512_srlv_epi32(_mm512_set1_epi32(winner_of[lane]), twos);
        __m512i from = _mm512_add_epi32(
            start, _mm512_permutexvar_epi32(_mm512_and_si512(winner, _mm512_set1_epi32(3)), step));
        int n = out->count[first + lane];

        _mm512_storeu_ps(out->gradient[first + lane] + n,
                         _mm512_maskz_compress_ps(live, row[lane]));
        _mm512_storeu_si512(out->at[first + lane] + n, _mm512_maskz_compress_epi32(live, from));
        out->count[first + lane] = n + __builtin_popcount(live);
    }
}

static void
collect(const float *dy, const uint8_t *place, const int32_t *at, const int32_t step[static 4],
        const int size[static 3], struct hits *out)
{
    const __m512i steps = _mm512_maskz_loadu_epi32(0xf, step);
    ptrdiff_t channels = size[1];

    memset(out->count, 0, sizeof(out->count));
    for (int c = 0; c < size[2]; c += INK_PANEL)
        for (int i = 0; i < size[0]; i += 16)
            collect_square(
                dy + i * channels + c, place + i * channels + c, at + i, steps,
                (const int[4]){least(16, size[0] - i), size[1], c, least(INK_PANEL, size[2] - c)},
                out);
}
#else
static void
collect(const float *dy, const uint8_t *place, const int32_t *at, const int32_t step[static 4],
        const int size[static 3], struct hits *out)
{
    int windows = size[0], channels = size[1], lanes = size[2];

    for (int lane = 0; lane < lanes; lane++) {
        int n = 0;

        for (int i = 0; i < windows; i++) {
            float gradient = dy[(ptrdiff_t)i * channels + lane];
            uint8_t winner = place[(ptrdiff_t)i * channels + lane];

            out->gradient[lane][n] = gradient;
            out->at[lane][n] = at[i] + step[winner & 3];
            n += gradient != 0 && winner != INK_POOLED_DEAD;
        }
        out->count[lane] = n;
    }
}
#endif

/* own[rows][..n vectors..] += gradient * x[rows][..] of one output channel's hits. */
ALWAYS_INLINE void
lines_body(const int rows, const int n, const struct hits *hits, int lane, const float *x,
           const ptrdiff_t row[static 2], float *own)
{
    vec acc[3][6];

#pragma GCC unroll 3
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
        for (int v = 0; v < n; v++)
            acc[r][v] = load(own + r * row[1] + v * LANES);
    for (int i = 0; i < hits->count[lane]; i++) {
        const float *from = x + hits->at[lane][i];
        const vec gradient = hits->gradient[lane][i] - (vec){0};

#pragma GCC unroll 3
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
            for (int v = 0; v < n; v++)
                acc[r][v] += gradient * load(from + r * row[0] + v * LANES);
    }
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
        for (int v = 0; v < n; v++)
            store(own + r * row[1] + v * LANES, acc[r][v]);
}

typedef void lines_fn(const struct hits *hits, int lane, const float *x,
                      const ptrdiff_t row[static 2], float *own);

#define DEFINE_LINES(rows, n)                                                         \
    static void lines_##rows##_##n(const struct hits *hits, int lane, const float *x, \
                                   const ptrdiff_t row[static 2], float *own)         \
    {                                                                                 \
        lines_body(rows, n, hits, lane, x, row, own);                                 \
    }
#define LINES(rows, n) lines_##rows##_##n,
/* clang-format off */
#if defined(__AVX512F__)
enum { LINE_VECTORS = 6 };
#define EACH_LINES(X, rows) X(rows, 1) X(rows, 2) X(rows, 3) X(rows, 4) X(rows, 5) X(rows, 6)
#else
enum { LINE_VECTORS = 4 };
#define EACH_LINES(X, rows) X(rows, 1) X(rows, 2) X(rows, 3) X(rows, 4)
#endif
EACH_LINES(DEFINE_LINES, 1)
EACH_LINES(DEFINE_LINES, 3)
static lines_fn *const lines_of_1[] = {NULL, EACH_LINES(LINES, 1)};
static lines_fn *const lines_of_3[] = {NULL, EACH_LINES(LINES, 3)};
/* clang-format on */

static void
add_lines(const struct ink_conv *conv, const struct hits *hits, int lanes, const float *x,
          float *own)
{
    int width = conv->kernel_width * conv->in_channels;
    int vectors = (width + INK_PANEL - 1) / INK_PANEL * VECTORS;
    int rows = conv->kernel_height == 3 ? 3 : 1;
    lines_fn *const *run = rows == 3 ? lines_of_3 : lines_of_1;
    const ptrdiff_t row[2] = {(ptrdiff_t)conv->in_width * conv->in_channels,
                              (ptrdiff_t)vectors * LANES};

    for (int lane = 0; lane < lanes; lane++) {
        float *to = own + (ptrdiff_t)lane * conv->kernel_height * row[1];

        if (hits->count[lane] == 0)
            continue;
        for (int i = 0; i < conv->kernel_height; i += rows)
            for (int v = 0, n; v < vectors; v += n) {
                n = part_of(vectors - v, LINE_VECTORS);
                run[n](hits, lane, x + i * row[0] + v * LANES, row, to + i * row[1] + v * LANES);
            }
    }
}

/* Where the windows `first`.. of a picture start in x. */
static void
find_windows(const struct ink_conv *conv, int first, int count, int32_t *out_at)
{
    int width = conv->out_width / 2, row = first / width, column = first % width;

    for (int i = 0; i < count; i++) {
        out_at[i] = 2 * (row * conv->in_width + column) * conv->in_channels;
        if (++column == width) {
            column = 0;
            row++;
        }
    }
}

/* How many windows to take, at most: whole rows, if one fits. */
static int
band_of(const struct ink_conv *conv, int most)
{
    int width = conv->out_width / 2;

    return width > most ? most : most / width * width;
}

/* out[channels] += the sum of the dy[windows][channels] that are not dead. */
static void
pooled_bias(size_t windows, size_t channels, const float *dy, const uint8_t *place, float *out)
{
    size_t c = 0;

    for (; c + LANES <= channels; c += LANES) {
        vec sum = load(out + c);

        for (size_t i = 0; i < windows; i++) {
#if defined(__AVX512F__)
            __m128i winner = _mm_loadu_si128((const __m128i_u *)(place + i * channels + c));

            sum = _mm512_mask_add_ps(sum,
                                     _mm_cmpneq_epi8_mask(winner, _mm_set1_epi8(INK_POOLED_DEAD)),
                                     sum, load(dy + i * channels + c));
#else
            mask winner = load_bytes(place + i * channels + c);

            sum += (vec)((mask)load(dy + i * channels + c) & (winner != INK_POOLED_DEAD));
#endif
        }
        store(out + c, sum);
    }
    for (; c < channels; c++)
        for (size_t i = 0; i < windows; i++)
            out[c] += place[i * channels + c] == INK_POOLED_DEAD ? 0 : dy[i * channels + c];
}

void
INK_SIMD_NAME(pooled_weights)(const struct ink_conv *conv, const float *x, const float *dy,
                              const uint8_t *place, float *own, float *bias)
{
    int windows = (conv->out_height / 2) * (conv->out_width / 2), band = band_of(conv, WINDOWS);
    int channels = conv->out_channels, row = conv->in_width * conv->in_channels;
    const int32_t step[4] = {0, conv->in_channels, row, row + conv->in_channels};
    ptrdiff_t each = (ptrdiff_t)(ink_pooled_size(conv) / (((size_t)channels + 15) / 16 * 16));
    struct hits hits;
    int32_t at[ROOM];

    if (INK_SIMD_NAME(first_pooled_weights)(conv, x, dy, place, own, bias))
        return;
    if (bias)
        pooled_bias((size_t)windows, (size_t)channels, dy, place, bias);
    for (int first = 0; first < windows; first += band) {
        int count = least(band, windows - first);
        ptrdiff_t from = (ptrdiff_t)first * channels;

        find_windows(conv, first, count, at);
        for (int c = 0; c < channels; c += CHUNK) {
            int lanes = least(CHUNK, channels - c);

            collect(dy + from + c, place + from + c, at, step,
                    (const int[3]){count, channels, lanes}, &hits);
            add_lines(conv, &hits, lanes, x, own + c * each);
        }
    }
}

void
INK_SIMD_NAME(pooled_gather)(const struct ink_conv *conv, const float *own, float *dw)
{
    int width = conv->kernel_width * conv->in_channels, rows = conv->kernel_height;
    int line = (width + INK_PANEL - 1) / INK_PANEL * INK_PANEL;

    int panels = (conv->out_channels + INK_PANEL - 1) / INK_PANEL;
    if (INK_SIMD_NAME(is_first)(conv)) {
        memcpy(dw, own, (size_t)(rows * width * conv->out_channels) * sizeof(*dw));
        return;
    }
    for (int p = 0; p < panels; p++, own += (ptrdiff_t)INK_PANEL * rows * line)
        for (int i = 0; i < rows; i++)
            for (int k = 0; k < width; k++, dw += INK_PANEL)
                for (int lane = 0; lane < INK_PANEL; lane++)
                    dw[lane] = own[((ptrdiff_t)lane * rows + i) * line + k];
}

/* ---- the input ---- */

/* Windows that are looked at together: their gradients stay in the first-level cache meanwhile. */
enum { BAND = 64, TAPS = 9 };

/* A window's live channels, by which of the four won; bit c for channel c. */
#if defined(__AVX512F__)
static void
mark(const float *dy, const uint8_t *place, int lanes, uint64_t out[static 4])
{
    __mmask64 real = lanes < 64 ? ((__mmask64)1 << lanes) - 1 : ~(__mmask64)0;
    __m512i winners = _mm512_maskz_loadu_epi8(real, place);
    uint64_t live = 0;

#pragma GCC unroll 4
    for (int i = 0; i < 64; i += 16) {
        __m512 gradient = _mm512_maskz_loadu_ps((__mmask16)(real >> i), dy + i);

        live |= (uint64_t)_mm512_cmp_ps_mask(gradient, _mm512_setzero_ps(), _CMP_NEQ_UQ) << i;
    }
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++)
        out[n] = _mm512_mask_cmpeq_epi8_mask(live, winners, _mm512_set1_epi8((char)n));
}
#else
static void
mark(const float *dy, const uint8_t *place, int lanes, uint64_t out[static 4])
{
    uint64_t live[5] = {0};

    for (int c = 0; c < lanes; c++)
        live[place[c]] |= (uint64_t)(dy[c] != 0) << c;
    memcpy(out, live, 4 * sizeof(*out));
}
#endif

/* dx[at[t]] += gradient * w[t] for n taps t, summed over the live channels. */
ALWAYS_INLINE void
taps_body(const int n, uint64_t live, const float *dy, const float *w, ptrdiff_t next,
          const int32_t *at, float *dx)
{
    vec acc[TAPS];

#pragma GCC unroll 9
    for (int t = 0; t < n; t++)
        acc[t] = load(dx + at[t]);
    for (; live; live &= live - 1) {
        int c = __builtin_ctzll(live);
        const vec gradient = dy[c] - (vec){0};
        const float *from = w + c * next;

#pragma GCC unroll 9
        for (int t = 0; t < n; t++)
            acc[t] += gradient * load(from + (ptrdiff_t)t * INK_PANEL);
    }
#pragma GCC unroll 9
    for (int t = 0; t < n; t++)
        store(dx + at[t], acc[t]);
}

typedef void taps_fn(uint64_t live, const float *dy, const float *w, ptrdiff_t next,
                     const int32_t *at, float *dx);

#define DEFINE_TAPS(n)                                                                   \
    static void taps_##n(uint64_t live, const float *dy, const float *w, ptrdiff_t next, \
                         const int32_t *at, float *dx)                                   \
    {                                                                                    \
        taps_body(n, live, dy, w, next, at, dx);                                         \
    }
#define NAME_TAPS(n) taps_##n,
#define EACH_TAPS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
/* clang-format off */
EACH_TAPS(DEFINE_TAPS)
static taps_fn *const taps[] = {NULL, EACH_TAPS(NAME_TAPS)};
/* clang-format on */

#if defined(__AVX512F__)
/* A window of a 3x3 convolution: all it touches, 4x4 pixels, fits into registers. */
static void
scatter_3x3(const struct ink_conv *conv, const uint64_t live[static 4], const float *dy,
            const float *w, float *dx)
{
    const ptrdiff_t pixel = conv->in_channels, row = pixel * conv->in_width;
    vec acc[4][4];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            acc[i][j] = load(dx + i * row + j * pixel);
#pragma GCC unroll 4
    for (int n = 0; n < 4; n++)
        for (uint64_t left = live[n]; left; left &= left - 1) {
            int c = __builtin_ctzll(left);
            const vec gradient = dy[c] - (vec){0};
            const float *from = w + (ptrdiff_t)c * 9 * INK_PANEL;

#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
                acc[n / 2 + t / 3][n % 2 + t % 3] += gradient * load(from + t * INK_PANEL);
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            store(dx + i * row + j * pixel, acc[i][j]);
}
#endif

/* How far the taps of a part are from each other: of a 3x3 window all, or some of one row. */
static void
find_taps(const struct ink_conv *conv, int32_t out_at[static TAPS])
{
    int width = conv->kernel_height == 3 && conv->kernel_width == 3 ? 3 : TAPS;

    for (int t = 0; t < TAPS; t++)
        out_at[t] = (t / width * conv->in_width + t % width) * conv->in_channels;
}

/* One window: what its live channels give to 16 of the input's. */
static void
scatter_window(const struct ink_conv *conv, const uint64_t live[static 4], const float *dy,
               const float *w, const int32_t at[static TAPS], float *dx)
{
    int window = conv->kernel_height * conv->kernel_width;
    int row = conv->kernel_height == 3 && conv->kernel_width == 3 ? TAPS : conv->kernel_width;
    ptrdiff_t next = (ptrdiff_t)window * INK_PANEL;

#if defined(__AVX512F__)
    if (row == TAPS && window == TAPS && conv->in_channels % INK_PANEL == 0) {
        scatter_3x3(conv, live, dy, w, dx);
        return;
    }
#endif
    for (int n = 0; n < 4; n++) {
        float *to = dx + (n / 2 * conv->in_width + n % 2) * conv->in_channels;

        for (int first = 0; first < window && live[n] != 0; first += row) {
            float *line = to + (ptrdiff_t)(first / row) * conv->in_width * conv->in_channels;

            for (int t = 0, part; t < row; t += part) {
                part = part_of(row - t, TAPS);
                for (int v = 0; v < VECTORS; v++)
                    taps[part](live[n], dy, w + (ptrdiff_t)(first + t) * INK_PANEL + v * LANES,
                               next, at, line + (ptrdiff_t)t * conv->in_channels + v * LANES);
            }
        }
    }
}

/* A band of windows, at most 64 output channels from `channel` on. */
static void
band_input(const struct ink_conv *conv, const float *dy, const uint8_t *place, const int32_t *at,
           const int size[static 3], const float *w, float *dx)
{
    int count = size[0], channel = size[1], lanes = size[2];
    ptrdiff_t channels = conv->out_channels;
    ptrdiff_t out = (ptrdiff_t)conv->kernel_height * conv->kernel_width * INK_PANEL;
    uint64_t live[BAND][4];
    int32_t step[TAPS];

    find_taps(conv, step);
    for (int i = 0; i < count; i++)
        mark(dy + i * channels + channel, place + i * channels + channel, lanes, live[i]);
    for (int in = 0; in < conv->in_channels; in += INK_PANEL, w += channels * out)
        for (int i = 0; i < count; i++)
            scatter_window(conv, live[i], dy + i * channels + channel, w + channel * out, step,
                           dx + at[i] + in);
}

void
INK_SIMD_NAME(pooled_input)(const struct ink_conv *conv, const float *dy, const uint8_t *place,
                            const float *w, float *dx)
{
    int windows = (conv->out_height / 2) * (conv->out_width / 2), band = band_of(conv, BAND);
    int32_t at[BAND];

    for (int first = 0; first < windows; first += band) {
        int count = least(band, windows - first);
        ptrdiff_t from = (ptrdiff_t)first * conv->out_channels;

        find_windows(conv, first, count, at);
        for (int c = 0; c < conv->out_channels; c += CHUNK)
            band_input(conv, dy + from, place + from, at,
                       (const int[3]){count, c, least(CHUNK, conv->out_channels - c)}, w, dx);
    }
}
