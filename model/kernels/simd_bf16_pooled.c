/* SPDX-License-Identifier: MIT */
/* simd_bf16_pooled: simd_pooled.c's convolution with the largest of each 2x2 outputs, in bf16. */
#include "model/kernels/simd_bf16.h"

/* Windows side by side that a tile computes, of two panels or of one. */
enum { PAIR_WINDOWS = 2, SINGLE_WINDOWS = 4, COLUMNS_MAX = 2 * SINGLE_WINDOWS };

/* All strides in numbers of 16 bits, y's in floats. */
struct tile {
    size_t segments, count;
    ptrdiff_t a_pixel, a_row;
    ptrdiff_t b_segment, b_panel;
    ptrdiff_t y_window;
    const struct ink_span *spans; /* NULL: all windows */
    bool is_relu;
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

/* All windows of the output channels of one panel, or of two. */
static void
pooled_panel(const struct ink_conv *conv, const struct tile *tile, const uint16_t *x,
             const uint16_t *w, const float *bias, float *y, uint8_t *place, int lanes)
{
    bool is_pair = lanes > INK_PANEL;
    tile_fn *const *run = is_pair ? pairs : singles;

    for (int i = 0; i < conv->out_height / 2; i++) {
        int from = tile->spans ? tile->spans[i].from : 0;
        int end = tile->spans ? tile->spans[i].to : conv->out_width / 2;

        for (int j = from, n; j < end; j += n) {
            const uint16_t *a = x + 2 * (i * tile->a_row + j * tile->a_pixel);
            ptrdiff_t to = ((ptrdiff_t)i * (conv->out_width / 2) + j) * tile->y_window;
            uint8_t *where = place ? place + to : NULL;

            n = part_of(end - j, is_pair ? PAIR_WINDOWS : SINGLE_WINDOWS);
            if (lanes >= INK_PANEL)
                run[n](tile, a, w, bias, y + to, where);
            else
                tile_at_edge(n, tile, a, w, bias, y + to, where, lanes);
        }
    }
}

void
ink_bf16_conv_pooled_spans(const struct ink_conv *conv, const struct ink_span *spans,
                           const uint16_t *x, const uint16_t *w, const float *bias, bool is_relu,
                           float *y, uint8_t *place)
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
        .spans = spans,
        .is_relu = is_relu,
    };

    for (int channel = 0, lanes; channel < conv->out_channels; channel += lanes) {
        lanes = conv->out_channels - channel;
        lanes = lanes >= 2 * INK_PANEL ? 2 * INK_PANEL : least(lanes, INK_PANEL);
        pooled_panel(conv, &tile, x, w + channel / INK_PANEL * tile.b_panel,
                     bias ? bias + channel : NULL, y + channel, place ? place + channel : NULL,
                     lanes);
    }
}

void
ink_bf16_conv_pooled(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                     const float *bias, bool is_relu, float *y, uint8_t *place)
{
    ink_bf16_conv_pooled_spans(conv, NULL, x, w, bias, is_relu, y, place);
}
