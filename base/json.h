/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_JSON_H
#define INK_BASE_JSON_H

/*
 * json: JSON values, read with suspicion and written exactly.
 *
 * cJSON does the work (json.c alone sees it). What it lacks is checked before
 * it: UTF-8, nesting, number syntax, control characters and \u0000 in strings,
 * bytes after the document, and the size of the whole (base/limits.h).
 *
 * A value belongs to one owner. ink_json_set and ink_json_push take over the
 * child they are given. Creating and adding never fail at once: on lack of
 * memory the parent (or value) becomes NULL or stays as it was, every function
 * accepts NULL, and ink_json_print reports it.
 *
 * Threads: any, one thread a value.  Source: RFC 8259.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct ink_json; /* opaque: a cJSON item */

/* ---- reading ---- */

/*
 * Parse one whole document.
 *
 * Errors   INK_BADDATA  not JSON, not UTF-8, a number that is not finite, a NUL in a string
 *          INK_TOOBIG   above INK_LIMIT_JSON_SIZE, _DEPTH or _NUMBER_SIZE
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_json_parse(const char *text, size_t size,
                                              struct ink_json **out_json, struct ink_err *err);

/* Member `name` of an object (case-sensitive; the first if repeated), or NULL. */
const struct ink_json *ink_json_find(const struct ink_json *object, const char *name);

/* Items of an array or object; 0 for anything else and NULL. */
size_t ink_json_count(const struct ink_json *json);

/* First child of an array or object, then its next sibling; NULL at the end. */
const struct ink_json *ink_json_first(const struct ink_json *json);
const struct ink_json *ink_json_next(const struct ink_json *json);

/* The member name of an object's child; NULL for others. */
const char *ink_json_name(const struct ink_json *json);

bool ink_json_is_object(const struct ink_json *json);
bool ink_json_is_array(const struct ink_json *json);
bool ink_json_is_string(const struct ink_json *json);
bool ink_json_is_number(const struct ink_json *json);
bool ink_json_is_bool(const struct ink_json *json);
bool ink_json_is_null(const struct ink_json *json); /* JSON null; false for NULL */

/* The value, or `otherwise` when it is of another type or NULL. */
const char *ink_json_string(const struct ink_json *json, const char *otherwise);
double ink_json_number(const struct ink_json *json, double otherwise);
bool ink_json_bool(const struct ink_json *json, bool otherwise);

/* ---- writing ---- */

struct ink_json *ink_json_object(void);
struct ink_json *ink_json_array(void);
struct ink_json *ink_json_from_string(const char *text); /* text: valid UTF-8 */
struct ink_json *ink_json_from_int(int64_t value);
struct ink_json *ink_json_from_bool(bool value);
struct ink_json *ink_json_from_null(void);

/* A number as short as it can be and still read back as the same double or
 * float; NaN and infinities become null. */
struct ink_json *ink_json_from_double(double value);
struct ink_json *ink_json_from_float(float value);

/* [count] numbers as an array. */
struct ink_json *ink_json_from_floats(const float *values, size_t count);

/* Text that is JSON already, pasted as it is: the caller vouches for it. */
struct ink_json *ink_json_from_raw(const char *json_text);

/* A deep copy. */
struct ink_json *ink_json_copy(const struct ink_json *json);

/* Add a member or an item; takes over `value`, and destroys it if it cannot be
 * added. `name` is copied; an earlier member of that name is replaced. */
void ink_json_set(struct ink_json *object, const char *name, struct ink_json *value);
void ink_json_push(struct ink_json *array, struct ink_json *value);

/* Shorthands for ink_json_set(object, name, ink_json_from_x(value)). */
void ink_json_set_string(struct ink_json *object, const char *name, const char *text);
void ink_json_set_int(struct ink_json *object, const char *name, int64_t value);
void ink_json_set_bool(struct ink_json *object, const char *name, bool value);
void ink_json_set_double(struct ink_json *object, const char *name, double value);
void ink_json_set_float(struct ink_json *object, const char *name, float value);

/* Append the value as text on one line. NULL is a missing value: INK_NOMEM. */
INK_MUST_CHECK enum ink_status ink_json_print(const struct ink_json *json, struct ink_buf *buf,
                                              struct ink_err *err);

/* Release; accepts NULL. ink_json_destroy fits INK_CLEANUP. */
void ink_json_destroy(struct ink_json **json);

/* Whether `size` bytes are valid UTF-8 (no surrogates, no overlong forms). Source: RFC 3629. */
bool ink_utf8_is_valid(const char *text, size_t size);

#endif
