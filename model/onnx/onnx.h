/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_ONNX_ONNX_H
#define INK_MODEL_ONNX_ONNX_H

/*
 * onnx: a network as a file that ONNX Runtime and others run.
 *
 * The graph has one input, called as the architecture calls its own, float
 * [N][1][28][28] with N free, and two outputs: `probabilities` [N][10] and the
 * `scores` [N][10] before the softmax. Operators carry the names of the
 * architecture's nodes, weights the names that they have in a safetensors file.
 * Dropout, which does nothing when answering, is left out. The architecture,
 * labels, normalisation and record are in the file's metadata_props.
 *
 * Source: the ONNX specification, IR version 7, operator set 13.
 */

#include "base/buf.h"
#include "model/snapshot.h"

enum { INK_ONNX_IR_VERSION = 7, INK_ONNX_OPSET = 13 };

/*
 * Append a whole file.
 *
 * Errors   INK_NOMEM
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_onnx_encode(const struct ink_snapshot *snapshot,
                                               struct ink_buf *buf, struct ink_err *err);

#endif
