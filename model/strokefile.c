/* SPDX-License-Identifier: MIT */
#include "model/strokefile.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/limits.h"
#include "model/gunzip.h"
#include "model/prepare.h"

/* Drawings as they are read; owns them until the data set takes them over. */
struct collection {
    struct ink_drawing **drawing; /* [count] */
    size_t count, capacity;
};

static void
collection_fini(struct collection *collection)
{
    for (size_t i = 0; i < collection->count; i++)
        ink_drawing_destroy(&collection->drawing[i]);
    free(collection->drawing);
}

/* Takes over *drawing. */
static enum ink_status
collection_add(struct collection *collection, struct ink_drawing **drawing, struct ink_err *err)
{
    if (collection->count == INK_LIMIT_STROKE_FILE_COUNT)
        return ink_fail(err, INK_TOOBIG, "more than %d drawings", INK_LIMIT_STROKE_FILE_COUNT);
    if (collection->count == collection->capacity) {
        size_t capacity = collection->capacity > 0 ? 2 * collection->capacity : 256;
        struct ink_drawing **grown =
            realloc(collection->drawing, capacity * sizeof(struct ink_drawing *));

        if (!grown)
            return ink_fail(err, INK_NOMEM, "no memory for %zu drawings", capacity);
        collection->drawing = grown;
        collection->capacity = capacity;
    }
    collection->drawing[collection->count++] = *drawing;
    *drawing = NULL;
    return INK_OK;
}

bool
ink_strokefile_is(const char *path)
{
    static const char *const endings[] = {".jsonl", ".jsonl.gz"};
    size_t size = strlen(path);

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending_size = strlen(endings[i]);

        if (size > ending_size && strcmp(path + size - ending_size, endings[i]) == 0)
            return true;
    }
    return false;
}

/* ---- reading ---- */

static enum ink_status
parse_label(const struct ink_json *object, int *out_label, struct ink_err *err)
{
    const struct ink_json *json = ink_json_find(object, "label");
    double label = ink_json_number(json, -1);

    if (!json)
        return ink_fail(err, INK_BADDATA, "no \"label\", expected a digit 0 to 9");
    if (!ink_json_is_number(json) || label < 0 || label >= INK_CLASS_COUNT || label != floor(label))
        return ink_fail(err, INK_BADDATA, "the label is not a digit 0 to 9");
    *out_label = (int)label;
    return INK_OK;
}

static enum ink_status
parse_line(const char *line, size_t size, struct ink_drawing **out_drawing, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *object = NULL;
    enum ink_status status;
    int label = -1;

    status = ink_json_parse(line, size, &object, err);
    if (status)
        return status;
    if (!ink_json_is_object(object))
        return ink_fail(err, INK_BADDATA, "not a JSON object");
    status = parse_label(object, &label, err);
    if (status)
        return status;
    if (!ink_json_find(object, "strokes"))
        return ink_fail(err, INK_BADDATA, "no \"strokes\", expected [[x0,y0,x1,y1,...], ...]");
    return ink_drawing_from_json(ink_json_find(object, "strokes"), label, out_drawing, err);
}

static bool
is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static enum ink_status
parse_lines(const char *text, size_t size, struct collection *out_collection, struct ink_err *err)
{
    size_t number = 0;

    for (size_t at = 0; at < size;) {
        INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
        const char *newline = memchr(text + at, '\n', size - at);
        size_t line_size = newline ? (size_t)(newline - text) - at : size - at;
        enum ink_status status = INK_OK;
        struct ink_err cause = {0};

        number++;
        if (line_size > INK_LIMIT_STROKE_LINE_SIZE)
            return ink_fail(err, INK_TOOBIG, "line %zu has %zu bytes, at most %d are read", number,
                            line_size, INK_LIMIT_STROKE_LINE_SIZE);
        if (!is_blank(text + at, line_size)) {
            status = parse_line(text + at, line_size, &drawing, &cause);
            if (!status)
                status = collection_add(out_collection, &drawing, &cause);
        }
        if (status)
            return ink_fail(err, status, "line %zu: %s", number, cause.message);
        at += line_size + 1;
    }
    if (out_collection->count == 0)
        return ink_fail(err, INK_BADDATA, "no drawing in it");
    return INK_OK;
}

