/* SPDX-License-Identifier: MIT */
/*
 * Frames of a Jupyter message, split at bytes 0x00: taken apart they stay within what came in, and
 * under a key that the input cannot know nothing is genuine.
 */
#include <assert.h>
#include <stdint.h>

#include "kernel/jupyter/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t
split(const uint8_t *bytes, size_t size, struct ink_frame *frames, size_t max)
{
    size_t count = 0, start = 0;

    for (size_t i = 0; i <= size && count < max; i++)
        if (i == size || bytes[i] == 0) {
            frames[count++] = (struct ink_frame){bytes + start, i - start};
            start = i + 1;
        }
    return count;
}

static void
assert_within(const struct ink_frame *frame, const uint8_t *bytes, size_t size)
{
    const uint8_t *start = frame->bytes;

    assert(start >= bytes && start + frame->size <= bytes + size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_frame frames[128];
    size_t count = split(bytes, size, frames, sizeof(frames) / sizeof(frames[0]));
    struct ink_signer unsigned_signer = {0}, signer = {0};
    struct ink_jmsg msg;
    struct ink_err err = {0};

    assert(ink_signer_init(&unsigned_signer, "hmac-sha256", "", 0, &err) == INK_OK);
    assert(ink_signer_init(&signer, "hmac-sha256", "0123456789abcdef", 16, &err) == INK_OK);
    if (ink_jmsg_decode(&unsigned_signer, NULL, frames, count, &msg, &err) == INK_OK) {
        for (size_t i = 0; i < INK_SIGNED_PARTS; i++)
            assert_within(&msg.parts[i], bytes, size);
        assert(msg.identity_count + 2 + INK_SIGNED_PARTS + msg.buffer_count == count);
    } else {
        assert(err.message[0]);
    }
    assert(ink_jmsg_decode(&signer, NULL, frames, count, &msg, &err) != INK_OK);
    ink_signer_fini(&unsigned_signer);
    ink_signer_fini(&signer);
    return 0;
}
