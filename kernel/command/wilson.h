/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_WILSON_H
#define INK_COMMAND_WILSON_H

/* wilson: how sure a share is that was counted. */

#include <stddef.h>

/*
 * The 95 % interval of a share, `correct` of `count` > 0.
 *
 * Source: Wilson 1927, "Probable inference, the law of succession, and
 * statistical inference"; the score interval without continuity correction.
 */
void ink_wilson(size_t correct, size_t count, double *out_low, double *out_high);

#endif
