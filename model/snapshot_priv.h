/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_SNAPSHOT_PRIV_H
#define INK_MODEL_SNAPSHOT_PRIV_H

/* snapshot_priv: for those who fill a snapshot, before anybody else sees it. */

#include "model/safetensors.h"
#include "model/snapshot.h"

enum { INK_NODE_TENSOR_MAX = 4 };

/* A snapshot of zeros with one reference; `arch` is copied, `record` may be NULL. */
INK_MUST_CHECK enum ink_status ink_snapshot_begin(const struct ink_arch *arch,
                                                  const struct ink_record *record,
                                                  struct ink_snapshot **out_snapshot,
                                                  struct ink_err *err);

/* A node's numbers, to be written: only until the snapshot is handed on. */
float *ink_snapshot_edit_weights(struct ink_snapshot *snapshot, int node_index);
float *ink_snapshot_edit_biases(struct ink_snapshot *snapshot, int node_index);
float *ink_snapshot_edit_statistics(struct ink_snapshot *snapshot, int node_index);
struct ink_record *ink_snapshot_edit_record(struct ink_snapshot *snapshot);

/*
 * A node's tensors as files have them: weight, bias, running_mean, running_var, those that it has.
 * Its numbers lie in that order, one behind the other, from ink_snapshot_weights on.
 *
 *   prefix   before the names, at most 18 bytes;  out[].bytes stay NULL
 */
int ink_node_tensors(const struct ink_arch *arch, int index, const char *prefix,
                     struct ink_tensor out[static INK_NODE_TENSOR_MAX]);

/*
 * Copy a tensor's numbers out of a file.
 *
 * Errors   INK_BADDATA  not there, of another shape, not finite, or a variance below zero
 */
INK_MUST_CHECK enum ink_status ink_tensor_read(const struct ink_safetensors *file,
                                               const struct ink_tensor *wanted, float *out,
                                               struct ink_err *err);

/* A record as members of a JSON object, all strings. */
void ink_record_encode(const struct ink_record *record, struct ink_json *metadata);
void ink_record_decode(const struct ink_json *metadata, struct ink_record *record);

/* What a file says of a network beside its numbers: an object of strings. NULL: no memory. */
struct ink_json *ink_snapshot_metadata(const struct ink_snapshot *snapshot);

/* Whether all weights, biases and statistics are numbers. */
bool ink_snapshot_is_finite(const struct ink_snapshot *snapshot);

#endif
