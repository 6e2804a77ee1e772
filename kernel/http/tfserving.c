/* SPDX-License-Identifier: MIT */
/*
 * TensorFlow Serving's REST interface, version 1, for one model:
 *
 *   POST /v1/models/NAME[/versions/N]:predict
 *   GET  /v1/models/NAME[/versions/N]               status
 *   GET  /v1/models/NAME[/versions/N]/metadata
 *
 * Bodies, codes and messages are its own, so that its clients do not notice. The type of a request
 * is not looked at, as there: what keeps other sites out is the gate. A query string is part of
 * the path, as there.
 *
 * Source: tensorflow/serving g3doc/api_rest.md, model_servers/http_rest_api_util.cc,
 * core/basic_manager.cc.
 */
#include "kernel/http/routes.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "model/picture.h"
#include "model/prepare.h"

enum { NAME_SIZE = 128, DIGITS_SIZE = 24 };

/* What a target asks for. */
struct call {
    char name[NAME_SIZE];      /* "" for /v1/models */
    char version[DIGITS_SIZE]; /* digits, "" for none; 20 or more are cut to 23 */
    char label[NAME_SIZE];
    char verb[16]; /* "predict", ...; "" for status; "metadata" */
};

/* ---- the path ---- */

/* Copy the bytes at *at that are not in `ends`; false when there are none or too many. */
static bool
take_segment(const char **at, const char *ends, char *out, size_t size)
{
    size_t length = strcspn(*at, ends);

    if (length == 0 || length >= size)
        return false;
    memcpy(out, *at, length);
    out[length] = '\0';
    *at += length;
    return true;
}

static bool
take_prefix(const char **at, const char *prefix)
{
    if (strncasecmp(*at, prefix, strlen(prefix)) != 0)
        return false;
    *at += strlen(prefix);
    return true;
}

/* Take a target apart; false if it is none of the forms above. */
static bool
parse_call(const char *target, struct call *call)
{
    const char *at = target;
    char encoded[NAME_SIZE];

    *call = (struct call){0};
    if (!take_prefix(&at, "/v1/models"))
        return false;
    if (*at == '\0')
        return true;
    if (!take_prefix(&at, "/") || !take_segment(&at, "/:", encoded, sizeof(encoded)))
        return false;
    /* The query belongs to the name: hidden from the path's decoder, which would drop it. */
    for (char *c = encoded; *c; c++)
        *c = (char)(*c == '?' || *c == '#' ? '*' : *c);
    if (ink_http_path(encoded, call->name, sizeof(call->name), NULL))
        return false;
    if (take_prefix(&at, "/versions/")) {
        size_t length = strspn(at, "0123456789");

        if (length == 0)
            return false;
        (void)snprintf(call->version, sizeof(call->version), "%.*s",
                       (int)(length < DIGITS_SIZE ? length : DIGITS_SIZE - 1), at);
        at += length;
    } else if (take_prefix(&at, "/labels/")) {
        if (!take_segment(&at, "/:", call->label, sizeof(call->label)))
            return false;
    }
    if (*at == ':') {
        at++;
        return take_segment(&at, "", call->verb, sizeof(call->verb));
    }
    if (take_prefix(&at, "/metadata"))
        (void)snprintf(call->verb, sizeof(call->verb), "metadata");
    return *at == '\0';
}

/* ---- which model ---- */

/* The name and version that clients see. */
static const char *
served_name(const struct ink_route_context *ctx, const struct ink_snapshot *snapshot)
{
    return ctx->routes->model_name[0] ? ctx->routes->model_name
                                      : ink_snapshot_record(snapshot)->name;
}

/* A network that is in no store has no number yet: clients see the first one. */
static int
served_version(const struct ink_snapshot *snapshot)
{
    int version = ink_snapshot_record(snapshot)->version;

    return version > 0 ? version : 1;
}

/* Whether the version fits an int64; it is put in *out_version, -1 for none. */
static enum ink_status
parse_version(const struct call *call, long long *out_version, struct ink_err *err)
{
    int64_t version = -1;

    if (call->version[0] && ink_parse_int("version", call->version, 0, INT64_MAX, &version, NULL))
        return ink_fail(err, INK_BADARG, "Failed to convert version: %s to numeric.",
                        call->version);
    *out_version = version;
    return INK_OK;
}

