/* SPDX-License-Identifier: MIT */
#include "model/drawing.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/arch.h"

/* One block: the struct, then start[stroke_count + 1], x[point_count], y[point_count]. */
struct block {
    struct ink_drawing drawing;
    size_t start[];
};

/* A drawing with room, all zero; the caller fills what the struct points to. */
static enum ink_status
allocate(size_t stroke_count, size_t point_count, struct ink_drawing **out_drawing,
         struct ink_err *err)
{
    struct block *block;
    float *points;

    if (stroke_count > INK_DRAWING_STROKE_MAX)
        return ink_fail(err, INK_TOOBIG, "%zu strokes, at most %d are taken", stroke_count,
                        INK_DRAWING_STROKE_MAX);
    if (point_count > INK_DRAWING_POINT_MAX)
        return ink_fail(err, INK_TOOBIG, "%zu points, at most %d are taken", point_count,
                        INK_DRAWING_POINT_MAX);
    block = calloc(1, sizeof(*block) + (stroke_count + 1) * sizeof(size_t) +
                          2 * point_count * sizeof(float));
    if (!block)
        return ink_fail(err, INK_NOMEM, "no memory for %zu points", point_count);
    points = (float *)(block->start + stroke_count + 1);
    block->drawing = (struct ink_drawing){.label = -1,
                                          .stroke_count = stroke_count,
                                          .point_count = point_count,
                                          .start = block->start,
                                          .x = points,
                                          .y = points + point_count};
    *out_drawing = &block->drawing;
    return INK_OK;
}

/* The parts of a drawing that is being made. */
static size_t *
start_of(struct ink_drawing *drawing)
{
    return ((struct block *)drawing)->start;
}

static float *
points_of(struct ink_drawing *drawing)
{
    return (float *)(start_of(drawing) + drawing->stroke_count + 1);
}

static enum ink_status
check_label(int label, struct ink_err *err)
{
    if (label < -1 || label >= INK_CLASS_COUNT)
        return ink_fail(err, INK_BADDATA, "label %d, expected 0 to %d", label, INK_CLASS_COUNT - 1);
    return INK_OK;
}

static enum ink_status
check_coordinate(double value, size_t stroke_index, struct ink_err *err)
{
    if (!(fabs(value) <= (double)INK_DRAWING_COORDINATE_MAX))
        return ink_fail(err, INK_BADDATA,
                        "stroke %zu: coordinate %g, expected a number up to %g either way",
                        stroke_index, value, (double)INK_DRAWING_COORDINATE_MAX);
    return INK_OK;
}

enum ink_status
ink_drawing_create(const size_t *start, size_t stroke_count, const float *x, const float *y,
                   int label, struct ink_drawing **out_drawing, struct ink_err *err)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    size_t point_count = stroke_count > 0 ? start[stroke_count] : 0;
    enum ink_status status;

    assert(stroke_count == 0 || start[0] == 0);
    status = check_label(label, err);
    if (!status)
        status = allocate(stroke_count, point_count, &drawing, err);
    if (status)
        return status;
    assert(drawing);

    drawing->label = label;
    for (size_t s = 0; s < stroke_count; s++) {
        assert(start[s] <= start[s + 1]);
        start_of(drawing)[s + 1] = start[s + 1];
        for (size_t i = start[s]; i < start[s + 1]; i++) {
            status = check_coordinate((double)x[i], s, err);
            if (!status)
                status = check_coordinate((double)y[i], s, err);
            if (status)
                return status;
            points_of(drawing)[i] = x[i];
            points_of(drawing)[point_count + i] = y[i];
        }
    }
    *out_drawing = drawing;
    drawing = NULL;
    return INK_OK;
}

void
ink_drawing_destroy(struct ink_drawing **drawing)
{
    free(*drawing); /* the struct is the block's first member */
    *drawing = NULL;
}

enum ink_status
ink_drawing_copy(const struct ink_drawing *drawing, struct ink_drawing **out_drawing,
                 struct ink_err *err)
{
    return ink_drawing_create(drawing->start, drawing->stroke_count, drawing->x, drawing->y,
                              drawing->label, out_drawing, err);
}

/* Check the shape of the array and count its points: nothing is allocated for a bad one. */
static enum ink_status
measure(const struct ink_json *strokes, size_t *out_stroke_count, size_t *out_point_count,
        struct ink_err *err)
{
    size_t stroke_count = 0, point_count = 0;

    if (!ink_json_is_array(strokes))
        return ink_fail(err, INK_BADDATA, "strokes: expected [[x0,y0,x1,y1,...], ...]");
    for (const struct ink_json *stroke = ink_json_first(strokes); stroke;
         stroke = ink_json_next(stroke)) {
        size_t count = ink_json_count(stroke);

        if (!ink_json_is_array(stroke))
            return ink_fail(err, INK_BADDATA, "stroke %zu is not an array of numbers",
                            stroke_count);
        if (count % 2 != 0)
            return ink_fail(err, INK_BADDATA,
                            "stroke %zu has %zu numbers, expected x and y in turn", stroke_count,
                            count);
        stroke_count++;
        point_count += count / 2;
    }
    *out_stroke_count = stroke_count;
    *out_point_count = point_count;
    return INK_OK;
}

/* Fill x and y of stroke `s`, from point start[s] on. */
static enum ink_status
fill_stroke(struct ink_drawing *drawing, size_t s, const struct ink_json *stroke,
            struct ink_err *err)
{
    float *points = points_of(drawing);
    size_t at = drawing->start[s];
    bool is_y = false;

    for (const struct ink_json *number = ink_json_first(stroke); number;
         number = ink_json_next(number)) {
        double value = ink_json_number(number, (double)NAN);
        enum ink_status status;

        if (!ink_json_is_number(number))
            return ink_fail(err, INK_BADDATA, "stroke %zu: point %zu is not two numbers", s,
                            at - drawing->start[s]);
        status = check_coordinate(value, s, err);
        if (status)
            return status;
        points[(is_y ? drawing->point_count : 0) + at] = (float)value;
        at += is_y;
        is_y = !is_y;
    }
    start_of(drawing)[s + 1] = at;
    return INK_OK;
}

enum ink_status
ink_drawing_from_json(const struct ink_json *strokes, int label, struct ink_drawing **out_drawing,
                      struct ink_err *err)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    const struct ink_json *stroke = ink_json_first(strokes);
    size_t stroke_count = 0, point_count = 0;
    enum ink_status status;

    status = check_label(label, err);
    if (!status)
        status = measure(strokes, &stroke_count, &point_count, err);
    if (!status)
        status = allocate(stroke_count, point_count, &drawing, err);
    for (size_t s = 0; !status && s < stroke_count; s++, stroke = ink_json_next(stroke)) {
        assert(drawing);
        status = fill_stroke(drawing, s, stroke, err);
    }
    if (status)
        return status;
    assert(drawing);

    drawing->label = label;
    *out_drawing = drawing;
    drawing = NULL;
    return INK_OK;
}

struct ink_json *
ink_drawing_to_json(const struct ink_drawing *drawing)
{
    struct ink_json *strokes = ink_json_array();

    for (size_t s = 0; s < drawing->stroke_count; s++) {
        struct ink_json *stroke = ink_json_array();

        for (size_t i = drawing->start[s]; i < drawing->start[s + 1]; i++) {
            ink_json_push(stroke, ink_json_from_float(drawing->x[i]));
            ink_json_push(stroke, ink_json_from_float(drawing->y[i]));
        }
        ink_json_push(strokes, stroke);
    }
    return strokes;
}
