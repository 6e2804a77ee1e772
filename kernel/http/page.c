/* SPDX-License-Identifier: MIT */
#include "kernel/http/routes.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assets.h"

/* clang-format off */
static const struct file {
    const char *path, *asset, *type;
} files[] = {
    {"/",           "webui/page/index.html",      "text/html; charset=utf-8"},
    {"/index.html", "webui/page/index.html",      "text/html; charset=utf-8"},
    {"/page.css",   "webui/page/page.css",        "text/css; charset=utf-8"},
    {"/page.js",    "webui/page/page.js",         "text/javascript; charset=utf-8"},
    {"/inkling.js", "webui/inkling.js",         "text/javascript; charset=utf-8"},
};
/* clang-format on */

/* Differs when the bytes differ: for the browser's cache, not against anybody. Source: FNV-1a. */
static uint64_t
fingerprint(const unsigned char *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void
ink_route_page(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    const struct ink_asset *asset = NULL;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strcmp(ctx->path, files[i].path) == 0) {
            asset = ink_asset_find(files[i].asset);
            reply->content_type = files[i].type;
        }
    if (!asset) {
        ink_http_reply_error(reply, 404, "this program was built without the page");
        return;
    }
    reply->is_page = true;
    (void)snprintf(reply->etag, sizeof(reply->etag), "\"%016llx\"",
                   (unsigned long long)fingerprint(asset->bytes, asset->size));
    if (ink_http_is(ink_http_find(&ctx->request->head, "If-None-Match"), reply->etag)) {
        reply->status = 304;
        return;
    }
    reply->asset = asset->bytes;
    reply->asset_size = asset->size;
}
