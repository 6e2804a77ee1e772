/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_PARSE_H
#define INK_BASE_PARSE_H

/*
 * parse: numbers out of text, whole string or nothing, no locale.
 *
 * `what` names the thing in the message: "--epochs: -3 is not 1 to 1000".
 */

#include <stdint.h>

#include "base/status.h"

/*
 * A decimal whole number within [min, max].
 *
 * Errors   INK_BADARG  empty, not a whole number, or out of range
 */
INK_MUST_CHECK enum ink_status ink_parse_int(const char *what, const char *text, int64_t min,
                                             int64_t max, int64_t *out_value, struct ink_err *err);

/*
 * A finite decimal number within [min, max].
 *
 * Errors   INK_BADARG  empty, not a number, not finite, or out of range
 */
INK_MUST_CHECK enum ink_status ink_parse_double(const char *what, const char *text, double min,
                                                double max, double *out_value, struct ink_err *err);

#endif
