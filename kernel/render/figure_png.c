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

static uint8_t *
dot_at(struct page *page, int x, int y)
{
    return page->rgb + 3 * ((size_t)y * (size_t)page->width + (size_t)x);
}

static void
blend(struct page *page, int x, int y, struct ink_colour colour, float share)
{
    uint8_t *dot = dot_at(page, x, y);

    if (share <= 0)
        return;
    if (share < 1)
        colour = ink_colour_mix((struct ink_colour){dot[0], dot[1], dot[2]}, colour, share);
    dot[0] = colour.red;
    dot[1] = colour.green;
    dot[2] = colour.blue;
}

static float
share_of(float value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* A round rectangle in dots. */
struct round_box {
    float centre_x, centre_y, half_width, half_height, radius;
};

/* How much of a dot the rectangle covers: from its signed distance, half a dot of softness. */
static float
coverage(const struct round_box *box, int x, int y)
{
    float dx = fabsf((float)x + 0.5F - box->centre_x) - box->half_width + box->radius;
    float dy = fabsf((float)y + 0.5F - box->centre_y) - box->half_height + box->radius;
    float out_x = fmaxf(dx, 0), out_y = fmaxf(dy, 0);
    float distance = sqrtf(out_x * out_x + out_y * out_y) + fminf(fmaxf(dx, dy), 0) - box->radius;

    return share_of(0.5F - distance);
}

/* Only the ends of a row need looking at dot by dot: between them all dots are alike. */
static void
draw_rect(struct page *page, const struct ink_figure_op *op)
{
    float scale = page->scale;
    struct round_box box = {
        .half_width = op->box.width * scale / 2,
        .half_height = op->box.height * scale / 2,
        .centre_x = op->box.x * scale + op->box.width * scale / 2,
        .centre_y = op->box.y * scale + op->box.height * scale / 2,
    };
    struct dots dots = clip(page, box.centre_x - box.half_width, box.centre_y - box.half_height,
                            box.centre_x + box.half_width, box.centre_y + box.half_height);
    const uint8_t *whole = NULL;
    int end;

    box.radius = fminf(op->size * scale, fminf(box.half_width, box.half_height));
    end = (int)ceilf(box.radius) + 1;
    for (int y = dots.top; y < dots.bottom; y++) {
        int from = dots.left + end, to = dots.right - end;
        float share = coverage(&box, (int)box.centre_x, y);

        for (int x = dots.left; x < dots.right && x < from; x++)
            blend(page, x, y, op->colour, coverage(&box, x, y));
        if (share >= 1 && whole && from < to)
            memcpy(dot_at(page, from, y), whole, 3 * (size_t)(to - from));
        for (int x = from; x < to && !(share >= 1 && whole); x++)
            blend(page, x, y, op->colour, share);
        if (share >= 1 && from < to)
            whole = dot_at(page, from, y); /* the other rows of it are copies */
        for (int x = to > from ? to : from; x < dots.right; x++)
            blend(page, x, y, op->colour, coverage(&box, x, y));
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
            float away_x = dx - place * along_x, away_y = dy - place * along_y;
            float away = sqrtf(away_x * away_x + away_y * away_y);
            float share = share_of(width / 2 + 0.5F - away);
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
    int before = -1;
    float left = roundf(op->box.x * page->scale), top = roundf(op->box.y * page->scale);
    float width = roundf(op->box.width * page->scale);
    float height = roundf(op->box.height * page->scale);
    struct dots dots = clip(page, left, top, left + width, top + height);

    for (int y = dots.top; y < dots.bottom; y++) {
        int from_y = (int)(((float)y + 0.5F - top) * (float)op->image_height / height);
        const uint8_t *row = rgb + (size_t)3 * (size_t)from_y * (size_t)op->image_width;

        if (from_y == before && dots.left < dots.right) {
            memcpy(dot_at(page, dots.left, y), dot_at(page, dots.left, y - 1),
                   3 * (size_t)(dots.right - dots.left));
            continue;
        }
        before = from_y;
        for (int x = dots.left; x < dots.right; x++) {
            int from_x = (int)(((float)x + 0.5F - left) * (float)op->image_width / width);

            memcpy(dot_at(page, x, y), row + (ptrdiff_t)3 * from_x, 3);
        }
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
