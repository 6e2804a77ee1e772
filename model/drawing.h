/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_DRAWING_H
#define INK_MODEL_DRAWING_H

/*
 * drawing: pen strokes, as people draw them: any scale, y down.
 *
 * Stroke file: one JSON object a line,
 *   {"label": 7, "strokes": [[x0,y0,x1,y1,...], ...]}
 * other members are ignored; .gz is read through zlib.
 */

#include <stddef.h>

#include "base/json.h"
#include "base/status.h"

enum {
    INK_DRAWING_STROKE_MAX = 200,
    INK_DRAWING_POINT_MAX = 20000, /* in all strokes together */
};
#define INK_DRAWING_COORDINATE_MAX 1e6F /* absolute */

struct ink_drawing {
    int label; /* 0..9, or -1 when nobody said */
    size_t stroke_count;
    size_t point_count;  /* all strokes together */
    const size_t *start; /* [stroke_count + 1]: stroke s has points start[s] .. start[s + 1] - 1 */
    const float *x, *y;  /* [point_count] */
};

/* A copy of points given as stroke_count runs; one allocation. An empty drawing is fine. */
INK_MUST_CHECK enum ink_status ink_drawing_create(const size_t *start, size_t stroke_count,
                                                  const float *x, const float *y, int label,
                                                  struct ink_drawing **out_drawing,
                                                  struct ink_err *err);
void ink_drawing_destroy(struct ink_drawing **drawing);
INK_MUST_CHECK enum ink_status ink_drawing_copy(const struct ink_drawing *drawing,
                                                struct ink_drawing **out_drawing,
                                                struct ink_err *err);

/*
 * From and to the JSON array of strokes, [[x0,y0,x1,y1,...], ...].
 *
 * Errors   INK_BADDATA  not such an array, an odd count, a coordinate out of range
 *          INK_TOOBIG   more strokes or points than above
 */
INK_MUST_CHECK enum ink_status ink_drawing_from_json(const struct ink_json *strokes, int label,
                                                     struct ink_drawing **out_drawing,
                                                     struct ink_err *err);
struct ink_json *ink_drawing_to_json(const struct ink_drawing *drawing);

#endif
