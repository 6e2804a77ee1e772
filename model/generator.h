/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_GENERATOR_H
#define INK_MODEL_GENERATOR_H

/*
 * generator: digits as people draw them, made up from vector skeletons.
 *
 * The data set `strokes`: several ways of writing each digit (slashed zeros,
 * barred sevens, ones with a foot, open fours, ...), bent, slanted, stretched
 * and shaken at random. Repeats exactly from a seed; needs no download.
 */

#include "base/rng.h"
#include "model/drawing.h"

/*
 * Draw one digit.
 *
 *   digit   0..9
 *
 * Memory   the caller destroys *out_drawing
 */
INK_MUST_CHECK enum ink_status ink_generator_draw(struct ink_rng *rng, int digit,
                                                  struct ink_drawing **out_drawing,
                                                  struct ink_err *err);

#endif
