/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_GRID_H
#define INK_RENDER_GRID_H

/*
 * grid: pictures in rows, each with words below it.
 *
 *     ink_grid_begin (starts the figure) -> ink_grid_image, ink_grid_caption a tile
 */

#include "kernel/render/figure.h"

enum { INK_GRID_WIDTH = 880, INK_GRID_CAPTION_MAX = 2 }; /* of the page, at most */

struct ink_grid {
    struct ink_figure *figure;
    int columns, caption_count;
    float tile_width, tile_height, left, top;
};

/*
 *   title           a line above; NULL = none
 *   count           tiles
 *   tile_width, _height   of a picture, without its words
 *   caption_count   lines below each, 0..2
 *   footer          height of free space below the tiles
 *   columns         tiles in a row; 0 = as many as fit
 */
struct ink_grid_plan {
    const char *title;
    size_t count;
    float tile_width, tile_height;
    int caption_count;
    float footer;
    int columns;
};
void ink_grid_begin(struct ink_grid *grid, struct ink_figure *figure,
                    const struct ink_grid_plan *plan);

/* The picture's place. */
struct ink_box ink_grid_box(const struct ink_grid *grid, size_t index);

/* rgb [height][width][3] */
void ink_grid_image(struct ink_grid *grid, size_t index, const uint8_t *rgb, int width, int height);

/* A digit, ink on paper, with a hairline around it. row [784] */
void ink_grid_digit(struct ink_grid *grid, size_t index, const uint8_t *row);

/* line: 0 = the first below the picture. Cut to the tile's width. */
void ink_grid_caption(struct ink_grid *grid, size_t index, int line, struct ink_colour colour,
                      const char *text);

/* [784] grey to [784][3]. */
void ink_digit_rgb(const uint8_t *row, uint8_t *out_rgb);

#endif
