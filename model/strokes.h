/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_STROKES_H
#define INK_MODEL_STROKES_H

/*
 * strokes: the data set that needs no file, drawn by model/generator.h.
 *
 * 60,000 pictures to train on and 10,000 to test with, from different seeds;
 * picture i shows the digit i % 10. The same on every machine and in every run.
 * Made once a process and kept; the test half keeps its drawings too.
 */

#include <stdatomic.h>

#include "base/status.h"
#include "model/dataset.h"

enum { INK_STROKES_TRAIN_COUNT = 60000, INK_STROKES_TEST_COUNT = 10000 };

/*
 *   cancel   polled every picture while the half is drawn; set = stop and keep nothing; may be NULL
 *
 * Errors   INK_NOMEM, INK_CANCELLED
 * Cost     the first call for a half draws it, on all cores (seconds; see strokes.c)
 * Threads  any; a second caller waits for the first
 */
INK_MUST_CHECK enum ink_status ink_strokes_load(enum ink_split split, const atomic_bool *cancel,
                                                struct ink_dataset **out_dataset,
                                                struct ink_err *err);

#endif
