/* SPDX-License-Identifier: MIT */
/* Strokes as JSON become a drawing that writes the same strokes, and pixels, whatever their place
 * and size. */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"
#include "model/drawing.h"
#include "model/prepare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_json *json = NULL, *written = NULL, *reread = NULL;
    struct ink_buf text = {0};
    struct ink_drawing *drawing = NULL, *again = NULL;
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];
    struct ink_err err = {0};

    if (ink_json_parse((const char *)bytes, size, &json, &err))
        return 0;
    if (ink_drawing_from_json(json, -1, &drawing, &err) == INK_OK) {
        assert(drawing->stroke_count <= INK_DRAWING_STROKE_MAX);
        assert(drawing->point_count <= INK_DRAWING_POINT_MAX);
        ink_prepare_drawing(drawing, row, &preparation);
        written = ink_drawing_to_json(drawing);
        assert(ink_json_print(written, &text, &err) == INK_OK);
        assert(ink_json_parse(text.bytes, text.size, &reread, &err) == INK_OK);
        assert(ink_drawing_from_json(reread, -1, &again, &err) == INK_OK);
        assert(again->point_count == drawing->point_count);
        assert(again->stroke_count == drawing->stroke_count);
    } else {
        assert(!drawing && err.message[0]);
    }
    ink_drawing_destroy(&drawing);
    ink_drawing_destroy(&again);
    ink_json_destroy(&written);
    ink_json_destroy(&reread);
    ink_buf_fini(&text);
    ink_json_destroy(&json);
    return 0;
}
