/* SPDX-License-Identifier: MIT */
/* simd_pooled: convolutions that are pooled, in float. simd_sparse.c has the way back. */
#include "model/kernels/simd.h"

typedef float number;
enum { UNIT = 1 };

ALWAYS_INLINE vec
multiply_add(vec sum, const number *a, vec b)
{
    return sum + *a * b;
}

#include "model/kernels/simd_pooled_tiles.h"

void
INK_SIMD_NAME(conv_pooled_spans)(const struct ink_conv *conv, const struct ink_span *spans,
                                 const float *x, const float *w, const float *bias, bool is_relu,
                                 float *y, uint8_t *place)
{
    if (!INK_SIMD_NAME(first_pooled)(conv, spans, x, w, bias, is_relu, y, place))
        conv_pooled(conv, spans, x, w, bias, is_relu, y, place);
}

void
INK_SIMD_NAME(conv_pooled)(const struct ink_conv *conv, const float *x, const float *w,
                           const float *bias, bool is_relu, float *y, uint8_t *place)
{
    INK_SIMD_NAME(conv_pooled_spans)(conv, NULL, x, w, bias, is_relu, y, place);
}
