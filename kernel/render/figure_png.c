/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/render/figure.h"
#include "kernel/render/font.h"
#include "model/picture.h"

/* The page in dots, and a mask for lines: a dot's share of ink, so that crossings are inked once.
 */
struct page {
    int width, height;
    float scale;
    uint8_t *rgb; /* [height][width][3] */
    float *mask;  /* [height][width], all zero between lines */
};

/* A range of dots, clipped to the page; right and bottom are outside. */
struct dots {
    int left, top, right, bottom;
};

static struct dots
clip(const struct page *page, float left, float top, float right, float bottom)
{
    struct dots dots = {
        (int)fmaxf(0, floorf(left)),
        (int)fmaxf(0, floorf(top)),
        (int)fminf((float)page->width, ceilf(right)),
        (int)fminf((float)page->height, ceilf(bottom)),
    };

    return dots;
}

static void
blend(struct page *page, int x, int y, struct ink_colour colour, float share)
{
    uint8_t *dot = page->rgb + 3 * ((size_t)y * (size_t)page->width + (size_t)x);
    struct ink_colour mixed =
        ink_colour_mix((struct ink_colour){dot[0], dot[1], dot[2]}, colour, share);

    dot[0] = mixed.red;
    dot[1] = mixed.green;
    dot[2] = mixed.blue;
}