/* Unpack all of a gzip file, up to the limit. */
static enum ink_status
unpack(const struct ink_buf *packed, struct ink_buf *out_text, struct ink_err *err)
{
    enum { PIECE_SIZE = 1 << 16 };
    INK_CLEANUP(ink_gunzip_fini) struct ink_gunzip gunzip = {0};
    INK_CLEANUP(ink_freep) char *piece = malloc(PIECE_SIZE);
    enum ink_status status;
    size_t got = PIECE_SIZE;

    if (!piece)
        return ink_fail(err, INK_NOMEM, "no memory to unpack a gzip file");
    status = ink_gunzip_init(&gunzip, (const uint8_t *)ink_buf_text(packed), packed->size, err);
    while (!status && got == PIECE_SIZE && out_text->size <= INK_LIMIT_STROKE_FILE_SIZE) {
        status = ink_gunzip_read(&gunzip, piece, PIECE_SIZE, &got, err);
        if (!status)
            ink_buf_append(out_text, piece, got);
    }
    if (status)
        return status;
    if (out_text->size > INK_LIMIT_STROKE_FILE_SIZE)
        return ink_fail(err, INK_TOOBIG, "unpacks to more than %d bytes",
                        INK_LIMIT_STROKE_FILE_SIZE);
    status = ink_gunzip_finish(&gunzip, err);
    return status ? status : ink_buf_check(out_text, err);
}

static enum ink_status
read_collection(const struct ink_buf *file, struct collection *out_collection, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    const struct ink_buf *lines = file;

    if (ink_gunzip_is((const uint8_t *)ink_buf_text(file), file->size)) {
        enum ink_status status = unpack(file, &text, err);

        if (status)
            return status;
        lines = &text;
    }
    return parse_lines(ink_buf_text(lines), lines->size, out_collection, err);
}

/* Prepare each drawing's row and give the drawings to the data set. */
static enum ink_status
make_dataset(const char *path, struct collection *collection, struct ink_dataset **out_dataset,
             struct ink_err *err)
{
    const char *slash = strrchr(path, '/');
    struct ink_dataset *dataset;
    enum ink_status status;

    status = ink_dataset_create(slash ? slash + 1 : path, collection->count, &dataset, err);
    if (status)
        return status;
    for (size_t i = 0; i < collection->count; i++) {
        struct ink_preparation preparation;

        ink_prepare_drawing(collection->drawing[i], dataset->pixels + i * INK_PICTURE_SIZE,
                            &preparation);
        dataset->labels[i] = (uint8_t)collection->drawing[i]->label;
    }
    dataset->drawings = collection->drawing;
    *collection = (struct collection){0};
    *out_dataset = dataset;
    return INK_OK;
}

enum ink_status
ink_strokefile_load(const char *path, struct ink_dataset **out_dataset, struct ink_err *err)
{
    INK_CLEANUP(collection_fini) struct collection collection = {0};
    INK_CLEANUP(ink_buf_fini) struct ink_buf file = {0};
    enum ink_status status;
    struct ink_err cause;

    status = ink_buf_load(&file, path, INK_LIMIT_STROKE_FILE_SIZE, err);
    if (status)
        return status;
    status = read_collection(&file, &collection, &cause);
    if (status)
        return ink_fail(err, status, "'%s': %s", path, cause.message);
    return make_dataset(path, &collection, out_dataset, err);
}

/* ---- writing ---- */

enum ink_status
ink_strokefile_append(const struct ink_drawing *drawing, struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *object = ink_json_object();
    enum ink_status status;

    if (drawing->label >= 0)
        ink_json_set_int(object, "label", drawing->label);
    ink_json_set(object, "strokes", ink_drawing_to_json(drawing));
    status = ink_json_print(object, buf, err);
    if (!status)
        ink_buf_putc(buf, '\n');
    return status ? status : ink_buf_check(buf, err);
}
