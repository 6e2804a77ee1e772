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

/* The same on top of start, which lies as y does. */
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

void
INK_SIMD_NAME(tiles_out)(const struct ink_tiles *tiles, const float *m, const float *bias,
                         const float *start, float *y, uint8_t *place)
{
    int across = ink_tiles_across(tiles), side = tiles->is_pooled ? OUT / 2 : OUT;
    ptrdiff_t row = tiles->is_pooled ? tiles->out_width / 2 : tiles->out_width;

    for (int i = tiles->first_row; i < tiles->last_row; i++)
        for (int j = 0; j < across; j++, m += tiles->channels) {
            const struct size size = {.height = least(tiles->out_height - i * OUT, OUT),
                                      .width = least(tiles->out_width - j * OUT, OUT)};
            const ptrdiff_t to = (i * side * row + j * side) * tiles->y_pixel;

            if (tiles->is_pooled)
                tile_out_pooled(tiles, m, bias, y + to, place ? place + to : NULL, size);
            else if (start)
                tile_add(tiles, m, start + to, y + to, size);
            else
                tile_out(tiles, m, bias, y + to, size);
        }
}

/* ---- weights ---- */

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

void
INK_SIMD_NAME(tiles_weights)(size_t count, const float *w, float *u, size_t step)
{
    for (size_t at = 0; at < count; at += LANES) {
        vec half[3][SIDE], line[3], out[SIDE];

#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) {
#pragma GCC unroll 3
            for (size_t i = 0; i < 3; i++)
                line[i] = load(w + (3 * i + j) * count + at);
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
                store(u + (i * SIDE + j) * step + at, out[j]);
        }
    }
}
