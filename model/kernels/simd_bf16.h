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

/* For a permutation: the 16 numbers of the lower half and of the upper in turn. */
ALWAYS_INLINE __m512i
zip_halves(void)
{
    return _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                            6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
}

void ink_bf16_round(size_t count, const float *x, uint16_t *y);
void ink_bf16_norm(const struct ink_norm *norm, size_t pixels, const float *x, uint16_t *y);
void ink_bf16_norm_backward(const struct ink_norm *norm, size_t pixels, const float *x,
                            const float *dy, const float *abc, uint16_t *dx);
void ink_bf16_pair_rows(size_t rows, size_t count, const float *x, uint16_t *y);
void ink_bf16_pair(const struct ink_norm *norms, size_t pixels, const float *x, const float *second,
                   uint16_t *y);
void ink_bf16_zip_panels(const struct ink_zip *form, const uint16_t *x, const uint16_t *second,
                         uint16_t *y);
void ink_bf16_conv_weights(const struct ink_conv *conv, const struct ink_pairs *pairs,
                           bool is_added, float *dw);
void ink_bf16_turn_block(size_t count, const float *w, uint16_t *y);
void ink_bf16_dense(const struct ink_dense *form, const uint16_t *x, const uint16_t *w,
                    const float *bias, bool is_relu, float *y);
void ink_bf16_dense_one(const struct ink_dense *form, const float *x, const uint16_t *w,
                        const float *bias, bool is_relu, float *y);
void ink_bf16_dense_back(const struct ink_dense *form, size_t count, const uint16_t *w,
                         const uint16_t *dy, const float *x, float *dx);
void ink_bf16_dense_weights(const struct ink_dense *form, const uint16_t *x, const uint16_t *dy,
                            const struct ink_soon *soon, float *dw);
void ink_bf16_tiles_in(const struct ink_tiles *tiles, const float *x, uint16_t *v);
void ink_bf16_tiles_out(const struct ink_tiles *tiles, const float *m, const float *bias,
                        const float *start, float *y, uint8_t *place);
void ink_bf16_tiles_weights(size_t count, const float *w, size_t step, float *u);
void ink_bf16_products(const struct ink_products *form, const uint16_t *a, const uint16_t *b,
                       float *y);
void ink_bf16_conv_pooled_spans(const struct ink_conv *conv, const struct ink_span *spans,
                                const uint16_t *x, const uint16_t *w, const float *bias,
                                bool is_relu, float *y, uint8_t *place);
void ink_bf16_conv_pooled(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                          const float *bias, bool is_relu, float *y, uint8_t *place);

#endif
