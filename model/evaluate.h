/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_EVALUATE_H
#define INK_MODEL_EVALUATE_H

/* evaluate: ink_evaluate (model/trainer.h) on threads that are there already. */

#include "model/kernels/pool.h"
#include "model/trainer.h"

INK_MUST_CHECK enum ink_status
ink_evaluate_on(struct ink_pool *pool, const struct ink_snapshot *snapshot,
                const struct ink_dataset *dataset, struct ink_compute compute,
                const atomic_bool *cancel, struct ink_evaluation *out_evaluation,
                struct ink_err *err);

#endif
