/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_CONFUSION_H
#define INK_RENDER_CONFUSION_H

/* confusion: truth against answer, as a table with colour. */

#include <stdint.h>

#include "kernel/render/figure.h"
#include "model/arch.h"

/* Start a figure and fill it. counts [truth][answer] */
void ink_confusion_figure(struct ink_figure *figure,
                          const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT]);

/* Append it as text: truth down, answer across, the share that is right at the end of each row. */
void ink_confusion_text(struct ink_buf *text,
                        const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT]);
void ink_confusion_html(struct ink_buf *html,
                        const uint32_t counts[INK_CLASS_COUNT][INK_CLASS_COUNT]);

#endif
