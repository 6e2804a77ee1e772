/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_KERNELS_SPLINE_H
#define INK_MODEL_KERNELS_SPLINE_H

/*
 * spline: how much each knot of a uniform cubic B-spline counts at each pixel.
 *
 * Knots stand 7 pixels apart; a span of 7 pixels is under four of them.
 *
 * Source  de Boor 1978, with the knots a unit apart
 */

#include "model/kernels/kernels.h"

/* clang-format off */
#define INK_B0(t) ((1 - (t)) * (1 - (t)) * (1 - (t)) / 6)
#define INK_B1(t) ((3 * (t) * (t) * (t) - 6 * (t) * (t) + 4) / 6)
#define INK_B2(t) ((3 * (1 - (t)) * (1 - (t)) * (1 - (t)) - 6 * (1 - (t)) * (1 - (t)) + 4) / 6)
#define INK_B3(t) ((t) * (t) * (t) / 6)
#define INK_SPAN(b) b(0 / 7.F), b(1 / 7.F), b(2 / 7.F), b(3 / 7.F), b(4 / 7.F), b(5 / 7.F), b(6 / 7.F)
#define INK_NONE    0, 0, 0, 0, 0, 0, 0

static const float ink_spline[INK_KNOT_COUNT][INK_WARP_SIDE] = {
    {INK_SPAN(INK_B0), INK_NONE,         INK_NONE,         INK_NONE},
    {INK_SPAN(INK_B1), INK_SPAN(INK_B0), INK_NONE,         INK_NONE},
    {INK_SPAN(INK_B2), INK_SPAN(INK_B1), INK_SPAN(INK_B0), INK_NONE},
    {INK_SPAN(INK_B3), INK_SPAN(INK_B2), INK_SPAN(INK_B1), INK_SPAN(INK_B0)},
    {INK_NONE,         INK_SPAN(INK_B3), INK_SPAN(INK_B2), INK_SPAN(INK_B1)},
    {INK_NONE,         INK_NONE,         INK_SPAN(INK_B3), INK_SPAN(INK_B2)},
    {INK_NONE,         INK_NONE,         INK_NONE,         INK_SPAN(INK_B3)},
};
/* clang-format on */

#endif
