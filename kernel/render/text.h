/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_TEXT_H
#define INK_RENDER_TEXT_H

/* text: what results look like as plain text. UTF-8 throughout. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/arch.h"

/* Append text from outside: control characters and bytes that are not UTF-8 become U+FFFD. */
void ink_text_clean(struct ink_buf *buf, const char *text);

/* Append 10000 as "10,000". */
void ink_text_count(struct ink_buf *buf, long long count);

/* Append 0.9953 as "99.53 %"; what is not quite 1 is not shown as 100. */
void ink_text_percent(struct ink_buf *buf, double share);

/* Append "12 s", "3 min 20 s", "2 h 5 min". */
void ink_text_duration(struct ink_buf *buf, double seconds);

/* Append a bar of `width` characters, filled by `share`, in eighths of one. */
void ink_text_bar(struct ink_buf *buf, double share, int width);

/* Characters of a text as a terminal counts them, one each. */
size_t ink_text_width(const char *text);

/* Lines of a digit: two pixels a character, one above the other. */
enum { INK_TEXT_PICTURE_LINES = INK_PICTURE_SIDE / 2 };

/* Append line `line` of a picture, 28 characters wide. row [784]. */
void ink_text_picture_line(struct ink_buf *buf, const uint8_t *row, int line);

/* Append "1x28x28", or "10" for a flat vector. */
void ink_text_shape(struct ink_buf *buf, struct ink_shape shape);

#endif
