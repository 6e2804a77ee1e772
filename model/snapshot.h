/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_SNAPSHOT_H
#define INK_MODEL_SNAPSHOT_H

/*
 * snapshot: a network as it was at one moment: architecture, weights, record.
 *
 * Immutable and reference counted: the only form in which a network passes
 * between threads. Training owns weights of its own and publishes snapshots.
 * A slot holds "the newest snapshot" for readers and writers in any thread.
 */

#include <stdatomic.h>

#include "base/buf.h"
#include "base/status.h"
#include "model/arch.h"

struct ink_snapshot; /* opaque; read through the functions below */

/* What is known of how the weights came to be; strings are zero-terminated. */
struct ink_record {
    char name[64];     /* model name: [A-Za-z0-9_-]{1,63} */
    int version;       /* 0 = not in a store yet */
    char command[512]; /* the train command, "" if unknown */
    char data[128];    /* data sets it learned from */
    char date[40];
    unsigned long long seed;
    double epochs;   /* finished, fractions too */
    double loss;     /* on the validation data at the end; NaN if unknown */
    double accuracy; /* 0..1, on the validation data; NaN if unknown */
};

/*
 * A new network with fresh weights: He-normal for conv and dense (Source: He et
 * al. 2015, eq. 10), zero biases, batch norm scale 1, shift 0.
 *
 * Memory   *out_snapshot holds one reference of the caller
 */
INK_MUST_CHECK enum ink_status ink_snapshot_create(const struct ink_arch *arch,
                                                   const struct ink_record *record,
                                                   unsigned long long seed,
                                                   const struct ink_snapshot **out_snapshot,
                                                   struct ink_err *err);

/* The same weights with another record. Memory: one reference of the caller. */
INK_MUST_CHECK enum ink_status ink_snapshot_copy(const struct ink_snapshot *snapshot,
                                                 const struct ink_record *record,
                                                 const struct ink_snapshot **out_copy,
                                                 struct ink_err *err);

/* Count one user more (returns its argument) or less; NULL is fine. Threads: any. */
const struct ink_snapshot *ink_snapshot_ref(const struct ink_snapshot *snapshot);
void ink_snapshot_unref(const struct ink_snapshot *snapshot);
/* ink_snapshot_unref through a pointer, for INK_CLEANUP. */
void ink_snapshot_unrefp(const struct ink_snapshot **snapshot);

const struct ink_arch *ink_snapshot_arch(const struct ink_snapshot *snapshot);
const struct ink_record *ink_snapshot_record(const struct ink_snapshot *snapshot);
/* Differs for every snapshot made in this process. */
unsigned long long ink_snapshot_serial(const struct ink_snapshot *snapshot);

/* A node's numbers; NULL where it has none. Layouts as in struct ink_node. */
const float *ink_snapshot_weights(const struct ink_snapshot *snapshot, int node_index);
const float *ink_snapshot_biases(const struct ink_snapshot *snapshot, int node_index);
const float *ink_snapshot_statistics(const struct ink_snapshot *snapshot, int node_index);

/* ---- files: safetensors with architecture, labels and record in __metadata__ ---- */

/*
 * Errors   INK_NOTFOUND, INK_IO; INK_BADDATA with what in the file is wrong; INK_TOOBIG
 */
INK_MUST_CHECK enum ink_status
ink_snapshot_load(const char *path, const struct ink_snapshot **out_snapshot, struct ink_err *err);
INK_MUST_CHECK enum ink_status ink_snapshot_decode(const void *bytes, size_t size,
                                                   const struct ink_snapshot **out_snapshot,
                                                   struct ink_err *err);
/* Append a whole file. Errors: INK_NOMEM. */
INK_MUST_CHECK enum ink_status ink_snapshot_encode(const struct ink_snapshot *snapshot,
                                                   struct ink_buf *buf, struct ink_err *err);
/* Written whole: temporary file, fsync, rename, fsync of the folder. */
INK_MUST_CHECK enum ink_status ink_snapshot_save(const struct ink_snapshot *snapshot,
                                                 const char *path, struct ink_err *err);

/* The network that ships with the program (model/pretrained/inkling.safetensors). */
INK_MUST_CHECK enum ink_status
ink_snapshot_load_pretrained(const struct ink_snapshot **out_snapshot, struct ink_err *err);

/* ---- the newest one ---- */

/* Guarded by a lock that is held for a pointer copy only. */
struct ink_slot;
INK_MUST_CHECK enum ink_status ink_slot_create(struct ink_slot **out_slot, struct ink_err *err);
void ink_slot_destroy(struct ink_slot **slot);
/* Make `snapshot` the newest (the slot takes a reference of its own). */
void ink_slot_publish(struct ink_slot *slot, const struct ink_snapshot *snapshot);
/* The newest with a reference for the caller, or NULL. */
const struct ink_snapshot *ink_slot_get(struct ink_slot *slot);

#endif
