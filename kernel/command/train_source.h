/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_SOURCE_H
#define INK_COMMAND_TRAIN_SOURCE_H

/* train_source: a JSON object with options of `train`, as a file, a recipe or a checkpoint has. */

#include "kernel/command/train_options.h"

struct ink_train_source {
    char label[96];                       /* "recipe sprint": what messages begin with */
    bool (*is_refused)(const char *name); /* options that it may not have; NULL = none */
    struct ink_args *args;                /* where they go: value[] has room for all */
    bool *is_decided;                     /* [INK_TRAIN_OPTION_COUNT] by what goes before */
};

/*
 * Add the options of an object that nothing before it has decided; they are decided then.
 *
 * Errors   INK_BADDATA   not a JSON object;  INK_BADARG, INK_TOOBIG: as ink_train_config_merge
 */
INK_MUST_CHECK enum ink_status ink_train_source_take(struct ink_train_source *source,
                                                     const char *text, size_t size,
                                                     struct ink_err *err);

#endif
