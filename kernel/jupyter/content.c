/* SPDX-License-Identifier: MIT */
#include "kernel/jupyter/content.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"

/* Bytes of the valid UTF-8 sequence that starts text[size], or 0. */
static size_t
sequence_size(const char *text, size_t size)
{
    unsigned char lead = (unsigned char)text[0];
    size_t want = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return want <= size && ink_utf8_is_valid(text, want) ? want : 0;
}

static void
put_escaped(struct ink_buf *buf, char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        ink_buf_putc(buf, '\\');
        ink_buf_putc(buf, byte);
        return;
    case '\n':
        ink_buf_puts(buf, "\\n");
        return;
    case '\r':
        ink_buf_puts(buf, "\\r");
        return;
    case '\t':
        ink_buf_puts(buf, "\\t");
        return;
    default:
        ink_buf_printf(buf, "\\u%04x", (unsigned)(unsigned char)byte);
    }
}

static bool
is_plain(char byte)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x7f && byte != '"' && byte != '\\';
}

void
ink_content_string(struct ink_buf *buf, const char *text, size_t size)
{
    size_t run = 0; /* plain bytes [at - run, at) that are still to be appended */

    ink_buf_putc(buf, '"');
    for (size_t at = 0; at < size;) {
        size_t step = 1;

        if (is_plain(text[at])) {
            run++;
        } else {
            ink_buf_append(buf, text + at - run, run);
            run = 0;
            step = sequence_size(text + at, size - at);
            if (step > 1)
                ink_buf_append(buf, text + at, step);
            else if (step == 1)
                put_escaped(buf, text[at]);
            else
                ink_buf_puts(buf, "\xef\xbf\xbd");
            step += step == 0;
        }
        at += step;
    }
    ink_buf_append(buf, text + size - run, run);
    ink_buf_putc(buf, '"');
}

void
ink_content_text(struct ink_buf *buf, const char *text)
{
    if (text)
        ink_content_string(buf, text, strlen(text));
    else
        ink_buf_puts(buf, "null");
}

static bool
ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool
is_json_type(const char *mime)
{
    return strcmp(mime, "application/json") == 0 || ends_with(mime, "+json");
}

static bool
is_text_type(const char *mime)
{
    return strncmp(mime, "text/", 5) == 0 || ends_with(mime, "+xml") ||
           strcmp(mime, "application/xml") == 0 || strcmp(mime, "application/javascript") == 0;
}

enum ink_status
ink_content_form(struct ink_buf *buf, const char *mime, const void *bytes, size_t size,
                 struct ink_err *err)
{
    assert(mime && (bytes || size == 0));
    if (size > INK_LIMIT_JUPYTER_MESSAGE_SIZE / 2)
        return ink_fail(err, INK_TOOBIG, "%.64s of %zu bytes, at most %d", mime, size,
                        INK_LIMIT_JUPYTER_MESSAGE_SIZE / 2);
    if (is_json_type(mime) && (size == 0 || !ink_utf8_is_valid(bytes, size)))
        return ink_fail(err, INK_BADDATA, "%.64s is not UTF-8 text", mime);
    ink_content_text(buf, mime);
    ink_buf_putc(buf, ':');
    if (is_json_type(mime)) {
        ink_buf_append(buf, bytes, size);
    } else if (is_text_type(mime)) {
        ink_content_string(buf, bytes ? bytes : "", size);
    } else {
        ink_buf_putc(buf, '"');
        ink_buf_base64(buf, bytes, size);
        ink_buf_putc(buf, '"');
    }
    return INK_OK;
}

enum ink_status
ink_content_bundle(struct ink_buf *buf, const struct ink_jupyter_data *forms, size_t count,
                   struct ink_err *err)
{
    size_t start = buf->size;

    ink_buf_putc(buf, '{');
    for (size_t i = 0; i < count; i++) {
        enum ink_status status;

        if (i > 0)
            ink_buf_putc(buf, ',');
        status = ink_content_form(buf, forms[i].mime, forms[i].bytes, forms[i].size, err);
        if (status)
            return status;
    }
    ink_buf_putc(buf, '}');
    if (buf->size - start > INK_LIMIT_JUPYTER_MESSAGE_SIZE)
        return ink_fail(err, INK_TOOBIG, "an output of %zu bytes, at most %d", buf->size - start,
                        INK_LIMIT_JUPYTER_MESSAGE_SIZE);
    return ink_buf_check(buf, err);
}

void
ink_content_error(struct ink_buf *buf, const char *ename, const char *evalue)
{
    ink_buf_puts(buf, "\"ename\":");
    ink_content_text(buf, ename);
    ink_buf_puts(buf, ",\"evalue\":");
    ink_content_text(buf, evalue);
    /* The one line of the traceback is what front ends show: the name in red. */
    ink_buf_puts(buf, ",\"traceback\":[");
    {
        INK_CLEANUP(ink_buf_fini) struct ink_buf line = {0};

        ink_buf_printf(&line, "\x1b[0;31m%s\x1b[0m: %s", ename, evalue);
        ink_content_string(buf, ink_buf_text(&line), line.size);
        buf->is_broken |= line.is_broken;
    }
    ink_buf_putc(buf, ']');
}

void
ink_content_failure(struct ink_buf *buf, enum ink_status status, const struct ink_err *err)
{
    ink_buf_puts(buf, "{\"status\":\"error\",");
    ink_content_error(buf, ink_status_ename(status), err->message);
    ink_buf_putc(buf, '}');
}

/* The offset behind the string that starts at text[at]. */
static size_t
skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at + 1 < size ? at + 1 : size;
}

/* The offset of the comma or brace that ends the member text[at] is in. */
static size_t
skip_member(const char *text, size_t size, size_t at)
{
    int depth = 0;

    while (at < size) {
        char byte = text[at];

        if (depth == 0 && (byte == ',' || byte == '}'))
            return at;
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        at = byte == '"' ? skip_string(text, size, at) : at + 1;
    }
    return size;
}

const char *
ink_content_member(const char *object, size_t size, const char *name, size_t *out_size)
{
    size_t name_size = strlen(name), at = 0;

    while (at < size && object[at] != '{')
        at++;
    while (at < size && object[at] != '}') {
        const char *key = memchr(object + at, '"', size - at);
        size_t end, value;

        if (!key)
            return NULL;
        value = skip_string(object, size, (size_t)(key - object));
        if (memchr(key, '\\', value - (size_t)(key - object)))
            return NULL; /* it may be the name, and the parser takes the first */
        end = skip_member(object, size, value);
        if (value == (size_t)(key - object) + name_size + 2 &&
            memcmp(key + 1, name, name_size) == 0) {
            while (value < end && object[value] != ':')
                value++;
            *out_size = end - value - 1;
            return object + value + 1;
        }
        at = end;
    }
    return NULL;
}

static bool
is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t
ink_content_byte_offset(const char *text, double code_point_index)
{
    size_t at = 0;

    for (double seen = 0; text[at] && seen + 1 <= code_point_index; seen++)
        do
            at++;
        while (is_continuation(text[at]));
    return at;
}

size_t
ink_content_code_point_index(const char *text, size_t byte_offset)
{
    size_t index = 0;

    for (size_t at = 0; at < byte_offset && text[at]; at++)
        index += !is_continuation(text[at]);
    return index;
}
