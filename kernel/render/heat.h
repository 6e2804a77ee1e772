/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_HEAT_H
#define INK_RENDER_HEAT_H

/*
 * heat: a layer's activations in colour: a picture a channel, or a strip for a
 * flat vector. What is never negative gets the sequential map from 0 to its
 * largest value; what has a sign the diverging one, the same on both sides.
 */

#include <stdbool.h>

#include "kernel/render/figure.h"
#include "model/arch.h"

struct ink_heat {
    const float *values; /* [C][H][W] */
    struct ink_shape shape;
    int first_channel;     /* number of the first, for the words */
    float min, max;        /* of all values */
    bool is_channel_scale; /* each channel by its own range */
};

/* Start a figure and fill it. row [784]: the picture itself, shown first. */
void ink_heat_figure(struct ink_figure *figure, const struct ink_heat *heat, const uint8_t *row);

/* One value's colour in a range. */
struct ink_colour ink_heat_colour(float value, float min, float max);

#endif
