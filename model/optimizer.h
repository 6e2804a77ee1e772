/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_OPTIMIZER_H
#define INK_MODEL_OPTIMIZER_H

/*
 * optimizer: from gradients to new weights.
 *
 * Weight decay is for the weights of conv and dense nodes; biases and batch
 * norm's scale and shift are left alone, as is usual.
 *
 * Threads  apply: any number at once, on ranges that do not overlap
 */

#include "model/net.h"
#include "model/trainer.h"

/* Parameters from..to. */
struct ink_range {
    size_t from, to;
};

struct ink_optimizer_state {
    const struct ink_train_options *options; /* borrowed */
    const struct ink_plan *plan;             /* borrowed */
    float *mean;   /* [parameter_size] Adam's, SGD's velocity, Adadelta's squared steps */
    float *square; /* [parameter_size] of gradients; NULL with SGD */
};

INK_MUST_CHECK enum ink_status ink_optimizer_init(struct ink_optimizer_state *state,
                                                  const struct ink_train_options *options,
                                                  const struct ink_plan *plan, struct ink_err *err);
void ink_optimizer_fini(struct ink_optimizer_state *state);

/* What an optimizer remembers between steps, for checkpoints: every array of numbers by its name.
 */
enum { INK_OPTIMIZER_BLOCK_MAX = 2 };
struct ink_optimizer_block {
    const char *name; /* at most 15 bytes */
    float *numbers;   /* [parameter_size] */
};
size_t ink_optimizer_blocks(const struct ink_optimizer_state *state,
                            struct ink_optimizer_block out[static INK_OPTIMIZER_BLOCK_MAX]);

/* The numbers of one step: for weights, and for what does not decay. */
struct ink_optimizer_step {
    struct ink_step decayed, plain;
};

/* options->epsilon, or what -1 stands for. */
double ink_optimizer_epsilon(const struct ink_train_options *options);

/* step counts from 1; scale is what all gradients are multiplied with. */
struct ink_optimizer_step ink_optimizer_step(const struct ink_train_options *options, int64_t step,
                                             double rate, double scale);

/* The numbers that a step on block[from..to) reads and writes, put behind what is in `soon`. */
void ink_optimizer_expect(const struct ink_optimizer_state *state, const float *block,
                          struct ink_range range, struct ink_soon *soon);

/* Change block[from..to) by its gradient, gradient[0] being that of block[from]. */
void ink_optimizer_apply(const struct ink_optimizer_state *state, const struct ink_kernels *kernels,
                         const struct ink_optimizer_step *step, const float *gradient, float *block,
                         struct ink_range range);

#endif
