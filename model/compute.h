/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_COMPUTE_H
#define INK_MODEL_COMPUTE_H

/*
 * compute: how one user of a network wants it computed.
 *
 * Chosen by whoever makes a predictor, an evaluation or a training run, so that
 * several may differ in one process. Zeroed is the usual: fast, in f32.
 *
 * Threads  any
 */

#include "model/precision.h"

struct ink_kernels;

enum ink_engine {
    INK_ENGINE_FAST,     /* the best that this processor has, or what INKLING_CPU says */
    INK_ENGINE_REFERENCE /* plain loops, sums in double: slow, and the judge of the others */
};

struct ink_compute {
    enum ink_precision precision;
    enum ink_engine engine;
};

/* INK_COMPUTE(F32) */
#define INK_COMPUTE(how) ((struct ink_compute){.precision = INK_PRECISION_##how})

/* "fast", "reference" */
bool ink_engine_parse(const char *text, enum ink_engine *out_engine);

const struct ink_kernels *ink_engine_kernels(enum ink_engine engine);

/* What such an engine computes with here: "avx512bf16", "avx512", "avx2", "baseline" or
 * "reference". */
const char *ink_engine_name(enum ink_engine engine);

#endif
