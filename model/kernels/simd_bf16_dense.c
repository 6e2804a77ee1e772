/* SPDX-License-Identifier: MIT */
/* simd_bf16_dense: dense layers in bf16, for processors with AVX-512-BF16. */
#include "model/kernels/simd_bf16.h"

enum { UNIT = 2 };

ALWAYS_INLINE vec
multiply_add(vec sum, const float *a, vec b)
{
    int pair;

    memcpy(&pair, a, sizeof(pair));
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
}

/* Two rows of 16 outputs, as weights lie: the first row's and the second's in turn. */
ALWAYS_INLINE vec
inputs_side_by_side(vec b)
{
    return (vec)_mm512_permutexvar_epi16(zip_halves(), (__m512i)b);
}

#include "model/kernels/simd_dense_tiles.h"

/* Pairs are counted as floats there. */
static const float *
pairs(const uint16_t *numbers)
{
    return (const float *)(const void *)numbers;
}

void
ink_bf16_dense(const struct ink_dense *form, const uint16_t *x, const uint16_t *w,
               const float *bias, bool is_relu, float *y)
{
    dense_forward(form, pairs(x), pairs(w), bias, is_relu, y);
}

void
ink_bf16_dense_back(const struct ink_dense *form, size_t count, const uint16_t *w,
                    const uint16_t *dy, float *dx)
{
    dense_back(form, count, pairs(w), pairs(dy), dx);
}

void
ink_bf16_dense_weights(const struct ink_dense *form, const uint16_t *x, const uint16_t *dy,
                       const struct ink_soon *soon, float *dw)
{
    dense_weights(form, pairs(x), pairs(dy), soon, dw);
}
