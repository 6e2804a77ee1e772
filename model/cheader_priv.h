/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_CHEADER_PRIV_H
#define INK_MODEL_CHEADER_PRIV_H

/* cheader_priv: the text of a header's functions. */

#include <stddef.h>

struct ink_cheader_function {
    const char *text; /* @ stands for the header's name, $ for it in capitals */
    unsigned ops;     /* which need it, 1 << enum ink_op each */
};

/* In the order in which they are written. */
extern const struct ink_cheader_function ink_cheader_function[];
extern const size_t ink_cheader_function_count;

#endif
