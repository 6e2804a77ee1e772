/* SPDX-License-Identifier: MIT */
#ifndef INK_BASE_FILE_H
#define INK_BASE_FILE_H

/*
 * file: folders made and files replaced as a whole.
 *
 * A reader of `path` sees the old bytes or the new ones, never a mixture, also
 * after a crash or a loss of power: temporary file in the same folder, fsync,
 * rename, fsync of the folder. Reading is ink_buf_load.
 *
 * Threads: any; two writers of one path leave one of the two contents.
 */

#include <stddef.h>

#include "base/status.h"

/*
 * Write `path` anew, with mode 0666 less the umask.
 *
 * Errors   INK_NOTFOUND  its folder is missing;  INK_IO, INK_NOMEM. The temporary file
 *          is removed then, and what stood at `path` is untouched
 */
INK_MUST_CHECK enum ink_status ink_file_write(const char *path, const void *bytes, size_t size,
                                              struct ink_err *err);

/*
 * Make a folder and those above it, to last; one that is there already is fine.
 *
 * Errors   INK_IO, also where a file is in the way;  INK_NOMEM
 */
INK_MUST_CHECK enum ink_status ink_file_make_dir(const char *path, struct ink_err *err);

#endif
