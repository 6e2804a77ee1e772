/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_CHECKPOINTS_H
#define INK_COMMAND_TRAIN_CHECKPOINTS_H

/*
 * train_checkpoints: --checkpoints, --checkpoint-every and --resume.
 *
 *     begin -> the options of the run -> keep or start -> ink_train_run -> end
 */

#include "kernel/command/command.h"
#include "model/checkpoint_folder.h"
#include "model/trainer.h"

/* Of one run; zeroed at first. */
struct ink_train_keeping {
    struct ink_checkpoint_folder *folder; /* NULL = no checkpoints */
    struct ink_checkpoint *checkpoint;    /* to go on from; NULL = from the start */
    struct ink_buf config;
    struct ink_train_checkpoints checkpoints; /* for the trainer, if there is a folder */
};

/*
 * The options that a run has: those given with what --config and --recipe add, or with --resume
 * those that its newest checkpoint kept. Opens the folder for checkpoints if there is to be one.
 *
 * Errors   INK_BADARG    --checkpoint-every is no interval, or an option beside --resume that could
 *                        change what comes out: says which
 *          INK_NOTNOW    --checkpoints names a folder that has some: --resume goes on from them
 *          INK_NOTFOUND  --resume names one that has none;  INK_BADDATA  all of them are broken
 *          INK_BUSY      another run has the folder;  as ink_train_config_merge
 * Memory   *out_args: ink_args_fini;  *keeping: ink_train_keeping_end, also after a failure
 */
INK_MUST_CHECK enum ink_status ink_train_keeping_begin(const struct ink_context *ctx,
                                                       const struct ink_args *given,
                                                       struct ink_train_keeping *keeping,
                                                       struct ink_args *out_args,
                                                       struct ink_err *err);
void ink_train_keeping_end(struct ink_train_keeping *keeping);

/* Prepare the trainer's options: `data` are the names that are learned from. */
INK_MUST_CHECK enum ink_status ink_train_keeping_set(struct ink_train_keeping *keeping,
                                                     const struct ink_args *args, const char *data,
                                                     struct ink_train_options *options,
                                                     struct ink_err *err);

/* The weights and record that a run goes on with. Memory: one reference of the caller. */
INK_MUST_CHECK enum ink_status ink_train_keeping_start(const struct ink_train_keeping *keeping,
                                                       const struct ink_snapshot **out_start,
                                                       struct ink_err *err);

#endif
