/* SPDX-License-Identifier: MIT */
#include "kernel/http/tensor_json.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "kernel/http/json_scan.h"

enum { RANK_MAX = 4, SHAPE_TEXT_SIZE = 96, SNIPPET_SIZE = 40 };

/* One tensor while it is read. */
struct tensor {
    int rank;             /* -1 until the first number */
    size_t dim[RANK_MAX]; /* 0 until the first list of that level was closed */
    size_t count;         /* numbers so far */
    float *out;           /* [784]: the first of them */
};

struct reader {
    struct ink_json_scan scan;
    struct ink_tensor_request *request;
    const char *input_name;
    ink_tensor_picture_fn picture;
    void *self;
    struct tensor first; /* the shape that all others must have; rank -1 = none yet */
    bool has_instances, has_inputs;
};

/* ---- words for messages ---- */

/* What stands at the cursor, short, as plain ASCII. */
static const char *
snippet(const struct ink_json_scan *scan, char out[static SNIPPET_SIZE])
{
    size_t used = 0;

    for (size_t at = scan->at; at < scan->size && used < SNIPPET_SIZE - 4; at++) {
        char byte = scan->text[at];

        if (used > 0 && (byte == ',' || byte == ']' || byte == '}') && out[0] != '{')
            break;
        out[used++] = (char)(byte >= 0x20 && byte < 0x7f ? byte : '?');
    }
    out[used] = '\0';
    if (used >= SNIPPET_SIZE - 4)
        memcpy(out + used, "...", 4);
    return out;
}

static const char *
type_name(char byte)
{
    switch (byte) {
    case '{':
        return "Object";
    case '[':
        return "Array";
    case '"':
        return "String";
    case 't':
        return "True";
    case 'f':
        return "False";
    case 'n':
        return "Null";
    default:
        return "Number";
    }
}

static const char *
shape_text(const struct tensor *tensor, char out[static SHAPE_TEXT_SIZE])
{
    int used = snprintf(out, SHAPE_TEXT_SIZE, "[");

    for (int i = 0; i < tensor->rank; i++)
        used += snprintf(out + used, SHAPE_TEXT_SIZE - (size_t)used, "%s%zu", i ? "," : "",
                         tensor->dim[i]);
    (void)snprintf(out + used, SHAPE_TEXT_SIZE - (size_t)used, "]");
    return out;
}

/* ---- one picture ---- */

/* A number, or what stands in its place. */
static enum ink_status
read_leaf(struct reader *reader, struct tensor *tensor, int level, struct ink_err *err)
{
    char byte = ink_json_scan_peek(&reader->scan), text[SNIPPET_SIZE];
    enum ink_status status;
    float value;

    if (byte != '\0' && strchr("{\"tfn", byte))
        return ink_fail(err, INK_BADDATA, "JSON Value: %s Type: %s is not of expected type: float",
                        snippet(&reader->scan, text), type_name(byte));
    status = ink_json_scan_float(&reader->scan, &value, err);
    if (status)
        return status;
    if (tensor->rank < 0)
        tensor->rank = level;
    if (tensor->rank != level)
        return ink_fail(err, INK_BADDATA,
                        "JSON Value: %g found at incorrect level: %d in the JSON DOM. Expected at "
                        "level: %d",
                        (double)value, level + 1, tensor->rank);
    if (tensor->count < INK_PICTURE_SIZE)
        tensor->out[tensor->count] = value;
    tensor->count++;
    return INK_OK;
}

static enum ink_status
read_tensor(struct reader *reader, struct tensor *tensor, int level, struct ink_err *err)
{
    struct ink_json_scan *scan = &reader->scan;
    enum ink_status status;
    size_t size = 0;

    if (ink_json_scan_peek(scan) != '[')
        return read_leaf(reader, tensor, level, err);
    if (level >= RANK_MAX || (tensor->rank >= 0 && level >= tensor->rank))
        return ink_fail(err, INK_BADDATA, "Encountered list at unexpected level: %d expected < %d",
                        level, tensor->rank >= 0 ? tensor->rank : RANK_MAX);
    scan->at++;
    if (!ink_json_scan_take(scan, ']')) {
        do {
            status = read_tensor(reader, tensor, level + 1, err);
            if (status)
                return status;
            size++;
        } while (ink_json_scan_take(scan, ','));
        if (!ink_json_scan_take(scan, ']'))
            return ink_json_scan_fail(scan, "Missing a comma or ] after an array element.", err);
    }
    if (tensor->dim[level] == 0)
        tensor->dim[level] = size;
    if (tensor->dim[level] != size || size == 0)
        return ink_fail(err, INK_BADDATA,
                        "Encountered list at unexpected size: %zu at level: %d expected size: %zu",
                        size, level, tensor->dim[level]);
    return INK_OK;
}

