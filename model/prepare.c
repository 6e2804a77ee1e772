/* SPDX-License-Identifier: MIT */
#include "model/prepare_priv.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = INK_PICTURE_SIDE, BOX_SIDE = INK_FRAME_BOX };

/*
 * Where MNIST has the centre of mass, with pixel centres at .5: the means over
 * its 60,000 training pictures are 14.507 and 14.496, each with a standard
 * deviation of 0.29 = 1/sqrt(12). So the middle is that of pixel 14, and whole
 * pixels were moved.
 */
#define MIDDLE 14.5

/*
 * The pen that strokes are redrawn with. Figures of a picture, on average:
 *                        ink   pixels > 0   their mean   of them 250 and more
 *   MNIST, training    102.4        149.9        0.683                   0.39
 *   pen 2.0, soft 1.0   88.6        129.3        0.686                   0.38
 *   pen 2.0, soft 1.1   88.0        133.8        0.658                   0.31
 *   pen 2.2, soft 1.1   95.5        140.2        0.682                   0.35
 *   pen 2.4, soft 1.1  102.9        146.5        0.702                   0.39
 * (6,462 pen drawings; ink in full pixels). MNIST's own writers differ more than
 * these do; a pen on the thin side keeps small loops open.
 */
static const struct ink_raster_pen pen = {.width = 2.2F, .softness = 1.1F};

/* ---- the frame ---- */

struct ink_extent
ink_extent_measure(const uint8_t row[static INK_PICTURE_SIZE])
{
    struct ink_extent extent = {.left = SIDE, .top = SIDE};
    unsigned sum = 0, sum_x = 0, sum_y = 0;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            unsigned value = row[y * SIDE + x];

            if (value == 0)
                continue;
            extent.left = x < extent.left ? x : extent.left;
            extent.right = x + 1 > extent.right ? x + 1 : extent.right;
            extent.top = y < extent.top ? y : extent.top;
            extent.bottom = y + 1;
            sum += value;
            sum_x += value * (unsigned)x;
            sum_y += value * (unsigned)y;
        }
    extent.sum = sum;
    if (sum > 0) {
        extent.middle_x = (double)sum_x / sum + 0.5;
        extent.middle_y = (double)sum_y / sum + 0.5;
    }
    return extent;
}

static int
clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

bool
ink_extent_is_framed(const struct ink_extent *extent)
{
    return extent->sum > 0 && extent->right - extent->left <= BOX_SIDE &&
           extent->bottom - extent->top <= BOX_SIDE && fabs(extent->middle_x - MIDDLE) <= 1 &&
           fabs(extent->middle_y - MIDDLE) <= 1;
}

void
ink_extent_center(uint8_t row[static INK_PICTURE_SIZE], int *out_right, int *out_down)
{
    struct ink_extent extent = ink_extent_measure(row);
    uint8_t moved[INK_PICTURE_SIZE] = {0};
    int right, down;

    *out_right = *out_down = 0;
    if (extent.sum == 0)
        return;
    right = clamp((int)lround(MIDDLE - extent.middle_x), -extent.left, SIDE - extent.right);
    down = clamp((int)lround(MIDDLE - extent.middle_y), -extent.top, SIDE - extent.bottom);
    for (int y = extent.top; y < extent.bottom; y++)
        memcpy(&moved[(y + down) * SIDE + extent.left + right], &row[y * SIDE + extent.left],
               (size_t)(extent.right - extent.left));
    memcpy(row, moved, sizeof(moved));
    *out_right = right;
    *out_down = down;
}

/* ---- drawings ---- */

void
ink_prepare_drawing(const struct ink_drawing *drawing, uint8_t out_row[static INK_PICTURE_SIZE],
                    struct ink_preparation *out_preparation)
{
    float left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY;
    struct ink_raster raster = {out_row, SIDE, SIDE};
    struct ink_raster_fit fit;
    float longest, room = BOX_SIDE - (pen.width + pen.softness - 1);
    int moved_right, moved_down;

    memset(out_row, 0, INK_PICTURE_SIZE);
    *out_preparation = (struct ink_preparation){.is_empty = drawing->point_count == 0};
    if (out_preparation->is_empty) {
        (void)snprintf(out_preparation->text, sizeof(out_preparation->text), "nothing drawn");
        return;
    }
    for (size_t i = 0; i < drawing->point_count; i++) {
        left = fminf(left, drawing->x[i]);
        right = fmaxf(right, drawing->x[i]);
        top = fminf(top, drawing->y[i]);
        bottom = fmaxf(bottom, drawing->y[i]);
    }
    longest = fmaxf(right - left, bottom - top);
    fit = (struct ink_raster_fit){.scale = longest > 0 ? room / longest : 0,
                                  .from_x = (left + right) / 2,
                                  .from_y = (top + bottom) / 2,
                                  .to_x = (float)SIDE / 2,
                                  .to_y = (float)SIDE / 2};
    ink_raster_draw(drawing, &fit, &pen, &raster);
    ink_extent_center(out_row, &moved_right, &moved_down);
    (void)snprintf(out_preparation->text, sizeof(out_preparation->text),
                   "redrawn with a pen of %.1f pixels, scaled %.3g, moved %+d,%+d",
                   (double)pen.width, (double)fit.scale, moved_right, moved_down);
}

void
ink_prepare_floats(const uint8_t *row, size_t count, float *out_pixels)
{
    for (size_t i = 0; i < count; i++)
        out_pixels[i] = (float)row[i] / 255.0F;
}
