/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_OPTIONS_H
#define INK_COMMAND_TRAIN_OPTIONS_H

/* train_options: the words of `train` and what they mean to the trainer. */

#include "kernel/command/command.h"
#include "model/trainer.h"

enum { INK_TRAIN_OPTION_COUNT = 49 };
extern const struct ink_option ink_train_option[INK_TRAIN_OPTION_COUNT];

/*
 * What the table cannot say: lists, and options that need one another.
 *
 * Errors   INK_BADARG
 */
INK_MUST_CHECK enum ink_status ink_train_options_check(const struct ink_args *args,
                                                       struct ink_err *err);

/* Options to the trainer's. args: checked; train: what class weights are balanced for, or NULL. */
struct ink_train_options ink_train_options_get(const struct ink_args *args,
                                               const struct ink_dataset *train);

/* Append the command that was given, "train --epochs 3 --data mnist". */
void ink_train_options_print(const struct ink_args *args, struct ink_buf *text);

#endif
