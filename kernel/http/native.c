/* SPDX-License-Identifier: MIT */
#include "kernel/http/routes.h"
#include "kernel/http/worker.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "kernel/command/describe.h"
#include "kernel/command/models.h"
#include "kernel/http/json_scan.h"
#include "model/predictor.h"

void
ink_route_health(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    struct ink_json *object = ink_json_object();

    (void)ctx;
    ink_json_set_string(object, "status", "ok");
    ink_http_reply_json(reply, object);
}

void
ink_route_ready(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_json *object;
    struct ink_err err;

    if (ink_session_snapshot(ctx->routes->session, &snapshot, &err)) {
        ink_http_reply_error(reply, 503, err.message);
        return;
    }
    object = ink_json_object();
    ink_json_set_string(object, "status", "ok");
    ink_json_set_string(object, "model", ink_snapshot_record(snapshot)->name);
    ink_json_set_int(object, "version", ink_snapshot_record(snapshot)->version);
    ink_http_reply_json(reply, object);
}

void
ink_route_view(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    const struct ink_http_request *request = ctx->request;
    struct ink_viewer *viewer;
    enum ink_status status;
    struct ink_err err;

    if (!ink_route_has_type(ctx, "application/json", reply))
        return;
    if (!ink_json_has_few_values(request->body, request->body_size)) {
        ink_http_reply_error(reply, 413, "the frame has too many values");
        return;
    }
    status = ink_worker_viewer(ctx->worker, &viewer, &err);
    if (status) {
        ink_http_reply_fail(reply, &err);
        return;
    }
    /* Also when it fails the body is a message of the protocol. */
    status = ink_viewer_reply(viewer, request->body, request->body_size, &reply->body, &err);
    reply->content_type = "application/json";
    reply->status = status ? ink_status_http(status) : 200;
}

void
ink_route_model(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    const struct ink_record *record;
    struct ink_model model = {0};
    struct ink_json *object, *labels;
    struct ink_err err;

    if (ink_session_snapshot(ctx->routes->session, &snapshot, &err)) {
        ink_http_reply_fail(reply, &err);
        return;
    }
    record = ink_snapshot_record(snapshot);
    model.snapshot = snapshot;
    model.arch = ink_snapshot_arch(snapshot);
    model.version = record->version;
    (void)snprintf(model.name, sizeof(model.name), "%s", record->name);
    object = ink_describe_json(&model);
    labels = ink_json_array();
    for (int i = 0; i < INK_CLASS_COUNT; i++) {
        const char digit[] = {(char)('0' + i), '\0'};

        ink_json_push(labels, ink_json_from_string(digit));
    }
    ink_json_set(object, "labels", labels);
    ink_json_set_string(object, "architecture", model.arch->text);
    ink_json_set_string(object, "compute",
                        ink_engine_name(ink_worker_pool_compute(ctx->routes->pool).engine));
    ink_http_reply_json(reply, object);
}

void
ink_route_layers(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_err err;

    if (ink_session_snapshot(ctx->routes->session, &snapshot, &err))
        ink_http_reply_fail(reply, &err);
    else
        ink_http_reply_json(reply, ink_layers_to_json(ink_snapshot_arch(snapshot)));
}
