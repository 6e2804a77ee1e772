/* SPDX-License-Identifier: MIT */
/* simd_bf16_dense: dense layers in bf16, for processors with AVX-512-BF16. */
#include "model/kernels/simd_bf16.h"

enum { UNIT = 2 };

typedef uint16_t bits __attribute__((may_alias));

ALWAYS_INLINE vec
multiply_add(vec sum, const float *a, vec b)
{
    int pair;

    memcpy(&pair, a, sizeof(pair));
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
}

/* The first one's 16 numbers and the second's in turn. */
ALWAYS_INLINE vec
weights_of(const float *w, const uint16_t *at)
{
    __m256i first = _mm256_loadu_si256((const __m256i_u *)(w + at[0]));
    __m256i second = _mm256_loadu_si256((const __m256i_u *)(w + at[1]));
    __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);

    return (vec)_mm512_permutexvar_epi16(zip_halves(), both);
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
                    const uint16_t *dy, const float *x, float *dx)
{
    dense_back(form, count, pairs(w), pairs(dy), x, dx);
}

void
ink_bf16_dense_weights(const struct ink_dense *form, const uint16_t *x, const uint16_t *dy,
                       const struct ink_soon *soon, float *dw)
{
    dense_weights(form, pairs(x), pairs(dy), soon, dw);
}
