/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_LOG_H
#define INK_BASE_LOG_H

/*
 * log: one line a fact on stderr, `time level area: text`.
 *
 * For the front ends (kernel/ ...) only: base and model return their errors.
 * Threads: any; a line is written with one write(2).
 */

#include "base/status.h"

enum ink_log_level { INK_LOG_ERROR, INK_LOG_WARN, INK_LOG_INFO, INK_LOG_DEBUG };

/* Show lines up to `level`; starts at INK_LOG_WARN, or as INKLING_LOG says
 * (error, warn, info, debug). Call from main before threads start. */
void ink_log_set_level(enum ink_log_level level);

/* Write a line; control characters in it are shown as \xNN. */
void ink_log(enum ink_log_level level, const char *area, const char *fmt, ...) INK_PRINTF(3, 4);

#endif
