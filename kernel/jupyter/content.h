/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_CONTENT_H
#define INK_JUPYTER_CONTENT_H

/*
 * content: the JSON inside messages, written straight into a buffer.
 *
 * Whatever the bytes, what is written is valid: one broken character in a
 * label would otherwise break the stream of messages for every client.
 */

#include "base/buf.h"
#include "kernel/jupyter/kernel.h"

/* "mime": data, ... of the forms so far, with commas between, in a buffer of the library's. */
struct ink_jupyter_bundle {
    struct ink_buf *buf;
};

/* Append text[size] as a JSON string; bytes that are not UTF-8 become U+FFFD. */
void ink_content_string(struct ink_buf *buf, const char *text, size_t size);

/* Append "text", a C string, likewise; NULL is null. */
void ink_content_text(struct ink_buf *buf, const char *text);

/*
 * Append {"mime": data, ...} of forms[count].
 *
 * Errors   INK_BADDATA, INK_TOOBIG, as ink_jupyter_display; `buf` is then to be thrown away
 */
INK_MUST_CHECK enum ink_status ink_content_bundle(struct ink_buf *buf,
                                                  const struct ink_jupyter_data *forms,
                                                  size_t count, struct ink_err *err);

/* Append "mime": data. Errors as ink_content_bundle. */
INK_MUST_CHECK enum ink_status ink_content_form(struct ink_buf *buf, const char *mime,
                                                const void *bytes, size_t size,
                                                struct ink_err *err);

/* Append "ename": ..., "evalue": ..., "traceback": [...]. */
void ink_content_error(struct ink_buf *buf, const char *ename, const char *evalue);

/* Append a whole reply {"status":"error",...} about `err`. */
void ink_content_failure(struct ink_buf *buf, enum ink_status status, const struct ink_err *err);

/*
 * The text of an object's member within the object's own text, which ink_json_parse has accepted.
 * NULL if it is absent, or if it or a name before it is written with escapes.
 */
const char *ink_content_member(const char *object, size_t size, const char *name, size_t *out_size);

/*
 * Positions: the protocol counts Unicode code points, C counts bytes. `text`
 * is valid UTF-8. Beyond the end is the end, before the start the start.
 */
size_t ink_content_byte_offset(const char *text, double code_point_index);
size_t ink_content_code_point_index(const char *text, size_t byte_offset);

#endif
