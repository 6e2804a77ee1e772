/* SPDX-License-Identifier: MIT */
/* reference_augment: pictures bent and strokes thickened, a pixel at a time. */
#include "model/kernels/reference_augment.h"

#include <math.h>
#include <string.h>

#include "model/kernels/spline.h"

enum { SIDE = INK_PICTURE_SIDE, STRIDE = INK_WARP_SIDE };

/* `low` for NaN, which a scale of 0 can give. */
static double
between(double value, double low, double high)
{
    return value > low ? value < high ? value : high : low;
}

void
ink_reference_warp(const struct ink_warp *warp, const float *source, const float *field,
                   float *pixels)
{
    const double last = STRIDE - 1.001; /* so that the pixel to the right exists */

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float *bend = field ? &field[(size_t)y * STRIDE + (size_t)x] : NULL;
            double from_x = (double)warp->x0 + (double)warp->xx * x + (double)warp->xy * y;
            double from_y = (double)warp->y0 + (double)warp->yx * x + (double)warp->yy * y;
            const float *corner;
            double upper, lower;

            from_x = between(from_x + (bend ? (double)bend[0] : 0), 0, last);
            from_y = between(from_y + (bend ? (double)bend[(size_t)SIDE * STRIDE] : 0), 0, last);
            corner = &source[(size_t)from_y * STRIDE + (size_t)from_x];
            from_x -= floor(from_x);
            from_y -= floor(from_y);
            upper = (1 - from_x) * (double)corner[0] + from_x * (double)corner[1];
            lower = (1 - from_x) * (double)corner[STRIDE] + from_x * (double)corner[STRIDE + 1];
            pixels[y * SIDE + x] = (float)((1 - from_y) * upper + from_y * lower);
        }
}

void
ink_reference_spread(const float *knots, float *field)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < STRIDE; x++) {
            double sum = 0;

            for (int i = 0; i < INK_KNOT_COUNT; i++)
                for (int j = 0; j < INK_KNOT_COUNT; j++)
                    sum += (double)ink_spline[i][y] * (double)ink_spline[j][x] *
                           (double)knots[i * INK_KNOT_COUNT + j];
            field[y * STRIDE + x] = (float)sum;
        }
}

void
ink_reference_thicken(float reach, float *pixels)
{
    float source[(SIDE + 2) * (SIDE + 2)] = {0}; /* a pixel of paper all around */

    for (size_t y = 0; y < SIDE; y++)
        memcpy(&source[(y + 1) * (SIDE + 2) + 1], &pixels[y * SIDE], SIDE * sizeof(float));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double middle = (double)source[(y + 1) * (SIDE + 2) + x + 1], most = middle;

            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    double near = (double)source[(y + 1 + dy) * (SIDE + 2) + x + 1 + dx];
                    double share = (double)reach * (dx != 0 && dy != 0 ? sqrt(0.5) : 1);

                    most = fmax(most, middle + share * (near - middle));
                }
            pixels[y * SIDE + x] = (float)most;
        }
}
