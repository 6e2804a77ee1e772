/* SPDX-License-Identifier: MIT */
#ifndef INK_HTTP_TENSOR_JSON_H
#define INK_HTTP_TENSOR_JSON_H

/*
 * tensor_json: TensorFlow Serving's predict request, read straight into floats.
 *
 * A tree of JSON values would take 64 bytes and two allocations a pixel: 1000
 * pictures cost a tree 96 ms and this scanner 5. It walks the text once, checks
 * shapes while it goes, and keeps nothing but the pixels.
 *
 * Read:     {"instances": [...]} (row) or {"inputs": ...} (columnar), and
 *           "signature_name"; a picture is [784], [28,28], [28,28,1] or [1,28,28]
 *           of numbers, or {"b64": "..."} of a picture file; in a row it may be
 *           {"NAME": picture}, in a column {"NAME": [...]}.
 * Refused:  NaN and Infinity, numbers beyond a float, bytes after the document,
 *           which TensorFlow Serving accepts.
 * Source:   tensorflow/serving g3doc/api_rest.md; messages as its server words them.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "model/arch.h"

enum { INK_TENSOR_SIGNATURE_SIZE = 64 };

/* Turn the bytes of a picture file into [784] floats. */
typedef enum ink_status (*ink_tensor_picture_fn)(void *self, const void *bytes, size_t size,
                                                 float *out_pixels, struct ink_err *err);

struct ink_tensor_request {
    char signature[INK_TENSOR_SIGNATURE_SIZE]; /* "" when not given; cut where longer */
    bool is_row;                               /* "instances" rather than "inputs" */
    size_t count;                              /* pictures, at least 1 */
    float *pixels;                             /* [count][784] */
    size_t capacity;                           /* pictures there is room for */
};

/*
 *   text         [size], and a zero byte behind it
 *   input_name   of the network's input: chooses among several named tensors; a single one may
 *                have any name
 *   picture      called for each {"b64": ...}, with `self`
 *
 * Errors   INK_BADDATA  not JSON or not such a request;  INK_TOOBIG  more than
 *          INK_LIMIT_HTTP_INSTANCES pictures, deeper than INK_LIMIT_JSON_DEPTH;  INK_NOMEM; those
 *          of `picture`
 * Memory   ink_tensor_request_fini, also after a failure; a request can be read into again
 */
INK_MUST_CHECK enum ink_status ink_tensor_request_read(struct ink_tensor_request *request,
                                                       const char *text, size_t size,
                                                       const char *input_name,
                                                       ink_tensor_picture_fn picture, void *self,
                                                       struct ink_err *err);
void ink_tensor_request_fini(struct ink_tensor_request *request);

/* Append the answer: {"predictions": [[...], ...]}, or {"outputs": ...} for columns. */
void ink_tensor_reply_print(const struct ink_tensor_request *request, const float *probabilities,
                            struct ink_buf *buf);

/* Append a float as TensorFlow Serving does: six digits if they read back the same, else nine;
 * always with a point or an exponent. */
void ink_tensor_float_print(float value, struct ink_buf *buf);

#endif
