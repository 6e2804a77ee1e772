/* SPDX-License-Identifier: MIT */
#include "kernel/command/draw.h"

#include "base/cleanup.h"
#include "kernel/command/sight.h"

void
ink_draw_bundle(const struct ink_draw_view *view, struct ink_bundle *out_bundle)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *json = ink_json_object();
    struct ink_json *parameters = ink_json_object();
    struct ink_buf text = {0};

    ink_json_set_int(parameters, "size", view->size);
    ink_json_set_int(parameters, "brush", view->brush);
    ink_json_set_int(json, "v", 1);
    ink_json_set_string(json, "view", "draw");
    ink_json_set_string(json, "id", view->id);
    ink_json_set(json, "parameters", parameters);
    ink_json_set(json, "static",
                 view->static_json ? ink_json_from_raw(view->static_json) : ink_json_from_null());
    if (ink_json_print(json, &text, NULL) == INK_OK)
        ink_bundle_add(out_bundle, INK_MIME_VIEW, &text);
    else
        out_bundle->is_broken = true;
    ink_buf_fini(&text);
    if (view->prediction) {
        ink_sight_add(&(struct ink_sight){view->prediction, "drawn", -1, 1}, out_bundle);
        return;
    }
    ink_bundle_add_text(out_bundle, INK_MIME_HTML,
                        "<p>A canvas to draw a digit on. It appears where Inkling's view is "
                        "loaded: in a notebook with the Inkling kernel, or on the page of "
                        "<code>inkling serve</code>.</p>");
    ink_bundle_add_text(out_bundle, INK_MIME_TEXT,
                        "a canvas to draw a digit on: open a notebook with the Inkling kernel, or "
                        "'inkling serve' and its page\n");
}
