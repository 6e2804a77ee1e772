/* SPDX-License-Identifier: MIT */
#ifndef INK_KERNEL_TERMINAL_H
#define INK_KERNEL_TERMINAL_H

/*
 * terminal: the sink of the command line.
 *
 * Commentary goes to stderr. Of a display that is updated, the lines that are
 * final are printed once; on a terminal the last line is redrawn in place, in a
 * log it is left out. Displays that stay go to stdout.
 */

#include <stdbool.h>
#include <stddef.h>

#include "kernel/command/command.h"

struct ink_terminal {
    struct ink_sink sink;
    bool is_live;      /* stderr is a terminal */
    bool is_quiet;     /* nothing but the result on stdout: --json */
    bool has_line;     /* a line is being redrawn: the cursor is at its end */
    size_t line_count; /* final lines that were printed */
};

/* The sink points into the struct: do not move it. */
void ink_terminal_init(struct ink_terminal *terminal, bool is_quiet);

/* Leave the line that is being redrawn. */
void ink_terminal_end(struct ink_terminal *terminal);

#endif
