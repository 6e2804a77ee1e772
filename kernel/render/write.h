/* SPDX-License-Identifier: MIT */
#ifndef INK_RENDER_WRITE_H
#define INK_RENDER_WRITE_H

/* write: a result's form as a file. */

#include "kernel/render/bundle.h"

/* Whether ink_write_bundle knows the file's ending: to be asked before the work is done.
 * Errors: INK_BADARG */
INK_MUST_CHECK enum ink_status ink_write_check(const char *path, struct ink_err *err);

/*
 * Write the form that the file's ending asks for: .png .svg .html .json .txt. HTML gets the
 * elements around it that make it a page.
 *
 * Errors   INK_BADARG  another ending, or the result has no such form;  as base/file.h
 */
INK_MUST_CHECK enum ink_status ink_write_bundle(const struct ink_bundle *bundle, const char *path,
                                                struct ink_err *err);

#endif
