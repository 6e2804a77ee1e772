/* SPDX-License-Identifier: MIT */
#ifndef INK_COMMAND_MAN_H
#define INK_COMMAND_MAN_H

/*
 * man: the program's manual page, written from the command table.
 *
 * Source: man(7), the macros of the man package of roff.
 */

#include "base/buf.h"

/* Append inkling(1). Check the buffer afterwards. */
void ink_man_page(struct ink_buf *out);

#endif
