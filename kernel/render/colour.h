/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_COLOUR_H
#define INK_RENDER_COLOUR_H

/*
 * colour: numbers as colours that are as far apart as the numbers are.
 *
 * The two maps run through OKLab with evenly falling lightness, so that equal
 * steps look equal, and a grey copy still reads.
 *
 * Source: Ottosson, "A perceptual color space for image processing" (2020).
 */

#include <stdint.h>

struct ink_colour {
    uint8_t red, green, blue;
};

/* The palette of everything we draw. */
#define INK_COLOUR_PAPER  ((struct ink_colour){0xff, 0xff, 0xff})
#define INK_COLOUR_INK    ((struct ink_colour){0x1d, 0x1f, 0x2b})
#define INK_COLOUR_MUTED  ((struct ink_colour){0x6b, 0x6f, 0x80})
#define INK_COLOUR_LINE   ((struct ink_colour){0xdf, 0xe1, 0xe8})
#define INK_COLOUR_FIELD  ((struct ink_colour){0xf3, 0xf4, 0xf7})
#define INK_COLOUR_ACCENT ((struct ink_colour){0x3d, 0x56, 0xd6})
#define INK_COLOUR_SECOND ((struct ink_colour){0xe0, 0x6c, 0x1f})
#define INK_COLOUR_RIGHT  ((struct ink_colour){0x1f, 0x8a, 0x4c})
#define INK_COLOUR_WRONG  ((struct ink_colour){0xc9, 0x2a, 0x3e})

/* 0 paper .. 1 ink blue, for what has no sign. Clips; NaN is 0. webui/views/maps.js has the same.
 */
struct ink_colour ink_colour_sequential(float value);

/* -1 amber .. 0 paper .. 1 ink blue, for what has a sign. Clips; NaN is 0. */
struct ink_colour ink_colour_diverging(float value);

/* 0 paper .. 255 ink: a digit's pixel as pen on paper. */
struct ink_colour ink_colour_of_pixel(uint8_t pixel);

/* `share` of `over` on top of `under`, in sRGB. */
struct ink_colour ink_colour_mix(struct ink_colour under, struct ink_colour over, float share);

/* Ink or paper, whichever is easier to read on `ground`. */
struct ink_colour ink_colour_on(struct ink_colour ground);

#endif
