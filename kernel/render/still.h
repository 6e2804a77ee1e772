/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_STILL_H
#define INK_RENDER_STILL_H

/*
 * still: a figure as a notebook keeps it: PNG inside HTML, and by itself.
 *
 * Untrusted notebooks drop scripts, inline SVG and styles; a PNG data URI with
 * an alternative text, tables and <details> survive everywhere, so that is
 * what a still is made of.
 */

#include "kernel/render/bundle.h"
#include "kernel/render/figure.h"

/*
 * Add image/png to the bundle (NULL = none), and an <img> of it to `html`, which turns broken if
 * there is no memory.
 *
 *   alt   what the picture says, in words
 */
void ink_still_add(struct ink_bundle *bundle, const struct ink_figure *figure, const char *alt,
                   struct ink_buf *html);

/* Append <details>, folded: a summary, and `html` as its contents. */
void ink_still_details(struct ink_buf *html, const char *summary, const char *contents_html);

#endif