/* Whether the shape is a picture's; all of a request must have the same. */
static enum ink_status
check_shape(struct reader *reader, const struct tensor *tensor, struct ink_err *err)
{
    static const struct tensor pictures[] = {
        {.rank = 3, .dim = {28, 28, 1}},
        {.rank = 2, .dim = {28, 28}},
        {.rank = 1, .dim = {784}},
        {.rank = 3, .dim = {1, 28, 28}},
    };
    char text[SHAPE_TEXT_SIZE], wanted[SHAPE_TEXT_SIZE];
    bool is_picture = false;

    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
        is_picture |= pictures[i].rank == tensor->rank &&
                      memcmp(pictures[i].dim, tensor->dim, sizeof(tensor->dim)) == 0;
    if (reader->first.rank >= 0 && tensor->count != reader->first.count)
        return ink_fail(err, INK_BADDATA, "Expecting tensor size: %zu but got: %zu",
                        reader->first.count, tensor->count);
    if (reader->first.rank >= 0 &&
        (tensor->rank != reader->first.rank ||
         memcmp(tensor->dim, reader->first.dim, sizeof(tensor->dim)) != 0))
        return ink_fail(err, INK_BADDATA, "Expecting shape %s but got: %s",
                        shape_text(&reader->first, wanted), shape_text(tensor, text));
    if (!is_picture)
        return ink_fail(err, INK_BADDATA,
                        "a picture of shape %s, expected [28,28,1], [28,28] or [784]%s",
                        shape_text(tensor, text),
                        tensor->count < INK_PICTURE_SIZE && INK_PICTURE_SIZE % tensor->count == 0
                            ? ": add the batch dimension, one more [ ] around the picture"
                            : "");
    reader->first = *tensor;
    return INK_OK;
}

/* If {"b64": "..."} is next, step over it: *out_is_one says whether it was. */
static enum ink_status
take_b64(struct ink_json_scan *scan, struct ink_json_span *out_text, bool *out_is_one,
         struct ink_err *err)
{
    struct ink_json_scan ahead = *scan;
    struct ink_json_span name, text;
    enum ink_status status;

    *out_is_one = false;
    if (!ink_json_scan_take(&ahead, '{') || ink_json_scan_peek(&ahead) != '"')
        return INK_OK;
    status = ink_json_scan_string(&ahead, &name, err);
    if (status)
        return status;
    if (!ink_json_span_is(name, "b64") || !ink_json_scan_take(&ahead, ':') ||
        ink_json_scan_peek(&ahead) != '"')
        return INK_OK;
    status = ink_json_scan_string(&ahead, &text, err);
    if (status || !ink_json_scan_take(&ahead, '}'))
        return status;
    *out_is_one = true;
    *out_text = text;
    *scan = ahead;
    return INK_OK;
}

/* Room for one picture more. */
static enum ink_status
grow(struct ink_tensor_request *request, struct ink_err *err)
{
    size_t capacity = request->capacity ? request->capacity * 4 : 1;
    float *grown;

    if (request->count >= INK_LIMIT_HTTP_INSTANCES)
        return ink_fail(err, INK_TOOBIG, "more than %d pictures in one request",
                        INK_LIMIT_HTTP_INSTANCES);
    if (request->count < request->capacity)
        return INK_OK;
    grown = realloc(request->pixels, capacity * INK_PICTURE_SIZE * sizeof(*grown));
    if (!grown)
        return ink_fail(err, INK_NOMEM, "no memory for %zu pictures", capacity);
    request->pixels = grown;
    request->capacity = capacity;
    return INK_OK;
}

