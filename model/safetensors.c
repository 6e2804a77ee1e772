/* SPDX-License-Identifier: MIT */
#include "model/safetensors.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"

enum { LENGTH_SIZE = 8, ALIGNMENT = 8 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weight files are little-endian");

/* A whole number in [0, max] from JSON. */
static bool
read_size(const struct ink_json *json, size_t max, size_t *out)
{
    double number = ink_json_number(json, -1);

    if (!ink_json_is_number(json) || !(number >= 0) || number > (double)max ||
        number != floor(number))
        return false;
    *out = (size_t)number;
    return true;
}

/* The format's types. */
static const struct {
    const char *name;
    size_t width;
    enum ink_number type;
} types[] = {
    {"F32", 4, INK_F32},       {"F16", 2, INK_F16},      {"BF16", 2, INK_BF16},
    {"F64", 8, INK_F64},       {"I64", 8, INK_NO_FLOAT}, {"U64", 8, INK_NO_FLOAT},
    {"I32", 4, INK_NO_FLOAT},  {"U32", 4, INK_NO_FLOAT}, {"I16", 2, INK_NO_FLOAT},
    {"U16", 2, INK_NO_FLOAT},  {"I8", 1, INK_NO_FLOAT},  {"U8", 1, INK_NO_FLOAT},
    {"BOOL", 1, INK_NO_FLOAT},
};

static enum ink_status
decode_type(const struct ink_json *entry, struct ink_tensor *tensor, struct ink_err *err)
{
    const char *name = ink_json_string(ink_json_find(entry, "dtype"), "none");

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(name, types[i].name) == 0) {
            tensor->type = types[i].type;
            tensor->width = types[i].width;
            return INK_OK;
        }
    return ink_fail(err, INK_BADDATA, "tensor '%s' is of type '%.20s', expected F32", tensor->name,
                    name);
}

/* One member of the header: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}. */
static enum ink_status
decode_tensor(const struct ink_json *entry, const struct ink_safetensors *file,
              struct ink_tensor *tensor, struct ink_err *err)
{
    const char *name = ink_json_name(entry);
    const struct ink_json *shape = ink_json_find(entry, "shape");
    const struct ink_json *places = ink_json_find(entry, "data_offsets");
    const struct ink_json *begin_json = ink_json_first(places);
    size_t begin, end;
    enum ink_status status;

    if (strlen(name) >= sizeof(tensor->name))
        return ink_fail(err, INK_BADDATA, "a tensor's name of %zu bytes, expected below %zu",
                        strlen(name), sizeof(tensor->name));
    memcpy(tensor->name, name, strlen(name) + 1);
    status = decode_type(entry, tensor, err);
    if (status)
        return status;
    if (!ink_json_is_array(shape) || ink_json_count(shape) > INK_TENSOR_DIM_MAX)
        return ink_fail(err, INK_BADDATA, "tensor '%s' has no shape of at most %d sizes", name,
                        INK_TENSOR_DIM_MAX);
    tensor->count = 1;
    for (const struct ink_json *size = ink_json_first(shape); size; size = ink_json_next(size)) {
        size_t dim;

        if (!read_size(size, INK_LIMIT_PARAMETERS, &dim) ||
            (dim > 0 && tensor->count > INK_LIMIT_PARAMETERS / dim))
            return ink_fail(err, INK_BADDATA, "tensor '%s' has a shape of more than %d numbers",
                            name, INK_LIMIT_PARAMETERS);
        tensor->dim[tensor->dim_count++] = dim;
        tensor->count *= dim;
    }
    if (!ink_json_is_array(places) || ink_json_count(places) != 2 ||
        !read_size(begin_json, file->data_size, &begin) ||
        !read_size(ink_json_next(begin_json), file->data_size, &end) || begin > end)
        return ink_fail(err, INK_BADDATA, "tensor '%s' lies outside the %zu bytes of data", name,
                        file->data_size);
    if (end - begin != tensor->count * tensor->width)
        return ink_fail(err, INK_BADDATA, "tensor '%s' has %zu bytes, its shape says %zu", name,
                        end - begin, tensor->count * tensor->width);
    tensor->bytes = file->data + begin;
    return INK_OK;
}

