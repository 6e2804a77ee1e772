/* SPDX-License-Identifier: MIT */
#ifndef INK_MODEL_DOWNLOAD_H
#define INK_MODEL_DOWNLOAD_H

/* download: one file by its URL, into memory, through libcurl. */

#include "base/buf.h"
#include "base/status.h"
#include "model/dataset.h"

/*
 * Append what a URL holds: https, http or file, following redirects (not to
 * files). Cancel and progress are taken from `options`.
 *
 * Errors   INK_NOTFOUND  no such file, host or connection, with curl's reason
 *          INK_TOOBIG    more than size_max bytes
 *          INK_CANCELLED, INK_NOMEM
 * Threads  any
 */
INK_MUST_CHECK enum ink_status ink_download(const char *url, size_t size_max,
                                            const struct ink_data_options *options,
                                            struct ink_buf *buf, struct ink_err *err);

#endif
