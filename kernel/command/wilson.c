/* SPDX-License-Identifier: MIT */
#include "kernel/command/wilson.h"

#include <math.h>

void
ink_wilson(size_t correct, size_t count, double *out_low, double *out_high)
{
    static const double z = 1.959963984540054; /* 97.5 % of a normal distribution lie below */
    double n = (double)count, share = (double)correct / n;
    double centre = share + z * z / (2 * n);
    double reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    double scale = 1 + z * z / n;

    *out_low = correct == 0 ? 0 : fmax((centre - reach) / scale, 0);
    *out_high = correct == count ? 1 : fmin((centre + reach) / scale, 1); /* exactly */
}
