/* SPDX-License-Identifier: MIT */
#include "kernel/render/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

void
ink_bundle_add(struct ink_bundle *bundle, const char *mime, struct ink_buf *buf)
{
    struct ink_bundle_item *item = NULL;
    size_t size = buf->size;
    char *bytes = ink_buf_take(buf);

    if (!bytes) {
        bundle->is_broken = true;
        return;
    }
    for (size_t i = 0; i < bundle->count; i++)
        if (strcmp(bundle->item[i].mime, mime) == 0)
            item = &bundle->item[i];
    if (!item && bundle->count == INK_BUNDLE_ITEM_MAX) {
        free(bytes);
        bundle->is_broken = true;
        return;
    }
    if (!item)
        item = &bundle->item[bundle->count++];
    free(item->bytes);
    *item = (struct ink_bundle_item){mime, bytes, size};
}

void
ink_bundle_add_text(struct ink_bundle *bundle, const char *mime, const char *text)
{
    struct ink_buf buf = {0};

    ink_buf_puts(&buf, text);
    ink_bundle_add(bundle, mime, &buf);
}

void
ink_bundle_add_json(struct ink_bundle *bundle, const struct ink_json *json)
{
    struct ink_buf buf = {0};

    if (ink_json_print(json, &buf, NULL) == INK_OK)
        ink_bundle_add(bundle, INK_MIME_JSON, &buf);
    else
        bundle->is_broken = true;
    ink_buf_fini(&buf);
}

void
ink_bundle_add_answer(struct ink_bundle *bundle, struct ink_buf *text, struct ink_buf *html,
                      const struct ink_json *json)
{
    ink_bundle_add(bundle, INK_MIME_TEXT, text);
    ink_bundle_add(bundle, INK_MIME_HTML, html);
    ink_bundle_add_json(bundle, json);
}

const struct ink_bundle_item *
ink_bundle_find(const struct ink_bundle *bundle, const char *mime)
{
    for (size_t i = 0; i < bundle->count; i++)
        if (strcmp(bundle->item[i].mime, mime) == 0)
            return &bundle->item[i];
    return NULL;
}

enum ink_status
ink_bundle_check(const struct ink_bundle *bundle, struct ink_err *err)
{
    return bundle->is_broken ? ink_fail(err, INK_NOMEM, "out of memory for the result") : INK_OK;
}

static bool
is_json(const char *mime)
{
    size_t size = strlen(mime);

    return size >= 4 && strcmp(mime + size - 4, "json") == 0;
}

enum ink_status
ink_bundle_print(const struct ink_bundle *bundle, struct ink_buf *buf, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *data = ink_json_object();
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};
    enum ink_status status = ink_bundle_check(bundle, err);

    if (status != INK_OK)
        return status;
    for (size_t i = 0; i < bundle->count; i++) {
        const struct ink_bundle_item *item = &bundle->item[i];

        ink_buf_clear(&text);
        if (is_json(item->mime)) {
            ink_json_set(data, item->mime, ink_json_from_raw(item->bytes));
            continue;
        }
        if (strcmp(item->mime, INK_MIME_PNG) == 0)
            ink_buf_base64(&text, item->bytes, item->size);
        else
            ink_buf_append(&text, item->bytes, item->size);
        status = ink_buf_check(&text, err);
        if (status != INK_OK)
            return status;
        ink_json_set(data, item->mime, ink_json_from_string(ink_buf_text(&text)));
    }
    return ink_json_print(data, buf, err);
}

void
ink_bundle_fini(struct ink_bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        free(bundle->item[i].bytes);
    *bundle = (struct ink_bundle){0};
}
