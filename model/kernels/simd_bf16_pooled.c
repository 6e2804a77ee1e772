/* SPDX-License-Identifier: MIT */
/* simd_bf16_pooled: convolutions that are pooled, in bf16. */
#include "model/kernels/simd_bf16.h"

typedef uint16_t number;
enum { UNIT = 2 };

ALWAYS_INLINE vec
multiply_add(vec sum, const number *a, vec b)
{
    return dot(sum, a, (__m512i)b);
}

#include "model/kernels/simd_pooled_tiles.h"

void
ink_bf16_conv_pooled_spans(const struct ink_conv *conv, const struct ink_span *spans,
                           const uint16_t *x, const uint16_t *w, const float *bias, bool is_relu,
                           float *y, uint8_t *place)
{
    conv_pooled(conv, spans, x, w, bias, is_relu, y, place);
}

void
ink_bf16_conv_pooled(const struct ink_conv *conv, const uint16_t *x, const uint16_t *w,
                     const float *bias, bool is_relu, float *y, uint8_t *place)
{
    conv_pooled(conv, NULL, x, w, bias, is_relu, y, place);
}
