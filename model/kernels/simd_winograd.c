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

/* Three weights in a line -> their six numbers: values of a polynomial, over those that make the
 * tile's outputs whole again. */
ALWAYS_INLINE void
line_of_weights(const vec g[static 3], vec out[static 6])
{
    const float of_p = 1 / (2 * PP * (PP - QQ)), of_q = 1 / (2 * QQ * (QQ - PP));
    vec even_p = of_p * g[0] + of_p * PP * g[2], odd_p = of_p * P * g[1];
    vec even_q = of_q * g[0] + of_q * QQ * g[2], odd_q = of_q * Q * g[1];

    out[0] = (1 / (PP * QQ)) * g[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = g[2];
}

#include "model/kernels/simd_tiles.h"

void
INK_SIMD_NAME(tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias,
                         const float *start, float *y, uint8_t *place)
{
    tiles_out(tiles, m, bias, start, y, place);
}

void
INK_SIMD_NAME(tiles_weights)(size_t count, const float *w, float *u, size_t step)
{
    tiles_weights(count, w, count, u, step);
}
