/* SPDX-License-Identifier: MIT */
/* An IDX file, plain or packed, gives an array that its bytes do hold, or an error. */
#include <assert.h>
#include <stdint.h>

#include "base/limits.h"
#include "model/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check(struct ink_idx *idx)
{
    size_t count = idx->dim[0] * idx->dim[1] * idx->dim[2];

    assert(idx->ndim >= 1 && idx->ndim <= INK_IDX_NDIM_MAX);
    assert(count > 0 && count <= INK_LIMIT_IDX_SIZE);
    assert(idx->data + count == idx->file + idx->file_size);
    assert(idx->data[0] + idx->data[count - 1] <= 510);
    ink_idx_fini(idx);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_idx idx = {0};
    struct ink_err err = {0};

    if (ink_idx_decode(bytes, size, &idx, &err) == INK_OK)
        check(&idx);
    else
        assert(err.message[0]);
    err.message[0] = '\0';
    if (ink_idx_unpack(bytes, size, &idx, &err) == INK_OK)
        check(&idx);
    else
        assert(err.message[0]);
    return 0;
}
