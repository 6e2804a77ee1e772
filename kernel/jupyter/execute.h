/* SPDX-License-Identifier: MIT */
#ifndef INK_JUPYTER_EXECUTE_H
#define INK_JUPYTER_EXECUTE_H

/* execute: the thread that runs cells, one after the other. */

#include "kernel/jupyter/kernel_priv.h"

/* Wait for the answer to a question that was just asked; see ink_jupyter_input. */
INK_MUST_CHECK enum ink_status ink_execute_wait_answer(struct ink_jupyter_request *request,
                                                       struct ink_buf *out_text,
                                                       struct ink_err *err);

/* Throw away mail that is meant for nobody any more. */
void ink_execute_discard_mail(struct ink_kernel *kernel);

#endif
