/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_BUNDLE_H
#define INK_RENDER_BUNDLE_H

/*
 * bundle: one result in several forms, each under its MIME type.
 *
 * A zeroed struct is an empty bundle. As with ink_buf, adding never fails at
 * once: lack of memory turns the bundle `is_broken`, and ink_bundle_check
 * reports it. text/... and image/svg+xml hold UTF-8, image/png holds raw bytes,
 * application/json and application/vnd.inkling.v1+json hold JSON text.
 *
 * Source: Jupyter messaging, "display_data": data is a dict of MIME types.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/status.h"

#define INK_MIME_TEXT     "text/plain"
#define INK_MIME_HTML     "text/html"
#define INK_MIME_MARKDOWN "text/markdown"
#define INK_MIME_PNG      "image/png"
#define INK_MIME_SVG      "image/svg+xml"
#define INK_MIME_JSON     "application/json"
#define INK_MIME_VIEW     "application/vnd.inkling.v1+json"

enum { INK_BUNDLE_ITEM_MAX = 8 };

struct ink_bundle_item {
    const char *mime; /* one of the above: static */
    char *bytes;      /* [size], a zero byte behind them */
    size_t size;
};

struct ink_bundle {
    size_t count;
    struct ink_bundle_item item[INK_BUNDLE_ITEM_MAX];
    bool is_broken;
    bool is_plain; /* only words and numbers are wanted: no pictures are drawn for it. Its owner's
                      choice, before anything is added */
};

/* Add a form, or replace it if it is there: takes over the bytes of `buf` and leaves it empty. */
void ink_bundle_add(struct ink_bundle *bundle, const char *mime, struct ink_buf *buf);

/* Add a copy of a C string. */
void ink_bundle_add_text(struct ink_bundle *bundle, const char *mime, const char *text);

/* Add application/json; does not take over `json`. */
void ink_bundle_add_json(struct ink_bundle *bundle, const struct ink_json *json);

/* What most answers have: words, the same for a page, and the numbers. */
void ink_bundle_add_answer(struct ink_bundle *bundle, struct ink_buf *text, struct ink_buf *html,
                           const struct ink_json *json);

/* The form of that type, or NULL. */
const struct ink_bundle_item *ink_bundle_find(const struct ink_bundle *bundle, const char *mime);

/* INK_NOMEM if any form could not be added. */
INK_MUST_CHECK enum ink_status ink_bundle_check(const struct ink_bundle *bundle,
                                                struct ink_err *err);

/*
 * Append all forms as one JSON object, {"text/plain": "...", "image/png": "<base64>", ...}: JSON
 * forms as JSON, PNG as base64, all others as strings. This is the `data` of Jupyter's
 * execute_result and display_data.
 */
INK_MUST_CHECK enum ink_status ink_bundle_print(const struct ink_bundle *bundle,
                                                struct ink_buf *buf, struct ink_err *err);

/* Release and zero; fits INK_CLEANUP. */
void ink_bundle_fini(struct ink_bundle *bundle);

#endif