static int
by_place(const void *a, const void *b)
{
    const struct ink_tensor *const *left = a, *const *right = b;

    if ((*left)->bytes != (*right)->bytes)
        return (*left)->bytes < (*right)->bytes ? -1 : 1;
    return ((*left)->count > (*right)->count) - ((*left)->count < (*right)->count);
}

/* The tensors must fill the data without overlap or hole. */
static enum ink_status
check_places(const struct ink_safetensors *file, struct ink_err *err)
{
    INK_CLEANUP(ink_freep) const struct ink_tensor **sorted = NULL;
    const unsigned char *at = file->data;

    sorted = calloc(file->tensor_count + 1, sizeof(*sorted));
    if (!sorted)
        return ink_fail(err, INK_NOMEM, "no memory for %zu tensors", file->tensor_count);
    for (size_t i = 0; i < file->tensor_count; i++)
        sorted[i] = &file->tensor[i];
    qsort(sorted, file->tensor_count, sizeof(*sorted), by_place);
    for (size_t i = 0; i < file->tensor_count; i++) {
        if (sorted[i]->bytes != at)
            return ink_fail(err, INK_BADDATA, "tensor '%s' overlaps another or leaves a hole",
                            sorted[i]->name);
        at += sorted[i]->count * sorted[i]->width;
    }
    if (at != file->data + file->data_size)
        return ink_fail(err, INK_BADDATA, "%zu bytes of data belong to no tensor",
                        (size_t)(file->data + file->data_size - at));
    return INK_OK;
}

static enum ink_status
decode_header(struct ink_safetensors *file, const char *text, size_t size, struct ink_err *err)
{
    enum ink_status status = ink_json_parse(text, size, &file->header, err);

    if (status)
        return status;
    if (!ink_json_is_object(file->header) || ink_json_count(file->header) > INK_TENSOR_MAX + 1)
        return ink_fail(err, INK_BADDATA, "the header is no object of at most %d tensors",
                        INK_TENSOR_MAX);
    file->tensor = calloc(ink_json_count(file->header) + 1, sizeof(*file->tensor));
    if (!file->tensor)
        return ink_fail(err, INK_NOMEM, "no memory for a header");
    for (const struct ink_json *entry = ink_json_first(file->header); entry;
         entry = ink_json_next(entry)) {
        if (strcmp(ink_json_name(entry), "__metadata__") == 0) {
            file->metadata = entry;
            continue;
        }
        status = decode_tensor(entry, file, &file->tensor[file->tensor_count], err);
        if (status)
            return status;
        if (ink_safetensors_find(file, file->tensor[file->tensor_count].name))
            return ink_fail(err, INK_BADDATA, "tensor '%s' is there twice",
                            file->tensor[file->tensor_count].name);
        file->tensor_count++;
    }
    return check_places(file, err);
}

enum ink_status
ink_safetensors_decode(const void *bytes, size_t size, size_t size_max,
                       struct ink_safetensors *out_file, struct ink_err *err)
{
    INK_CLEANUP(ink_safetensors_fini) struct ink_safetensors file = {0};
    enum ink_status status = ink_safetensors_decode_any(bytes, size, size_max, &file, err);

    if (status)
        return status;
    for (size_t i = 0; i < file.tensor_count; i++)
        if (file.tensor[i].type != INK_F32)
            return ink_fail(
                err, INK_BADDATA, "tensor '%s' is of type '%.20s', expected F32",
                file.tensor[i].name,
                ink_json_string(
                    ink_json_find(ink_json_find(file.header, file.tensor[i].name), "dtype"), ""));
    *out_file = file;
    file = (struct ink_safetensors){0};
    return INK_OK;
}

