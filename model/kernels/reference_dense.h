/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_REFERENCE_DENSE_H
#define INK_MODEL_KERNELS_REFERENCE_DENSE_H

/* reference_dense: the reference's dense layers; what they do says model/kernels/kernels.h. */

#include "model/kernels/kernels.h"

void ink_reference_dense(const struct ink_dense *form, const float *x, const float *w,
                         const float *bias, bool is_relu, float *y);
void ink_reference_dense_back(const struct ink_dense *form, size_t count, const float *w,
                              const float *dy, const float *x, float *dx);
void ink_reference_dense_weights(const struct ink_dense *form, const float *x, const float *dy,
                                 const struct ink_soon *soon, float *dw);

void ink_reference_find_some(size_t rows, size_t count, size_t step, const float *x, uint32_t *has);
void ink_reference_unfold(const struct ink_unfold *form, const float *from, float *dw);
void ink_reference_bf16_dense(const struct ink_dense *form, const uint16_t *x, const uint16_t *w,
                              const float *bias, bool is_relu, float *y);
void ink_reference_bf16_dense_one(const struct ink_dense *form, const float *x, const uint16_t *w,
                                  const float *bias, bool is_relu, float *y);
void ink_reference_bf16_dense_back(const struct ink_dense *form, size_t count, const uint16_t *w,
                                   const uint16_t *dy, const float *x, float *dx);
void ink_reference_bf16_dense_weights(const struct ink_dense *form, const uint16_t *x,
                                      const uint16_t *dy, const struct ink_soon *soon, float *dw);

#endif
