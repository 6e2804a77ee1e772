/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"

/* Guards cJSON's process-wide error pointer, which its parser writes. Nothing else is held with it.
 */
static pthread_mutex_t parser_lock = PTHREAD_MUTEX_INITIALIZER;

static cJSON *
item_of(struct ink_json *json)
{
    return (cJSON *)json;
}

static const cJSON *
const_item_of(const struct ink_json *json)
{
    return (const cJSON *)json;
}

static struct ink_json *
json_of(cJSON *item)
{
    return (struct ink_json *)item;
}

/* ---- checks before parsing ---- */

/* Bytes of the UTF-8 sequence at `text`, 0 if it is none. */
static size_t
utf8_sequence_size(const unsigned char *text, size_t size)
{
    unsigned lead = text[0];
    size_t want = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (want == 0 || lead > 0xf4 || want > size)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return want;
}

bool
ink_utf8_is_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;

    for (size_t at = 0; at < size;) {
        size_t step = utf8_sequence_size(bytes + at, size - at);

        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

/* Skip a string that starts at text[at] == '"'; returns the offset behind it, or 0. */
static size_t
skip_string(const char *text, size_t size, size_t at, struct ink_err *err)
{
    for (at++; at < size; at++) {
        if ((unsigned char)text[at] < 0x20) {
            (void)ink_fail(err, INK_BADDATA,
                           "JSON: control character 0x%02x in a string at byte %zu",
                           (unsigned)text[at], at);
            return 0;
        }
        if (text[at] == '"')
            return at + 1;
        if (text[at] != '\\')
            continue;
        if (size - at > 5 && memcmp(text + at, "\\u0000", 6) == 0) {
            (void)ink_fail(err, INK_BADDATA, "JSON: \\u0000 in a string at byte %zu", at);
            return 0;
        }
        at++;
    }
    (void)ink_fail(err, INK_BADDATA, "JSON: a string has no end");
    return 0;
}

static bool
is_digit(const char *text, size_t size, size_t at)
{
    return at < size && text[at] >= '0' && text[at] <= '9';
}

/* Skip a number that starts at text[at]; returns the offset behind it, or 0. Source: RFC 8259, 6.
 */
static size_t
skip_number(const char *text, size_t size, size_t at, struct ink_err *err)
{
    size_t start = at;
    bool is_good;

    if (text[at] == '-')
        at++;
    is_good = is_digit(text, size, at);
    if (is_good && text[at] == '0')
        at++;
    else
        while (is_digit(text, size, at))
            at++;
    is_good = is_good && !is_digit(text, size, at);
    if (is_good && at < size && text[at] == '.') {
        at++;
        is_good = is_digit(text, size, at);
        while (is_digit(text, size, at))
            at++;
    }
    if (is_good && at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        is_good = is_digit(text, size, at);
        while (is_digit(text, size, at))
            at++;
    }
    if (!is_good) {
        (void)ink_fail(err, INK_BADDATA, "JSON: not a number at byte %zu", start);
        return 0;
    }
    if (at - start > INK_LIMIT_JSON_NUMBER_SIZE) {
        (void)ink_fail(err, INK_TOOBIG, "JSON: a number of %zu characters at byte %zu, at most %d",
                       at - start, start, INK_LIMIT_JSON_NUMBER_SIZE);
        return 0;
    }
    return at;
}

/* What cJSON would let pass: checks tokens and nesting, not the grammar. */
static enum ink_status
check_tokens(const char *text, size_t size, struct ink_err *err)
{
    int depth = 0;

    for (size_t at = 0; at < size;) {
        char byte = text[at];

        if (byte == '"' || byte == '-' || (byte >= '0' && byte <= '9')) {
            at = byte == '"' ? skip_string(text, size, at, err) : skip_number(text, size, at, err);
            if (at == 0)
                return err ? err->status : INK_BADDATA;
            continue;
        }
        depth += (byte == '[' || byte == '{') - (byte == ']' || byte == '}');
        if (depth > INK_LIMIT_JSON_DEPTH)
            return ink_fail(err, INK_TOOBIG, "JSON: nested deeper than %d", INK_LIMIT_JSON_DEPTH);
        if ((unsigned char)byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t')
            return ink_fail(err, INK_BADDATA, "JSON: control character 0x%02x at byte %zu",
                            (unsigned)byte, at);
        at++;
    }
    return INK_OK;
}

static bool
has_only_finite_numbers(const cJSON *item)
{
    for (; item; item = item->next) {
        if (cJSON_IsNumber(item) && !isfinite(item->valuedouble))
            return false;
        if (item->child && !has_only_finite_numbers(item->child))
            return false;
    }
    return true;
}

enum ink_status
ink_json_parse(const char *text, size_t size, struct ink_json **out_json, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = NULL;
    struct ink_err own_err;
    enum ink_status status;
    const char *end = NULL;

    assert((text || size == 0) && out_json);
    if (size > INK_LIMIT_JSON_SIZE)
        return ink_fail(err, INK_TOOBIG, "JSON: %zu bytes, at most %d", size, INK_LIMIT_JSON_SIZE);
    if (!ink_utf8_is_valid(text, size))
        return ink_fail(err, INK_BADDATA, "JSON: not valid UTF-8");
    status = check_tokens(text, size, err ? err : &own_err);
    if (status)
        return status;

    (void)pthread_mutex_lock(&parser_lock);
    json = json_of(cJSON_ParseWithLengthOpts(text, size, &end, 0));
    (void)pthread_mutex_unlock(&parser_lock);
    if (!json)
        return ink_fail(err, INK_BADDATA, "JSON: syntax error near byte %zu",
                        end ? (size_t)(end - text) : 0);
    for (; (size_t)(end - text) < size; end++)
        if (!strchr(" \t\r\n", *end))
            return ink_fail(err, INK_BADDATA, "JSON: more text after the value, at byte %zu",
                            (size_t)(end - text));
    if (!has_only_finite_numbers(const_item_of(json)))
        return ink_fail(err, INK_BADDATA, "JSON: a number too large for a double");
    *out_json = json;
    json = NULL;
    return INK_OK;
}

/* ---- reading ---- */

const struct ink_json *
ink_json_find(const struct ink_json *object, const char *name)
{
    if (!ink_json_is_object(object))
        return NULL;
    return (const struct ink_json *)cJSON_GetObjectItemCaseSensitive(const_item_of(object), name);
}

size_t
ink_json_count(const struct ink_json *json)
{
    return ink_json_is_array(json) || ink_json_is_object(json)
               ? (size_t)cJSON_GetArraySize(const_item_of(json))
               : 0;
}

const struct ink_json *
ink_json_first(const struct ink_json *json)
{
    return json ? (const struct ink_json *)const_item_of(json)->child : NULL;
}

const struct ink_json *
ink_json_next(const struct ink_json *json)
{
    return json ? (const struct ink_json *)const_item_of(json)->next : NULL;
}

const char *
ink_json_name(const struct ink_json *json)
{
    return json ? const_item_of(json)->string : NULL;
}

bool
ink_json_is_object(const struct ink_json *json)
{
    return cJSON_IsObject(const_item_of(json)) != 0;
}

bool
ink_json_is_array(const struct ink_json *json)
{
    return cJSON_IsArray(const_item_of(json)) != 0;
}

bool
ink_json_is_string(const struct ink_json *json)
{
    return cJSON_IsString(const_item_of(json)) != 0;
}

bool
ink_json_is_number(const struct ink_json *json)
{
    return cJSON_IsNumber(const_item_of(json)) != 0;
}

bool
ink_json_is_bool(const struct ink_json *json)
{
    return cJSON_IsBool(const_item_of(json)) != 0;
}

bool
ink_json_is_null(const struct ink_json *json)
{
    return cJSON_IsNull(const_item_of(json)) != 0;
}

const char *
ink_json_string(const struct ink_json *json, const char *otherwise)
{
    return ink_json_is_string(json) ? const_item_of(json)->valuestring : otherwise;
}

double
ink_json_number(const struct ink_json *json, double otherwise)
{
    return ink_json_is_number(json) ? const_item_of(json)->valuedouble : otherwise;
}

bool
ink_json_bool(const struct ink_json *json, bool otherwise)
{
    return ink_json_is_bool(json) ? cJSON_IsTrue(const_item_of(json)) != 0 : otherwise;
}

/* ---- writing ---- */

struct ink_json *
ink_json_object(void)
{
    return json_of(cJSON_CreateObject());
}

struct ink_json *
ink_json_array(void)
{
    return json_of(cJSON_CreateArray());
}

struct ink_json *
ink_json_from_string(const char *text)
{
    return json_of(cJSON_CreateString(text));
}

struct ink_json *
ink_json_from_int(int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    return json_of(cJSON_CreateRaw(text));
}

struct ink_json *
ink_json_from_bool(bool value)
{
    return json_of(cJSON_CreateBool(value));
}

struct ink_json *
ink_json_from_null(void)
{
    return json_of(cJSON_CreateNull());
}

struct ink_json *
ink_json_from_double(double value)
{
    char text[32];

    if (!isfinite(value))
        return ink_json_from_null();
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) /* NOLINT: our own text */
            break;
    }
    return json_of(cJSON_CreateRaw(text));
}

