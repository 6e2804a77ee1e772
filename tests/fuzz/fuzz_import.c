/* SPDX-License-Identifier: MIT */
/* Bytes of another program's weights fit a small architecture, or are an error. */
#include <assert.h>
#include <stdint.h>

#include "model/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char text[] = "image: input 1x28x28\n"
                           "pool: avgpool 14x14\n"
                           "conv1: conv 1 1x1\n"
                           "bn1: batchnorm\n"
                           "flat: flatten\n"
                           "dense1: dense 10\n";

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct ink_arch *arch;
    struct ink_import import = {0};
    struct ink_err err = {0};

    if (!arch && ink_arch_parse(text, sizeof(text) - 1, &arch, &err))
        return 0;
    if (ink_import_decode(bytes, size, arch, NULL, &import, &err)) {
        assert(!import.snapshot && !import.pair && err.message[0]);
        return 0;
    }
    assert(import.pair_count == 8);
    ink_import_fini(&import);
    return 0;
}
