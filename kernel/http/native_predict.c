/* SPDX-License-Identifier: MIT */
/*
 * POST /api/v1/predict: a picture in any form, answered with all that is known.
 *
 * A picture file as the body, or JSON:
 *   {"strokes": [[x0,y0,x1,y1,...], ...]}    pen strokes, any scale, y down
 *   {"image": "BASE64"}                      a picture file; a data: URL is understood
 *   {"pixels": [784 numbers] or [28][28]}    0..1, or 0..255 if one is above 1; ink is high
 * with "prepare" (pictures are made as the training data's are: true for image, false for pixels)
 * and "verbose": true or "values" (each layer's statistics and maps; the numbers themselves too).
 * A list of such objects gets a list of answers.
 */
#include "kernel/http/routes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "kernel/command/models.h"
#include "kernel/command/predict.h"
#include "kernel/http/json_scan.h"

enum verbosity { QUIET, LAYERS, VALUES };

/* One picture's answer and how much of it is asked for. */
struct answer {
    struct ink_prediction prediction;
    float pixels[INK_PICTURE_SIZE]; /* what the network was given */
    enum verbosity verbosity;
};

/* ---- what goes in ---- */

static enum ink_status
predict_strokes(struct ink_predictor *predictor, const struct ink_json *strokes,
                struct answer *answer, struct ink_err *err)
{
    INK_CLEANUP(ink_drawing_destroy) struct ink_drawing *drawing = NULL;
    enum ink_status status = ink_drawing_from_json(strokes, -1, &drawing, err);

    if (status)
        return status;
    ink_predict_drawing(predictor, drawing, &answer->prediction);
    ink_prepare_floats(answer->prediction.row, INK_PICTURE_SIZE, answer->pixels);
    return INK_OK;
}

/* A picture of the network's own size, as it is. */
static enum ink_status
predict_unprepared(struct ink_predictor *predictor, const void *bytes, size_t size,
                   struct answer *answer, struct ink_err *err)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    enum ink_status status = ink_picture_decode(bytes, size, &picture, err);

    if (status)
        return status;
    if (picture.width != INK_PICTURE_SIDE || picture.height != INK_PICTURE_SIDE)
        return ink_fail(err, INK_BADARG,
                        "a picture of %dx%d with \"prepare\": false, expected 28x28", picture.width,
                        picture.height);
    ink_predict_row(predictor, picture.grey, &answer->prediction);
    return INK_OK;
}

static enum ink_status
predict_bytes(struct ink_predictor *predictor, const void *bytes, size_t size, bool prepare,
              struct answer *answer, struct ink_err *err)
{
    enum ink_status status =
        prepare ? ink_predict_bytes(predictor, bytes, size, &answer->prediction, err)
                : predict_unprepared(predictor, bytes, size, answer, err);

    if (!status)
        ink_prepare_floats(answer->prediction.row, INK_PICTURE_SIZE, answer->pixels);
    return status;
}

static enum ink_status
predict_base64(struct ink_predictor *predictor, const char *text, bool prepare,
               struct answer *answer, struct ink_err *err)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf bytes = {0};
    enum ink_status status;

    if (strncmp(text, "data:", 5) == 0) {
        const char *start = strstr(text, ";base64,");

        if (!start)
            return ink_fail(err, INK_BADDATA, "image: a data: URL without ;base64,");
        text = start + strlen(";base64,");
    }
    status = ink_buf_unbase64(&bytes, text, strlen(text), err);
    if (status)
        return status;
    return predict_bytes(predictor, ink_buf_text(&bytes), bytes.size, prepare, answer, err);
}

