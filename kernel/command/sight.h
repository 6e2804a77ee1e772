/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_SIGHT_H
#define INK_COMMAND_SIGHT_H

/* sight: an answer to one picture as a bundle, for `predict` and for views. */

#include "kernel/command/predict.h"
#include "kernel/render/bundle.h"

/* Add text/plain, text/html and image/png. source NULL = not said; label -1 = unknown. */
void ink_sight_add(const struct ink_prediction *prediction, const char *source, int label,
                   struct ink_bundle *bundle);

#endif
