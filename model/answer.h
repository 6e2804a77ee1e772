/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_ANSWER_H
#define INK_MODEL_ANSWER_H

/*
 * answer: many pictures through one snapshot, on the threads of a pool.
 *
 * What predictors, evaluations and the trainer's validation have in common.
 *
 * Threads  one user at a time; run uses the pool's
 */

#include "model/compute.h"
#include "model/kernels/pool.h"
#include "model/net.h"

struct ink_answer {
    const struct ink_snapshot *snapshot; /* a reference */
    const struct ink_kernels *kernels;
    struct ink_plan *plan;
    float *block;
    struct ink_pool *pool; /* borrowed; NULL = the caller's thread alone */
    int thread_count;
    int capacity;                    /* pictures a thread takes at once, at most */
    struct ink_workspace *workspace; /* [thread_count] */
};

/* Pictures as floats or as a data set's bytes: one of the two is NULL. */
struct ink_pictures {
    const float *pixels; /* [count][784] 0..1 */
    const uint8_t *rows; /* [count][784] 0..255 */
    size_t count;
};

/* count: pictures that a run usually has; more are done in parts, with fewer there is room unused.
 * Errors: INK_NOTNOW no such precision here; INK_NOMEM */
INK_MUST_CHECK enum ink_status ink_answer_init(struct ink_answer *answer,
                                               const struct ink_snapshot *snapshot, size_t count,
                                               struct ink_compute compute, struct ink_pool *pool,
                                               struct ink_err *err);
void ink_answer_fini(struct ink_answer *answer);

/*
 * Probabilities [count][10] of the pictures; allocates nothing. `cancel` (may be
 * NULL) is looked at before each part: set = false is returned, the rest missing.
 */
bool ink_answer_run(struct ink_answer *answer, struct ink_pictures pictures,
                    const atomic_bool *cancel, float *out_probabilities);

#endif