/* Numbers of a list, or of a list of lists of one length. */
static enum ink_status
read_pixels(const struct ink_json *list, float *pixels, struct ink_err *err)
{
    size_t count = 0, row_count = ink_json_count(list);
    bool is_nested = ink_json_is_array(ink_json_first(list));
    float high = 0;

    for (const struct ink_json *row = is_nested ? ink_json_first(list) : list; row;
         row = is_nested ? ink_json_next(row) : NULL) {
        if (is_nested && (row_count != INK_PICTURE_SIDE || !ink_json_is_array(row) ||
                          ink_json_count(row) != INK_PICTURE_SIDE))
            return ink_fail(err, INK_BADDATA, "pixels: %zu rows, expected 28 of 28 numbers",
                            row_count);
        for (const struct ink_json *item = ink_json_first(row); item; item = ink_json_next(item)) {
            double value = ink_json_number(item, -1);

            if (!(value >= 0 && value <= 255))
                return ink_fail(err, INK_BADDATA, "pixels: item %zu is not a number 0 to 255",
                                count);
            if (count < INK_PICTURE_SIZE)
                pixels[count] = (float)value;
            if ((float)value > high)
                high = (float)value;
            count++;
        }
    }
    if (count != INK_PICTURE_SIZE)
        return ink_fail(err, INK_BADDATA, "pixels: %zu numbers, expected 784", count);
    for (size_t i = 0; high > 1 && i < INK_PICTURE_SIZE; i++)
        pixels[i] /= 255.0F;
    return INK_OK;
}

static enum ink_status
predict_pixels(struct ink_predictor *predictor, const struct ink_json *list, bool prepare,
               struct answer *answer, struct ink_err *err)
{
    uint8_t grey[INK_PICTURE_SIZE];
    const struct ink_picture picture = {INK_PICTURE_SIDE, INK_PICTURE_SIDE, grey};
    enum ink_status status;

    if (!ink_json_is_array(list))
        return ink_fail(err, INK_BADDATA, "pixels: expected a list of numbers");
    status = read_pixels(list, answer->pixels, err);
    if (status)
        return status;
    if (!prepare) {
        ink_predict_floats(predictor, answer->pixels, &answer->prediction);
        return INK_OK;
    }
    for (size_t i = 0; i < INK_PICTURE_SIZE; i++)
        grey[i] = (uint8_t)lrintf(answer->pixels[i] * 255);
    status = ink_predict_picture(predictor, &picture, &answer->prediction, err);
    if (!status)
        ink_prepare_floats(answer->prediction.row, INK_PICTURE_SIZE, answer->pixels);
    return status;
}

/* ---- one request object ---- */

struct wish {
    const struct ink_json *strokes, *image, *pixels, *prepare, *verbose;
};

/* Sort the members of a request object; one of the first three must be there. */
static enum ink_status
read_wish(const struct ink_json *object, struct wish *wish, struct ink_err *err)
{
    int form_count;

    *wish = (struct wish){0};
    if (!ink_json_is_object(object))
        return ink_fail(err, INK_BADDATA, "expected an object with strokes, image or pixels");
    for (const struct ink_json *member = ink_json_first(object); member;
         member = ink_json_next(member)) {
        static const char *const names[] = {"strokes", "image", "pixels", "prepare", "verbose"};
        const struct ink_json **const places[] = {&wish->strokes, &wish->image, &wish->pixels,
                                                  &wish->prepare, &wish->verbose};
        size_t i = 0;

        while (i < 5 && strcmp(ink_json_name(member), names[i]) != 0)
            i++;
        if (i == 5)
            return ink_fail(err, INK_BADARG,
                            "unknown member '%.40s', expected strokes, image, pixels, prepare or "
                            "verbose",
                            ink_json_name(member));
        if (*places[i])
            return ink_fail(err, INK_BADARG, "member %s is given twice", names[i]);
        *places[i] = member;
    }
    form_count = (wish->strokes != NULL) + (wish->image != NULL) + (wish->pixels != NULL);
    if (form_count != 1)
        return ink_fail(err, INK_BADARG, "%d of strokes, image and pixels are given, expected one",
                        form_count);
    if (wish->prepare && !ink_json_is_bool(wish->prepare))
        return ink_fail(err, INK_BADDATA, "prepare: expected true or false");
    return INK_OK;
}