struct ink_json *
ink_json_from_float(float value)
{
    char text[32];

    if (!isfinite(value))
        return ink_json_from_null();
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) /* NOLINT: our own text */
            break;
    }
    return json_of(cJSON_CreateRaw(text));
}

struct ink_json *
ink_json_from_floats(const float *values, size_t count)
{
    struct ink_json *array = ink_json_array();

    for (size_t i = 0; i < count; i++)
        ink_json_push(array, ink_json_from_float(values[i]));
    return array;
}

struct ink_json *
ink_json_from_raw(const char *json_text)
{
    return json_of(cJSON_CreateRaw(json_text));
}

struct ink_json *
ink_json_copy(const struct ink_json *json)
{
    return json ? json_of(cJSON_Duplicate(const_item_of(json), 1)) : NULL;
}

void
ink_json_set(struct ink_json *object, const char *name, struct ink_json *value)
{
    if (!object || !value) {
        ink_json_destroy(&value);
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(item_of(object), name);
    if (!cJSON_AddItemToObject(item_of(object), name, item_of(value)))
        ink_json_destroy(&value);
}

void
ink_json_push(struct ink_json *array, struct ink_json *value)
{
    if (!array || !value || !cJSON_AddItemToArray(item_of(array), item_of(value)))
        ink_json_destroy(&value);
}

void
ink_json_set_string(struct ink_json *object, const char *name, const char *text)
{
    ink_json_set(object, name, ink_json_from_string(text));
}

void
ink_json_set_int(struct ink_json *object, const char *name, int64_t value)
{
    ink_json_set(object, name, ink_json_from_int(value));
}

void
ink_json_set_bool(struct ink_json *object, const char *name, bool value)
{
    ink_json_set(object, name, ink_json_from_bool(value));
}

void
ink_json_set_double(struct ink_json *object, const char *name, double value)
{
    ink_json_set(object, name, ink_json_from_double(value));
}

void
ink_json_set_float(struct ink_json *object, const char *name, float value)
{
    ink_json_set(object, name, ink_json_from_float(value));
}

enum ink_status
ink_json_print(const struct ink_json *json, struct ink_buf *buf, struct ink_err *err)
{
    char *text = json ? cJSON_PrintUnformatted(const_item_of(json)) : NULL;

    if (!text)
        return ink_fail(err, INK_NOMEM, "no memory to write JSON");
    ink_buf_puts(buf, text);
    cJSON_free(text);
    return ink_buf_check(buf, err);
}

void
ink_json_destroy(struct ink_json **json)
{
    if (*json)
        cJSON_Delete(item_of(*json));
    *json = NULL;
}
