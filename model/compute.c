/* SPDX-License-Identifier: MIT */
#include "model/compute.h"

#include <string.h>

#include "model/kernels/kernels.h"

bool
ink_engine_parse(const char *text, enum ink_engine *out_engine)
{
    bool is_reference = strcmp(text, "reference") == 0;

    if (!is_reference && strcmp(text, "fast") != 0)
        return false;
    *out_engine = is_reference ? INK_ENGINE_REFERENCE : INK_ENGINE_FAST;
    return true;
}

const struct ink_kernels *
ink_engine_kernels(enum ink_engine engine)
{
    const struct ink_kernels *tables[INK_KERNELS_MAX];
    size_t count;

    if (engine == INK_ENGINE_FAST)
        return ink_kernels();
    count = ink_kernels_list(tables);
    return tables[count - 1];
}

const char *
ink_engine_name(enum ink_engine engine)
{
    return ink_engine_kernels(engine)->name;
}
