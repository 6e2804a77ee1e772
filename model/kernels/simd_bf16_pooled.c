/* SPDX-License-Identifier: MIT */
/* simd_bf16_pooled: simd_pooled.c's convolution with the largest of each 2x2 outputs, in bf16. */
#include "model/kernels/simd_bf16.h"

/* Windows side by side that a tile computes, of two panels or of one. */
enum { PAIR_WINDOWS = 2, SINGLE_WINDOWS = 4, COLUMNS_MAX = 2 * SINGLE_WINDOWS };

enum { GROUND_MAX = 64 }; /* pixels, of a side */

/*
 * Which pixels are not like the one at 1, 1: most of a digit's picture is ground, also behind a
 * convolution. Windows that see nothing else are all the same, and are computed once.
 */
struct ground {
    uint64_t other[GROUND_MAX]; /* a bit a pixel, a number a row */
};

/* All strides in numbers of 16 bits, y's in floats. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_row;
    ptrdiff_t b_segment, b_panel;
    ptrdiff_t y_window;
    bool is_relu;
    const struct ground *ground; /* NULL: not worth looking */
};

ALWAYS_INLINE void
tile_body(const int windows, const int panels, const struct tile *tile, const uint16_t *a,
          const uint16_t *b, const float *bias, float *y, uint8_t *place)
{
    __m512 acc[2][COLUMNS_MAX][2];
    const int columns = 2 * windows;
    const ptrdiff_t pa = tile->a_pixel;

#pragma GCC unroll 2
    for (int r = 0; r < 2; r++)
#pragma GCC unroll 8
        for (int c = 0; c < columns; c++)
#pragma GCC unroll 2
            for (int v = 0; v < panels; v++)
                acc[r][c][v] = bias ? _mm512_loadu_ps(bias + v * INK_PANEL) : _mm512_setzero_ps();
    for (size_t s = 0; s < tile->segments; s++) {
        /* A base every three pixels, as in simd_bf16.c. */
        const uint16_t *at[2][3], *bs = b + (ptrdiff_t)s * tile->b_segment;

#pragma GCC unroll 2
        for (int r = 0; r < 2; r++)
#pragma GCC unroll 3
            for (int q = 0; q < 3; q++) {
                at[r][q] = q == 0            ? a + ((ptrdiff_t)s + r) * tile->a_row
                           : 3 * q < columns ? at[r][q - 1] + 3 * pa
                                             : at[r][0];
                __asm__("" : "+r"(at[r][q]));
            }
        for (size_t k = 0; k < tile->count; k++) {
            __m512i weight[2];

#pragma GCC unroll 2
            for (int v = 0; v < panels; v++)
                weight[v] = load_pairs(bs + v * tile->b_panel);
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
#pragma GCC unroll 8
                for (int c = 0; c < columns; c++)
#pragma GCC unroll 2
                    for (int v = 0; v < panels; v++)
                        acc[r][c][v] = dot(acc[r][c][v], at[r][c / 3] + (c % 3) * pa, weight[v]);
            bs += 2 * INK_PANEL;
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++)
#pragma GCC unroll 3
                for (int q = 0; q < 3; q++)
                    at[r][q] += 2;
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < windows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++) {
            const vec of[4] = {acc[0][2 * i][v], acc[0][2 * i + 1][v], acc[1][2 * i][v],
                               acc[1][2 * i + 1][v]};

            store_window(of, tile->is_relu, y + i * tile->y_window + v * INK_PANEL,
                         place ? place + i * tile->y_window + v * INK_PANEL : NULL);
        }
}

typedef void tile_fn(const struct tile *tile, const uint16_t *a, const uint16_t *b,
                     const float *bias, float *y, uint8_t *place);

#define DEFINE_TILE(name, windows, panels)                                          \
    static void name(const struct tile *tile, const uint16_t *a, const uint16_t *b, \
                     const float *bias, float *y, uint8_t *place)                   \
    {                                                                               \
        tile_body(windows, panels, tile, a, b, bias, y, place);                     \
    }
DEFINE_TILE(pair_1, 1, 2)
DEFINE_TILE(pair_2, 2, 2)
DEFINE_TILE(single_1, 1, 1)
DEFINE_TILE(single_2, 2, 1)
DEFINE_TILE(single_3, 3, 1)
DEFINE_TILE(single_4, 4, 1)
static tile_fn *const pairs[] = {NULL, pair_1, pair_2};
static tile_fn *const singles[] = {NULL, single_1, single_2, single_3, single_4};

/* A tile of which only `lanes` channels exist: through a full one on the stack. */
static void
tile_at_edge(int windows, const struct tile *tile, const uint16_t *a, const uint16_t *b,
             const float *bias, float *y, uint8_t *place, int lanes)
{
    float whole[SINGLE_WINDOWS][INK_PANEL];
    uint8_t places[SINGLE_WINDOWS][INK_PANEL];
    struct tile edge = *tile;

    edge.y_window = INK_PANEL;
    singles[windows](&edge, a, b, bias, whole[0], places[0]);
    for (int i = 0; i < windows; i++)
        for (int lane = 0; lane < lanes; lane++) {
            y[i * tile->y_window + lane] = whole[i][lane];
            if (place)
                place[i * tile->y_window + lane] = places[i][lane];
        }
}