/* One picture of whatever form but a named one. */
static enum ink_status
read_picture(struct reader *reader, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf bytes = {0};
    struct ink_tensor_request *request = reader->request;
    struct tensor tensor = {.rank = -1};
    struct ink_json_span text;
    enum ink_status status;
    bool is_b64;

    status = grow(request, err);
    if (!status)
        status = take_b64(&reader->scan, &text, &is_b64, err);
    if (status)
        return status;
    tensor.out = request->pixels + request->count * INK_PICTURE_SIZE;
    if (is_b64) {
        if (text.has_escape || ink_buf_unbase64(&bytes, text.text, text.size, NULL))
            return ink_fail(err, INK_BADDATA, "Unable to base64 decode");
        status = reader->picture(reader->self, ink_buf_text(&bytes), bytes.size, tensor.out, err);
    } else {
        status = read_tensor(reader, &tensor, 0, err);
        if (!status)
            status = check_shape(reader, &tensor, err);
    }
    if (!status)
        request->count++;
    return status;
}

/* ---- rows ---- */

/* Put the element's number and its name before a message. */
static enum ink_status
blame_element(const struct reader *reader, const struct ink_json_span *name, enum ink_status status,
              struct ink_err *err)
{
    struct ink_err cause;

    if (!err || status == INK_TOOBIG || status == INK_NOMEM)
        return status;
    cause = *err;
    if (name)
        return ink_fail(err, status,
                        "Failed to process element: %zu key: %.*s of 'instances' list. Error: %s",
                        reader->request->count, (int)(name->size < 40 ? name->size : 40),
                        name->text, cause.message);
    return ink_fail(err, status, "Failed to process element: %zu of 'instances' list. Error: %s",
                    reader->request->count, cause.message);
}

/* {"NAME": picture}: the network has one input, so one name is all there may be. */
static enum ink_status
read_named_picture(struct reader *reader, struct ink_err *err)
{
    struct ink_json_span name;
    enum ink_status status;

    reader->scan.at++;
    if (ink_json_scan_peek(&reader->scan) == '}')
        return ink_fail(err, INK_BADDATA,
                        "Failed to process element: %zu of 'instances' list. JSON object: {} keys "
                        "must be equal to: %s",
                        reader->request->count, reader->input_name);
    status = ink_json_scan_name(&reader->scan, &name, err);
    if (status)
        return status;
    status = read_picture(reader, err);
    if (status)
        return blame_element(reader, &name, status, err);
    if (ink_json_scan_peek(&reader->scan) == ',')
        return ink_fail(err, INK_BADDATA,
                        "Failed to process element: %zu of 'instances' list. JSON object: keys "
                        "must be equal to: %s",
                        reader->request->count - 1, reader->input_name);
    if (!ink_json_scan_take(&reader->scan, '}'))
        return ink_json_scan_fail(&reader->scan, "Missing a comma or } after an object member.",
                                  err);
    return INK_OK;
}

static enum ink_status
read_row(struct reader *reader, bool is_named, struct ink_err *err)
{
    struct ink_json_scan ahead = reader->scan;
    struct ink_json_span text;
    enum ink_status status;
    bool is_b64, is_object = ink_json_scan_peek(&reader->scan) == '{';

    status = take_b64(&ahead, &text, &is_b64, err);
    if (status)
        return status;
    is_object = is_object && !is_b64;
    if (is_named != is_object)
        return ink_fail(err, INK_BADDATA, "Expecting %s at item %zu of input list",
                        is_named ? "object but got list" : "value/list but got object",
                        reader->request->count);
    if (is_named)
        return read_named_picture(reader, err);
    status = read_picture(reader, err);
    return status ? blame_element(reader, NULL, status, err) : INK_OK;
}

