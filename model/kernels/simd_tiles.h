/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SIMD_TILES_H
#define INK_MODEL_KERNELS_SIMD_TILES_H

/*
 * simd_tiles: convolutions of 3x3 by tiles: from the sums of a tile's numbers to its outputs, and
 * from weights to the numbers that a tile's are multiplied by; both in float, for tiles of either
 * size.
 *
 * A source that includes this says before it how many inputs a tile sees and how many outputs it
 * has, each way, and what a line of it is turned by:
 *
 *     enum { SIDE, OUT };
 *     void line_out(const vec m[static SIDE], vec out[static OUT]);      sums -> outputs
 *     void line_of_weights(const vec g[static 3], vec out[static SIDE]); weights -> numbers
 */

#include "model/kernels/simd.h"

/* A tile's outputs of LANES channels, without bias. */
ALWAYS_INLINE void
sum_tile(const struct ink_tiles *tiles, const float *m, vec out[OUT][OUT])
{
    vec half[SIDE][OUT];

#pragma GCC unroll 6
    for (int j = 0; j < SIDE; j++) {
        vec line[SIDE];

#pragma GCC unroll 6
        for (int i = 0; i < SIDE; i++)
            line[i] = load(m + (size_t)(i * SIDE + j) * tiles->step);
        line_out(line, half[j]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < OUT; i++) {
        vec line[SIDE];

#pragma GCC unroll 6
        for (int j = 0; j < SIDE; j++)
            line[j] = half[j][i];
        line_out(line, out[i]);
    }
}

/* How many of a tile's outputs there are. */
struct size {
    int height, width;
};

/* One tile; y is its first output. */
static void
tile_out(const struct ink_tiles *tiles, const float *m, const float *bias, float *y,
         struct size size)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * tiles->out_width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++)
#pragma GCC unroll 4
            for (int j = 0; j < OUT; j++)
                if (i < size.height && j < size.width)
                    store(y + i * row + j * pixel + c,
                          tiles->is_relu ? clamp(out[i][j] + shift) : out[i][j] + shift);
    }
}

/* The same on top of start, which lies as y does: in one function with the bias each store would
 * have to ask which of the two it is, a tenth of the time. */
static void
tile_add(const struct ink_tiles *tiles, const float *m, const float *start, float *y,
         struct size size)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * tiles->out_width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT];

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++)
#pragma GCC unroll 4
            for (int j = 0; j < OUT; j++)
                if (i < size.height && j < size.width) {
                    const ptrdiff_t at = i * row + j * pixel + c;

                    store(y + at, load(start + at) + out[i][j]);
                }
    }
}

/* The largest of each 2x2. */
static void
tile_out_pooled(const struct ink_tiles *tiles, const float *m, const float *bias, float *y,
                uint8_t *place, struct size size)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * (tiles->out_width / 2);

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 2
        for (int i = 0; i < OUT; i += 2)
#pragma GCC unroll 2
            for (int j = 0; j < OUT; j += 2) {
                const ptrdiff_t at = i / 2 * row + j / 2 * pixel + c;

                if (i + 1 < size.height && j + 1 < size.width)
                    store_window((const vec[4]){out[i][j] + shift, out[i][j + 1] + shift,
                                                out[i + 1][j] + shift, out[i + 1][j + 1] + shift},
                                 tiles->is_relu, y + at, place ? place + at : NULL);
            }
    }
}

ALWAYS_INLINE void
tiles_out(const struct ink_tiles *tiles, const float *m, const float *bias, const float *start,
          float *y, uint8_t *place)
{
    int side = tiles->is_pooled ? OUT / 2 : OUT;
    ptrdiff_t row = tiles->is_pooled ? tiles->out_width / 2 : tiles->out_width;

    for (int i = tiles->first_row; i < tiles->last_row; i++)
        for (int j = 0; j * OUT < tiles->out_width; j++, m += tiles->channels) {
            const struct size size = {.height = least(tiles->out_height - i * OUT, OUT),
                                      .width = least(tiles->out_width - j * OUT, OUT)};
            const ptrdiff_t to = (i * row + j) * side * tiles->y_pixel;

            if (tiles->is_pooled)
                tile_out_pooled(tiles, m, bias, y + to, place ? place + to : NULL, size);
            else if (start)
                tile_add(tiles, m, start + to, y + to, size);
            else
                tile_out(tiles, m, bias, y + to, size);
        }
}

/* w [3][3][w_step], u [SIDE][SIDE][u_step]: count of each. */
ALWAYS_INLINE void
tiles_weights(size_t count, const float *w, size_t w_step, float *u, size_t u_step)
{
    for (size_t at = 0; at < count; at += LANES) {
        vec half[3][SIDE], line[3], out[SIDE];

#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) {
#pragma GCC unroll 3
            for (size_t i = 0; i < 3; i++)
                line[i] = load(w + (3 * i + j) * w_step + at);
            line_of_weights(line, half[j]);
        }
#pragma GCC unroll 6
        for (size_t i = 0; i < SIDE; i++) {
#pragma GCC unroll 3
            for (size_t j = 0; j < 3; j++)
                line[j] = half[j][i];
            line_of_weights(line, out);
#pragma GCC unroll 6
            for (size_t j = 0; j < SIDE; j++)
                store(u + (i * SIDE + j) * u_step + at, out[j]);
        }
    }
}

#endif
