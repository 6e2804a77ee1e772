/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_CHEADER_PRIV_H
#define INK_MODEL_CHEADER_PRIV_H

/* cheader_priv: the text of a header's functions, and of its arrays. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct ink_cheader_function {
    const char *text; /* @ stands for the header's name, $ for it in capitals */
    unsigned ops;     /* which need it, 1 << enum ink_op each */
};

/* In the order in which they are written. */
extern const struct ink_cheader_function ink_cheader_function[];
extern const size_t ink_cheader_function_count;

/*
 * An array of floats: `name` where it is plain, `name`.number where it is packed. The packed ones
 * of a header stand between two calls of ink_cheader_put_packing.
 */
void ink_cheader_put_numbers(struct ink_buf *buf, const char *name, size_t count,
                             const float *numbers, bool is_packed);
void ink_cheader_put_packing(struct ink_buf *buf, bool is_begin);

#endif
