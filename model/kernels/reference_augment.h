/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_REFERENCE_AUGMENT_H
#define INK_MODEL_KERNELS_REFERENCE_AUGMENT_H

/* reference_augment: these entries of the reference's table; see model/kernels/kernels.h. */

#include "model/kernels/kernels.h"

void ink_reference_warp(const struct ink_warp *warp, const float *source, const float *field,
                        float *pixels);
void ink_reference_spread(const float *knots, float *field);
void ink_reference_thicken(float reach, float *pixels);

#endif
