/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_ACTIVATION_H
#define INK_COMMAND_ACTIVATION_H

/* activation: a layer's numbers, summed up. */

#include <stddef.h>

struct ink_activation {
    float min, max;
    double mean, sd; /* of all values: divided by count */
    double zeros;    /* share of exact zeros */
};

/* values [count], count > 0. */
void ink_activation_measure(const float *values, size_t count, struct ink_activation *out);

#endif