static enum ink_status
read_verbosity(const struct ink_json *verbose, enum verbosity *verbosity, struct ink_err *err)
{
    if (!verbose)
        return INK_OK;
    if (strcmp(ink_json_string(verbose, ""), "values") == 0)
        *verbosity = VALUES;
    else if (ink_json_is_bool(verbose))
        *verbosity = ink_json_bool(verbose, false) ? LAYERS : QUIET;
    else
        return ink_fail(err, INK_BADDATA, "verbose: expected true, false or \"values\"");
    return INK_OK;
}

static enum ink_status
predict_object(struct ink_predictor *predictor, const struct ink_json *object,
               struct answer *answer, struct ink_err *err)
{
    struct wish wish;
    enum ink_status status = read_wish(object, &wish, err);

    if (!status)
        status = read_verbosity(wish.verbose, &answer->verbosity, err);
    if (status)
        return status;
    if (wish.strokes)
        return predict_strokes(predictor, wish.strokes, answer, err);
    if (wish.pixels)
        return predict_pixels(predictor, wish.pixels, ink_json_bool(wish.prepare, false), answer,
                              err);
    if (!ink_json_is_string(wish.image))
        return ink_fail(err, INK_BADDATA, "image: expected a picture file as base64 text");
    return predict_base64(predictor, ink_json_string(wish.image, ""),
                          ink_json_bool(wish.prepare, true), answer, err);
}

/* ---- what comes out ---- */

static struct ink_json *
base64_json(const void *bytes, size_t size)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    ink_buf_base64(&text, bytes, size);
    return ink_json_from_string(ink_buf_text(&text));
}

/* Numbers as one raw piece: a tree of them would cost 64 bytes each. */
static struct ink_json *
floats_json(const float *values, size_t count)
{
    INK_CLEANUP(ink_buf_fini) struct ink_buf text = {0};

    ink_buf_putc(&text, '[');
    for (size_t i = 0; i < count; i++)
        ink_buf_printf(&text, "%s%.9g", i ? "," : "", (double)values[i]);
    ink_buf_putc(&text, ']');
    return text.is_broken ? NULL : ink_json_from_raw(ink_buf_text(&text));
}

/* The values as bytes: 0 the lowest, 255 the highest. */
static struct ink_json *
maps_json(const float *values, size_t count, float low, float high)
{
    uint8_t *maps = malloc(count + 1);
    struct ink_json *json = NULL;

    if (!maps)
        return NULL;
    for (size_t i = 0; i < count; i++)
        maps[i] = (uint8_t)(high > low ? lrintf((values[i] - low) / (high - low) * 255) : 0);
    json = base64_json(maps, count);
    free(maps);
    return json;
}

static struct ink_json *
layer_json(const struct ink_node *node, const float *values, enum verbosity verbosity)
{
    struct ink_json *layer = ink_json_object();
    size_t count = ink_shape_count(node->shape);
    float low = values[0], high = values[0];
    double sum = 0, square_sum = 0, mean;

    for (size_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        sum += (double)values[i];
        square_sum += (double)values[i] * (double)values[i];
    }
    mean = sum / (double)count;
    ink_json_set_string(layer, "name", node->name);
    ink_json_set_string(layer, "op", ink_op_name(node->op));
    ink_json_set(layer, "shape", ink_shape_to_json(node->shape));
    ink_json_set_float(layer, "min", low);
    ink_json_set_float(layer, "max", high);
    ink_json_set_float(layer, "mean", (float)mean);
    ink_json_set_float(layer, "deviation",
                       (float)sqrt(fmax(0, square_sum / (double)count - mean * mean)));
    ink_json_set(layer, "maps", maps_json(values, count, low, high));
    if (verbosity == VALUES)
        ink_json_set(layer, "values", floats_json(values, count));
    return layer;
}

