/* SPDX-License-Identifier: MIT */
#include "model/precision.h"

#include <string.h>

#include "model/kernels/kernels.h"

enum {
    USES_MIN = 16, /* of a number that is rounded */
    ROW_MIN = 4    /* numbers in a row of the window: pairs of less are half empty */
};

static const char *const names[] = {
    [INK_PRECISION_F32] = "f32", [INK_PRECISION_BF16] = "bf16", [INK_PRECISION_AUTO] = "auto"};

const char *
ink_precision_name(enum ink_precision precision)
{
    return names[precision];
}

bool
ink_precision_parse(const char *text, enum ink_precision *out_precision)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], text) == 0) {
            *out_precision = (enum ink_precision)i;
            return true;
        }
    return false;
}

/* Numbers that one row of the window reads: they are multiplied in pairs. */
static size_t
row_size(const struct ink_node *node)
{
    size_t window = (size_t)node->kernel_height * (size_t)node->kernel_width;

    return node->weight_count / (size_t)node->shape.channels / window * (size_t)node->kernel_width;
}

bool
ink_precision_is_bf16(const struct ink_node *node)
{
    int channels = (node->shape.channels + INK_PANEL - 1) / INK_PANEL * INK_PANEL;

    if (node->op == INK_OP_DENSE)
        return channels >= USES_MIN;
    return node->op == INK_OP_CONV && row_size(node) >= ROW_MIN &&
           channels * node->kernel_height * node->kernel_width >=
               USES_MIN * node->stride * node->stride;
}

enum ink_status
ink_precision_check(enum ink_precision wanted, const struct ink_kernels *kernels,
                    struct ink_err *err)
{
    if (wanted != INK_PRECISION_BF16 || kernels->bf16)
        return INK_OK;
    return ink_fail(err, INK_NOTNOW,
                    "precision 'bf16': %s cannot multiply such numbers, expected f32 or auto",
                    kernels->name);
}

enum ink_status
ink_precision_choose(enum ink_precision wanted, const struct ink_kernels *kernels,
                     enum ink_precision *out_precision, struct ink_err *err)
{
    enum ink_status status = ink_precision_check(wanted, kernels, err);

    if (status)
        return status;
    if (wanted == INK_PRECISION_AUTO)
        wanted = kernels->bf16 && kernels->bf16->is_fast ? INK_PRECISION_BF16 : INK_PRECISION_F32;
    *out_precision = wanted;
    return INK_OK;
}
