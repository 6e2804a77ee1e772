/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_SHELF_H
#define INK_COMMAND_SHELF_H

/*
 * shelf: a session's data sets, loaded once and kept.
 *
 * Threads  any. One lock guards loading (so that two do not download the same
 * file), one the names; the second is never held while loading.
 */

#include "base/status.h"
#include "kernel/command/command.h"
#include "model/dataset.h"

enum { INK_SHELF_MAX = 16 }; /* sets kept; the longest unused goes first */

struct ink_shelf;

/* The strings of `options` are borrowed as long as the shelf lives. */
INK_MUST_CHECK enum ink_status ink_shelf_create(const struct ink_data_options *options,
                                                struct ink_shelf **out_shelf, struct ink_err *err);
void ink_shelf_destroy(struct ink_shelf **shelf);

/* One reference of the caller. ctx: for progress and cancel; may be NULL. */
INK_MUST_CHECK enum ink_status ink_shelf_get(struct ink_shelf *shelf, const char *name,
                                             enum ink_split split, const struct ink_context *ctx,
                                             struct ink_dataset **out_dataset, struct ink_err *err);

/* The data set in use; the text lives as long as the shelf. */
const char *ink_shelf_name(struct ink_shelf *shelf);
INK_MUST_CHECK enum ink_status ink_shelf_use(struct ink_shelf *shelf, const char *name,
                                             struct ink_err *err);

/* Whether a set can be had without the network. */
bool ink_shelf_is_local(struct ink_shelf *shelf, const char *name);

#endif
