/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <math.h>

#include "model/prepare.h"

/* A straight piece of a stroke in pixels, ready for distances. */
struct segment {
    float x, y;             /* its start */
    float along_x, along_y; /* from start to end */
    float inverse_square;   /* 1 / length^2, 0 for a dot */
};

static int
clamp_to_int(float value, int low, int high)
{
    return value < (float)low ? low : value > (float)high ? high : (int)value;
}

/* Draw one segment: each pixel by its distance d from the middle line, ink = 1/2 + (r - d) / s. */
static void
draw_segment(const struct segment *segment, const struct ink_raster_pen *pen,
             const struct ink_raster *raster)
{
    float radius = pen->width / 2, gain = 1 / pen->softness;
    float reach = radius + pen->softness / 2;
    float end_x = segment->x + segment->along_x, end_y = segment->y + segment->along_y;
    int left = clamp_to_int(floorf(fminf(segment->x, end_x) - reach), 0, raster->width);
    int right = clamp_to_int(ceilf(fmaxf(segment->x, end_x) + reach), 0, raster->width);
    int top = clamp_to_int(floorf(fminf(segment->y, end_y) - reach), 0, raster->height);
    int bottom = clamp_to_int(ceilf(fmaxf(segment->y, end_y) + reach), 0, raster->height);

    for (int row = top; row < bottom; row++) {
        uint8_t *pixel = raster->pixels + (size_t)row * (size_t)raster->width;
        float y = (float)row + 0.5F - segment->y;

        for (int column = left; column < right; column++) {
            float x = (float)column + 0.5F - segment->x;
            float t = (x * segment->along_x + y * segment->along_y) * segment->inverse_square;
            float clamped = t < 0 ? 0 : t > 1 ? 1 : t;
            float dx = x - clamped * segment->along_x, dy = y - clamped * segment->along_y;
            float square = dx * dx + dy * dy;
            float ink;

            if (square >= reach * reach)
                continue;
            ink = 0.5F + (radius - sqrtf(square)) * gain;
            ink = ink > 1 ? 1 : ink;
            if (ink * 255 + 0.5F >= (float)pixel[column] + 1)
                pixel[column] = (uint8_t)(ink * 255 + 0.5F);
        }
    }
}

void
ink_raster_draw(const struct ink_drawing *drawing, const struct ink_raster_fit *fit,
                const struct ink_raster_pen *pen, const struct ink_raster *out_raster)
{
    assert(pen->width > 0 && pen->softness > 0);
    for (size_t s = 0; s < drawing->stroke_count; s++) {
        size_t first = drawing->start[s], end = drawing->start[s + 1];

        for (size_t i = first; i < end; i++) {
            size_t next = i + 1 < end ? i + 1 : i; /* a stroke of one point is a dot */
            struct segment segment = {.x = (drawing->x[i] - fit->from_x) * fit->scale + fit->to_x,
                                      .y = (drawing->y[i] - fit->from_y) * fit->scale + fit->to_y,
                                      .along_x = (drawing->x[next] - drawing->x[i]) * fit->scale,
                                      .along_y = (drawing->y[next] - drawing->y[i]) * fit->scale};
            float square = segment.along_x * segment.along_x + segment.along_y * segment.along_y;

            if (next == i && i > first)
                break;
            if (square > 1e-8F)
                segment.inverse_square = 1 / square;
            draw_segment(&segment, pen, out_raster);
        }
    }
}
