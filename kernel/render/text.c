/* SPDX-License-Identifier: MIT */
#include "kernel/render/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/render/font.h"

void
ink_text_clean(struct ink_buf *buf, const char *text)
{
    while (*text) {
        const char *start = text;
        unsigned character = ink_font_next(&text);

        /* C0, DEL, C1, and the marks that turn the direction of writing */
        if (character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0xfffd ||
            (character >= 0x202a && character <= 0x202e) ||
            (character >= 0x2066 && character <= 0x2069))
            ink_buf_puts(buf, "\xef\xbf\xbd");
        else
            ink_buf_append(buf, start, (size_t)(text - start));
    }
}

void
ink_text_count(struct ink_buf *buf, long long count)
{
    char digits[32];
    size_t size;

    if (count < 0) {
        ink_buf_putc(buf, '-');
        count = -count;
    }
    (void)snprintf(digits, sizeof(digits), "%lld", count);
    size = strlen(digits);
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            ink_buf_putc(buf, ',');
        ink_buf_putc(buf, digits[i]);
    }
}

void
ink_text_percent(struct ink_buf *buf, double share)
{
    double percent = share * 100;

    if (share < 1 && percent > 99.99)
        percent = 99.99;
    ink_buf_printf(buf, "%.2f %%", percent);
}

void
ink_text_duration(struct ink_buf *buf, double seconds)
{
    long whole = lround(fmin(fmax(seconds, 0), 1e9));

    if (seconds < 9.95)
        ink_buf_printf(buf, "%.1f s", fmax(seconds, 0));
    else if (whole < 60)
        ink_buf_printf(buf, "%ld s", whole);
    else if (whole < 3600)
        ink_buf_printf(buf, "%ld min %ld s", whole / 60, whole % 60);
    else
        ink_buf_printf(buf, "%ld h %ld min", whole / 3600, whole % 3600 / 60);
}

void
ink_text_bar(struct ink_buf *buf, double share, int width)
{
    /* U+2588 is a full block; U+2589 to U+258F are seven eighths down to one. */
    int eighths = (int)lround(fmin(fmax(share, 0), 1) * 8 * width);

    for (int i = 0; i < width; i++) {
        int filled = eighths - 8 * i;

        if (filled >= 8)
            ink_buf_puts(buf, "\xe2\x96\x88");
        else if (filled > 0)
            ink_buf_printf(buf, "\xe2\x96%c", 0x90 - filled);
        else
            ink_buf_putc(buf, ' ');
    }
}

size_t
ink_text_width(const char *text)
{
    size_t width = 0;

    while (ink_font_next(&text))
        width++;
    return width;
}

void
ink_text_picture_line(struct ink_buf *buf, const uint8_t *row, int line)
{
    /* full, upper half, lower half */
    static const char *const blocks[2][2] = {{" ", "\xe2\x96\x84"},
                                             {"\xe2\x96\x80", "\xe2\x96\x88"}};
    const uint8_t *above = row + (size_t)line * 2 * INK_PICTURE_SIDE,
                  *below = above + INK_PICTURE_SIDE;

    for (int x = 0; x < INK_PICTURE_SIDE; x++)
        ink_buf_puts(buf, blocks[above[x] >= 96][below[x] >= 96]);
}

void
ink_text_shape(struct ink_buf *buf, struct ink_shape shape)
{
    if (shape.height == 1 && shape.width == 1)
        ink_buf_printf(buf, "%d", shape.channels);
    else
        ink_buf_printf(buf, "%dx%dx%d", shape.channels, shape.height, shape.width);
}
