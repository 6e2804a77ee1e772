/* SPDX-License-Identifier: MIT */
/*
 * The routes of MNISTified, a small service for MNIST, for programs that were written for it:
 *
 *   GET  /status                 {"model": {"layers": {...}}, "status": "ok"}
 *   GET  /mnist/image/42         a picture of MNIST's test set, as JPEG
 *   GET  /mnist/label/42         {"label": 4}
 *   GET  /mnist/classify/42      {"debug": {"probabilities": [...]}, "elapsed_time_ms": 0.2,
 * "prediction": 4} POST /mnist/classify         the same for a picture file
 *
 * and the other order of the path, /mnist/42/image. Without MNIST on this machine they answer 503:
 * a request never starts a download.
 */
#include "kernel/http/routes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "kernel/command/models.h"
#include "kernel/command/predict.h"
#include "model/picture.h"

static void
put_prediction(const struct ink_prediction *prediction, struct ink_http_reply *reply)
{
    struct ink_json *object = ink_json_object(), *debug = ink_json_object();

    ink_json_set(debug, "probabilities",
                 ink_json_from_floats(prediction->probabilities, INK_CLASS_COUNT));
    ink_json_set(object, "debug", debug);
    ink_json_set_double(object, "elapsed_time_ms", prediction->elapsed_ms);
    ink_json_set_int(object, "prediction", prediction->prediction);
    ink_http_reply_json(reply, object);
}

void
ink_route_status(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_json *object, *model, *layers, *list;
    struct ink_err err;

    if (ink_session_snapshot(ctx->routes->session, &snapshot, &err)) {
        ink_http_reply_fail(reply, &err);
        return;
    }
    object = ink_json_object();
    model = ink_json_object();
    layers = ink_json_object();
    list = ink_layers_to_json(ink_snapshot_arch(snapshot));
    for (const struct ink_json *layer = ink_json_first(list); layer; layer = ink_json_next(layer))
        ink_json_set(layers, ink_json_string(ink_json_find(layer, "name"), "?"),
                     ink_json_copy(layer));
    ink_json_destroy(&list);
    ink_json_set(model, "layers", layers);
    ink_json_set(object, "model", model);
    ink_json_set_string(object, "status", "ok");
    ink_http_reply_json(reply, object);
}

void
ink_route_mnist_classify(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    struct ink_prediction prediction;
    struct ink_predictor *predictor;
    struct ink_err err;

    if (!ink_route_has_type(ctx, "image/*,application/octet-stream", reply))
        return;
    if (ink_worker_single(ctx->worker, &predictor, &err))
        ink_http_reply_fail(reply, &err);
    else if (ink_predict_bytes(predictor, ctx->request->body, ctx->request->body_size, &prediction,
                               &err))
        ink_http_reply_error(reply, err.status == INK_BADDATA ? 400 : ink_status_http(err.status),
                             err.message);
    else
        put_prediction(&prediction, reply);
}

/* ---- by number ---- */

/* What a path below /mnist/ asks for: "image/42" or "42/image". */
static bool
parse_rest(const char *rest, char what[static 16], char index[static 24])
{
    const char *slash = strchr(rest, '/');
    char first[24], second[24];

    if (!slash || slash - rest >= (int)sizeof(first) || strlen(slash + 1) >= sizeof(second) ||
        strchr(slash + 1, '/'))
        return false;
    (void)snprintf(first, sizeof(first), "%.*s", (int)(slash - rest), rest);
    (void)snprintf(second, sizeof(second), "%s", slash + 1);
    if (strcmp(second, "image") == 0 || strcmp(second, "label") == 0 ||
        strcmp(second, "classify") == 0) {
        (void)snprintf(what, 16, "%.15s", second);
        (void)snprintf(index, 24, "%s", first);
        return true;
    }
    (void)snprintf(what, 16, "%.15s", first);
    (void)snprintf(index, 24, "%s", second);
    return strcmp(what, "image") == 0 || strcmp(what, "label") == 0 ||
           strcmp(what, "classify") == 0;
}

static enum ink_status
find_row(const struct ink_route_context *ctx, const char *index_text,
         struct ink_dataset **out_dataset, int64_t *out_index, struct ink_err *err)
{
    enum ink_status status = ink_parse_int("index", index_text, 0, INT64_MAX, out_index, NULL);

    if (status)
        return ink_fail(err, INK_BADARG, "'%s' is not an index, expected a whole number from 0",
                        index_text);
    if (!ink_session_has_data(ctx->routes->session, "mnist"))
        return ink_fail(err, INK_BUSY, "MNIST is not on this machine: inkling data fetch mnist");
    status = ink_session_dataset(ctx->routes->session, "mnist", INK_TEST, NULL, out_dataset, err);
    if (status)
        return status;
    if ((uint64_t)*out_index >= (*out_dataset)->count)
        return ink_fail(err, INK_NOTFOUND, "index %lld is past the end, the last is %zu",
                        (long long)*out_index, (*out_dataset)->count - 1);
    return INK_OK;
}

static enum ink_status
answer_row(const struct ink_route_context *ctx, const char *what, const struct ink_dataset *dataset,
           size_t index, struct ink_http_reply *reply, struct ink_err *err)
{
    const uint8_t *row = dataset->pixels + index * INK_PICTURE_SIZE;
    struct ink_prediction prediction;
    struct ink_predictor *predictor;
    enum ink_status status;

    if (strcmp(what, "image") == 0) {
        reply->content_type = "image/jpeg";
        return ink_picture_encode_jpeg(row, INK_PICTURE_SIDE, INK_PICTURE_SIDE, &reply->body, err);
    }
    if (strcmp(what, "label") == 0) {
        struct ink_json *object = ink_json_object();

        ink_json_set_int(object, "label", dataset->labels[index]);
        ink_http_reply_json(reply, object);
        return INK_OK;
    }
    status = ink_worker_single(ctx->worker, &predictor, err);
    if (status)
        return status;
    ink_predict_row(predictor, row, &prediction);
    put_prediction(&prediction, reply);
    return INK_OK;
}

void
ink_route_mnist_get(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    INK_CLEANUP(ink_dataset_unrefp) struct ink_dataset *dataset = NULL;
    char what[16], index_text[24];
    enum ink_status status;
    struct ink_err err;
    int64_t index;

    if (!parse_rest(ctx->rest, what, index_text)) {
        ink_http_reply_error(reply, 404,
                             "there is nothing here; there are /mnist/image/INDEX, "
                             "/mnist/label/INDEX and /mnist/classify/INDEX");
        return;
    }
    status = find_row(ctx, index_text, &dataset, &index, &err);
    assert(status || dataset);
    if (!status)
        status = answer_row(ctx, what, dataset, (size_t)index, reply, &err);
    if (status)
        ink_http_reply_fail(reply, &err);
}