enum ink_status
ink_safetensors_decode_any(const void *bytes, size_t size, size_t size_max,
                           struct ink_safetensors *out_file, struct ink_err *err)
{
    INK_CLEANUP(ink_safetensors_fini) struct ink_safetensors file = {0};
    const unsigned char *start = bytes;
    uint64_t length = 0;
    enum ink_status status;

    if (size > size_max)
        return ink_fail(err, INK_TOOBIG, "%zu bytes of weights, at most %zu are read", size,
                        size_max);
    if (size < LENGTH_SIZE)
        return ink_fail(err, INK_BADDATA, "%zu bytes are too few for a safetensors file", size);
    for (int i = LENGTH_SIZE - 1; i >= 0; i--)
        length = length << 8 | start[i];
    if (length > size - LENGTH_SIZE)
        return ink_fail(err, INK_BADDATA, "a header of %llu bytes in a file of %zu",
                        (unsigned long long)length, size);
    file.data = start + LENGTH_SIZE + length;
    file.data_size = size - LENGTH_SIZE - (size_t)length;
    status = decode_header(&file, (const char *)start + LENGTH_SIZE, (size_t)length, err);
    if (status)
        return status;
    *out_file = file;
    file = (struct ink_safetensors){0};
    return INK_OK;
}

void
ink_safetensors_fini(struct ink_safetensors *file)
{
    ink_json_destroy(&file->header);
    free(file->tensor);
    *file = (struct ink_safetensors){0};
}

const struct ink_tensor *
ink_safetensors_find(const struct ink_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensor[i].name, name) == 0)
            return &file->tensor[i];
    return NULL;
}

static struct ink_json *
encode_entry(const struct ink_tensor *tensor, size_t begin)
{
    struct ink_json *entry = ink_json_object(), *shape = ink_json_array();
    struct ink_json *places = ink_json_array();

    for (int i = 0; i < tensor->dim_count; i++)
        ink_json_push(shape, ink_json_from_int((int64_t)tensor->dim[i]));
    ink_json_push(places, ink_json_from_int((int64_t)begin));
    ink_json_push(places, ink_json_from_int((int64_t)(begin + tensor->count * sizeof(float))));
    ink_json_set_string(entry, "dtype", "F32");
    ink_json_set(entry, "shape", shape);
    ink_json_set(entry, "data_offsets", places);
    return entry;
}

static void
append_numbers(struct ink_buf *buf, const unsigned char *bytes, size_t size)
{
    static const unsigned char zeros[4096];

    if (bytes)
        ink_buf_append(buf, bytes, size);
    for (; !bytes && size > sizeof(zeros); size -= sizeof(zeros))
        ink_buf_append(buf, zeros, sizeof(zeros));
    if (!bytes)
        ink_buf_append(buf, zeros, size);
}

enum ink_status
ink_safetensors_encode(struct ink_json *metadata, const struct ink_tensor *tensor, size_t count,
                       struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *header = ink_json_object();
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status;
    size_t begin = 0;

    ink_json_set(header, "__metadata__", metadata);
    for (size_t i = 0; i < count; i++) {
        ink_json_set(header, tensor[i].name, encode_entry(&tensor[i], begin));
        begin += tensor[i].count * sizeof(float);
    }
    if (ink_json_count(header) != count + 1)
        return ink_fail(err, INK_NOMEM, "no memory for the header of a weight file");
    status = ink_json_print(header, &text, err);
    if (status)
        return status;
    while (text.size % ALIGNMENT != 0 && !text.is_broken)
        ink_buf_putc(&text, ' ');
    for (int i = 0; i < LENGTH_SIZE; i++)
        ink_buf_putc(buf, (char)((uint64_t)text.size >> (8 * i)));
    ink_buf_append(buf, text.bytes, text.size);
    for (size_t i = 0; i < count; i++)
        append_numbers(buf, tensor[i].bytes, tensor[i].count * sizeof(float));
    status = ink_buf_check(&text, err);
    return status ? status : ink_buf_check(buf, err);
}
