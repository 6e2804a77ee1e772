/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_STROKEFILE_H
#define INK_MODEL_STROKEFILE_H

/*
 * strokefile: labelled drawings, one JSON object a line (model/drawing.h).
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/status.h"
#include "model/dataset.h"

/* Whether a path is named as one: .jsonl or .jsonl.gz. */
bool ink_strokefile_is(const char *path);

/*
 * Load a stroke file, packed by gzip or not, and prepare its rows.
 *
 * Errors   INK_NOTFOUND, INK_IO, INK_NOMEM
 *          INK_BADDATA  a line that is no labelled drawing, with its number; no drawing at all
 *          INK_TOOBIG   a line, the file or its drawings above base/limits.h
 * Memory   one reference of the caller
 */
INK_MUST_CHECK enum ink_status
ink_strokefile_load(const char *path, struct ink_dataset **out_dataset, struct ink_err *err);

/* Append one drawing as a line; its label is left out when nobody said. */
INK_MUST_CHECK enum ink_status ink_strokefile_append(const struct ink_drawing *drawing,
                                                     struct ink_buf *buf, struct ink_err *err);

#endif
