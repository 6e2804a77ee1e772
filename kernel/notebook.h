/* SPDX-License-Identifier: MIT */
#ifndef INK_KERNEL_NOTEBOOK_H
#define INK_KERNEL_NOTEBOOK_H

/*
 * notebook: the commands as a Jupyter kernel, where protocol and commands meet.
 *
 * Cells are texts of commands (kernel/command/cell.h). What a command prints
 * goes to stdout, what it displays on the way to displays, its bundle is the
 * result. `NAME?` or `?NAME` shows the help of a word in the pager, `NAME??`
 * all of it. Views talk over comms of the target "inkling.v1", also while a
 * cell trains.
 */

#include "base/status.h"
#include "kernel/command/session.h"

/*
 * Be the kernel of a notebook until Jupyter says to stop. Call it from main, before other threads
 * are started; it blocks SIGINT and SIGTERM (kernel/jupyter/kernel.h).
 *
 * Errors   as ink_jupyter_run, and those of creating a viewer
 */
INK_MUST_CHECK enum ink_status ink_notebook_run(const char *connection_path,
                                                struct ink_session *session, struct ink_err *err);

#endif
