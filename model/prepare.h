/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PREPARE_H
#define INK_MODEL_PREPARE_H

/*
 * prepare: anything drawn or photographed becomes a 28x28 row as MNIST's are.
 *
 * The one rasteriser and the one normaliser. MNIST's digits are fitted into
 * 20x20, keeping their aspect, and placed so that their centre of mass is the
 * centre of 28x28. Strokes are redrawn as vectors at a fixed pen width after
 * scaling, so that neither brush nor size of the canvas matters.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/arch.h"
#include "model/drawing.h"
#include "model/picture.h"

enum { INK_PREPARATION_TEXT_SIZE = 160 };

/* What was done, for people: "dark on light, cropped to 94x180, scaled 0.11, moved +1,-2". */
struct ink_preparation {
    char text[INK_PREPARATION_TEXT_SIZE];
    bool is_empty; /* nothing drawn: no ink, or specks only; the row is all zero */
};

/* Where strokes go: pixel = (coordinate - from) * scale + to; pixel centres are at .5. */
struct ink_raster_fit {
    float scale;
    float from_x, from_y; /* a point of the drawing, and */
    float to_x, to_y;     /* where it comes to lie in the picture */
};

/* A round pen. In pixels. */
struct ink_raster_pen {
    float width;
    float softness; /* how far its edge takes to fade; 1 is plain anti-aliasing */
};

/* Where it draws. */
struct ink_raster {
    uint8_t *pixels; /* [height][width]; the darker of old and new ink is kept, so start from 0 */
    int width, height;
};

/* Draw strokes into a picture: anti-aliased, round caps and joins. What lies outside is cut. */
void ink_raster_draw(const struct ink_drawing *drawing, const struct ink_raster_fit *fit,
                     const struct ink_raster_pen *pen, const struct ink_raster *out_raster);

/* A drawing as a row. */
void ink_prepare_drawing(const struct ink_drawing *drawing,
                         uint8_t out_row[static INK_PICTURE_SIZE],
                         struct ink_preparation *out_preparation);

/* A picture file as a row: sense, background, crop, scale, thickness, centre of mass. */
INK_MUST_CHECK enum ink_status ink_prepare_picture(const struct ink_picture *picture,
                                                   uint8_t out_row[static INK_PICTURE_SIZE],
                                                   struct ink_preparation *out_preparation,
                                                   struct ink_err *err);

/* Bytes to the network's floats: 0..255 -> 0..1. Exactly value / 255. */
void ink_prepare_floats(const uint8_t *row, size_t count, float *out_pixels);

#endif
