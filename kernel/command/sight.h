/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_SIGHT_H
#define INK_COMMAND_SIGHT_H

/* sight: an answer to one picture as a bundle, for `predict` and for views. */

#include "kernel/command/predict.h"
#include "kernel/render/bundle.h"

struct ink_sight {
    const struct ink_prediction *prediction;
    const char *source; /* NULL = not said */
    int label;          /* -1 = unknown */
    int scale;          /* dots a pixel; 0 = sharp on every screen. 1 is four times as fast */
};

/* Add text/plain, text/html and image/png. */
void ink_sight_add(const struct ink_sight *sight, struct ink_bundle *bundle);

#endif
