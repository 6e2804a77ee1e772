/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_JSON_SCAN_H
#define INK_HTTP_JSON_SCAN_H

/*
 * json_scan: walk over JSON text without building anything.
 *
 * A cursor and functions that step over one token or one value. The text is
 * followed by a zero byte, so looking at the next byte is always allowed.
 *
 * Source: RFC 8259.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct ink_json_scan {
    const char *text; /* [size], and a zero byte behind it */
    size_t size;
    size_t at; /* the next byte */
};

/* The bytes between a string's quotes, escapes not decoded. */
struct ink_json_span {
    const char *text;
    size_t size;
    bool has_escape;
};

/* Step over white space; returns the byte there, 0 at the end. */
char ink_json_scan_peek(struct ink_json_scan *scan);

/* Step over white space and `byte` if it comes next; false if it does not. */
bool ink_json_scan_take(struct ink_json_scan *scan, char byte);

/* A string. Errors: INK_BADDATA. */
INK_MUST_CHECK enum ink_status ink_json_scan_string(struct ink_json_scan *scan,
                                                    struct ink_json_span *out_span,
                                                    struct ink_err *err);

/* The name of an object's member, and the colon behind it. Errors: INK_BADDATA. */
INK_MUST_CHECK enum ink_status
ink_json_scan_name(struct ink_json_scan *scan, struct ink_json_span *out_name, struct ink_err *err);

/*
 * A number as the float nearest to it: as if read as a double and cast.
 *
 * Errors   INK_BADDATA  not a number (NaN and Infinity are named), beyond a float's range;
 *          INK_TOOBIG  more than INK_LIMIT_JSON_NUMBER_SIZE characters
 */
INK_MUST_CHECK enum ink_status ink_json_scan_float(struct ink_json_scan *scan, float *out_value,
                                                   struct ink_err *err);

/* Any value. Errors: INK_BADDATA; INK_TOOBIG deeper than INK_LIMIT_JSON_DEPTH. */
INK_MUST_CHECK enum ink_status ink_json_scan_skip(struct ink_json_scan *scan, struct ink_err *err);

/* "JSON Parse error: `what` at offset: N", as INK_BADDATA. */
enum ink_status ink_json_scan_fail(const struct ink_json_scan *scan, const char *what,
                                   struct ink_err *err);

/* Whether a string is exactly `text`; one with escapes is not. */
bool ink_json_span_is(struct ink_json_span span, const char *text);

/*
 * Whether a text stays below INK_LIMIT_HTTP_JSON_VALUES values: to be asked before a tree is built
 * of it. Counts separators outside of strings; the text need not be JSON.
 */
bool ink_json_has_few_values(const char *text, size_t size);

#endif
