/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_FONT_H
#define INK_RENDER_FONT_H

/*
 * font: letters as pen strokes, for words inside PNG pictures.
 *
 * One weight, our own drawing. Units: a capital is 12 high, a small letter 8;
 * y runs down from the top of a capital, the base line is at 12.
 */

enum { INK_FONT_CAPITAL = 12, INK_FONT_GAP = 3 }; /* units; the gap is between two letters */

struct ink_glyph {
    int width;
    const char *strokes; /* "12 40 4c|..": points as two hexadecimal digits xy, strokes by | */
};

/* The glyph of a Unicode character; one that is missing looks like a box. */
struct ink_glyph ink_font_glyph(unsigned character);

/* Take the next character off UTF-8 text; returns 0 at the end. Broken bytes come as U+FFFD. */
unsigned ink_font_next(const char **text);

/* Width of a text in units. */
int ink_font_width(const char *text);

#endif
