/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_DATA_H
#define INK_COMMAND_TRAIN_DATA_H

/* train_data: what `train` learns from and is measured on, as --data and --validation say. */

#include "kernel/command/command.h"
#include "model/dataset.h"

/*
 * Load both. A number for --validation holds that many pictures out: the last of each data set, in
 * proportion to its size; a set that is named twice counts once, so nothing held out is learned.
 *
 *   out_validation   NULL for --validation none
 *
 * Errors   INK_BADARG no data set named, or more held out than there are;  INK_TOOBIG;  as the data
 *          sets
 * Memory   one reference each of the caller
 */
INK_MUST_CHECK enum ink_status ink_train_data_load(const struct ink_context *ctx,
                                                   const struct ink_args *args,
                                                   struct ink_dataset **out_train,
                                                   struct ink_dataset **out_validation,
                                                   struct ink_err *err);

#endif