static enum ink_status
read_instances(struct reader *reader, struct ink_err *err)
{
    struct ink_json_scan *scan = &reader->scan, ahead;
    struct ink_json_span text;
    enum ink_status status;
    bool is_b64, is_named;
    char shown[SNIPPET_SIZE];

    if (!ink_json_scan_take(scan, '['))
        return ink_fail(err, INK_BADDATA,
                        "JSON Value: %s Excepting 'instances' to be an list/array",
                        snippet(scan, shown));
    if (ink_json_scan_take(scan, ']'))
        return ink_fail(err, INK_BADDATA, "JSON Value: [] No values in 'instances' array");
    ahead = *scan;
    status = take_b64(&ahead, &text, &is_b64, err);
    if (status)
        return status;
    is_named = ink_json_scan_peek(scan) == '{' && !is_b64;
    do {
        status = read_row(reader, is_named, err);
        if (status)
            return status;
    } while (ink_json_scan_take(scan, ','));
    if (!ink_json_scan_take(scan, ']'))
        return ink_json_scan_fail(scan, "Missing a comma or ] after an array element.", err);
    return INK_OK;
}

/* ---- columns ---- */

/* A batch: [picture, ...], or one picture as bytes. */
static enum ink_status
read_batch(struct reader *reader, struct ink_err *err)
{
    struct ink_json_scan *scan = &reader->scan;
    enum ink_status status;

    if (!ink_json_scan_take(scan, '['))
        return read_picture(reader, err);
    if (ink_json_scan_take(scan, ']'))
        return ink_fail(err, INK_BADDATA, "JSON Value: [] No values in 'inputs' array");
    do {
        status = read_picture(reader, err);
        if (status)
            return status;
    } while (ink_json_scan_take(scan, ','));
    if (!ink_json_scan_take(scan, ']'))
        return ink_json_scan_fail(scan, "Missing a comma or ] after an array element.", err);
    return INK_OK;
}

/* {"NAME": batch, ...}: the one called as the network's input, or the only one. */
static enum ink_status
read_named_batch(struct reader *reader, struct ink_err *err)
{
    struct ink_json_scan *scan = &reader->scan, chosen = *scan;
    struct ink_json_span name = {0};
    size_t name_count = 0, end;
    bool is_found = false, is_more;
    enum ink_status status;

    scan->at++;
    for (is_more = ink_json_scan_peek(scan) != '}'; is_more;
         is_more = ink_json_scan_take(scan, ',')) {
        status = ink_json_scan_name(scan, &name, err);
        if (status)
            return status;
        if (!is_found)
            chosen = *scan;
        is_found = is_found || ink_json_span_is(name, reader->input_name);
        name_count++;
        status = ink_json_scan_skip(scan, err);
        if (status)
            return status;
    }
    if (!ink_json_scan_take(scan, '}'))
        return ink_json_scan_fail(scan, "Missing a comma or } after an object member.", err);
    if (!is_found && name_count != 1)
        return ink_fail(err, INK_BADDATA, "Missing named input: %s in 'inputs' object.",
                        reader->input_name);
    end = scan->at;
    *scan = chosen;
    status = read_batch(reader, err);
    scan->at = end;
    return status;
}

static enum ink_status
read_inputs(struct reader *reader, struct ink_err *err)
{
    struct ink_json_scan ahead = reader->scan;
    struct ink_json_span text;
    enum ink_status status;
    bool is_b64;

    status = take_b64(&ahead, &text, &is_b64, err);
    if (status)
        return status;
    if (ink_json_scan_peek(&reader->scan) == '{' && !is_b64)
        return read_named_batch(reader, err);
    return read_batch(reader, err);
}

/* ---- the document ---- */

static enum ink_status
read_signature(struct reader *reader, struct ink_err *err)
{
    struct ink_tensor_request *request = reader->request;
    struct ink_json_span text;
    enum ink_status status;
    char shown[SNIPPET_SIZE];

    if (ink_json_scan_peek(&reader->scan) != '"')
        return ink_fail(err, INK_BADDATA,
                        "JSON Value: %s not formatted correctly. 'signature_name' key must be a "
                        "string value.",
                        snippet(&reader->scan, shown));
    status = ink_json_scan_string(&reader->scan, &text, err);
    if (!status)
        (void)snprintf(
            request->signature, sizeof(request->signature), "%.*s",
            (int)(text.size < sizeof(request->signature) ? text.size : sizeof(request->signature)),
            text.text);
    return status;
}

