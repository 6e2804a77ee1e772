/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_OPTIONS_H
#define INK_COMMAND_TRAIN_OPTIONS_H

/* train_options: the words of `train` and what they mean to the trainer. */

#include "kernel/command/command.h"
#include "model/trainer.h"

enum { INK_TRAIN_OPTION_COUNT = 32 };
extern const struct ink_option ink_train_option[INK_TRAIN_OPTION_COUNT];

/* Options to the trainer's. args: checked against ink_train_option. */
struct ink_train_options ink_train_options_get(const struct ink_args *args);

/* Append the command that was given, "train --epochs 3 --data mnist". */
void ink_train_options_print(const struct ink_args *args, struct ink_buf *text);

#endif
