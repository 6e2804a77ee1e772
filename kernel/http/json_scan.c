/* SPDX-License-Identifier: MIT */
#include "kernel/http/json_scan.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

char
ink_json_scan_peek(struct ink_json_scan *scan)
{
    while (scan->at < scan->size) {
        char byte = scan->text[scan->at];

        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r')
            return byte;
        scan->at++;
    }
    return '\0';
}

bool
ink_json_scan_take(struct ink_json_scan *scan, char byte)
{
    if (scan->at >= scan->size || ink_json_scan_peek(scan) != byte || scan->at >= scan->size)
        return false;
    scan->at++;
    return true;
}

enum ink_status
ink_json_scan_fail(const struct ink_json_scan *scan, const char *what, struct ink_err *err)
{
    return ink_fail(err, INK_BADDATA, "JSON Parse error: %s at offset: %zu", what, scan->at);
}

bool
ink_json_span_is(struct ink_json_span span, const char *text)
{
    return !span.has_escape && span.size == strlen(text) && memcmp(span.text, text, span.size) == 0;
}

/* The bytes of the escape whose backslash is at text[at], or 0. */
static size_t
escape_size(const struct ink_json_scan *scan, size_t at)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    char kind = scan->text[at + 1]; /* at worst the zero byte behind the text */

    if (kind != '\0' && strchr("\"\\/bfnrt", kind))
        return 2;
    if (kind != 'u' || scan->size - at < 6)
        return 0;
    for (size_t i = at + 2; i < at + 6; i++)
        if (scan->text[i] == '\0' || !strchr(hex, scan->text[i]))
            return 0;
    return 6;
}

enum ink_status
ink_json_scan_string(struct ink_json_scan *scan, struct ink_json_span *out_span,
                     struct ink_err *err)
{
    size_t start;

    if (!ink_json_scan_take(scan, '"'))
        return ink_json_scan_fail(scan, "Missing a string.", err);
    start = scan->at;
    out_span->has_escape = false;
    for (;;) {
        if (scan->at >= scan->size)
            return ink_json_scan_fail(scan, "Missing a closing quotation mark in string.", err);
        if (scan->text[scan->at] == '"')
            break;
        if ((unsigned char)scan->text[scan->at] < 0x20)
            return ink_json_scan_fail(scan, "Control character in string.", err);
        if (scan->text[scan->at] == '\\') {
            size_t size = escape_size(scan, scan->at);

            if (size == 0)
                return ink_json_scan_fail(scan, "Invalid escape character in string.", err);
            out_span->has_escape = true;
            scan->at += size;
        } else {
            scan->at++;
        }
    }
    out_span->text = scan->text + start;
    out_span->size = scan->at - start;
    scan->at++;
    return INK_OK;
}

enum ink_status
ink_json_scan_name(struct ink_json_scan *scan, struct ink_json_span *out_name, struct ink_err *err)
{
    enum ink_status status = ink_json_scan_string(scan, out_name, err);

    if (status)
        return status;
    if (!ink_json_scan_take(scan, ':'))
        return ink_json_scan_fail(scan, "Missing a colon after a name of object member.", err);
    return INK_OK;
}

/* ---- numbers ---- */

struct decimal {
    uint64_t digits; /* all of them, as one whole number; wraps beyond 19 */
    int digit_count; /* without leading zeros */
    int exponent;    /* of ten, to be applied to digits */
    bool is_negative;
};

static bool
is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static const char *
scan_digits(const char *at, struct decimal *decimal)
{
    for (; is_digit(*at); at++) {
        decimal->digits = decimal->digits * 10 + (uint64_t)(*at - '0');
        decimal->digit_count += decimal->digit_count > 0 || *at != '0';
    }
    return at;
}

/* Read the grammar of a number; returns what follows it, or NULL. The zero byte behind the text
 * ends it at the latest. Source: RFC 8259, 6. */
static const char *
scan_decimal(const char *at, struct decimal *decimal)
{
    const char *start;

    *decimal = (struct decimal){.is_negative = *at == '-'};
    at += decimal->is_negative;
    start = at;
    at = scan_digits(at, decimal);
    if (at == start || (*start == '0' && at > start + 1))
        return NULL;
    if (*at == '.') {
        start = at + 1;
        at = scan_digits(start, decimal);
        if (at == start)
            return NULL;
        decimal->exponent = -(int)(at - start < 1000 ? at - start : 1000);
    }
    if (*at == 'e' || *at == 'E') {
        bool is_negative = at[1] == '-';
        int exponent = 0;

        at += 1 + (at[1] == '-' || at[1] == '+');
        start = at;
        for (; is_digit(*at); at++)
            exponent = exponent < 10000 ? exponent * 10 + (*at - '0') : exponent;
        if (at == start)
            return NULL;
        decimal->exponent += is_negative ? -exponent : exponent;
    }
    return at;
}

/*
 * The double of a decimal if it is sure to become the right float, else NaN. Up to 2^53 and 10^22
 * one operation rounds once (Source: Clinger 1990). Beyond, two roundings leave the double within
 * an ulp or two: good enough for a float unless it lies next to the middle between two floats.
 */