static enum ink_status
check_servable(const struct ink_route_context *ctx, const struct call *call,
               const struct ink_snapshot *snapshot, struct ink_err *err)
{
    long long version = -1;
    enum ink_status status = parse_version(call, &version, err);

    if (status)
        return status;
    if (call->label[0])
        return ink_fail(err, INK_BADARG, "Unrecognized servable version label: %.60s", call->label);
    if (strcmp(call->name, served_name(ctx, snapshot)) == 0 &&
        (version < 0 || version == served_version(snapshot)))
        return INK_OK;
    if (version < 0)
        return ink_fail(err, INK_NOTFOUND, "Servable not found for request: Latest(%.60s)",
                        call->name);
    return ink_fail(err, INK_NOTFOUND, "Servable not found for request: Specific(%.60s, %lld)",
                    call->name, version);
}

/* ---- predict ---- */

/* A picture file becomes a row as everywhere. Fits ink_tensor_picture_fn. */
static enum ink_status
decode_picture(void *self, const void *bytes, size_t size, float *out_pixels, struct ink_err *err)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    struct ink_preparation preparation;
    uint8_t row[INK_PICTURE_SIZE];
    enum ink_status status;

    (void)self;
    status = ink_picture_decode(bytes, size, &picture, err);
    if (!status)
        status = ink_prepare_picture(&picture, row, &preparation, err);
    if (!status)
        ink_prepare_floats(row, INK_PICTURE_SIZE, out_pixels);
    return status;
}

static enum ink_status
check_signature(const char *signature, struct ink_err *err)
{
    if (signature[0] == '\0' || strcmp(signature, "serving_default") == 0)
        return INK_OK;
    return ink_fail(err, INK_BADARG, "Serving signature name: \"%s\" not found in signature def",
                    signature);
}

static enum ink_status
predict(const struct ink_route_context *ctx, const struct call *call, struct ink_http_reply *reply,
        struct ink_err *err)
{
    struct ink_worker *worker = ctx->worker;
    struct ink_tensor_request *tensors = &worker->tensors;
    struct ink_predictor *predictor;
    const struct ink_snapshot *snapshot;
    enum ink_status status;

    status = ink_worker_single(worker, &predictor, err);
    if (status)
        return status;
    snapshot = ink_predictor_snapshot(predictor);
    status = check_servable(ctx, call, snapshot, err);
    if (!status)
        status = ink_tensor_request_read(tensors, ctx->request->body, ctx->request->body_size,
                                         ink_snapshot_arch(snapshot)->node[0].name, decode_picture,
                                         NULL, err);
    if (!status)
        status = check_signature(tensors->signature, err);
    if (!status)
        status = ink_worker_reserve(worker, tensors->count, err);
    if (!status && tensors->count > 1)
        status = ink_worker_batch(worker, tensors->count, &predictor, err);
    if (status)
        return status;
    ink_predictor_run(predictor, tensors->pixels, tensors->count, worker->probabilities);
    ink_tensor_reply_print(tensors, worker->probabilities, &reply->body);
    return ink_buf_check(&reply->body, err);
}

/* The signature is one of prediction only. */
static enum ink_status
refuse_verb(const struct ink_route_context *ctx, const struct call *call, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    bool is_classify = strcasecmp(call->verb, "classify") == 0;
    enum ink_status status = ink_session_snapshot(ctx->routes->session, &snapshot, err);

    if (!status)
        status = check_servable(ctx, call, snapshot, err);
    if (status)
        return status;
    return ink_fail(err, INK_BADARG,
                    "Expected %s signature method_name to be tensorflow/serving/%s. Was: "
                    "tensorflow/serving/predict",
                    is_classify ? "classification" : "regression",
                    is_classify ? "classify" : "regress");
}

/* ---- status and metadata ---- */

static enum ink_status
model_status(const struct ink_route_context *ctx, const struct call *call,
             struct ink_http_reply *reply, struct ink_err *err)
{
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    long long version = -1;
    enum ink_status status = ink_session_snapshot(ctx->routes->session, &snapshot, err);

    if (!status)
        status = parse_version(call, &version, err);
    if (status)
        return status;
    if (strcmp(call->name, served_name(ctx, snapshot)) != 0)
        return ink_fail(err, INK_NOTFOUND, "Could not find any versions of model %.60s",
                        call->name);
    if (version >= 0 && version != served_version(snapshot))
        return ink_fail(err, INK_NOTFOUND, "Could not find version %lld of model %.60s", version,
                        call->name);
    ink_buf_printf(&reply->body,
                   "{\n \"model_version_status\": [\n  {\n   \"version\": \"%d\",\n"
                   "   \"state\": \"AVAILABLE\",\n   \"status\": {\n    \"error_code\": \"OK\",\n"
                   "    \"error_message\": \"\"\n   }\n  }\n ]\n}\n",
                   served_version(snapshot));
    return ink_buf_check(&reply->body, err);
}

