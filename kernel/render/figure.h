/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_FIGURE_H
#define INK_RENDER_FIGURE_H

/*
 * figure: one drawing, written as PNG and as SVG.
 *
 * A list of rectangles, lines, words and little pictures in pixels of a page,
 * y down. As with ink_buf, adding never fails at once; writing reports lack of
 * memory.
 *
 *     ink_figure_init -> ink_figure_rect, _line, _text, _image ... -> _png, _svg -> _fini
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "kernel/render/colour.h"

enum { INK_FIGURE_SIDE_MAX = 8192 }; /* of a page: PNG memory is side x side x scale x scale x 3 */

struct ink_figure {
    float width, height;
    int scale;          /* dots a pixel when it becomes a still; 2 = sharp on every screen */
    struct ink_buf ops; /* struct op of figure.c, each followed by its bytes */
    size_t op_count;
};

/* A page of white paper with a hairline around it. */
void ink_figure_init(struct ink_figure *figure, float width, float height);
void ink_figure_fini(struct ink_figure *figure);

struct ink_box {
    float x, y, width, height;
};

/* A filled rectangle with round corners. */
void ink_figure_rect(struct ink_figure *figure, struct ink_box box, float radius,
                     struct ink_colour colour);

/* A polyline. points [count][2] = x, y. */
void ink_figure_line(struct ink_figure *figure, const float *points, size_t count, float width,
                     struct ink_colour colour);

enum ink_anchor { INK_ANCHOR_START, INK_ANCHOR_MIDDLE, INK_ANCHOR_END };

struct ink_pen {
    float size; /* of the font, in pixels: capitals are 0.72 of it */
    enum ink_anchor anchor;
    bool is_bold;
    struct ink_colour colour;
};

/* One line of UTF-8 text; (x, y) is on its base line. */
void ink_figure_text(struct ink_figure *figure, float x, float y, const struct ink_pen *pen,
                     const char *text);
void ink_figure_textf(struct ink_figure *figure, float x, float y, const struct ink_pen *pen,
                      const char *fmt, ...) INK_PRINTF(5, 6);

/* How wide ink_figure_text draws a text in a PNG; fonts in an SVG are about as wide. */
float ink_figure_text_width(const char *text, float size);

/* Cut a text so that it is at most `width` wide, with an ellipsis if it was cut. */
void ink_figure_fit_text(const char *text, float size, float width, struct ink_buf *out_text);

/* A picture blown up with crisp pixels. rgb [height][width][3]. */
void ink_figure_image(struct ink_figure *figure, struct ink_box box, const uint8_t *rgb, int width,
                      int height);

/*
 * Append the figure as a PNG of `scale` dots a pixel, or as one <svg> element.
 *
 * Errors   INK_NOMEM, INK_TOOBIG
 */
INK_MUST_CHECK enum ink_status ink_figure_png(const struct ink_figure *figure, int scale,
                                              struct ink_buf *buf, struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_figure_svg(const struct ink_figure *figure, const char *title,
                                              struct ink_buf *buf, struct ink_err *err);

/* ---- for figure's own files ---- */

enum ink_figure_op_kind { INK_FIGURE_RECT, INK_FIGURE_LINE, INK_FIGURE_TEXT, INK_FIGURE_IMAGE };

struct ink_figure_op {
    enum ink_figure_op_kind kind;
    struct ink_box box; /* text: x, y only */
    float size;         /* radius, line width, font size */
    enum ink_anchor anchor;
    bool is_bold;
    struct ink_colour colour;
    int image_width, image_height;
    size_t byte_count; /* of what follows: points, text, rgb */
    const void *bytes; /* set by ink_figure_next */
};

/* Step through the operations: start with *offset = 0; false at the end. */
bool ink_figure_next(const struct ink_figure *figure, size_t *offset, struct ink_figure_op *out_op);

#endif
