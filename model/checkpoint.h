/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_CHECKPOINT_H
#define INK_MODEL_CHECKPOINT_H

/*
 * checkpoint: the whole state of a training run, in one file.
 *
 * A safetensors file. The weights have the names of a weight file; sets of the
 * same shape stand beside them under a prefix ("average/", "best/", the
 * optimizer's "mean/"). __metadata__ has the architecture, the history, what
 * was asked for, and a BLAKE2b sum over every byte of the file (its own 64
 * digits taken as zeros), so that no bit can change unseen.
 *
 *     encode -> fill in the numbers -> seal -> a file -> decode
 *
 * Source: RFC 7693 for the sum.
 */

#include "base/buf.h"
#include "model/dataset.h"
#include "model/history.h"
#include "model/snapshot.h"

enum { INK_CHECKPOINT_GROUP_MAX = 8, INK_CHECKPOINT_DIGEST_SIZE = 65 };

/* One set of numbers shaped like the network. */
struct ink_checkpoint_group {
    char name[16];       /* "" the weights; "average", "best", those of the optimizer */
    bool has_statistics; /* batch norm's running mean and variance too */
};

/* What is known of the run beside its numbers. */
struct ink_checkpoint_head {
    struct ink_record record; /* of the weights that the run began with */
    struct ink_record best;   /* of the group "best", if there is one */
    struct ink_history history;
    struct ink_checkpoint_group group[INK_CHECKPOINT_GROUP_MAX];
    size_t group_count; /* the weights come first */
    int thread_count;
    char compute[16]; /* the kernels' name */
    /* ink_dataset_digest of what is learned and of what it is measured on; "" for none */
    char train[INK_CHECKPOINT_DIGEST_SIZE], validation[INK_CHECKPOINT_DIGEST_SIZE];
    const char *config; /* the caller's own text, by which it sets the run up again */
};

/*
 * Append a file whose numbers are zeros, to be filled in.
 *
 *   buf         empty before
 *   out_place   [group_count] where each group's numbers are: node by node, each node's weights,
 *               biases and statistics one behind the other. Until buf changes
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_encode(const struct ink_arch *arch,
                                                     const struct ink_checkpoint_head *head,
                                                     struct ink_buf *buf, float **out_place,
                                                     struct ink_err *err);

/* Whether all numbers of an encoded file are finite. */
bool ink_checkpoint_is_finite(const struct ink_buf *buf);

/* Write the sum into an encoded and filled file; false if it is none. About 1 ms a MB. */
bool ink_checkpoint_seal(struct ink_buf *buf);

/* A file that was read. */
struct ink_checkpoint;

/*
 * Read a file's bytes; takes them over, also when it fails.
 *
 * Errors   INK_BADDATA  the sum does not fit, or what it protects makes no sense: says what
 *          INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_decode(struct ink_buf *buf,
                                                     struct ink_checkpoint **out_checkpoint,
                                                     struct ink_err *err);
void ink_checkpoint_destroy(struct ink_checkpoint **checkpoint);

const struct ink_checkpoint_head *ink_checkpoint_head(const struct ink_checkpoint *checkpoint);
const struct ink_arch *ink_checkpoint_arch(const struct ink_checkpoint *checkpoint);

/*
 * A group as a snapshot; without statistics in the file they are zeros.
 *
 * Errors   INK_NOTFOUND  no such group;  INK_NOMEM
 * Memory   one reference of the caller
 */
INK_MUST_CHECK enum ink_status ink_checkpoint_snapshot(const struct ink_checkpoint *checkpoint,
                                                       const char *group,
                                                       const struct ink_record *record,
                                                       const struct ink_snapshot **out_snapshot,
                                                       struct ink_err *err);

/* BLAKE2b of a data set's pictures and labels, in hexadecimal. About 1 ms a MB. */
void ink_dataset_digest(const struct ink_dataset *dataset,
                        char out_digest[static INK_CHECKPOINT_DIGEST_SIZE]);

#endif
