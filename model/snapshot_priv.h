/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_SNAPSHOT_PRIV_H
#define INK_MODEL_SNAPSHOT_PRIV_H

/* snapshot_priv: for those who fill a snapshot, before anybody else sees it. */

#include "model/snapshot.h"

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

/* Whether all weights, biases and statistics are numbers. */
bool ink_snapshot_is_finite(const struct ink_snapshot *snapshot);

#endif