/* A tensor's description; sizes are strings, as protobuf's JSON has 64-bit numbers. */
static void
put_tensor(struct ink_buf *buf, const char *list, const char *name, const int *dim, int rank)
{
    ink_buf_printf(buf,
                   "     \"%s\": {\n      \"%s\": {\n       \"dtype\": \"DT_FLOAT\",\n"
                   "       \"tensor_shape\": {\n        \"dim\": [\n",
                   list, name);
    for (int i = 0; i < rank; i++)
        ink_buf_printf(buf,
                       "         {\n          \"size\": \"%d\",\n          \"name\": \"\"\n"
                       "         }%s\n",
                       dim[i], i + 1 < rank ? "," : "");
    ink_buf_printf(buf,
                   "        ],\n        \"unknown_rank\": false\n       },\n"
                   "       \"name\": \"%s:0\"\n      }\n     },\n",
                   name);
}

static enum ink_status
model_metadata(const struct ink_route_context *ctx, const struct call *call,
               struct ink_http_reply *reply, struct ink_err *err)
{
    static const int picture[] = {-1, INK_PICTURE_SIDE, INK_PICTURE_SIDE, 1};
    static const int answer[] = {-1, INK_CLASS_COUNT};
    INK_CLEANUP(ink_snapshot_unrefp) const struct ink_snapshot *snapshot = NULL;
    struct ink_buf *buf = &reply->body;
    enum ink_status status = ink_session_snapshot(ctx->routes->session, &snapshot, err);

    if (!status)
        status = check_servable(ctx, call, snapshot, err);
    if (status)
        return status;
    ink_buf_printf(buf,
                   "{\n\"model_spec\":{\n \"name\": \"%s\",\n \"signature_name\": \"\",\n"
                   " \"version\": \"%d\"\n}\n,\n\"metadata\": {\"signature_def\": {\n"
                   " \"signature_def\": {\n  \"serving_default\": {\n",
                   call->name, served_version(snapshot));
    put_tensor(buf, "inputs", ink_snapshot_arch(snapshot)->node[0].name, picture, 4);
    put_tensor(buf, "outputs", "probabilities", answer, 2);
    ink_buf_puts(buf, "     \"method_name\": \"tensorflow/serving/predict\",\n"
                      "     \"defaults\": {}\n  }\n }\n}\n}\n}\n");
    return ink_buf_check(buf, err);
}

/* ---- the route ---- */

/* Errors of arguments and of data are both INVALID_ARGUMENT there: 400. */
static int
http_of(enum ink_status status)
{
    return status == INK_BADARG || status == INK_BADDATA ? 400 : ink_status_http(status);
}

void
ink_route_tfserving(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    const struct ink_http_head *head = &ctx->request->head;
    bool is_get = head->method == INK_HTTP_GET || head->method == INK_HTTP_HEAD;
    bool is_post = head->method == INK_HTTP_POST;
    enum ink_status status;
    struct call call;
    struct ink_err err;
    bool is_metadata, is_call = parse_call(head->target, &call);

    is_metadata = strcmp(call.verb, "metadata") == 0;
    reply->content_type = "application/json";
    if (is_call && is_get && call.name[0] == '\0')
        status = ink_fail(&err, INK_BADARG, "Missing model name in request.");
    else if (is_call && is_get && is_metadata)
        status = model_metadata(ctx, &call, reply, &err);
    else if (is_call && is_get && call.verb[0] == '\0')
        status = model_status(ctx, &call, reply, &err);
    else if (is_call && is_post && strcasecmp(call.verb, "predict") == 0)
        status = predict(ctx, &call, reply, &err);
    else if (is_call && is_post &&
             (strcasecmp(call.verb, "classify") == 0 || strcasecmp(call.verb, "regress") == 0))
        status = refuse_verb(ctx, &call, &err);
    else
        status = ink_fail(&err, INK_BADARG, "Malformed request: %.20s %.160s", head->method_name,
                          head->target);
    if (status)
        ink_http_reply_error(reply, http_of(status), err.message);
}
