/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_IDX_H
#define INK_MODEL_IDX_H

/*
 * idx: read the IDX files that MNIST is published in, packed by gzip or not.
 *
 * Only what MNIST needs: unsigned bytes in one to three dimensions. All of a
 * file is checked before any of it is believed.
 *
 * Source: the file format section of LeCun's MNIST page; big-endian 32-bit
 * sizes, magic 00 00 <type> <ndim>, type 08 = unsigned byte.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    INK_IDX_NDIM_MAX = 3,
    INK_IDX_HEADER_MAX = 4 + 4 * INK_IDX_NDIM_MAX, /* bytes */
};

/* An array of bytes. dim[0] counts items; an item has dim[1] x dim[2] bytes. */
struct ink_idx {
    unsigned ndim;                /* 1..INK_IDX_NDIM_MAX */
    size_t dim[INK_IDX_NDIM_MAX]; /* each > 0; those past ndim are 1 */
    const uint8_t *data;          /* dim[0]*dim[1]*dim[2] bytes, row-major */
    const uint8_t *file;          /* [file_size] the unpacked file, header and data */
    size_t file_size;
    uint8_t *owned; /* what ink_idx_fini frees; NULL when borrowed */
};

/*
 * Decode IDX bytes that are already in memory.
 *
 *   bytes     [size] a whole unpacked file; need not be aligned
 *   out_idx   set on success only; borrows `bytes`, which must outlive it
 *
 * Errors   INK_BADDATA  wrong magic, ndim or type, a zero size, or a length
 *                       that is not exactly what the sizes say
 *          INK_TOOBIG   the sizes say more than INK_LIMIT_IDX_SIZE
 * Memory   allocates nothing
 * Threads  pure
 */
INK_MUST_CHECK enum ink_status ink_idx_decode(const uint8_t *bytes, size_t size,
                                              struct ink_idx *out_idx, struct ink_err *err);

/*
 * Unpack gzip bytes and decode them. Memory is taken only for what the header
 * inside asks for, and the data must be just that long.
 *
 *   out_idx   set on success only; owns its bytes: ink_idx_fini
 *
 * Errors   as ink_idx_decode; INK_BADDATA also for broken gzip data; INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_idx_unpack(const uint8_t *bytes, size_t size,
                                              struct ink_idx *out_idx, struct ink_err *err);

/*
 * Load an IDX file, packed or not: its first bytes tell.
 *
 *   out_idx   set on success only; the caller releases it with ink_idx_fini
 *
 * Errors   as ink_idx_unpack, with the path; INK_NOTFOUND, INK_IO
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_idx_load(const char *path, struct ink_idx *out_idx,
                                            struct ink_err *err);

/* Release what *idx owns and zero it; a zeroed or borrowed idx is fine. */
void ink_idx_fini(struct ink_idx *idx);

#endif
