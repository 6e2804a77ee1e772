/* SPDX-License-Identifier: MIT */
#include "kernel/http/routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"

enum { GET = 1 << INK_HTTP_GET, POST = 1 << INK_HTTP_POST, ANY = ~0 };

/* clang-format off */
static const struct route {
    const char *path; /* one that ends in a slash stands for all below it; "/" for itself */
    int methods;      /* HEAD goes with GET; OPTIONS is answered here */
    ink_route_fn answer;
} routes[] = {
    {"/",                GET,        ink_route_page},
    {"/index.html",      GET,        ink_route_page},
    {"/inkling.js",      GET,        ink_route_page},
    {"/page.js",         GET,        ink_route_page},
    {"/page.css",        GET,        ink_route_page},
    {"/healthz",         GET,        ink_route_health},
    {"/readyz",          GET,        ink_route_ready},
    {"/api/v1/predict",  POST,       ink_route_predict},
    {"/api/v1/view",     POST,       ink_route_view},
    {"/api/v1/model",    GET,        ink_route_model},
    {"/api/v1/layers",   GET,        ink_route_layers},
    {"/v1/",             ANY,        ink_route_tfserving},
    {"/status",          GET,        ink_route_status},
    {"/mnist/classify",  POST,       ink_route_mnist_classify},
    {"/mnist/",          GET,        ink_route_mnist_get},
};
/* clang-format on */

/* The route of a path and what is left of the path behind it, or NULL. */
static const struct route *
find_route(const char *path, const char **out_rest)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        size_t size = strlen(routes[i].path);
        bool is_prefix = size > 1 && routes[i].path[size - 1] == '/';

        /* TensorFlow Serving matches without regard to case; the others have one case. */
        if (strcmp(path, routes[i].path) == 0 ||
            (is_prefix && strncasecmp(path, routes[i].path, size) == 0)) {
            *out_rest = path + size;
            return &routes[i];
        }
    }
    return NULL;
}

static void
set_allow(const struct route *route, struct ink_http_reply *reply)
{
    (void)snprintf(reply->allow, sizeof(reply->allow), "%s%sOPTIONS",
                   route->methods & GET ? "GET, HEAD, " : "",
                   route->methods & POST ? "POST, " : "");
}

static bool
is_allowed(const struct route *route, enum ink_http_method method)
{
    if (method == INK_HTTP_HEAD)
        method = INK_HTTP_GET;
    return route->methods == ANY || (route->methods & 1 << method);
}

void
ink_routes_answer(void *self, const struct ink_http_request *request, struct ink_http_reply *reply)
{
    const struct ink_routes *shared = self;
    char path[INK_LIMIT_HTTP_TARGET_SIZE + 1];
    struct ink_route_context ctx = {.routes = shared, .request = request, .path = path};
    const struct route *route;
    struct ink_err err;

    if (strcmp(request->head.target, "*") == 0) { /* OPTIONS of the server as a whole */
        reply->status = 204;
        (void)snprintf(reply->allow, sizeof(reply->allow), "GET, HEAD, POST, OPTIONS");
        return;
    }
    if (ink_http_path(request->head.target, path, sizeof(path), &err)) {
        ink_http_reply_error(reply, 400, err.message);
        return;
    }
    route = find_route(path, &ctx.rest);
    if (!route) {
        (void)ink_fail(&err, INK_NOTFOUND, "there is nothing at '%.100s'", path);
        ink_http_reply_fail(reply, &err);
        return;
    }
    if (!is_allowed(route, request->head.method)) {
        set_allow(route, reply);
        reply->status = 204;
        if (request->head.method != INK_HTTP_OPTIONS)
            ink_http_reply_error(reply, 405, "this method is not allowed here; see Allow");
        return;
    }
    ctx.worker = ink_worker_take(shared->pool);
    route->answer(&ctx, reply);
    ink_worker_give(shared->pool, ctx.worker);
}

bool
ink_route_has_type(const struct ink_route_context *ctx, const char *types,
                   struct ink_http_reply *reply)
{
    const struct ink_http_field *type = ink_http_find(&ctx->request->head, "Content-Type");
    char one[64];
    struct ink_err err;

    for (const char *at = types; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        (void)snprintf(one, sizeof(one), "%.*s", (int)strcspn(at, ","), at);
        if (ink_http_is_type(type, one))
            return true;
    }
    (void)ink_fail(&err, INK_BADARG, "Content-Type is '%.*s', expected one of %s",
                   type ? (int)(type->value_size < 60 ? type->value_size : 60) : 0,
                   type ? type->value : "", types);
    ink_http_reply_error(reply, 415, err.message);
    return false;
}
