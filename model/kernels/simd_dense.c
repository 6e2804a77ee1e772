/* SPDX-License-Identifier: MIT */
/* simd_dense: what dense layers need beside convolutions of 1x1. */
#include "model/kernels/simd.h"

/* clang-format off */
#if defined(__AVX512F__)
#define LOW_HALVES  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define LOW_HALVES  0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW_HALVES  0, 4, 1, 5
#define HIGH_HALVES 2, 6, 3, 7
#endif
/* clang-format on */

/* A square of vectors: shuffling the halves into each other as often as a row can be halved turns
 * it around. */
static void
transpose_square(const struct ink_transpose *form, const float *from, float *to)
{
    vec row[LANES], next[LANES];

    for (int i = 0; i < LANES; i++)
        row[i] = load(from + (size_t)i * form->from_step);
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(row[i], row[i + LANES / 2], LOW_HALVES);
            next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + LANES / 2], HIGH_HALVES);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            row[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        float *at = to + (size_t)i * form->to_step;

        store(at, form->is_added ? load(at) + row[i] : row[i]);
    }
}

void
INK_SIMD_NAME(transpose)(const struct ink_transpose *form, const float *from, float *to)
{
    size_t rows = form->rows / LANES * LANES, columns = form->columns / LANES * LANES;

    for (size_t c = 0; c < columns; c += LANES)
        for (size_t r = 0; r < rows; r += LANES)
            transpose_square(form, from + r * form->from_step + c, to + c * form->to_step + r);
    for (size_t c = 0; c < form->columns; c++)
        for (size_t r = c < columns ? rows : 0; r < form->rows; r++) {
            float *at = &to[c * form->to_step + r];

            *at = from[r * form->from_step + c] + (form->is_added ? *at : 0);
        }
}
