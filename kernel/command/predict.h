/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_PREDICT_H
#define INK_COMMAND_PREDICT_H

/*
 * predict: a picture, whatever it came as, becomes an answer.
 *
 * For cells, the program and HTTP alike. The predictor is the caller's
 * (ink_session_follow keeps one on the newest network).
 *
 * Threads  one a predictor
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "model/predictor.h"
#include "model/prepare.h"

struct ink_prediction {
    int prediction; /* 0..9: the most probable */
    float probabilities[INK_CLASS_COUNT];
    double elapsed_ms;                  /* preparation and network, without reading files */
    uint8_t row[INK_PICTURE_SIZE];      /* what the network saw */
    struct ink_preparation preparation; /* text is "" for rows and numbers: nothing was done */
    char model[64];
    int version;
    enum ink_engine engine;
};

/* A data-set row, as it is. */
void ink_predict_row(struct ink_predictor *predictor, const uint8_t *row,
                     struct ink_prediction *out_prediction);

/* [784] numbers 0..1, as they are; `row` is rounded from them, clipped to 0..255. */
void ink_predict_floats(struct ink_predictor *predictor, const float *pixels,
                        struct ink_prediction *out_prediction);

/* Strokes. An empty drawing is answered too; preparation.is_empty says so. */
void ink_predict_drawing(struct ink_predictor *predictor, const struct ink_drawing *drawing,
                         struct ink_prediction *out_prediction);

/* A decoded picture, or the bytes of a picture file. Errors: as model/picture.h and prepare.h. */
INK_MUST_CHECK enum ink_status ink_predict_picture(struct ink_predictor *predictor,
                                                   const struct ink_picture *picture,
                                                   struct ink_prediction *out_prediction,
                                                   struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_predict_bytes(struct ink_predictor *predictor, const void *bytes,
                                                 size_t size, struct ink_prediction *out_prediction,
                                                 struct ink_err *err);

/*
 * {"prediction":7,"probabilities":[...],"elapsed_ms":0.21,"source":"7.png","label":7,
 *  "model":{"name":"inkling","version":1},"preparation":["dark on light", ...],"empty":false}
 *
 * The prediction of an empty picture is null. "engine":"reference" is there if that computed it.
 *
 *   source   what was asked about; NULL = left out
 *   label    the truth where it is known; -1 = left out
 */
struct ink_json *ink_prediction_to_json(const struct ink_prediction *prediction, const char *source,
                                        int label);

/* Set "engine" of an object, where it is not the usual one. */
void ink_engine_to_json(enum ink_engine engine, struct ink_json *json);

/* The parts of that: "dark on light, scaled 0.11" as a list of two, and {"name", "version"}. */
struct ink_json *ink_preparation_to_json(const struct ink_preparation *preparation);
struct ink_json *ink_model_to_json(const char *name, int version);

/* The digit with the highest of 10 probabilities; the lowest such digit. */
int ink_prediction_best(const float *probabilities);

#endif
