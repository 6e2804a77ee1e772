/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum { CAPACITY_MIN = 256 };

/* Make room for `more` bytes and the closing zero. */
static bool
reserve(struct ink_buf *buf, size_t more)
{
    size_t wanted, capacity = buf->capacity ? buf->capacity : CAPACITY_MIN;
    char *grown;

    if (buf->is_broken)
        return false;
    if (more >= SIZE_MAX / 2 - buf->size) {
        buf->is_broken = true;
        return false;
    }
    wanted = buf->size + more + 1;
    if (wanted <= buf->capacity)
        return true;
    while (capacity < wanted)
        capacity *= 2;
    grown = realloc(buf->bytes, capacity);
    if (!grown) {
        buf->is_broken = true;
        return false;
    }
    buf->bytes = grown;
    buf->capacity = capacity;
    return true;
}

void
ink_buf_append(struct ink_buf *buf, const void *bytes, size_t size)
{
    assert(bytes || size == 0);
    if (!reserve(buf, size))
        return;
    if (size)
        memcpy(buf->bytes + buf->size, bytes, size);
    buf->size += size;
    buf->bytes[buf->size] = '\0';
}

void
ink_buf_puts(struct ink_buf *buf, const char *text)
{
    ink_buf_append(buf, text, strlen(text));
}

void
ink_buf_putc(struct ink_buf *buf, char byte)
{
    ink_buf_append(buf, &byte, 1);
}

void
ink_buf_printf(struct ink_buf *buf, const char *fmt, ...)
{
    va_list args;
    int size;

    va_start(args, fmt);
    size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(size >= 0);
    if (!reserve(buf, (size_t)size))
        return;
    va_start(args, fmt);
    (void)vsnprintf(buf->bytes + buf->size, (size_t)size + 1, fmt, args);
    va_end(args);
    buf->size += (size_t)size;
}

void
ink_buf_html(struct ink_buf *buf, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            ink_buf_puts(buf, "&amp;");
            break;
        case '<':
            ink_buf_puts(buf, "&lt;");
            break;
        case '>':
            ink_buf_puts(buf, "&gt;");
            break;
        case '"':
            ink_buf_puts(buf, "&quot;");
            break;
        case '\'':
            ink_buf_puts(buf, "&#39;");
            break;
        default:
            ink_buf_putc(buf, *text);
        }
    }
}

void
ink_buf_base64(struct ink_buf *buf, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char *out;

    if (size > SIZE_MAX / 2 || !reserve(buf, (size + 2) / 3 * 4)) {
        buf->is_broken = true;
        return;
    }
    out = buf->bytes + buf->size;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0U);

        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = '\0';
    buf->size = (size_t)(out - buf->bytes);
}

/* The value of a base64 digit of either alphabet, or -1. */
static int
base64_digit(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+' || digit == '-')
        return 62;
    if (digit == '/' || digit == '_')
        return 63;
    return -1;
}

enum ink_status
ink_buf_unbase64(struct ink_buf *buf, const char *text, size_t size, struct ink_err *err)
{
    uint32_t word = 0;
    size_t digit_count = 0;

    while (size > 0 && text[size - 1] == '=')
        size--;
    for (size_t i = 0; i < size; i++) {
        int digit;

        if (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t')
            continue;
        digit = base64_digit(text[i]);
        if (digit < 0)
            return ink_fail(err, INK_BADDATA, "byte 0x%02x at %zu is not base64",
                            (unsigned)(unsigned char)text[i], i);
        word = word << 6 | (uint32_t)digit;
        digit_count++;
        if (digit_count % 4 == 0) {
            const uint8_t three[] = {(uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word};

            ink_buf_append(buf, three, sizeof(three));
            word = 0;
        }
    }
    if (digit_count % 4 == 1)
        return ink_fail(err, INK_BADDATA, "%zu base64 digits stand for no whole bytes",
                        digit_count);
    if (digit_count % 4 == 2)
        ink_buf_putc(buf, (char)(uint8_t)(word >> 4));
    if (digit_count % 4 == 3) {
        ink_buf_putc(buf, (char)(uint8_t)(word >> 10));
        ink_buf_putc(buf, (char)(uint8_t)(word >> 2));
    }
    return ink_buf_check(buf, err);
}

void
ink_buf_clear(struct ink_buf *buf)
{
    buf->size = 0;
    buf->is_broken = false;
    if (buf->bytes)
        buf->bytes[0] = '\0';
}

enum ink_status
ink_buf_check(const struct ink_buf *buf, struct ink_err *err)
{
    if (buf->is_broken)
        return ink_fail(err, INK_NOMEM, "no memory after %zu bytes of a buffer", buf->size);
    return INK_OK;
}

const char *
ink_buf_text(const struct ink_buf *buf)
{
    return buf->bytes ? buf->bytes : "";
}

char *
ink_buf_take(struct ink_buf *buf)
{
    char *bytes;

    ink_buf_append(buf, "", 0);
    if (buf->is_broken)
        return NULL;
    bytes = buf->bytes;
    *buf = (struct ink_buf){0};
    return bytes;
}

void
ink_buf_fini(struct ink_buf *buf)
{
    free(buf->bytes);
    *buf = (struct ink_buf){0};
}

enum ink_status
ink_buf_load(struct ink_buf *buf, const char *path, size_t size_max, struct ink_err *err)
{
    INK_CLEANUP(ink_fclosep) FILE *file = NULL;
    struct stat info;
    size_t size;

    file = fopen(path, "rbe");
    if (!file)
        return ink_fail_errno(err, "cannot open '%s'", path);
    if (fstat(fileno(file), &info) < 0)
        return ink_fail_errno(err, "cannot stat '%s'", path);
    if (!S_ISREG(info.st_mode))
        return ink_fail(err, INK_BADARG, "'%s' is not a regular file", path);
    if ((size_t)info.st_size > size_max)
        return ink_fail(err, INK_TOOBIG, "'%s' has %zu bytes, at most %zu are read", path,
                        (size_t)info.st_size, size_max);
    size = (size_t)info.st_size;
    if (!reserve(buf, size))
        return ink_buf_check(buf, err);
    if (fread(buf->bytes + buf->size, 1, size, file) != size)
        return ink_fail(err, INK_IO, "cannot read all %zu bytes of '%s'", size, path);
    buf->size += size;
    buf->bytes[buf->size] = '\0';
    return INK_OK;
}
