/* SPDX-License-Identifier: MIT */
#include "kernel/render/figure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/render/font.h"

enum { TEXT_SIZE = 256 };

static void
add(struct ink_figure *figure, struct ink_figure_op op, const void *bytes, size_t size)
{
    op.byte_count = size;
    op.bytes = NULL;
    ink_buf_append(&figure->ops, &op, sizeof(op));
    ink_buf_append(&figure->ops, bytes, size);
    figure->op_count++;
}

bool
ink_figure_next(const struct ink_figure *figure, size_t *offset, struct ink_figure_op *out_op)
{
    if (*offset >= figure->ops.size)
        return false;
    memcpy(out_op, figure->ops.bytes + *offset, sizeof(*out_op));
    out_op->bytes = figure->ops.bytes + *offset + sizeof(*out_op);
    *offset += sizeof(*out_op) + out_op->byte_count;
    return true;
}

void
ink_figure_init(struct ink_figure *figure, float width, float height)
{
    *figure = (struct ink_figure){.width = width, .height = height, .scale = 2};
    ink_figure_rect(figure, (struct ink_box){0, 0, width, height}, 8, INK_COLOUR_LINE);
    ink_figure_rect(figure, (struct ink_box){1, 1, width - 2, height - 2}, 7, INK_COLOUR_PAPER);
}

void
ink_figure_fini(struct ink_figure *figure)
{
    ink_buf_fini(&figure->ops);
    *figure = (struct ink_figure){0};
}

void
ink_figure_rect(struct ink_figure *figure, struct ink_box box, float radius,
                struct ink_colour colour)
{
    if (box.width <= 0 || box.height <= 0)
        return;
    add(figure,
        (struct ink_figure_op){
            .kind = INK_FIGURE_RECT, .box = box, .size = radius, .colour = colour},
        NULL, 0);
}

void
ink_figure_line(struct ink_figure *figure, const float *points, size_t count, float width,
                struct ink_colour colour)
{
    if (count == 0)
        return;
    add(figure, (struct ink_figure_op){.kind = INK_FIGURE_LINE, .size = width, .colour = colour},
        points, count * 2 * sizeof(*points));
}

void
ink_figure_text(struct ink_figure *figure, float x, float y, const struct ink_pen *pen,
                const char *text)
{
    add(figure,
        (struct ink_figure_op){.kind = INK_FIGURE_TEXT,
                               .box = {x, y, 0, 0},
                               .size = pen->size,
                               .anchor = pen->anchor,
                               .is_bold = pen->is_bold,
                               .colour = pen->colour},
        text, strlen(text) + 1);
}

void
ink_figure_textf(struct ink_figure *figure, float x, float y, const struct ink_pen *pen,
                 const char *fmt, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ink_figure_text(figure, x, y, pen, text);
}

void
ink_figure_image(struct ink_figure *figure, struct ink_box box, const uint8_t *rgb, int width,
                 int height)
{
    add(figure,
        (struct ink_figure_op){
            .kind = INK_FIGURE_IMAGE, .box = box, .image_width = width, .image_height = height},
        rgb, (size_t)width * (size_t)height * 3);
}

float
ink_figure_text_width(const char *text, float size)
{
    return (float)ink_font_width(text) * size * 0.72F / INK_FONT_CAPITAL;
}

void
ink_figure_fit_text(const char *text, float size, float width, struct ink_buf *out_text)
{
    const char *end = text;
    float room = width - ink_figure_text_width("\xe2\x80\xa6", size) - size * 0.18F;
    float unit = size * 0.72F / INK_FONT_CAPITAL;
    float used = 0;

    if (ink_figure_text_width(text, size) <= width) {
        ink_buf_puts(out_text, text);
        return;
    }
    for (;;) {
        const char *next = end;
        unsigned character = ink_font_next(&next);

        used += (float)(ink_font_glyph(character).width + INK_FONT_GAP) * unit;
        if (character == 0 || used > room)
            break;
        end = next;
    }
    ink_buf_append(out_text, text, (size_t)(end - text));
    ink_buf_puts(out_text, "\xe2\x80\xa6");
}