static float
share_of(float value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Signed distance to the round rectangle, half a dot of softness. */
static void
draw_rect(struct page *page, const struct ink_figure_op *op)
{
    float scale = page->scale, radius = op->size * scale;
    float half_width = op->box.width * scale / 2, half_height = op->box.height * scale / 2;
    float centre_x = op->box.x * scale + half_width, centre_y = op->box.y * scale + half_height;
    struct dots dots = clip(page, centre_x - half_width, centre_y - half_height,
                            centre_x + half_width, centre_y + half_height);

    radius = fminf(radius, fminf(half_width, half_height));
    for (int y = dots.top; y < dots.bottom; y++)
        for (int x = dots.left; x < dots.right; x++) {
            float dx = fabsf((float)x + 0.5F - centre_x) - half_width + radius;
            float dy = fabsf((float)y + 0.5F - centre_y) - half_height + radius;
            float outside = hypotf(fmaxf(dx, 0), fmaxf(dy, 0));
            float distance = outside + fminf(fmaxf(dx, dy), 0) - radius;

            blend(page, x, y, op->colour, share_of(0.5F - distance));
        }
}

/* Put one piece of a line into the mask. Everything in dots. */
static struct dots
mask_segment(struct page *page, const float from[2], const float to[2], float width)
{
    float reach = width / 2 + 1;
    struct dots dots = clip(page, fminf(from[0], to[0]) - reach, fminf(from[1], to[1]) - reach,
                            fmaxf(from[0], to[0]) + reach, fmaxf(from[1], to[1]) + reach);
    float along_x = to[0] - from[0], along_y = to[1] - from[1];
    float square = along_x * along_x + along_y * along_y;

    for (int y = dots.top; y < dots.bottom; y++)
        for (int x = dots.left; x < dots.right; x++) {
            float dx = (float)x + 0.5F - from[0], dy = (float)y + 0.5F - from[1];
            float place = square > 0 ? share_of((dx * along_x + dy * along_y) / square) : 0;
            float distance = hypotf(dx - place * along_x, dy - place * along_y);
            float share = share_of(width / 2 + 0.5F - distance);
            float *dot = page->mask + (size_t)y * (size_t)page->width + (size_t)x;

            if (share > *dot)
                *dot = share;
        }
    return dots;
}

static struct dots
join(struct dots a, struct dots b)
{
    return (struct dots){
        a.left < b.left ? a.left : b.left,
        a.top < b.top ? a.top : b.top,
        a.right > b.right ? a.right : b.right,
        a.bottom > b.bottom ? a.bottom : b.bottom,
    };
}

/* Ink what the mask holds, and clear it. */
static void
ink_mask(struct page *page, struct dots dots, struct ink_colour colour)
{
    for (int y = dots.top; y < dots.bottom; y++)
        for (int x = dots.left; x < dots.right; x++) {
            float *dot = page->mask + (size_t)y * (size_t)page->width + (size_t)x;

            if (*dot > 0)
                blend(page, x, y, colour, *dot);
            *dot = 0;
        }
}

static void
draw_line(struct page *page, const struct ink_figure_op *op)
{
    const char *bytes = op->bytes;
    size_t count = op->byte_count / (2 * sizeof(float));
    float width = fmaxf(op->size * page->scale, 1.0F);
    struct dots dots = {page->width, page->height, 0, 0};
    float from[2];

    memcpy(from, bytes, sizeof(from));
    from[0] *= page->scale;
    from[1] *= page->scale;
    for (size_t i = count > 1 ? 1 : 0; i < count; i++) {
        float to[2];

        memcpy(to, bytes + i * sizeof(to), sizeof(to));
        to[0] *= page->scale;
        to[1] *= page->scale;
        dots = join(dots, mask_segment(page, from, to, width));
        memcpy(from, to, sizeof(from));
    }
    ink_mask(page, dots, op->colour);
}

static int
digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Put a letter's strokes into the mask; (x, top) is the upper left corner of its box. */
static struct dots
mask_glyph(struct page *page, const char *strokes, float x, float top, float unit, float width)
{
    struct dots dots = {page->width, page->height, 0, 0};
    float from[2] = {0, 0};
    bool is_down = false;

    while (strokes[0] && strokes[1]) {
        float to[2] = {x + (float)digit(strokes[0]) * unit, top + (float)digit(strokes[1]) * unit};

        if (is_down)
            dots = join(dots, mask_segment(page, from, to, width));
        memcpy(from, to, sizeof(from));
        is_down = strokes[2] == ' ';
        strokes += strokes[2] ? 3 : 2;
    }
    return dots;
}

static void
draw_text(struct page *page, const struct ink_figure_op *op)
{
    const char *text = op->bytes;
    float unit = op->size * 0.72F / INK_FONT_CAPITAL * page->scale;
    float width = unit * (op->is_bold ? 2.3F : 1.5F);
    float whole = (float)ink_font_width(text) * unit;
    float x = op->box.x * page->scale, top = op->box.y * page->scale - INK_FONT_CAPITAL * unit;
    struct dots dots = {page->width, page->height, 0, 0};

    if (op->anchor != INK_ANCHOR_START)
        x -= op->anchor == INK_ANCHOR_END ? whole : whole / 2;
    for (unsigned character = ink_font_next(&text); character; character = ink_font_next(&text)) {
        struct ink_glyph glyph = ink_font_glyph(character);

        dots = join(dots, mask_glyph(page, glyph.strokes, x, top, unit, width));
        x += (float)(glyph.width + INK_FONT_GAP) * unit;
    }
    ink_mask(page, dots, op->colour);
}

static void
draw_image(struct page *page, const struct ink_figure_op *op)
{
    const uint8_t *rgb = op->bytes;
    float left = roundf(op->box.x * page->scale), top = roundf(op->box.y * page->scale);
    float width = roundf(op->box.width * page->scale);
    float height = roundf(op->box.height * page->scale);
    struct dots dots = clip(page, left, top, left + width, top + height);

    for (int y = dots.top; y < dots.bottom; y++)
        for (int x = dots.left; x < dots.right; x++) {
            int from_x = (int)(((float)x + 0.5F - left) * (float)op->image_width / width);
            int from_y = (int)(((float)y + 0.5F - top) * (float)op->image_height / height);
            const uint8_t *dot = rgb + 3 * (from_y * op->image_width + from_x);

            memcpy(page->rgb + 3 * ((size_t)y * (size_t)page->width + (size_t)x), dot, 3);
        }
}

enum ink_status
ink_figure_png(const struct ink_figure *figure, int scale, struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) uint8_t *rgb = NULL;
    INK_CLEANUP(ink_freep) float *mask = NULL;
    struct page page = {(int)ceilf(figure->width) * scale, (int)ceilf(figure->height) * scale,
                        (float)scale, NULL, NULL};
    struct ink_figure_op op;
    size_t offset = 0, dot_count;
    enum ink_status status = ink_buf_check(&figure->ops, err);

    if (status != INK_OK)
        return status;
    if (page.width > INK_FIGURE_SIDE_MAX * 2 || page.height > INK_FIGURE_SIDE_MAX * 2)
        return ink_fail(err, INK_TOOBIG, "a picture of %d x %d dots, expected at most %d a side",
                        page.width, page.height, INK_FIGURE_SIDE_MAX * 2);
    dot_count = (size_t)page.width * (size_t)page.height;
    page.rgb = rgb = malloc(dot_count * 3);
    page.mask = mask = calloc(dot_count, sizeof(*mask));
    if (!rgb || !mask)
        return ink_fail(err, INK_NOMEM, "out of memory for a picture of %d x %d dots", page.width,
                        page.height);
    memset(rgb, 0xff, dot_count * 3);
    while (ink_figure_next(figure, &offset, &op)) {
        static void (*const draw[])(struct page *, const struct ink_figure_op *) = {
            [INK_FIGURE_RECT] = draw_rect,
            [INK_FIGURE_LINE] = draw_line,
            [INK_FIGURE_TEXT] = draw_text,
            [INK_FIGURE_IMAGE] = draw_image,
        };

        draw[op.kind](&page, &op);
    }
    return ink_picture_encode_png(rgb, page.width, page.height, 3, buf, err);
}
