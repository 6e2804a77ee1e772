/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/render/figure.h"
#include "model/picture.h"

/* A coordinate with two decimals at most, and none that are not needed. */
static void
number(struct ink_buf *buf, float value)
{
    char text[32];
    size_t size;

    (void)snprintf(text, sizeof(text), "%.2f", (double)value);
    size = strlen(text);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    ink_buf_append(buf, text, size);
}

static void
attribute(struct ink_buf *buf, const char *name, float value)
{
    ink_buf_printf(buf, " %s=\"", name);
    number(buf, value);
    ink_buf_putc(buf, '"');
}

static void
colour(struct ink_buf *buf, const char *name, struct ink_colour value)
{
    ink_buf_printf(buf, " %s=\"#%02x%02x%02x\"", name, value.red, value.green, value.blue);
}

static void
place(struct ink_buf *buf, const struct ink_box *box)
{
    attribute(buf, "x", box->x);
    attribute(buf, "y", box->y);
    attribute(buf, "width", box->width);
    attribute(buf, "height", box->height);
}

static void
write_rect(struct ink_buf *buf, const struct ink_figure_op *op)
{
    ink_buf_puts(buf, "<rect");
    place(buf, &op->box);
    if (op->size > 0)
        attribute(buf, "rx", op->size);
    colour(buf, "fill", op->colour);
    ink_buf_puts(buf, "/>");
}

static void
write_line(struct ink_buf *buf, const struct ink_figure_op *op)
{
    const float *points = op->bytes;
    size_t count = op->byte_count / (2 * sizeof(float));

    ink_buf_puts(buf, "<polyline fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\"");
    colour(buf, "stroke", op->colour);
    attribute(buf, "stroke-width", op->size);
    ink_buf_puts(buf, " points=\"");
    for (size_t i = 0; i < count; i++) {
        float xy[2];

        memcpy(xy, points + 2 * i, sizeof(xy));
        if (i > 0)
            ink_buf_putc(buf, ' ');
        number(buf, xy[0]);
        ink_buf_putc(buf, ',');
        number(buf, xy[1]);
    }
    ink_buf_puts(buf, "\"/>");
}

static void
write_text(struct ink_buf *buf, const struct ink_figure_op *op)
{
    static const char *const anchors[] = {"start", "middle", "end"};

    ink_buf_puts(buf, "<text");
    attribute(buf, "x", op->box.x);
    attribute(buf, "y", op->box.y);
    attribute(buf, "font-size", op->size);
    if (op->anchor != INK_ANCHOR_START)
        ink_buf_printf(buf, " text-anchor=\"%s\"", anchors[op->anchor]);
    if (op->is_bold)
        ink_buf_puts(buf, " font-weight=\"600\"");
    colour(buf, "fill", op->colour);
    ink_buf_putc(buf, '>');
    ink_buf_html(buf, op->bytes);
    ink_buf_puts(buf, "</text>");
}

static enum ink_status
write_image(struct ink_buf *buf, const struct ink_figure_op *op, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf png = {0};
    enum ink_status status =
        ink_picture_encode_png(op->bytes, op->image_width, op->image_height, 3, &png, err);

    if (status != INK_OK)
        return status;
    ink_buf_puts(buf, "<image preserveAspectRatio=\"none\" image-rendering=\"pixelated\"");
    place(buf, &op->box);
    ink_buf_puts(buf, " href=\"data:image/png;base64,");
    ink_buf_base64(buf, png.bytes, png.size);
    ink_buf_puts(buf, "\"/>");
    return INK_OK;
}

enum ink_status
ink_figure_svg(const struct ink_figure *figure, const char *title, struct ink_buf *buf,
               struct ink_err *err)
{
    struct ink_figure_op op;
    size_t offset = 0;
    enum ink_status status = ink_buf_check(&figure->ops, err);

    if (status != INK_OK)
        return status;
    ink_buf_puts(buf, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    attribute(buf, "width", figure->width);
    attribute(buf, "height", figure->height);
    ink_buf_puts(buf, " viewBox=\"0 0 ");
    number(buf, figure->width);
    ink_buf_putc(buf, ' ');
    number(buf, figure->height);
    ink_buf_puts(buf, "\" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, "
                      "'DejaVu Sans', sans-serif\"><title>");
    ink_buf_html(buf, title);
    ink_buf_puts(buf, "</title>");
    while (ink_figure_next(figure, &offset, &op)) {
        switch (op.kind) {
        case INK_FIGURE_RECT:
            write_rect(buf, &op);
            break;
        case INK_FIGURE_LINE:
            write_line(buf, &op);
            break;
        case INK_FIGURE_TEXT:
            write_text(buf, &op);
            break;
        case INK_FIGURE_IMAGE:
            status = write_image(buf, &op, err);
            if (status != INK_OK)
                return status;
            break;
        }
    }
    ink_buf_puts(buf, "</svg>");
    return ink_buf_check(buf, err);
}
