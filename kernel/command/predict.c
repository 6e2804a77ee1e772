/* SPDX-License-Identifier: MIT */
#include "kernel/command/predict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Everything but the row and the preparation, from `start_ns` on. */
static void
answer(struct ink_predictor *predictor, const float *pixels, uint64_t start_ns,
       struct ink_prediction *out)
{
    const struct ink_record *record = ink_snapshot_record(ink_predictor_snapshot(predictor));

    ink_predictor_run(predictor, pixels, 1, out->probabilities);
    out->prediction = ink_prediction_best(out->probabilities);
    out->elapsed_ms = ink_clock_ms_since(start_ns);
    (void)snprintf(out->model, sizeof(out->model), "%s", record->name);
    out->version = record->version;
    out->engine = ink_predictor_engine(predictor);
}

int
ink_prediction_best(const float *probabilities)
{
    int best = 0;

    for (int digit = 1; digit < INK_CLASS_COUNT; digit++)
        if (probabilities[digit] > probabilities[best])
            best = digit;
    return best;
}

/* The row and its preparation are in place. */
static void
answer_row(struct ink_predictor *predictor, uint64_t start_ns, struct ink_prediction *out)
{
    float pixels[INK_PICTURE_SIZE];

    ink_prepare_floats(out->row, INK_PICTURE_SIZE, pixels);
    answer(predictor, pixels, start_ns, out);
}

void
ink_predict_row(struct ink_predictor *predictor, const uint8_t *row,
                struct ink_prediction *out_prediction)
{
    uint64_t start_ns = ink_clock_ns();

    memcpy(out_prediction->row, row, INK_PICTURE_SIZE);
    out_prediction->preparation = (struct ink_preparation){0};
    answer_row(predictor, start_ns, out_prediction);
}

void
ink_predict_floats(struct ink_predictor *predictor, const float *pixels,
                   struct ink_prediction *out_prediction)
{
    uint64_t start_ns = ink_clock_ns();

    for (size_t i = 0; i < INK_PICTURE_SIZE; i++) {
        float level = roundf(pixels[i] * 255.0F);

        out_prediction->row[i] = (uint8_t)(level > 0 ? fminf(level, 255.0F) : 0.0F);
    }
    out_prediction->preparation = (struct ink_preparation){0};
    answer(predictor, pixels, start_ns, out_prediction);
}

void
ink_predict_drawing(struct ink_predictor *predictor, const struct ink_drawing *drawing,
                    struct ink_prediction *out_prediction)
{
    uint64_t start_ns = ink_clock_ns();

    ink_prepare_drawing(drawing, out_prediction->row, &out_prediction->preparation);
    answer_row(predictor, start_ns, out_prediction);
}

enum ink_status
ink_predict_picture(struct ink_predictor *predictor, const struct ink_picture *picture,
                    struct ink_prediction *out_prediction, struct ink_err *err)
{
    uint64_t start_ns = ink_clock_ns();
    struct ink_prediction prediction;
    enum ink_status status =
        ink_prepare_picture(picture, prediction.row, &prediction.preparation, err);

    if (status != INK_OK)
        return status;
    answer_row(predictor, start_ns, &prediction);
    *out_prediction = prediction;
    return INK_OK;
}

enum ink_status
ink_predict_bytes(struct ink_predictor *predictor, const void *bytes, size_t size,
                  struct ink_prediction *out_prediction, struct ink_err *err)
{
    INK_CLEANUP(ink_picture_fini) struct ink_picture picture = {0};
    uint64_t start_ns = ink_clock_ns();
    enum ink_status status = ink_picture_decode(bytes, size, &picture, err);

    if (status == INK_OK)
        status = ink_predict_picture(predictor, &picture, out_prediction, err);
    if (status == INK_OK)
        out_prediction->elapsed_ms = ink_clock_ms_since(start_ns);
    return status;
}

struct ink_json *
ink_preparation_to_json(const struct ink_preparation *preparation)
{
    struct ink_json *list = ink_json_array();
    const char *at = preparation->text;

    while (*at) {
        const char *end = strstr(at, ", ");
        size_t size = end ? (size_t)(end - at) : strlen(at);
        char part[INK_PREPARATION_TEXT_SIZE];

        (void)snprintf(part, sizeof(part), "%.*s", (int)size, at);
        ink_json_push(list, ink_json_from_string(part));
        at = end ? end + 2 : at + size;
    }
    return list;
}

struct ink_json *
ink_model_to_json(const char *name, int version)
{
    struct ink_json *model = ink_json_object();

    ink_json_set_string(model, "name", name);
    ink_json_set_int(model, "version", version);
    return model;
}

void
ink_engine_to_json(enum ink_engine engine, struct ink_json *json)
{
    if (engine != INK_ENGINE_FAST)
        ink_json_set_string(json, "engine", ink_engine_name(engine));
}

struct ink_json *
ink_prediction_to_json(const struct ink_prediction *prediction, const char *source, int label)
{
    struct ink_json *json = ink_json_object();

    ink_json_set(json, "prediction",
                 prediction->preparation.is_empty ? ink_json_from_null()
                                                  : ink_json_from_int(prediction->prediction));
    ink_json_set(json, "probabilities",
                 ink_json_from_floats(prediction->probabilities, INK_CLASS_COUNT));
    ink_json_set_double(json, "elapsed_ms", round(prediction->elapsed_ms * 1e4) / 1e4);
    if (source)
        ink_json_set_string(json, "source", source);
    if (label >= 0)
        ink_json_set_int(json, "label", label);
    ink_json_set(json, "model", ink_model_to_json(prediction->model, prediction->version));
    ink_json_set(json, "preparation", ink_preparation_to_json(&prediction->preparation));
    ink_json_set_bool(json, "empty", prediction->preparation.is_empty);
    ink_engine_to_json(prediction->engine, json);
    return json;
}