static double
quick_double(const struct decimal *decimal)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const uint64_t tail_mask = (UINT64_C(1) << 29) - 1, middle = UINT64_C(1) << 28;
    double value = (double)decimal->digits;
    uint64_t bits, tail;

    if (decimal->digits == 0 && decimal->digit_count == 0)
        return 0;
    if (decimal->digit_count > 19 || decimal->exponent < -22 || decimal->exponent > 22)
        return (double)NAN;
    if (decimal->exponent < 0)
        value /= power[-decimal->exponent];
    else
        value *= power[decimal->exponent];
    if (decimal->digits <= UINT64_C(1) << 53)
        return value;
    memcpy(&bits, &value, sizeof(bits));
    tail = bits & tail_mask;
    if (tail > middle - 8 && tail < middle + 8)
        return (double)NAN;
    return value > 1e-30 && value < 1e30 ? value : (double)NAN;
}

enum ink_status
ink_json_scan_float(struct ink_json_scan *scan, float *out_value, struct ink_err *err)
{
    const char *start, *end;
    struct decimal decimal;
    double value;

    (void)ink_json_scan_peek(scan);
    start = scan->text + scan->at;
    end = scan_decimal(start, &decimal);
    if (!end) {
        bool is_special = strncmp(start, "NaN", 3) == 0 || strncmp(start, "Inf", 3) == 0 ||
                          strncmp(start, "-Inf", 4) == 0;

        return ink_json_scan_fail(
            scan, is_special ? "NaN and Infinity are not accepted." : "Invalid value.", err);
    }
    if (end - start > INK_LIMIT_JSON_NUMBER_SIZE)
        return ink_fail(err, INK_TOOBIG, "a number of %zu characters at offset: %zu, at most %d",
                        (size_t)(end - start), scan->at, INK_LIMIT_JSON_NUMBER_SIZE);
    value = quick_double(&decimal);
    if (isnan(value))
        value = fabs(strtod(start, NULL)); /* NOLINT: the grammar was checked, the locale is C */
    if (!(value <= (double)FLT_MAX))
        return ink_fail(err, INK_BADDATA,
                        "Cannot convert JSON value: %.*s to float without loss of precision.",
                        (int)(end - start), start);
    *out_value = decimal.is_negative ? -(float)value : (float)value;
    scan->at = (size_t)(end - scan->text);
    return INK_OK;
}

/* ---- skipping ---- */

static enum ink_status skip(struct ink_json_scan *scan, int depth, struct ink_err *err);

static enum ink_status
skip_word(struct ink_json_scan *scan, const char *word, struct ink_err *err)
{
    size_t size = strlen(word);

    if (scan->size - scan->at < size || memcmp(scan->text + scan->at, word, size) != 0)
        return ink_json_scan_fail(scan, "Invalid value.", err);
    scan->at += size;
    return INK_OK;
}

static enum ink_status
skip_container(struct ink_json_scan *scan, int depth, struct ink_err *err)
{
    bool is_object = scan->text[scan->at] == '{';
    char close = is_object ? '}' : ']';
    struct ink_json_span name;
    enum ink_status status;

    if (depth >= INK_LIMIT_JSON_DEPTH)
        return ink_fail(err, INK_TOOBIG, "JSON: nested deeper than %d", INK_LIMIT_JSON_DEPTH);
    scan->at++;
    if (ink_json_scan_take(scan, close))
        return INK_OK;
    do {
        if (is_object) {
            status = ink_json_scan_name(scan, &name, err);
            if (status)
                return status;
        }
        status = skip(scan, depth + 1, err);
        if (status)
            return status;
    } while (ink_json_scan_take(scan, ','));
    if (!ink_json_scan_take(scan, close))
        return ink_json_scan_fail(scan,
                                  is_object ? "Missing a comma or } after an object member."
                                            : "Missing a comma or ] after an array element.",
                                  err);
    return INK_OK;
}

static enum ink_status
skip(struct ink_json_scan *scan, int depth, struct ink_err *err)
{
    struct ink_json_span span;
    struct decimal decimal;
    const char *end;

    switch (ink_json_scan_peek(scan)) {
    case '{':
    case '[':
        return skip_container(scan, depth, err);
    case '"':
        return ink_json_scan_string(scan, &span, err);
    case 't':
        return skip_word(scan, "true", err);
    case 'f':
        return skip_word(scan, "false", err);
    case 'n':
        return skip_word(scan, "null", err);
    default:
        end = scan_decimal(scan->text + scan->at, &decimal);
        if (!end)
            return ink_json_scan_fail(scan, "Invalid value.", err);
        scan->at = (size_t)(end - scan->text);
        return INK_OK;
    }
}

enum ink_status
ink_json_scan_skip(struct ink_json_scan *scan, struct ink_err *err)
{
    return skip(scan, 0, err);
}

bool
ink_json_has_few_values(const char *text, size_t size)
{
    size_t count = 1;
    bool is_string = false;

    for (size_t at = 0; at < size; at++) {
        if (text[at] == '"')
            is_string = !is_string;
        else if (is_string)
            at += text[at] == '\\';
        else
            count += text[at] == ',' || text[at] == '[' || text[at] == '{';
    }
    return count <= INK_LIMIT_HTTP_JSON_VALUES;
}
