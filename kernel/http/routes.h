/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_ROUTES_H
#define INK_HTTP_ROUTES_H

/*
 * routes: from a path to the function that answers, and those functions.
 *
 * One table in routes.c. A route gets the server's parts and a request that
 * the gate let in, and fills the reply; it runs in any of the server's threads.
 */

#include "kernel/command/session.h"
#include "kernel/http/message.h"
#include "kernel/http/worker.h"

/* What routes share; immutable while the server runs but for the pool. */
struct ink_routes {
    struct ink_session *session;
    struct ink_worker_pool *pool;
    char model_name[64]; /* as TensorFlow Serving's clients call it; "" = the network's own */
};

/* A request at its route. */
struct ink_route_context {
    const struct ink_routes *routes;
    struct ink_worker *worker;
    const struct ink_http_request *request;
    const char *path; /* decoded */
    const char *rest; /* of the path, behind what the table has; "" for whole paths */
};

/* Find the route and answer. `self` is a struct ink_routes. Fits ink_http_handler_fn. */
void ink_routes_answer(void *self, const struct ink_http_request *request,
                       struct ink_http_reply *reply);

typedef void (*ink_route_fn)(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* page.c: the page and what it loads, out of the program itself */
void ink_route_page(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* native.c: /api/v1 and the probes */
void ink_route_health(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_ready(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_view(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_model(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_layers(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* native_predict.c: POST /api/v1/predict */
void ink_route_predict(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* tfserving.c: all of /v1/ */
void ink_route_tfserving(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* mnistified.c */
void ink_route_status(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_mnist_get(const struct ink_route_context *ctx, struct ink_http_reply *reply);
void ink_route_mnist_classify(const struct ink_route_context *ctx, struct ink_http_reply *reply);

/* ---- shared by the route files ---- */

/* Whether the body is of one of the comma-separated media types; else the reply is a 415. */
bool ink_route_has_type(const struct ink_route_context *ctx, const char *types,
                        struct ink_http_reply *reply);

#endif