static struct ink_json *
answer_json(struct ink_predictor *predictor, const struct answer *answer)
{
    struct ink_json *object = ink_prediction_to_json(&answer->prediction, NULL, -1);
    const struct ink_arch *arch = ink_snapshot_arch(ink_predictor_snapshot(predictor));
    struct ink_json *layers;
    float probabilities[INK_CLASS_COUNT];

    ink_json_set(object, "picture",
                 base64_json(answer->prediction.row, sizeof(answer->prediction.row)));
    if (answer->verbosity == QUIET)
        return object;
    layers = ink_json_array();
    ink_predictor_trace(predictor, answer->pixels, probabilities);
    for (int i = 0; i < arch->node_count; i++)
        ink_json_push(layers, layer_json(&arch->node[i], ink_predictor_activation(predictor, i),
                                         answer->verbosity));
    ink_json_set(object, "layers", layers);
    return object;
}

/* ---- the route ---- */

static enum ink_status
answer_json_body(struct ink_predictor *predictor, const struct ink_http_request *request,
                 enum verbosity verbosity, struct ink_json **out_json, struct ink_err *err)
{
    INK_CLEANUP(ink_json_destroy) struct ink_json *body = NULL, *list = NULL;
    const struct ink_json *item;
    enum ink_status status;
    int verbose_count = 0;

    if (!ink_json_has_few_values(request->body, request->body_size))
        return ink_fail(err, INK_TOOBIG,
                        "more than %d values; for many pictures: /v1/models/NAME:predict",
                        INK_LIMIT_HTTP_JSON_VALUES);
    status = ink_json_parse(request->body, request->body_size, &body, err);
    if (status)
        return status;
    if (ink_json_is_array(body))
        list = ink_json_array();
    if (ink_json_is_array(body) && ink_json_count(body) > INK_LIMIT_HTTP_INSTANCES)
        return ink_fail(err, INK_TOOBIG, "%zu pictures in one request, at most %d",
                        ink_json_count(body), INK_LIMIT_HTTP_INSTANCES);
    for (item = list ? ink_json_first(body) : body; item;
         item = list ? ink_json_next(item) : NULL) {
        struct answer answer = {.verbosity = verbosity};

        status = predict_object(predictor, item, &answer, err);
        if (!status && answer.verbosity != QUIET && ++verbose_count > INK_LIMIT_HTTP_VERBOSE)
            status =
                ink_fail(err, INK_TOOBIG, "more than %d pictures with their layers in one request",
                         INK_LIMIT_HTTP_VERBOSE);
        if (status)
            return status;
        if (list)
            ink_json_push(list, answer_json(predictor, &answer));
        else
            *out_json = answer_json(predictor, &answer);
    }
    if (list) {
        *out_json = list;
        list = NULL;
    }
    return INK_OK;
}

void
ink_route_predict(const struct ink_route_context *ctx, struct ink_http_reply *reply)
{
    const struct ink_http_request *request = ctx->request;
    const struct ink_http_field *type = ink_http_find(&request->head, "Content-Type");
    struct answer answer = {.verbosity = QUIET};
    struct ink_predictor *predictor;
    struct ink_json *json = NULL;
    enum ink_status status;
    struct ink_err err;

    if (!ink_route_has_type(ctx, "application/json,image/*,application/octet-stream", reply))
        return;
    if (ink_http_query_is(request->head.target, "verbose", "1") ||
        ink_http_query_is(request->head.target, "verbose", "true"))
        answer.verbosity = LAYERS;
    else if (ink_http_query_is(request->head.target, "verbose", "values"))
        answer.verbosity = VALUES;
    status = ink_worker_single(ctx->worker, &predictor, &err);
    if (!status && ink_http_is_type(type, "application/json"))
        status = answer_json_body(predictor, request, answer.verbosity, &json, &err);
    else if (!status) {
        status = predict_bytes(predictor, request->body, request->body_size,
                               !ink_http_query_is(request->head.target, "prepare", "false"),
                               &answer, &err);
        if (!status)
            json = answer_json(predictor, &answer);
    }
    if (status)
        ink_http_reply_fail(reply, &err);
    else
        ink_http_reply_json(reply, json);
}
