/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_BUF_H
#define INK_BASE_BUF_H

/*
 * buf: bytes that grow at the end.
 *
 * A zeroed struct is an empty buffer. Appending never fails at once: when
 * memory runs out the buffer turns `is_broken`, ignores what follows, and the
 * one check at the end (ink_buf_check) reports it. `bytes` is always followed
 * by a zero byte once anything was appended, so it also serves as a C string.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct ink_buf {
    char *bytes; /* [size + 1]; NULL while empty */
    size_t size;
    size_t capacity;
    bool is_broken; /* an append found no memory; contents are then cut */
};

/* Append `size` bytes, a C string, formatted text, one byte. */
void ink_buf_append(struct ink_buf *buf, const void *bytes, size_t size);
void ink_buf_puts(struct ink_buf *buf, const char *text);
void ink_buf_printf(struct ink_buf *buf, const char *fmt, ...) INK_PRINTF(2, 3);
void ink_buf_putc(struct ink_buf *buf, char byte);

/* Append text with & < > " ' replaced by character references. Source: HTML 13.1.2.3. */
void ink_buf_html(struct ink_buf *buf, const char *text);

/* Append standard base64 with padding. Source: RFC 4648, section 4. */
void ink_buf_base64(struct ink_buf *buf, const void *bytes, size_t size);

/*
 * Append the bytes that base64 text stands for; white space is skipped, the
 * standard and the url-safe alphabet are both read, padding may be missing.
 *
 * Errors   INK_BADDATA  a character outside both alphabets, or an impossible length
 */
INK_MUST_CHECK enum ink_status ink_buf_unbase64(struct ink_buf *buf, const char *text, size_t size,
                                                struct ink_err *err);

/* Forget the contents, keep the memory. */
void ink_buf_clear(struct ink_buf *buf);

/* INK_NOMEM if any append failed. */
INK_MUST_CHECK enum ink_status ink_buf_check(const struct ink_buf *buf, struct ink_err *err);

/* The contents as a C string ("" when empty); valid until the next change. */
const char *ink_buf_text(const struct ink_buf *buf);

/* Give the bytes away: the caller frees them. NULL if broken. Never NULL for an empty buffer. */
char *ink_buf_take(struct ink_buf *buf);

/* Release and zero; fits INK_CLEANUP. */
void ink_buf_fini(struct ink_buf *buf);

/*
 * Append a whole regular file.
 *
 * Errors   INK_NOTFOUND, INK_IO, INK_NOMEM, INK_TOOBIG above size_max
 */
INK_MUST_CHECK enum ink_status ink_buf_load(struct ink_buf *buf, const char *path, size_t size_max,
                                            struct ink_err *err);

#endif
