/* SPDX-License-Identifier: MIT */
#include "kernel/command/activation.h"

#include <math.h>

void
ink_activation_measure(const float *values, size_t count, struct ink_activation *out)
{
    struct ink_activation found = {values[0], values[0], 0, 0, 0};
    double sum = 0, squares = 0;
    size_t zeros = 0;

    for (size_t i = 0; i < count; i++) {
        found.min = values[i] < found.min ? values[i] : found.min;
        found.max = values[i] > found.max ? values[i] : found.max;
        sum += (double)values[i];
        zeros += fpclassify(values[i]) == FP_ZERO;
    }
    found.mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        double away = (double)values[i] - found.mean;

        squares += away * away;
    }
    found.sd = sqrt(squares / (double)count);
    found.zeros = (double)zeros / (double)count;
    *out = found;
}
