/* SPDX-License-Identifier: MIT */
/*
 * simd_bf16_weights: the gradient of a convolution's weights in bf16.
 *
 * A tile is some inputs' weights to the outputs of one or two panels, and is summed in registers
 * over all rows of all pairs of pictures:
 *     acc[i][0..15] += x[k][i][0] * dy[k][0..15][0] + x[k][i][1] * dy[k][0..15][1],
 * where k goes through dy as it lies.
 */
#include "model/kernels/simd_bf16.h"

enum { SINGLE_INPUTS = 14, DOUBLE_INPUTS = 8 };

/* All strides in numbers. */
struct sum {
    size_t pairs, rows, columns;
    size_t x_pair, x_row, x_column;
    size_t dy_panel, dw_panel;
    bool is_added;
};

ALWAYS_INLINE void
tile_body(const int inputs, const int panels, const struct sum *sum, const uint16_t *x,
          const uint16_t *dy, float *dw)
{
    __m512 acc[14][2];

#pragma GCC unroll 14
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++)
            acc[i][v] = sum->is_added
                            ? _mm512_loadu_ps(dw + (size_t)v * sum->dw_panel + i * INK_PANEL)
                            : _mm512_setzero_ps();
    for (size_t pair = 0; pair < sum->pairs; pair++)
        for (size_t row = 0; row < sum->rows; row++) {
            const uint16_t *from = x + pair * sum->x_pair + row * sum->x_row;

            for (size_t k = 0; k < sum->columns; k++) {
                __m512i gradient[2];

#pragma GCC unroll 2
                for (int v = 0; v < panels; v++)
                    gradient[v] = load_pairs(dy + (size_t)v * sum->dy_panel);
#pragma GCC unroll 14
                for (int i = 0; i < inputs; i++)
#pragma GCC unroll 2
                    for (int v = 0; v < panels; v++)
                        acc[i][v] = dot(acc[i][v], from + 2 * i, gradient[v]);
                from += sum->x_column;
                dy += 2 * INK_PANEL;
            }
        }
#pragma GCC unroll 14
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 2
        for (int v = 0; v < panels; v++)
            _mm512_storeu_ps(dw + (size_t)v * sum->dw_panel + i * INK_PANEL, acc[i][v]);
}

typedef void tile_fn(const struct sum *sum, const uint16_t *x, const uint16_t *dy, float *dw);

#define DEFINE_TILE(name, inputs, panels)                                                     \
    static void name(const struct sum *sum, const uint16_t *x, const uint16_t *dy, float *dw) \
    {                                                                                         \
        tile_body(inputs, panels, sum, x, dy, dw);                                            \
    }
#define DEFINE_SINGLE(n) DEFINE_TILE(single_##n, n, 1)
#define DEFINE_DOUBLE(n) DEFINE_TILE(double_##n, n, 2)

/* clang-format off */
#define EACH_SINGLE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_DOUBLE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
EACH_SINGLE(DEFINE_SINGLE)
EACH_DOUBLE(DEFINE_DOUBLE)
#define SINGLE(n) single_##n,
#define DOUBLE(n) double_##n,
static tile_fn *const singles[] = {NULL, EACH_SINGLE(SINGLE)};
static tile_fn *const doubles[] = {NULL, EACH_DOUBLE(DOUBLE)};
/* clang-format on */

void
ink_bf16_conv_weights(const struct ink_conv *conv, const struct ink_pairs *pairs, bool is_added,
                      float *dw)
{
    int run = conv->kernel_width * conv->in_channels;
    int panels = (conv->out_channels + INK_PANEL - 1) / INK_PANEL;
    size_t ins = (size_t)conv->in_channels, stride = (size_t)conv->stride;
    size_t pixels = (size_t)(conv->out_height * conv->out_width);
    struct sum sum = {
        .pairs = pairs->count,
        .rows = (size_t)conv->out_height,
        .columns = (size_t)conv->out_width,
        .x_pair = pairs->x_step,
        .x_row = 2 * stride * ins * (size_t)conv->in_width,
        .x_column = 2 * stride * ins,
        .dy_panel = pairs->count * pixels * 2 * INK_PANEL,
        .dw_panel = (size_t)(conv->kernel_height * run) * INK_PANEL,
        .is_added = is_added,
    };

    if (conv->out_width == 1) {
        sum.columns = sum.rows;
        sum.rows = 1;
        sum.x_column = sum.x_row;
    }
    for (int panel = 0, width; panel < panels; panel += width) {
        const uint16_t *dy = pairs->dy + (size_t)panel * sum.dy_panel;
        float *to = dw + (size_t)panel * sum.dw_panel;

        width = panels - panel > 1 ? 2 : 1;
        for (int i = 0; i < conv->kernel_height; i++)
            for (int j = 0, n; j < run; j += n, to += n * INK_PANEL) {
                const uint16_t *x =
                    pairs->x + 2 * ((size_t)i * (size_t)conv->in_width * ins + (size_t)j);

                n = part_of(run - j, width == 2 ? DOUBLE_INPUTS : SINGLE_INPUTS);
                (width == 2 ? doubles : singles)[n](&sum, x, dy, to);
            }
    }
}
