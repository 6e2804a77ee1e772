/* SPDX-License-Identifier: MIT */
/*
 * A checkpoint's bytes become a run's state with finite numbers, or an error: as they are, and with
 * the sum made right, which is no excuse for what it covers.
 */
#include <assert.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "model/checkpoint.h"
#include "model/snapshot_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
check(struct ink_buf *buf)
{
    INK_CLEANUP(ink_checkpoint_destroy) struct ink_checkpoint *checkpoint = NULL;
    const struct ink_checkpoint_head *head;
    struct ink_err err = {0};

    if (ink_checkpoint_decode(buf, &checkpoint, &err)) {
        assert(!checkpoint && err.message[0]);
        return;
    }
    head = ink_checkpoint_head(checkpoint);
    assert(head->history.progress.step <= head->history.progress.step_count);
    for (size_t i = 0; i < head->group_count; i++) {
        const struct ink_snapshot *snapshot = NULL;

        if (ink_checkpoint_snapshot(checkpoint, head->group[i].name, &head->record, &snapshot,
                                    &err) == INK_OK)
            assert(ink_snapshot_is_finite(snapshot));
        ink_snapshot_unref(snapshot);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        INK_CLEANUP(ink_buf_fini) struct ink_buf copy = {0};

        ink_buf_append(&copy, bytes, size);
        if (copy.is_broken || (is_sealed && !ink_checkpoint_seal(&copy)))
            continue;
        check(&copy);
    }
    return 0;
}
