/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_ANSWER_H
#define INK_RENDER_ANSWER_H

/* answer: a network's answer to one picture: the picture and ten bars. */

#include "base/buf.h"
#include "kernel/render/figure.h"

struct ink_answer_sight {
    const uint8_t *row;         /* [784] what the network saw */
    const float *probabilities; /* [10] */
    int prediction;
    int label; /* the truth, -1 = unknown */
};

/* Start a figure and fill it: the picture to the left, the bars to the right. */
void ink_answer_figure(struct ink_figure *figure, const struct ink_answer_sight *sight);

/* Append the same in characters: 14 lines. */
void ink_answer_text(struct ink_buf *buf, const struct ink_answer_sight *sight);

/* Append a table of the probabilities. */
void ink_answer_html(struct ink_buf *buf, const struct ink_answer_sight *sight);

#endif
