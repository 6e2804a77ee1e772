/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_TRAIN_CONFIG_H
#define INK_COMMAND_TRAIN_CONFIG_H

/*
 * train_config: the options of `train` from a JSON object, and back into one.
 *
 *     {"model": "keras", "epochs": 3, "data": ["mnist", "strokes"], "lr": 0.002}
 *
 * A member is an option, by its name without dashes; a flag is true or false, null is "not given",
 * a list stands for what has commas on the command line. The command line goes before --config
 * FILE, that before --recipe NAME (model/zoo/NAME.json, part of the program), that before the
 * defaults.
 */

#include "base/json.h"
#include "kernel/command/command.h"

/*
 * The options given, and those that the file and the recipe add to them.
 *
 * Errors   INK_NOTFOUND  no such file or recipe
 *          INK_BADDATA   not a JSON object
 *          INK_BADARG    a member that is no option (with "did you mean"), given twice, of a wrong
 *                        type or out of range: says its name, its value and what was expected;
 *                        what ink_train_options_check refuses
 *          INK_TOOBIG
 * Memory   copies; ink_args_fini
 */
INK_MUST_CHECK enum ink_status ink_train_config_merge(const struct ink_args *given,
                                                      struct ink_args *out_args,
                                                      struct ink_err *err);

/* Say which version --model took, "last:3" for "last": another one may be the newest later on.
 * Errors: INK_NOMEM. */
INK_MUST_CHECK enum ink_status ink_train_config_pin(struct ink_args *args, int version,
                                                    struct ink_err *err);

/*
 * Write every option that decides what comes out, beside the weights: x.json for x.safetensors.
 * Given to --config it is the same run to the bit. What says where results go is left out.
 *
 *   args      merged
 *   weights   where they were saved; also what gives the architecture when no --model did
 *   data      the names that were learned from
 *   threads   as many as computed
 */
INK_MUST_CHECK enum ink_status ink_train_config_save(const struct ink_args *args,
                                                     const char *weights, const char *data,
                                                     int threads, struct ink_err *err);

/* The same as JSON; NULL on lack of memory. model: NULL leaves it out. */
struct ink_json *ink_train_config_to_json(const struct ink_args *args, const char *model,
                                          const char *data, int threads);

/*
 * All options of a run as text, for ink_train_config_resume.
 *
 *   args   merged
 *   data   the names that are learned from
 */
INK_MUST_CHECK enum ink_status ink_train_config_keep(const struct ink_args *args, const char *data,
                                                     struct ink_buf *text, struct ink_err *err);

/* Whether nothing is given beside --resume that could change what comes out. Errors: INK_BADARG. */
INK_MUST_CHECK enum ink_status ink_train_config_check_resume(const struct ink_args *given,
                                                             struct ink_err *err);

/*
 * The options of a run that goes on: those kept, but for what is given anew.
 *
 * Errors   as ink_train_config_merge;  Memory: copies; ink_args_fini
 */
INK_MUST_CHECK enum ink_status ink_train_config_resume(const struct ink_args *given,
                                                       const char *kept, struct ink_args *out_args,
                                                       struct ink_err *err);

#endif