static enum ink_status
read_member(struct reader *reader, struct ink_json_span name, struct ink_err *err)
{
    bool is_instances = ink_json_span_is(name, "instances");
    bool is_inputs = ink_json_span_is(name, "inputs");

    if (ink_json_span_is(name, "signature_name"))
        return read_signature(reader, err);
    if (!is_instances && !is_inputs)
        return ink_json_scan_skip(&reader->scan, err);
    if (reader->has_instances || reader->has_inputs)
        return ink_fail(err, INK_BADDATA,
                        "JSON Value: Not formatted correctly expecting only one of 'inputs' or "
                        "'instances' keys to exist");
    reader->has_instances = reader->request->is_row = is_instances;
    reader->has_inputs = is_inputs;
    return is_instances ? read_instances(reader, err) : read_inputs(reader, err);
}

static enum ink_status
read_document(struct reader *reader, struct ink_err *err)
{
    struct ink_json_scan *scan = &reader->scan;
    struct ink_json_span name;
    enum ink_status status;
    char shown[SNIPPET_SIZE];

    if (ink_json_scan_peek(scan) == '\0' && scan->at >= scan->size)
        return ink_fail(err, INK_BADDATA, "JSON Parse error: The document is empty");
    if (!ink_json_scan_take(scan, '{'))
        return ink_fail(err, INK_BADDATA, "JSON Value: %s Is not object", snippet(scan, shown));
    if (!ink_json_scan_take(scan, '}')) {
        do {
            status = ink_json_scan_name(scan, &name, err);
            if (status)
                return status;
            status = read_member(reader, name, err);
            if (status)
                return status;
        } while (ink_json_scan_take(scan, ','));
        if (!ink_json_scan_take(scan, '}'))
            return ink_json_scan_fail(scan, "Missing a comma or } after an object member.", err);
    }
    (void)ink_json_scan_peek(scan);
    if (scan->at < scan->size)
        return ink_json_scan_fail(scan, "The document root must not be followed by other values.",
                                  err);
    if (!reader->has_instances && !reader->has_inputs)
        return ink_fail(err, INK_BADDATA, "Missing 'inputs' or 'instances' key");
    return INK_OK;
}

enum ink_status
ink_tensor_request_read(struct ink_tensor_request *request, const char *text, size_t size,
                        const char *input_name, ink_tensor_picture_fn picture, void *self,
                        struct ink_err *err)
{
    struct reader reader = {.scan = {.text = text, .size = size},
                            .request = request,
                            .input_name = input_name,
                            .picture = picture,
                            .self = self,
                            .first = {.rank = -1}};

    assert(text && text[size] == '\0' && input_name && picture);
    request->count = 0;
    request->signature[0] = '\0';
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.scan.at = 3; /* a byte order mark */
    if (!ink_utf8_is_valid(text, size))
        return ink_fail(err, INK_BADDATA, "JSON Parse error: Invalid encoding in string.");
    return read_document(&reader, err);
}

void
ink_tensor_request_fini(struct ink_tensor_request *request)
{
    free(request->pixels);
    *request = (struct ink_tensor_request){0};
}

/* ---- the answer ---- */

void
ink_tensor_float_print(float value, struct ink_buf *buf)
{
    char text[32];

    if (!isfinite(value)) {
        ink_buf_puts(buf, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    (void)snprintf(text, sizeof(text), "%g", (double)value);
    if (strtof(text, NULL) != value) /* NOLINT: our own text */
        (void)snprintf(text, sizeof(text), "%.9g", (double)value);
    ink_buf_puts(buf, text);
    if (!strpbrk(text, ".e"))
        ink_buf_puts(buf, ".0");
}

void
ink_tensor_reply_print(const struct ink_tensor_request *request, const float *probabilities,
                       struct ink_buf *buf)
{
    ink_buf_printf(buf, "{\n    \"%s\": [", request->is_row ? "predictions" : "outputs");
    for (size_t i = 0; i < request->count; i++) {
        ink_buf_puts(buf, i ? ", [" : "[");
        for (size_t k = 0; k < INK_CLASS_COUNT; k++) {
            if (k > 0)
                ink_buf_puts(buf, ", ");
            ink_tensor_float_print(probabilities[i * INK_CLASS_COUNT + k], buf);
        }
        ink_buf_putc(buf, ']');
    }
    ink_buf_puts(buf, "\n    ]\n}");
}
