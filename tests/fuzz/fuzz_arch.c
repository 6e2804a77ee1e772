/* SPDX-License-Identifier: MIT */
/* Text becomes an architecture whose nodes fit together, or an error that names a line. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "model/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ink_arch *arch = NULL, *again = NULL;
    struct ink_err err = {0};
    size_t parameters = 0;

    if (ink_arch_parse((const char *)bytes, size, &arch, &err)) {
        assert(!arch && err.message[0] && !strchr(err.message, '\n'));
        return 0;
    }
    assert(arch->node_count > 0);
    for (int i = 0; i < arch->node_count; i++) {
        const struct ink_node *node = &arch->node[i];

        assert(node->shape.channels > 0 && node->shape.height > 0 && node->shape.width > 0);
        assert(ink_arch_find(arch, node->name) == i);
        parameters += ink_node_parameter_count(node);
    }
    assert(parameters == arch->parameter_count);
    assert(ink_arch_parse(arch->text, strlen(arch->text), &again, &err) == INK_OK);
    assert(again->parameter_count == parameters && again->node_count == arch->node_count);
    ink_arch_destroy(&again);
    ink_arch_destroy(&arch);
    return 0;
}
