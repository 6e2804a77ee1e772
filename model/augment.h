/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_AUGMENT_H
#define INK_MODEL_AUGMENT_H

/*
 * augment: a picture a little differently each time it is learned from.
 *
 * Every amount is a maximum, drawn evenly from both sides; zero switches it off.
 */

#include <stdint.h>

#include "base/rng.h"
#include "model/arch.h"

struct ink_kernels;

struct ink_augment {
    float shift;   /* pixels, both axes */
    float rotate;  /* degrees */
    float scale;   /* share: 0.1 = 0.9 to 1.1, both axes together */
    float stretch; /* share, the axes apart */
    float shear;   /* share of the height */
    float elastic; /* pixels: size of a smooth random displacement field. Source: Simard et al. 2003
                    */
    float thickness; /* pixels of pen width: 0.7 = strokes up to 0.7 thinner or thicker */
    float erase;     /* share of the side: a random blank rectangle, width and height up to that */
};

/* All amounts zero? Then apply only converts. */
int ink_augment_is_off(const struct ink_augment *augment);

/*
 *   row          [784] 0..255
 *   out_pixels   [784] 0..1
 *
 * Cost     about 1 us a picture; 2 with elastic and thickness (with AVX2). Allocates nothing.
 * Threads  pure but for rng
 */
void ink_augment_apply(const struct ink_augment *augment, struct ink_rng *rng, const uint8_t *row,
                       float *out_pixels);
/* The same with given kernels. */
void ink_augment_apply_with(const struct ink_augment *augment, const struct ink_kernels *kernels,
                            struct ink_rng *rng, const uint8_t *row, float *out_pixels);

#endif
