/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_PREDICTOR_H
#define INK_MODEL_PREDICTOR_H

/*
 * predictor: one user's workspace for asking one snapshot.
 *
 * create (allocates everything) -> run / trace as often as wanted (allocate
 * nothing) -> destroy. A predictor belongs to one thread at a time; make one a
 * thread. Pixels are [count][1][28][28] floats, 0 background .. 1 ink.
 */

#include "model/compute.h"
#include "model/snapshot.h"

struct ink_predictor;

/*
 *   batch_max   pictures the workspace has room for at once, 1..INK_PREDICTOR_BATCH_MAX
 *   threads     used for batches above 1 picture; 1 = only the caller's; 0 = all cores
 *   compute     of run; trace is always in f32
 *
 * Takes a reference to `snapshot`.
 */
enum { INK_PREDICTOR_BATCH_MAX = 1024 };
INK_MUST_CHECK enum ink_status ink_predictor_create(const struct ink_snapshot *snapshot,
                                                    int batch_max, int threads,
                                                    struct ink_compute compute,
                                                    struct ink_predictor **out_predictor,
                                                    struct ink_err *err);
void ink_predictor_destroy(struct ink_predictor **predictor);
const struct ink_snapshot *ink_predictor_snapshot(const struct ink_predictor *predictor);
enum ink_engine ink_predictor_engine(const struct ink_predictor *predictor);

/*
 * Class probabilities (softmax of the last node) for any number of pictures;
 * more than batch_max are done in parts.
 *
 *   pixels              [count][784]
 *   out_probabilities   [count][10]
 */
void ink_predictor_run(struct ink_predictor *predictor, const float *pixels, size_t count,
                       float *out_probabilities);

/*
 * Run one picture and keep every node's output.
 *
 *   pixels              [784]
 *   out_probabilities   [10]
 */
void ink_predictor_trace(struct ink_predictor *predictor, const float *pixels,
                         float *out_probabilities);

/* After trace: the output of a node, [C][H][W] as arch->node[i].shape says;
 * valid until the next run or trace. */
const float *ink_predictor_activation(const struct ink_predictor *predictor, int node_index);

/* How this processor computes: "avx512bf16", "avx512", "avx2", "baseline" or
 * "reference". */
const char *ink_compute_name(void);

#endif
