/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_IMPORT_H
#define INK_MODEL_IMPORT_H

/*
 * import: weights of another program for an architecture of ours.
 *
 * A safetensors file as PyTorch's programs write them: tensors called
 * MODULE.weight, .bias, .running_mean and .running_var, convolutions [out][in]
 * [height][width], dense layers [out][in], in F32, F16, BF16 or F64. A node of
 * the architecture takes the module that is called as it is; the others take,
 * in order, the first module that is left and has all of their shapes. The order
 * is the file's, or where that is just the alphabet's, the one that counts
 * ("2." before "10."). Counters (num_batches_tracked) are left out.
 */

#include "model/safetensors.h"
#include "model/snapshot.h"

struct ink_import_pair {
    char to[INK_TENSOR_NAME_SIZE], from[INK_TENSOR_NAME_SIZE];
};

/* What became of a file. */
struct ink_import {
    const struct ink_snapshot *snapshot; /* one reference of the owner */
    struct ink_import_pair *pair;        /* [pair_count] in the architecture's order; owned */
    size_t pair_count;
};

/*
 *   record   of the network that is made
 *
 * Errors   INK_BADDATA  no such file; a tensor of another shape (names it and both shapes), one
 *                       that is missing or left over (names them), of another type, not finite
 *          INK_TOOBIG, INK_NOMEM
 * Memory   ink_import_fini
 */
INK_MUST_CHECK enum ink_status ink_import_decode(const void *bytes, size_t size,
                                                 const struct ink_arch *arch,
                                                 const struct ink_record *record,
                                                 struct ink_import *out_import,
                                                 struct ink_err *err);
void ink_import_fini(struct ink_import *import);

/*
 * The architecture that a file of this program has beside the weights.
 *
 * Errors   INK_NOTFOUND  it has none;  INK_BADDATA, INK_TOOBIG, INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_import_arch(const void *bytes, size_t size,
                                               struct ink_arch **out_arch, struct ink_err *err);

#endif
