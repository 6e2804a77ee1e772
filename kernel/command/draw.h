/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_DRAW_H
#define INK_COMMAND_DRAW_H

/* draw: the canvas as a bundle: an alive view, and the still that stands in for it. */

#include "kernel/command/predict.h"
#include "kernel/render/bundle.h"

struct ink_draw_view {
    const char *id;
    int size, brush;                         /* of the canvas, pixels */
    const struct ink_prediction *prediction; /* its last answer; NULL = nothing was drawn yet */
    const char *static_json; /* the last answer with its strokes, as JSON; NULL = none */
};

/* application/vnd.inkling.v1+json, text/html, text/plain; image/png if something was drawn. */
void ink_draw_bundle(const struct ink_draw_view *view, struct ink_bundle *out_bundle);

#endif
