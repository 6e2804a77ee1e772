/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PRECISION_H
#define INK_MODEL_PRECISION_H

/*
 * precision: the numbers that layers multiply.
 *
 * In bf16 (model/kernels/bf16.h) convolutions and dense layers round what they
 * multiply to 8 significant bits and sum in float; weights, optimizer, batch
 * normalisation and loss stay float. It takes half the time where the processor
 * multiplies such numbers itself.
 *
 * Threads  any
 */

#include "base/status.h"
#include "model/arch.h"

struct ink_kernels;

enum ink_precision {
    INK_PRECISION_F32,
    INK_PRECISION_BF16,
    INK_PRECISION_AUTO /* bf16 where it is faster */
};

/* "f32", "bf16", "auto" */
const char *ink_precision_name(enum ink_precision precision);
bool ink_precision_parse(const char *text, enum ink_precision *out_precision);

/*
 * INK_PRECISION_F32 or INK_PRECISION_BF16, on this processor. INK_PRECISION_AUTO is bf16 where the
 * processor multiplies bf16: every network of the zoo trains and answers faster then, from softmax
 * (one picture 0.9 -> 0.2 us on a Zen 5 core) to twobranch (3.0 -> 1.5 ms).
 *
 * Errors   INK_NOTNOW   bf16 was asked for and `kernels` have none
 */
INK_MUST_CHECK enum ink_status ink_precision_choose(enum ink_precision wanted,
                                                    const struct ink_kernels *kernels,
                                                    enum ink_precision *out_precision,
                                                    struct ink_err *err);

/* Whether kernels can compute so. Errors: INK_NOTNOW as above */
INK_MUST_CHECK enum ink_status ink_precision_check(enum ink_precision wanted,
                                                   const struct ink_kernels *kernels,
                                                   struct ink_err *err);

/* Whether a layer of a bf16 network computes in bf16: one that uses each of its inputs often enough
 * to make up for rounding it. */
bool ink_precision_is_bf16(const struct ink_node *node);

#endif
