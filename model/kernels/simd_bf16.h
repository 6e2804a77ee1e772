/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SIMD_BF16_H
#define INK_MODEL_KERNELS_SIMD_BF16_H

/* simd_bf16: what the bf16 kernels for AVX-512-BF16 share. */

#include <immintrin.h>
#include <string.h>

#include "model/kernels/simd.h"

ALWAYS_INLINE __m512i
load_pairs(const uint16_t *from)
{
    return _mm512_loadu_si512(from);
}

ALWAYS_INLINE __m512
dot(__m512 sum, const uint16_t *pair, __m512i weights)
{
    int both;

    memcpy(&both, pair, sizeof(both));
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(both), (__m512bh)weights);
}

/* The positive part; NaN stays, so that a broken network shows in its loss. */
ALWAYS_INLINE __m512
positive(__m512 x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLT_UQ), x);
}

/* The first `count` lanes, all from 16 on. */
ALWAYS_INLINE __mmask16
first_lanes(size_t count)
{
    return (__mmask16)(count < 16 ? (1U << count) - 1 : 0xffffU);
}

void ink_bf16_conv_pooled_spans(const struct ink_conv *conv, const struct ink_span *spans,
                                const uint16_t *x, const uint16_t *w, const float *bias,
                                bool is_relu, float *y, uint8_t *place);
void ink_bf16_conv_pooled(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                          const float *bias, bool is_relu, float *y, uint8_t *place);

#endif
