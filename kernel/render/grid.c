/* SPDX-License-Identifier: MIT */
#include "kernel/render/grid.h"

#include <math.h>

#include "base/cleanup.h"
#include "model/arch.h"

enum { MARGIN = 16, GAP = 12, TITLE = 26, CAPTION = 16 };

static float
step_x(const struct ink_grid *grid)
{
    return grid->tile_width + GAP;
}

static float
step_y(const struct ink_grid *grid)
{
    return grid->tile_height + GAP + (float)(CAPTION * grid->caption_count);
}

void
ink_grid_begin(struct ink_grid *grid, struct ink_figure *figure, const struct ink_grid_plan *plan)
{
    int fitting = (int)((INK_GRID_WIDTH - 2 * MARGIN + GAP) / (plan->tile_width + GAP));
    int rows, columns = plan->columns, count = plan->count > 0 ? (int)plan->count : 1;
    float width, title_width;

    fitting = fitting < 1 ? 1 : fitting;
    rows = (count + fitting - 1) / fitting;
    if (columns == 0)
        columns = (count + rows - 1) / rows; /* rows of one length */
    *grid = (struct ink_grid){
        .figure = figure,
        .columns = columns,
        .caption_count = plan->caption_count,
        .tile_width = plan->tile_width,
        .tile_height = plan->tile_height,
        .left = MARGIN,
        .top = plan->title ? MARGIN + TITLE : MARGIN,
    };
    rows = (count + columns - 1) / columns;
    width = (float)grid->columns * step_x(grid) - GAP;
    title_width = plan->title ? ink_figure_text_width(plan->title, 14) : 0;
    width = fmaxf(width, fminf(title_width, INK_GRID_WIDTH - 2 * MARGIN));
    ink_figure_init(figure, ceilf(width) + 2 * MARGIN,
                    grid->top + (float)rows * step_y(grid) - GAP + MARGIN + plan->footer);
    if (plan->title) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

        ink_figure_fit_text(plan->title, 14, width, &text);
        ink_figure_text(figure, MARGIN, MARGIN + 12,
                        &(struct ink_pen){14, INK_ANCHOR_START, true, INK_COLOUR_INK},
                        ink_buf_text(&text));
    }
}

struct ink_box
ink_grid_box(const struct ink_grid *grid, size_t index)
{
    int row = (int)index / grid->columns, column = (int)index % grid->columns;

    return (struct ink_box){grid->left + (float)column * step_x(grid),
                            grid->top + (float)row * step_y(grid), grid->tile_width,
                            grid->tile_height};
}

void
ink_grid_image(struct ink_grid *grid, size_t index, const uint8_t *rgb, int width, int height)
{
    struct ink_box box = ink_grid_box(grid, index);

    ink_figure_rect(grid->figure,
                    (struct ink_box){box.x - 1, box.y - 1, box.width + 2, box.height + 2}, 2,
                    INK_COLOUR_LINE);
    ink_figure_image(grid->figure, box, rgb, width, height);
}

void
ink_digit_rgb(const uint8_t *row, uint8_t *out_rgb)
{
    for (size_t i = 0; i < INK_PICTURE_SIZE; i++) {
        struct ink_colour colour = ink_colour_of_pixel(row[i]);

        out_rgb[3 * i] = colour.red;
        out_rgb[3 * i + 1] = colour.green;
        out_rgb[3 * i + 2] = colour.blue;
    }
}

void
ink_grid_digit(struct ink_grid *grid, size_t index, const uint8_t *row)
{
    uint8_t rgb[3 * INK_PICTURE_SIZE];

    ink_digit_rgb(row, rgb);
    ink_grid_image(grid, index, rgb, INK_PICTURE_SIDE, INK_PICTURE_SIDE);
}

void
ink_grid_caption(struct ink_grid *grid, size_t index, int line, struct ink_colour colour,
                 const char *text)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf fitted = {0};
    struct ink_box box = ink_grid_box(grid, index);
    float size = line == 0 ? 13 : 11;

    ink_figure_fit_text(text, size, box.width + GAP - 2, &fitted);
    ink_figure_text(
        grid->figure, box.x + box.width / 2, box.y + box.height + (float)(CAPTION * line) + 15,
        &(struct ink_pen){size, INK_ANCHOR_MIDDLE, line == 0, colour}, ink_buf_text(&fitted));
}
