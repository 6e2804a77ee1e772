/* SPDX-License-Identifier: MIT */
/*
 * simd_winograd: convolutions of 3x3 with a quarter of the multiplications.
 *
 * A tile of 4x4 outputs sees 6x6 inputs. Both are turned into 36 numbers a
 * channel in which the convolution is a product number by number: polynomials,
 * multiplied by their values at 0, +-P, +-Q and infinity, rows and then columns.
 * The products of all tiles and channels are 36 products of matrices.
 *
 * Source: Winograd 1980; Lavin and Gray 2016. Points that are nearer to each
 * other than 1 and 2 round less: P = 5/8, Q = 3/2, whose squares are exact.
 */
#include "model/kernels/simd.h"

#define P  INK_TILES_P
#define Q  INK_TILES_Q
#define PP (P * P)
#define QQ (Q * Q)

enum { SIDE = INK_TILES_IN, OUT = INK_TILES_OUT };

/* Six inputs in a line -> their six numbers. */
ALWAYS_INLINE void
line_in(const vec d[static 6], vec out[static 6])
{
    vec even_p = d[4] - QQ * d[2], odd_p = P * (d[3] - QQ * d[1]);
    vec even_q = d[4] - PP * d[2], odd_q = Q * (d[3] - PP * d[1]);

    out[0] = d[4] + PP * QQ * d[0] - (PP + QQ) * d[2];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = d[5] + PP * QQ * d[1] - (PP + QQ) * d[3];
}

/* Six sums -> the four outputs of a line. */
ALWAYS_INLINE void
line_out(const vec m[static 6], vec out[static 4])
{
    vec even_p = m[1] + m[2], odd_p = m[1] - m[2];
    vec even_q = m[3] + m[4], odd_q = m[3] - m[4];

    out[0] = m[0] + even_p + even_q;
    out[1] = P * odd_p + Q * odd_q;
    out[2] = PP * even_p + QQ * even_q;
    out[3] = m[5] + P * PP * odd_p + Q * QQ * odd_q;
}

/* A part of a picture: what of a tile exists. */
struct part {
    int top, bottom, left, right;
};

ALWAYS_INLINE int
within(int value, int most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* One tile, all channels; x is its first input, whether that exists or not. */
ALWAYS_INLINE void
tile_in(const struct ink_tiles *tiles, const bool is_whole, const struct part *part, const float *x,
        float *v)
{
    const ptrdiff_t pixel = tiles->channels, row = pixel * tiles->width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec half[SIDE][SIDE], line[SIDE];

#pragma GCC unroll 6
        for (int j = 0; j < SIDE; j++) {
#pragma GCC unroll 6
            for (int i = 0; i < SIDE; i++)
                if (is_whole ||
                    (i >= part->top && i < part->bottom && j >= part->left && j < part->right))
                    line[i] = load(x + i * row + j * pixel + c);
                else
                    line[i] = (vec){0};
            line_in(line, half[j]);
        }
#pragma GCC unroll 6
        for (int i = 0; i < SIDE; i++) {
            vec out[SIDE];

#pragma GCC unroll 6
            for (int j = 0; j < SIDE; j++)
                line[j] = half[j][i];
            line_in(line, out);
#pragma GCC unroll 6
            for (int j = 0; j < SIDE; j++)
                store(v + (size_t)(i * SIDE + j) * tiles->step + c, out[j]);
        }
    }
}

static void
tile_in_whole(const struct ink_tiles *tiles, const float *x, float *v)
{
    tile_in(tiles, true, NULL, x, v);
}

static void
tile_in_part(const struct ink_tiles *tiles, const struct part *part, const float *x, float *v)
{
    tile_in(tiles, false, part, x, v);
}

void
INK_SIMD_NAME(tiles_in)(const struct ink_tiles *tiles, const float *x, float *v)
{
    int across = ink_tiles_across(tiles);

    for (int i = tiles->first_row; i < tiles->last_row; i++)
        for (int j = 0; j < across; j++, v += tiles->channels) {
            int top = i * OUT - tiles->pad, left = j * OUT - tiles->pad;
            const struct part part = {
                .top = within(-top, SIDE),
                .bottom = within(tiles->height - top, SIDE),
                .left = within(-left, SIDE),
                .right = within(tiles->width - left, SIDE),
            };
            const float *from = x + ((ptrdiff_t)top * tiles->width + left) * tiles->channels;

            if (part.top == 0 && part.bottom == SIDE && part.left == 0 && part.right == SIDE)
                tile_in_whole(tiles, from, v);
            else
                tile_in_part(tiles, &part, from, v);
        }
}

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

/* One tile; y is its first output, of which there are height x width. */
static void
tile_out(const struct ink_tiles *tiles, const float *m, const float *bias, float *y, int height,
         int width)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * tiles->out_width;

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 4
        for (int i = 0; i < OUT; i++)
#pragma GCC unroll 4
            for (int j = 0; j < OUT; j++)
                if (i < height && j < width)
                    store(y + i * row + j * pixel + c,
                          tiles->is_relu ? clamp(out[i][j] + shift) : out[i][j] + shift);
    }
}

ALWAYS_INLINE vec
larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* The same, and the largest of each 2x2. */
static void
tile_out_pooled(const struct ink_tiles *tiles, const float *m, const float *bias, float *y,
                int height, int width)
{
    const ptrdiff_t pixel = tiles->y_pixel, row = pixel * (tiles->out_width / 2);

    for (int c = 0; c < tiles->channels; c += LANES) {
        vec out[OUT][OUT], shift = bias ? load(bias + c) : (vec){0};

        sum_tile(tiles, m + c, out);
#pragma GCC unroll 2
        for (int i = 0; i < OUT; i += 2)
#pragma GCC unroll 2
            for (int j = 0; j < OUT; j += 2) {
                vec most = larger(larger(out[i][j], out[i][j + 1]),
                                  larger(out[i + 1][j], out[i + 1][j + 1])) +
                           shift;

                if (i + 1 < height && j + 1 < width)
                    store(y + i / 2 * row + j / 2 * pixel + c, tiles->is_relu ? clamp(most) : most);
            }
    }
}

void
INK_SIMD_NAME(tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias, float *y)
{
    int across = ink_tiles_across(tiles), side = tiles->is_pooled ? OUT / 2 : OUT;
    ptrdiff_t row = tiles->is_pooled ? tiles->out_width / 2 : tiles->out_width;

    for (int i = tiles->first_row; i < tiles->last_row; i++)
        for (int j = 0; j < across; j++, m += tiles->channels) {
            int height = least(tiles->out_height - i * OUT, OUT);
            int width = least(tiles->out_width - j * OUT, OUT);
            float *to = y + (i * side * row + j * side) * tiles->y_pixel;

            if (tiles->is_pooled)
                tile_out_pooled(tiles, m, bias, to, height, width);
            else
                tile_out(tiles, m, bias, to, height, width);
        }
}
