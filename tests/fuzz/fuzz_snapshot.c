/* SPDX-License-Identifier: MIT */
/* Bytes of a weight file become a network that can be asked, or an error. */
#include <assert.h>
#include <stdint.h>

#include "model/arch.h"
#include "model/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct ink_snapshot *snapshot = NULL;
    struct ink_err err = {0};

    if (ink_snapshot_decode(bytes, size, &snapshot, &err)) {
        assert(!snapshot && err.message[0]);
        return 0;
    }
    assert(ink_snapshot_arch(snapshot)->node_count > 0);
    ink_snapshot_unref(snapshot);
    return 0;
}
