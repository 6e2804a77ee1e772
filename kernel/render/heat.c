/* SPDX-License-Identifier: MIT */
#include "kernel/render/heat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "kernel/render/grid.h"

enum {
    TILE = 84, /* about the side of a channel */
    STRIP_COLUMNS = 32,
    STRIP_CELL = 22,
    BAR_MAX = 32, /* units shown as bars */
    SCALE_HEIGHT = 44,
    SCALE_WIDTH = 220,
    TILE_MAX = 1024, /* channels shown; the table has all */
};

struct ink_colour
ink_heat_colour(float value, float min, float max)
{
    float reach = fmaxf(fabsf(min), fabsf(max));

    if (!(reach > 0))
        return min < 0 ? ink_colour_diverging(0) : ink_colour_sequential(0);
    return min < 0 ? ink_colour_diverging(value / reach) : ink_colour_sequential(value / reach);
}

static int
by_size(const void *a, const void *b)
{
    const float *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Where the colours end: what all but one in 500 of the values stay below, so that a few large ones
 * do not leave the others dark. */
static float
reach_of(const struct ink_heat *heat)
{
    size_t count = ink_shape_count(heat->shape), place = count - 1 - count / 500;
    float largest = fmaxf(fabsf(heat->min), fabsf(heat->max));
    float *sizes = malloc(count * sizeof(*sizes));
    float reach = largest;

    if (!sizes)
        return largest;
    for (size_t i = 0; i < count; i++)
        sizes[i] = fabsf(heat->values[i]);
    qsort(sizes, count, sizeof(*sizes), by_size);
    if (sizes[place] > largest / 20) /* else nearly all are zero, and the few are what counts */
        reach = sizes[place];
    free(sizes);
    return reach;
}

/* The colours from end to end, with the numbers they stand for. */
static void
draw_scale(struct ink_figure *figure, float x, float y, const struct ink_heat *heat, float reach)
{
    float min = heat->min < 0 ? -reach : 0, max = reach, low = min;
    struct ink_pen pen = {11, INK_ANCHOR_START, false, INK_COLOUR_MUTED};
    uint8_t rgb[SCALE_WIDTH][3];

    for (int i = 0; i < SCALE_WIDTH; i++) {
        float value = low + (reach - low) * (float)i / (SCALE_WIDTH - 1);
        struct ink_colour colour = ink_heat_colour(value, min, max);

        rgb[i][0] = colour.red;
        rgb[i][1] = colour.green;
        rgb[i][2] = colour.blue;
    }
    ink_figure_rect(figure, (struct ink_box){x - 1, y - 1, SCALE_WIDTH + 2, 12}, 2,
                    INK_COLOUR_LINE);
    ink_figure_image(figure, (struct ink_box){x, y, SCALE_WIDTH, 10}, rgb[0], SCALE_WIDTH, 1);
    ink_figure_textf(figure, x, y + 25, &pen, "%.3g", (double)low);
    pen.anchor = INK_ANCHOR_END;
    ink_figure_textf(figure, x + SCALE_WIDTH, y + 25, &pen, "%.3g", (double)reach);
    if (reach < fmaxf(fabsf(heat->min), fabsf(heat->max))) {
        pen.anchor = INK_ANCHOR_START;
        ink_figure_textf(figure, x + SCALE_WIDTH + 16, y + 9, &pen,
                         "values run from %.3g to %.3g: beyond the ends, the colour stays",
                         (double)heat->min, (double)heat->max);
    }
    if (low < 0) {
        pen.anchor = INK_ANCHOR_MIDDLE;
        ink_figure_text(figure, x + SCALE_WIDTH / 2.0F, y + 25, &pen, "0");
    }
}

static void
range_of(const float *values, size_t count, float *out_min, float *out_max)
{
    *out_min = *out_max = values[0];
    for (size_t i = 1; i < count; i++) {
        *out_min = fminf(*out_min, values[i]);
        *out_max = fmaxf(*out_max, values[i]);
    }
}

/* ---- feature maps ---- */

static void
draw_channel(struct ink_grid *grid, const struct ink_heat *heat, int channel, float reach,
             uint8_t *rgb)
{
    size_t plane = (size_t)heat->shape.height * (size_t)heat->shape.width;
    const float *values = heat->values + (size_t)channel * plane;
    float low, high, min = heat->min < 0 ? -reach : 0, max = reach;
    char words[48];

    range_of(values, plane, &low, &high);
    if (heat->is_channel_scale) {
        min = heat->min < 0 ? fminf(low, -1e-12F) : low; /* one kind of map for all channels */
        max = high;
    }
    for (size_t i = 0; i < plane; i++) {
        struct ink_colour colour = ink_heat_colour(values[i], min, max);

        rgb[3 * i] = colour.red;
        rgb[3 * i + 1] = colour.green;
        rgb[3 * i + 2] = colour.blue;
    }
    ink_grid_image(grid, (size_t)channel + 1, rgb, heat->shape.width, heat->shape.height);
    (void)snprintf(words, sizeof(words), "%d", heat->first_channel + channel);
    ink_grid_caption(grid, (size_t)channel + 1, 0, INK_COLOUR_INK, words);
    (void)snprintf(words, sizeof(words), "%.2g to %.2g", (double)low, (double)high);
    ink_grid_caption(grid, (size_t)channel + 1, 1, INK_COLOUR_MUTED, words);
}

static void
draw_maps(struct ink_figure *figure, const struct ink_heat *heat, const uint8_t *row)
{
    int channels = heat->shape.channels < TILE_MAX ? heat->shape.channels : TILE_MAX;
    float side = (float)(heat->shape.channels == 1 ? 2 * TILE : TILE);
    float blow_up = fmaxf(1, floorf(side / (float)heat->shape.width));
    struct ink_grid_plan plan = {.count = (size_t)channels + 1,
                                 .tile_width = blow_up * (float)heat->shape.width,
                                 .tile_height = blow_up * (float)heat->shape.height,
                                 .caption_count = 2,
                                 .footer = heat->is_channel_scale ? 0 : SCALE_HEIGHT};
    INK_CLEANUP(ink_freep)
    uint8_t *rgb = malloc(3 * (size_t)heat->shape.height * (size_t)heat->shape.width);
    float reach = reach_of(heat);
    struct ink_grid grid;

    ink_grid_begin(&grid, figure, &plan);
    if (!rgb) {
        figure->ops.is_broken = true;
        return;
    }
    ink_grid_digit(&grid, 0, row);
    ink_grid_caption(&grid, 0, 0, INK_COLOUR_INK, "picture");
    for (int c = 0; c < channels; c++)
        draw_channel(&grid, heat, c, reach, rgb);
    if (!heat->is_channel_scale)
        draw_scale(figure, grid.left, figure->height - SCALE_HEIGHT, heat, reach);
}

/* ---- flat vectors ---- */

static void
draw_bars(struct ink_figure *figure, const struct ink_heat *heat, const uint8_t *row)
{
    enum { PICTURE = 5 * INK_PICTURE_SIDE, LINE = 20, WIDTH = 300, LEFT = 220 };
    int count = heat->shape.channels;
    float reach = fmaxf(fmaxf(fabsf(heat->min), fabsf(heat->max)), 1e-12F);
    float zero = heat->min < 0 ? LEFT + WIDTH / 2.0F : LEFT, span = LEFT + WIDTH - zero;
    uint8_t rgb[3 * INK_PICTURE_SIZE];

    ink_figure_init(figure, LEFT + WIDTH + 90, fmaxf(PICTURE, (float)(count * LINE)) + 32);
    ink_digit_rgb(row, rgb);
    ink_figure_rect(figure, (struct ink_box){15, 15, PICTURE + 2, PICTURE + 2}, 2, INK_COLOUR_LINE);
    ink_figure_image(figure, (struct ink_box){16, 16, PICTURE, PICTURE}, rgb, INK_PICTURE_SIDE,
                     INK_PICTURE_SIDE);
    for (int i = 0; i < count; i++) {
        float value = heat->values[i], y = 16 + (float)(i * LINE), length = value / reach * span;
        struct ink_pen pen = {12, INK_ANCHOR_END, false, INK_COLOUR_MUTED};

        ink_figure_textf(figure, LEFT - 10, y + 14, &pen, "%d", heat->first_channel + i);
        ink_figure_rect(figure, (struct ink_box){LEFT, y + 3, WIDTH, 14}, 3, INK_COLOUR_FIELD);
        ink_figure_rect(figure,
                        (struct ink_box){fminf(zero, zero + length), y + 3, fabsf(length), 14}, 2,
                        ink_colour_diverging(value < 0 ? -0.62F : 0.62F));
        ink_figure_textf(figure, LEFT + WIDTH + 74, y + 14, &pen, "%.4g", (double)value);
    }
}

static void
draw_strip(struct ink_figure *figure, const struct ink_heat *heat)
{
    int count =
        heat->shape.channels < 64 * STRIP_COLUMNS ? heat->shape.channels : 64 * STRIP_COLUMNS;
    int rows = (count + STRIP_COLUMNS - 1) / STRIP_COLUMNS;
    float left = 56, top = 16, reach = reach_of(heat);
    struct ink_pen pen = {11, INK_ANCHOR_END, false, INK_COLOUR_MUTED};

    ink_figure_init(figure, left + STRIP_COLUMNS * STRIP_CELL + 16,
                    top + (float)(rows * STRIP_CELL) + 10 + SCALE_HEIGHT);
    for (int i = 0; i < count; i++) {
        int line = i / STRIP_COLUMNS, column = i % STRIP_COLUMNS;
        struct ink_box box = {left + (float)(column * STRIP_CELL), top + (float)(line * STRIP_CELL),
                              STRIP_CELL - 2, STRIP_CELL - 2};

        if (column == 0)
            ink_figure_textf(figure, left - 8, box.y + 14, &pen, "%d", heat->first_channel + i);
        ink_figure_rect(figure,
                        (struct ink_box){box.x - 0.5F, box.y - 0.5F, box.width + 1, box.height + 1},
                        2.5F, INK_COLOUR_LINE);
        ink_figure_rect(figure, box, 2,
                        ink_heat_colour(heat->values[i], heat->min < 0 ? -reach : 0, reach));
    }
    draw_scale(figure, left, figure->height - SCALE_HEIGHT, heat, reach);
}

void
ink_heat_figure(struct ink_figure *figure, const struct ink_heat *heat, const uint8_t *row)
{
    if (heat->shape.height > 1 || heat->shape.width > 1)
        draw_maps(figure, heat, row);
    else if (heat->shape.channels <= BAR_MAX)
        draw_bars(figure, heat, row);
    else
        draw_strip(figure, heat);
}
