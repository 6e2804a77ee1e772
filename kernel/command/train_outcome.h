/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_OUTCOME_H
#define INK_COMMAND_TRAIN_OUTCOME_H

/* train_outcome: what is said of a run that has ended, and what is kept of it. */

#include "kernel/command/command.h"
#include "kernel/render/bundle.h"
#include "model/trainer.h"

struct ink_train_outcome {
    const struct ink_args *args; /* merged */
    const char *title, *data;    /* "keras on mnist"; the names that were learned from */
    const struct ink_snapshot *start;
    const struct ink_dataset *train, *validation; /* the second may be NULL */
    const struct ink_train_result *result;
    double trained_s; /* from the pictures in memory to the weights, without validation */
    bool is_used;     /* its network is the session's; else it is the job's only */
};

/* Write what --save and --log ask for. */
INK_MUST_CHECK enum ink_status ink_train_outcome_keep(const struct ink_train_outcome *outcome,
                                                      struct ink_err *err);

/* After an explosion, which `err` tells of: the last good weights are kept all the same, and it
 * says so. */
void ink_train_outcome_keep_sane(const struct ink_train_outcome *outcome, struct ink_err *err);

/* Accuracy, times and curves of a run that came to its end. */
void ink_train_outcome_show(const struct ink_train_outcome *outcome, struct ink_bundle *out_bundle);

/* INK_CANCELLED with what a stopped run left, and how to go on. */
enum ink_status ink_train_outcome_stopped(const struct ink_train_outcome *outcome,
                                          struct ink_err *err);

#endif