static bool
is_other(const uint16_t *pixel, const uint16_t *ground, int channels)
{
    __mmask32 other = 0;

    for (int c = 0; c < channels; c += 32) {
        __mmask32 some = channels - c < 32 ? (1U << (channels - c)) - 1 : ~0U;

        other |= _mm512_cmpneq_epi16_mask(_mm512_maskz_loadu_epi16(some, pixel + c),
                                          _mm512_maskz_loadu_epi16(some, ground + c));
    }
    return other != 0;
}

/* NULL if the picture is too large, or too shallow to gain. */
static const struct ground *
find_ground(const struct ink_conv *conv, const uint16_t *x, struct ground *ground)
{
    int height = conv->out_height + conv->kernel_height - 1, width = conv->in_width;
    int channels = conv->in_channels;

    if (height > GROUND_MAX || width > GROUND_MAX || height < 2 || width < 2 || channels < 8)
        return NULL;
    for (int row = 0; row < height; row++) {
        ground->other[row] = 0;
        for (int column = 0; column < width; column++)
            ground->other[row] |=
                (uint64_t)is_other(x + (ptrdiff_t)(row * width + column) * channels,
                                   x + (ptrdiff_t)(width + 1) * channels, channels)
                << column;
    }
    return ground;
}

/* Whether `windows` windows from output pixel row, column on see ground only. */
static bool
is_plain(const struct ink_conv *conv, const struct ground *ground, int row, int column, int windows)
{
    int width = 2 * windows + conv->kernel_width - 1;
    uint64_t columns = width < GROUND_MAX ? ((uint64_t)1 << width) - 1 : ~(uint64_t)0, other = 0;

    for (int i = 0; i < conv->kernel_height + 1; i++)
        other |= ground->other[row + i];
    return (other >> column & columns) == 0;
}

static void
copy_windows(const struct tile *tile, ptrdiff_t from, ptrdiff_t to, float *y, uint8_t *place,
             const int size[static 2])
{
    for (int i = 0; i < size[0]; i++) {
        memcpy(y + to + i * tile->y_window, y + from, (size_t)size[1] * sizeof(*y));
        if (place)
            memcpy(place + to + i * tile->y_window, place + from, (size_t)size[1]);
    }
}

/* All windows of the output channels of one panel, or of two. */
static void
pooled_panel(const struct ink_conv *conv, const struct tile *tile, const uint16_t *x,
             const uint16_t *w, const float *bias, float *y, uint8_t *place, int lanes)
{
    bool is_pair = lanes > INK_PANEL;
    tile_fn *const *run = is_pair ? pairs : singles;
    ptrdiff_t plain = -1; /* a window that sees ground only */

    for (int i = 0; i < conv->out_height / 2; i++)
        for (int j = 0, n; j < conv->out_width / 2; j += n) {
            const uint16_t *a = x + 2 * (i * tile->a_row + j * tile->a_pixel);
            ptrdiff_t to = ((ptrdiff_t)i * (conv->out_width / 2) + j) * tile->y_window;
            uint8_t *where = place ? place + to : NULL;

            n = part_of(conv->out_width / 2 - j, is_pair ? PAIR_WINDOWS : SINGLE_WINDOWS);
            if (tile->ground && is_plain(conv, tile->ground, 2 * i, 2 * j, n)) {
                if (plain >= 0) {
                    copy_windows(tile, plain, to, y, place, (const int[2]){n, lanes});
                    continue;
                }
                plain = to;
            }
            if (lanes >= INK_PANEL)
                run[n](tile, a, w, bias, y + to, where);
            else
                tile_at_edge(n, tile, a, w, bias, y + to, where, lanes);
        }
}

void
ink_bf16_conv_pooled(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                     const float *bias, bool is_relu, float *y, uint8_t *place)
{
    size_t count = ((size_t)conv->kernel_width * (size_t)conv->in_channels + 1) / 2;
    struct tile tile = {
        .segments = (size_t)conv->kernel_height,
        .count = count,
        .a_pixel = conv->in_channels,
        .a_row = (ptrdiff_t)conv->in_width * conv->in_channels,
        .b_segment = (ptrdiff_t)count * INK_PANEL * 2,
        .b_panel = (ptrdiff_t)count * INK_PANEL * 2 * conv->kernel_height,
        .y_window = conv->out_channels,
        .is_relu = is_relu,
    };
    struct ground ground;

    tile.ground = find_ground(conv, x, &ground);
    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        lanes = conv->out_channels - channel;
        lanes = lanes >= 2 * INK_PANEL ? 2 * INK_PANEL : least(lanes, INK_PANEL);
        pooled_panel(conv, &tile, x, w + channel / INK_PANEL * tile.b_panel,
                     bias ? bias + channel : NULL, y + channel, place ? place + channel : NULL,
                     lanes);
    }
}
